// pefa: the tags of each row as JSON, for engines that filter by them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/results/hits_jsonl.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa::io {

namespace detail {

/// Of one key: the values of every row as JSON, and how many each has.
struct KeyValues {
  explicit KeyValues(std::size_t n_rows) : texts(n_rows), counts(n_rows) {}

  /// @param write  write(out, i) appends value number i
  template <class Write>
  void collect(const TagTable& tags, const TagKey& key, const Write& write) {
    std::fill(texts.begin(), texts.end(), std::string());
    std::fill(counts.begin(), counts.end(), 0U);
    for (std::size_t i = 0; i < key.value_count; ++i) {
      for (const Row row : tags.rows_of(key, i)) {
        if (counts[row]++ > 0) texts[row] += ", ";
        write(texts[row], i);
      }
    }
  }

  std::vector<std::string> texts;
  std::vector<std::uint32_t> counts;
};

}  // namespace detail

/// The keys of which some row has several values.
[[nodiscard]] inline std::vector<bool> keys_with_several(const TagTable& tags) {
  std::vector<bool> several;
  std::vector<bool> has(tags.size());
  for (const TagKey& key : tags.keys()) {
    std::fill(has.begin(), has.end(), false);
    bool found = false;
    for (const Row row : tags.rows_of(key, 0, key.value_count)) {
      found = found || has[row];
      has[row] = true;
    }
    several.push_back(found);
  }
  return several;
}

/// An object a row: {"colour": ["blue", "red"], "price": 20}. A key of which some row has several values is a list in
/// every row, so that it has one type. O(rows · keys and their tags).
/// @throws ValueError  a key or a value that is not UTF-8, or has a NUL in it, which PostgreSQL has not
[[nodiscard]] inline std::vector<std::string> tag_objects(const TagTable& tags) {
  std::vector<std::string> objects(tags.size(), "{");
  const std::vector<bool> several = keys_with_several(tags);
  detail::KeyValues values(tags.size());
  for (std::size_t k = 0; k < several.size(); ++k) {
    const TagKey& key = tags.keys()[k];
    values.collect(tags, key, [&](std::string& out, std::size_t i) {
      if (key.kind == TagKind::integer) {
        out += std::to_string(tags.number(key, i));
      } else {
        if (tags.text(key, i).find('\0') != std::string_view::npos) {
          pefa::detail::fail<ValueError>("tags: a value of '", key.name, "' has a NUL in it, expected text");
        }
        detail::append_json_string(out, tags.text(key, i), "tags: ");
      }
    });
    for (std::size_t row = 0; row < objects.size(); ++row) {
      if (values.counts[row] == 0) continue;
      if (objects[row].size() > 1) objects[row] += ", ";
      detail::append_json_string(objects[row], key.name, "tags: ");
      objects[row] += several[k] ? ": [" + values.texts[row] + ']' : ": " + values.texts[row];
    }
  }
  for (std::string& object : objects) object += '}';
  return objects;
}

/// A list of words a row: ["colour=blue", "colour=red", "price=20"].
/// @throws ValueError  a key or a value that is not UTF-8, a key with '=' in it
[[nodiscard]] inline std::vector<std::string> tag_words(const TagTable& tags) {
  std::vector<std::string> lists(tags.size(), "[");
  for (const TagKey& key : tags.keys()) {
    if (key.name.find('=') != std::string_view::npos) {
      pefa::detail::fail<ValueError>("tags: the key '", key.name, "' has a '=' in it, which ends a key in words");
    }
    for (std::size_t i = 0; i < key.value_count; ++i) {
      const std::string word = std::string(key.name).append(1, '=').append(tags.written(key, i));
      std::string quoted;
      detail::append_json_string(quoted, word, "tags: ");
      for (const Row row : tags.rows_of(key, i)) lists[row] += (lists[row].size() > 1 ? ", " : "") + quoted;
    }
  }
  for (std::string& list : lists) list += ']';
  return lists;
}

}  // namespace pefa::io
