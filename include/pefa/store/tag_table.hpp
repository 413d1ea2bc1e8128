// pefa: what a host knows of its rows beside their vectors: keys with values, as language, price and seller. A table
// lists the rows of each value, so that a condition becomes a set of rows without looking at every row.
//
// It lies in plain arrays, in memory or in an archive, and is read where they are. tag_table_builder.hpp makes one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"

namespace pefa {

/// What the values of a key are.
enum class TagKind : std::uint8_t {
  text,    ///< any bytes, compared for equality
  integer  ///< 64 bits, signed; ordered as well
};
/// The names of TagKind.
template <>
inline constexpr std::array enum_names<TagKind>{"text", "integer"};

/// A key of a table, and which of the table's values are its own.
struct TagKey {
  std::string_view name{};        ///< as long as the table lives
  TagKind kind = TagKind::text;   ///< of all its values
  std::size_t first_value = 0;    ///< among all values of the table
  std::size_t value_count = 0;    ///< distinct values, at least 1
  std::uint64_t texts_begin = 0;  ///< text: where the first value begins in TagArrays::texts
  std::uint64_t assignments = 0;  ///< pairs of a row and a value
};

/// The arrays of a table, as archives have them.
struct TagArrays {
  std::span<const char> names{};                ///< of the keys, ascending, one after the other
  std::span<const std::uint64_t> name_ends{};   ///< [n_keys]
  std::span<const std::uint8_t> kinds{};        ///< [n_keys], a TagKind each
  std::span<const std::uint64_t> value_ends{};  ///< [n_keys], in `values`
  std::span<const std::int64_t> values{};       ///< [n_values], ascending in a key: a number, or where its text ends
  std::span<const char> texts{};                ///< of all text values, in their order
  std::span<const std::uint64_t> row_ends{};    ///< [n_values], in `rows`
  std::span<const Row> rows{};                  ///< ascending in a value
};

/// Keys with values for n rows; a row may have several values of a key, or none. Copies share the arrays, which never
/// change: reading is safe from any number of threads.
class TagTable {
 public:
  /// No rows and no keys.
  TagTable() = default;

  /// Reads arrays where they are, after looking at all of them.
  /// @param n_rows  what `rows` are below  @param owner  keeps the arrays  @param heap_bytes  of them, for
  /// memory_bytes()
  /// @param name  what messages call the table
  /// @throws FormatError  the arrays are not a table
  /// O(all of the arrays).
  [[nodiscard]] static TagTable over(const TagArrays& arrays, std::size_t n_rows, std::shared_ptr<const void> owner,
                                     std::size_t heap_bytes = 0, const std::string& name = "TagTable") {
    TagTable table;
    table.arrays_ = arrays;
    table.n_rows_ = n_rows;
    table.owner_ = std::move(owner);
    table.heap_bytes_ = heap_bytes;
    table.read_keys(name);
    for (const TagKey& key : table.keys_) table.check_values(key, name);
    table.check_rows(name);
    return table;
  }

  /// How many rows may have tags.
  [[nodiscard]] std::size_t size() const noexcept { return n_rows_; }
  /// The keys, by ascending name.
  [[nodiscard]] std::span<const TagKey> keys() const noexcept { return keys_; }
  /// The key of that name, or nullptr.
  [[nodiscard]] const TagKey* find(std::string_view name) const noexcept {
    const auto at = std::lower_bound(keys_.begin(), keys_.end(), name,
                                     [](const TagKey& key, std::string_view sought) { return key.name < sought; });
    return at != keys_.end() && at->name == name ? &*at : nullptr;
  }

  /// The value number i of an integer key, i < key.value_count; ascending in i.
  [[nodiscard]] std::int64_t number(const TagKey& key, std::size_t i) const noexcept {
    return arrays_.values[key.first_value + i];
  }
  /// The value number i of a text key, i < key.value_count; ascending in i, by bytes.
  [[nodiscard]] std::string_view text(const TagKey& key, std::size_t i) const noexcept {
    const std::uint64_t begin = i == 0 ? key.texts_begin : text_end(key.first_value + i - 1);
    return {arrays_.texts.data() + begin, static_cast<std::size_t>(text_end(key.first_value + i) - begin)};
  }

  /// The value number i of any key, i < key.value_count, as a tag file has it: the text, or the number in decimal.
  [[nodiscard]] std::string written(const TagKey& key, std::size_t i) const {
    return key.kind == TagKind::integer ? std::to_string(number(key, i)) : std::string(text(key, i));
  }

  /// Which value of a text key this is. O(log value_count).
  [[nodiscard]] std::optional<std::size_t> find_text(const TagKey& key, std::string_view sought) const noexcept {
    const std::size_t i = first_where(key, [&](std::size_t at) { return text(key, at) >= sought; });
    return i < key.value_count && text(key, i) == sought ? std::optional(i) : std::nullopt;
  }
  /// The values of an integer key in [least, most]: the first, and the one past the last. O(log value_count).
  [[nodiscard]] std::pair<std::size_t, std::size_t> find_numbers(const TagKey& key, std::int64_t least,
                                                                 std::int64_t most) const noexcept {
    const std::size_t begin = first_where(key, [&](std::size_t at) { return number(key, at) >= least; });
    const std::size_t end = first_where(key, [&](std::size_t at) { return number(key, at) > most; });
    return {begin, std::max(begin, end)};
  }

  /// The rows that have value number i of a key, ascending.
  [[nodiscard]] std::span<const Row> rows_of(const TagKey& key, std::size_t i) const noexcept {
    return rows_of(key, i, i + 1);
  }
  /// The rows of the values from `begin` to before `end`, value by value: a row with several of them comes as often.
  [[nodiscard]] std::span<const Row> rows_of(const TagKey& key, std::size_t begin, std::size_t end) const noexcept {
    const std::size_t from = rows_end(key.first_value + begin);
    return arrays_.rows.subspan(from, rows_end(key.first_value + end) - from);
  }

  /// What keeps the arrays where they are.
  [[nodiscard]] const std::shared_ptr<const void>& owner() const noexcept { return owner_; }
  /// The arrays, for archives.
  [[nodiscard]] const TagArrays& arrays() const noexcept { return arrays_; }
  /// Bytes held on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return heap_bytes_ + keys_.capacity() * sizeof(TagKey); }

 private:
  [[nodiscard]] std::uint64_t text_end(std::size_t value) const noexcept {
    return static_cast<std::uint64_t>(arrays_.values[value]);
  }
  /// Where the rows of the values before this one end.
  [[nodiscard]] std::size_t rows_end(std::size_t value) const noexcept {
    return value == 0 ? 0 : static_cast<std::size_t>(arrays_.row_ends[value - 1]);
  }

  /// The first value for which `holds`, which then holds for all that follow.
  template <class Holds>
  [[nodiscard]] static std::size_t first_where(const TagKey& key, const Holds& holds) noexcept {
    std::size_t begin = 0;
    for (std::size_t count = key.value_count; count > 0;) {
      const std::size_t half = count / 2;
      if (holds(begin + half)) {
        count = half;
      } else {
        begin += half + 1;
        count -= half + 1;
      }
    }
    return begin;
  }

  /// Ends that ascend to `last`, each past the one before.
  static void check_ends(std::span<const std::uint64_t> ends, std::size_t last, const char* of,
                         const std::string& name) {
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i] <= before || ends[i] > last) {
        detail::fail<FormatError>(name, ": end ", i, " of the ", of, " is ", ends[i], ", expected above ", before,
                                  " and at most ", last);
      }
      before = ends[i];
    }
    if (before != last) {
      detail::fail<FormatError>(name, ": the ", of, " end at ", before, ", expected at ", last);
    }
  }

  void read_keys(const std::string& name) {
    const std::size_t count = arrays_.name_ends.size();
    if (arrays_.kinds.size() != count || arrays_.value_ends.size() != count ||
        arrays_.row_ends.size() != arrays_.values.size()) {
      detail::fail<FormatError>(name, ": tags of ", count, " keys have ", arrays_.kinds.size(), " kinds and ",
                                arrays_.value_ends.size(), " ends of values; ", arrays_.values.size(), " values have ",
                                arrays_.row_ends.size(), " ends of rows, expected one each");
    }
    check_ends(arrays_.name_ends, arrays_.names.size(), "names of the tags", name);
    check_ends(arrays_.value_ends, arrays_.values.size(), "values of the tags", name);
    check_ends(arrays_.row_ends, arrays_.rows.size(), "rows of the tags", name);
    keys_.reserve(count);
    std::size_t name_begin = 0;
    std::size_t value_begin = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const auto name_end = static_cast<std::size_t>(arrays_.name_ends[k]);
      const auto value_end = static_cast<std::size_t>(arrays_.value_ends[k]);
      TagKey key{.name = {arrays_.names.data() + name_begin, name_end - name_begin},
                 .kind = static_cast<TagKind>(arrays_.kinds[k]),
                 .first_value = value_begin,
                 .value_count = value_end - value_begin};
      if (arrays_.kinds[k] > static_cast<std::uint8_t>(TagKind::integer)) {
        detail::fail<FormatError>(name, ": tag '", key.name, "' is of kind ", arrays_.kinds[k],
                                  ", expected 0 (text) or 1 (integer)");
      }
      if (k > 0 && !(keys_.back().name < key.name)) {
        detail::fail<FormatError>(name, ": tag '", key.name, "' comes after '", keys_.back().name,
                                  "', expected each once and in ascending order");
      }
      key.assignments = rows_end(value_end) - rows_end(value_begin);
      keys_.push_back(key);
      name_begin = name_end;
      value_begin = value_end;
    }
    std::uint64_t texts_end = 0;
    for (TagKey& key : keys_) {
      key.texts_begin = texts_end;
      if (key.kind == TagKind::text) texts_end = check_texts(key, name);
    }
    if (texts_end != arrays_.texts.size()) {
      detail::fail<FormatError>(name, ": the texts of the tags end at ", texts_end, ", expected at ",
                                arrays_.texts.size());
    }
  }

  /// Where the last text of a key ends; each ends in the block, and not before it begins.
  [[nodiscard]] std::uint64_t check_texts(const TagKey& key, const std::string& name) const {
    std::uint64_t begin = key.texts_begin;
    for (std::size_t i = 0; i < key.value_count; ++i) {
      const std::uint64_t end = text_end(key.first_value + i);
      if (end < begin || end > arrays_.texts.size()) {
        detail::fail<FormatError>(name, ": value ", i, " of tag '", key.name, "' is bytes ", begin, " to ", end, " of ",
                                  arrays_.texts.size());
      }
      begin = end;
    }
    return begin;
  }

  void check_values(const TagKey& key, const std::string& name) const {
    for (std::size_t i = 1; i < key.value_count; ++i) {
      const bool ascends =
          key.kind == TagKind::text ? text(key, i - 1) < text(key, i) : number(key, i - 1) < number(key, i);
      if (!ascends) {
        detail::fail<FormatError>(name, ": value ", i, " of tag '", key.name,
                                  "' is not above the one before, expected each once and in ascending order");
      }
    }
  }

  void check_rows(const std::string& name) const {
    for (std::size_t value = 0; value < arrays_.values.size(); ++value) {
      const std::size_t begin = rows_end(value);
      const std::span<const Row> rows = arrays_.rows.subspan(begin, rows_end(value + 1) - begin);
      for (std::size_t i = 1; i < rows.size(); ++i) {
        if (rows[i - 1] < rows[i]) continue;
        detail::fail<FormatError>(name, ": tag value ", value, " lists row ", rows[i], " after ", rows[i - 1],
                                  ", expected ascending rows");
      }
      if (rows.back() >= n_rows_) {
        detail::fail<FormatError>(name, ": tag value ", value, " lists row ", rows.back(), ", expected below ",
                                  n_rows_);
      }
    }
  }

  TagArrays arrays_;
  std::size_t n_rows_ = 0;
  std::size_t heap_bytes_ = 0;
  std::shared_ptr<const void> owner_;
  std::vector<TagKey> keys_;
};

}  // namespace pefa
