// pefa: makes a TagTable of tags that come one by one, in any order.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa {

namespace detail {

/// The whole number that a text is, written as programs write it: "7" and "-7"; not "+7", "007", "7.0" or " 7".
[[nodiscard]] inline std::optional<std::int64_t> canonical_integer(std::string_view text) noexcept {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  const std::size_t sign = text[0] == '-' ? 1 : 0;
  if (text[sign] == '0' && text.size() > 1) return std::nullopt;  // "-0", too
  return number;
}

/// The arrays that a built table owns.
struct OwnedTagArrays {
  std::string names;
  std::vector<std::uint64_t> name_ends;
  std::vector<std::uint8_t> kinds;
  std::vector<std::uint64_t> value_ends;
  std::vector<std::int64_t> values;
  std::string texts;
  std::vector<std::uint64_t> row_ends;
  std::vector<Row> rows;

  [[nodiscard]] TagArrays view() const noexcept {
    return {names, name_ends, kinds, value_ends, values, texts, row_ends, rows};
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return names.capacity() + kinds.capacity() + texts.capacity() + rows.capacity() * sizeof(Row) +
           (name_ends.capacity() + value_ends.capacity() + values.capacity() + row_ends.capacity()) * 8;
  }
};

}  // namespace detail

/// Collects tags, then makes the table.
///
/// A key is of integers where all its values are, and else of text: values that come by add() as text from a file
/// make an integer key only where each is a whole number as programs write it, so that "007" stays text.
class TagTableBuilder {
 public:
  /// @param n_rows  rows that may have tags
  explicit TagTableBuilder(std::size_t n_rows) : n_rows_(n_rows) {}

  /// Adds a value whose kind the other values of its key decide. The same once more changes nothing.
  /// @throws ShapeError  the row is past the end  @throws ValueError  the key is empty or has a control character
  void add(Row row, std::string_view key, std::string_view value) { insert(row, key, value, std::nullopt); }
  /// Adds text, whatever it looks like. @throws  as add(); ValueError: the key has integers
  void add_text(Row row, std::string_view key, std::string_view value) { insert(row, key, value, TagKind::text); }
  /// Adds an integer. @throws  as add(); ValueError: the key has text
  void add_integer(Row row, std::string_view key, std::int64_t value) {
    std::array<char, 20> digits;  // of 64 bits, and a sign
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    insert(row, key, {digits.data(), static_cast<std::size_t>(end - digits.data())}, TagKind::integer);
  }

  /// The table of what was added; the builder is empty afterwards. O(n log n).
  /// @throws ValueError  a key has text from add() beside integers from add_integer(); names it
  [[nodiscard]] TagTable build() {
    const auto arrays = std::make_shared<detail::OwnedTagArrays>();
    for (const auto& [name, column] : columns_) (void)kind_of(name, column);  // refused before anything is taken
    for (auto& [name, column] : columns_) append(*arrays, name, column);
    columns_.clear();
    return TagTable::over(arrays->view(), n_rows_, arrays, arrays->memory_bytes(), "TagTableBuilder");
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Values = std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>;

  /// The tags of one key, values by the order in which they came.
  struct Column {
    std::optional<TagKind> kind;
    Values numbers;
    std::vector<std::pair<std::uint32_t, Row>> tags;
  };

  void insert(Row row, std::string_view key, std::string_view value, std::optional<TagKind> kind) {
    if (row >= n_rows_) {
      detail::fail<ShapeError>("TagTableBuilder: row ", row, " of tag '", key, "', expected below ", n_rows_);
    }
    auto found = columns_.find(key);
    if (found == columns_.end()) {
      require_key(key);
      found = columns_.try_emplace(std::string(key)).first;
    }
    Column& column = found->second;
    if (kind && column.kind && *kind != *column.kind) {
      detail::fail<ValueError>("TagTableBuilder: tag '", key, "' of row ", row, " is ", name(*kind),
                               ", but earlier ones are ", name(*column.kind), "; expected one kind a key");
    }
    if (kind) column.kind = kind;
    auto known = column.numbers.find(value);
    if (known == column.numbers.end()) {
      if (column.numbers.size() == std::numeric_limits<std::uint32_t>::max()) {
        detail::fail<ShapeError>("TagTableBuilder: tag '", key, "' has more than 2^32 - 1 values");
      }
      known = column.numbers.try_emplace(std::string(value), static_cast<std::uint32_t>(column.numbers.size())).first;
    }
    column.tags.emplace_back(known->second, row);
  }

  static void require_key(std::string_view key) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
    if (!key.empty() && std::none_of(key.begin(), key.end(), is_control)) return;
    detail::fail<ValueError>("TagTableBuilder: a tag's key is ", key.empty() ? "empty" : "text with control characters",
                             ", expected a name");
  }

  /// Integer where every value is one. @throws ValueError  some had to be, and others are not
  [[nodiscard]] static TagKind kind_of(std::string_view key, const Column& column) {
    if (column.kind == TagKind::text) return TagKind::text;
    for (const auto& value : column.numbers) {
      if (detail::canonical_integer(value.first)) continue;
      if (!column.kind) return TagKind::text;
      detail::fail<ValueError>("TagTableBuilder: tag '", key, "' has integers and '", value.first,
                               "'; expected one kind a key");
    }
    return TagKind::integer;
  }

  static void append(detail::OwnedTagArrays& arrays, const std::string& name, Column& column) {
    const TagKind kind = kind_of(name, column);
    arrays.names += name;
    arrays.name_ends.push_back(arrays.names.size());
    arrays.kinds.push_back(static_cast<std::uint8_t>(kind));

    struct Value {
      std::int64_t integer;
      const std::string* text;
      std::uint32_t number;
    };
    std::vector<Value> values;
    values.reserve(column.numbers.size());
    for (const auto& [text, number] : column.numbers) {
      values.push_back({kind == TagKind::integer ? *detail::canonical_integer(text) : 0, &text, number});
    }
    std::sort(values.begin(), values.end(), [kind](const Value& a, const Value& b) {
      return kind == TagKind::integer ? a.integer < b.integer : *a.text < *b.text;
    });
    std::vector<std::uint32_t> rank(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      rank[values[i].number] = static_cast<std::uint32_t>(i);
      if (kind == TagKind::text) arrays.texts += *values[i].text;
      arrays.values.push_back(kind == TagKind::integer ? values[i].integer
                                                       : static_cast<std::int64_t>(arrays.texts.size()));
    }
    arrays.value_ends.push_back(arrays.values.size());
    append_rows(arrays, column, rank);
    column = {};  // each key's memory goes as soon as it is in the table
  }

  static void append_rows(detail::OwnedTagArrays& arrays, Column& column, const std::vector<std::uint32_t>& rank) {
    for (auto& tag : column.tags) tag.first = rank[tag.first];
    if (!std::is_sorted(column.tags.begin(), column.tags.end())) std::sort(column.tags.begin(), column.tags.end());
    column.tags.erase(std::unique(column.tags.begin(), column.tags.end()), column.tags.end());
    arrays.rows.reserve(arrays.rows.size() + column.tags.size());
    for (std::size_t i = 0; i < column.tags.size(); ++i) {
      arrays.rows.push_back(column.tags[i].second);
      const bool is_last = i + 1 == column.tags.size() || column.tags[i + 1].first != column.tags[i].first;
      if (is_last) arrays.row_ends.push_back(arrays.rows.size());
    }
  }

  std::size_t n_rows_;
  std::map<std::string, Column, std::less<>> columns_;
};

}  // namespace pefa
