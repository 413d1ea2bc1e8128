// pefa: the ids that passages and queries have outside: product numbers, document names, URLs. A table of them stands
// beside a vector file, id i for row i, as text with one id a line.
//
// An id is any bytes but none; which of them a file format can hold, its writer says. jsonl_ids.hpp reads ids from JSON
// lines.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"

namespace pefa::io {

/// n distinct ids, row i's at place i: row to id and id to row in O(1). Reading is safe from any number of threads.
///
/// The ids lie one after the other in one block; beside it are 8 bytes an id for where it starts and 8 to 16 for
/// lookup.
class ExternalIds {
 public:
  /// No ids.
  ExternalIds() = default;

  /// @throws ValueError  an empty id, or one that two rows have; names the rows
  [[nodiscard]] static ExternalIds from(std::span<const std::string> ids) {
    ExternalIds table;
    for (const std::string& id : ids) {
      const Row row = static_cast<Row>(table.size());
      const auto [owner, inserted] = table.insert(id);
      if (!inserted) {
        pefa::detail::fail<ValueError>("ExternalIds: rows ", owner, " and ", row, " have the same id '", id, "'");
      }
    }
    table.shrink_to_fit();
    return table;
  }

  /// Appends an id, unless a row has it: that row, or the new one, and whether it is new.
  /// @throws ValueError  the id is empty  @throws ShapeError  more rows than a Row counts
  std::pair<Row, bool> insert(std::string_view id) {
    if (id.empty()) pefa::detail::fail<ValueError>("ExternalIds: row ", size(), " has an empty id");
    if (size() >= none) pefa::detail::fail<ShapeError>("ExternalIds: more than ", none, " ids");
    if (2 * (size() + 1) > slots_.size()) rehash(slots_.empty() ? 16 : 2 * slots_.size());
    const std::size_t slot = slot_of(id);
    if (slots_[slot] != none) return {slots_[slot], false};
    characters_.insert(characters_.end(), id.begin(), id.end());
    ends_.push_back(characters_.size());
    return {slots_[slot] = static_cast<Row>(size() - 1), true};
  }

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }
  /// Whether there are none.
  [[nodiscard]] bool empty() const noexcept { return ends_.empty(); }

  /// The id of a row below size(); valid until the table changes or goes.
  [[nodiscard]] std::string_view operator[](std::size_t row) const noexcept {
    const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
    return {characters_.data() + begin, ends_[row] - begin};
  }

  /// The row that has this id.
  [[nodiscard]] std::optional<Row> find(std::string_view id) const noexcept {
    if (slots_.empty()) return std::nullopt;
    const Row row = slots_[slot_of(id)];
    return row == none ? std::nullopt : std::optional<Row>(row);
  }

  /// Gives back what growing took too much of.
  void shrink_to_fit() {
    characters_.shrink_to_fit();
    ends_.shrink_to_fit();
  }

  /// Bytes held on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return characters_.capacity() + ends_.capacity() * sizeof(std::size_t) + slots_.capacity() * sizeof(Row);
  }

  /// Whether both have the same ids in the same order.
  friend bool operator==(const ExternalIds& a, const ExternalIds& b) noexcept {
    return a.characters_ == b.characters_ && a.ends_ == b.ends_;
  }

 private:
  static constexpr Row none = std::numeric_limits<Row>::max();

  /// Where the id is in the hash table, or where it would go: linear probing, at most half full.
  [[nodiscard]] std::size_t slot_of(std::string_view id) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(id)&mask;
    while (slots_[slot] != none && (*this)[slots_[slot]] != id) slot = (slot + 1) & mask;
    return slot;
  }

  void rehash(std::size_t slots) {
    std::vector<Row>(slots, none).swap(slots_);
    for (std::size_t row = 0; row < size(); ++row) slots_[slot_of((*this)[row])] = static_cast<Row>(row);
  }

  std::vector<char> characters_;
  std::vector<std::size_t> ends_;  // of each id in characters_
  std::vector<Row> slots_;         // rows by hash; a power of two of them
};

/// The ids that a file uses for rows: those of a table, or the row numbers themselves. A parameter type: it borrows the
/// table.
class RowIds {
 public:
  RowIds() = default;                                                          ///< row numbers without a limit
  explicit RowIds(std::size_t n_rows) : n_rows_(n_rows) {}                     ///< row numbers below n_rows
  RowIds(const ExternalIds& table) : table_(&table), n_rows_(table.size()) {}  ///< the ids of a table

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return n_rows_; }
  /// Whether ids are those of a table.
  [[nodiscard]] bool has_table() const noexcept { return table_ != nullptr; }

  /// The row an id stands for, if there is one.
  [[nodiscard]] std::optional<Row> find(std::string_view id) const noexcept {
    if (table_ != nullptr) return table_->find(id);
    Row row = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), row);
    if (error != std::errc{} || end != id.data() + id.size() || row >= n_rows_) return std::nullopt;
    return row;
  }

  /// The id of a row as text.
  /// @throws ShapeError  the row is past the end
  [[nodiscard]] std::string text(Row row) const {
    if (row >= n_rows_) {
      pefa::detail::fail<ShapeError>("RowIds: row ", row, " has no id, expected a row below ", n_rows_);
    }
    if (table_ != nullptr) return std::string((*table_)[row]);
    std::array<char, 10> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), row);
    return {digits.data(), end};
  }

 private:
  const ExternalIds* table_ = nullptr;
  std::size_t n_rows_ = std::numeric_limits<std::size_t>::max();
};

namespace detail {

/// Appends the id on a line of a file in which line i + 1 is row i.
inline void insert_line_id(ExternalIds& table, std::string_view id, const LineReader& lines) {
  if (id.empty()) lines.refuse("has an empty id");
  const auto [row, inserted] = table.insert(id);
  if (!inserted) lines.refuse("id '", id, "' is on line ", row + 1, " already, expected each id once");
}

/// Rankings and the ids of their queries must belong together; row numbers always do.
inline void require_an_id_each(const RowIds& queries, std::size_t n_queries, const std::filesystem::path& path) {
  if (queries.has_table() && queries.size() != n_queries) {
    pefa::detail::fail<ShapeError>(path.string(), ": has ", queries.size(), " query ids for the results of ", n_queries,
                                   " queries, expected one each");
  }
}

/// Whether an id cannot be a field of blank-separated text.
[[nodiscard]] inline bool has_whitespace(std::string_view id) noexcept {
  return id.find_first_of(" \t\n\v\f\r") != std::string_view::npos;
}

}  // namespace detail

/// Reads one id a line: line i + 1 is the id of row i, whole, spaces too; "\r\n" ends a line as "\n" does.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a blank line before the last id, an id for the second time, or no id; names the lines
[[nodiscard]] inline ExternalIds read_ids(const std::filesystem::path& path) {
  detail::LineReader lines(path);
  ExternalIds table;
  while (lines.next_row()) detail::insert_line_id(table, lines.line(), lines);
  if (table.empty()) pefa::detail::fail<FormatError>(lines.name(), ": has no ids, expected at least one");
  table.shrink_to_fit();
  return table;
}

/// Writes one id a line, as read_ids() reads them.
/// @throws ValueError  an id that is not one line of text, or only blanks  @throws IoError  the file cannot be written
inline void write_ids(const std::filesystem::path& path, const ExternalIds& ids) {
  OutputFile file(path);
  for (std::size_t row = 0; row < ids.size(); ++row) {
    const std::string_view id = ids[row];
    if (id.find('\n') != std::string_view::npos || id.back() == '\r' ||
        id.find_first_not_of(" \t") == std::string_view::npos) {
      pefa::detail::fail<ValueError>(path.string(), ": the id of row ", row, " cannot be a line of text: it ",
                                     id.find('\n') != std::string_view::npos ? "has a line break in it"
                                     : id.back() == '\r'                     ? "ends in a carriage return"
                                                                             : "is blank");
    }
    file.stream() << id << '\n';
  }
  file.commit();
}

}  // namespace pefa::io
