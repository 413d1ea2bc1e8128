// pefa: tags of live passages that conditions can be asked of. UpsertPassage::tags is the host's own text; here it is a
// tag a line, the key and the value with a tab between:
//
//   lang<TAB>en
//   price<TAB>20
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_view.hpp"
#include "pefa/store/row_set.hpp"
#include "pefa/store/tag_condition.hpp"
#include "pefa/store/tag_table.hpp"
#include "pefa/store/tag_table_builder.hpp"

namespace pefa::live {

/// The tags of each row of a table as UpsertPassage::tags, for LiveTags. O(all tags).
/// @throws ValueError  a value with a line break; names the key
[[nodiscard]] inline std::vector<std::string> tag_texts(const TagTable& tags) {
  std::vector<std::string> texts(tags.size());
  for (const TagKey& key : tags.keys()) {
    for (std::size_t i = 0; i < key.value_count; ++i) {
      const std::string value = tags.written(key, i);
      if (value.find('\n') != std::string::npos) {
        pefa::detail::fail<ValueError>("tag_texts: a value of tag '", key.name,
                                       "' has a line break, expected one line");
      }
      for (const Row row : tags.rows_of(key, i)) texts[row].append(key.name).append(1, '\t').append(value) += '\n';
    }
  }
  return texts;
}

/// The tags of a view's passages as a table. Made once a view and asked often; what comes later has no part in it.
class LiveTags {
 public:
  /// A key whose values are all whole numbers is of integers, any other of text: one value that is no number makes all
  /// text. A line without a value is no tag. O(passages and their tags).
  /// @throws FormatError  tags that are no such lines; names the passage
  explicit LiveTags(const LiveView& view) : there_(view.passages_where([](const auto&...) { return true; })) {
    const detail::LiveSnapshot& shown = view.shown();
    TagTableBuilder builder(shown.passage_rows);
    for (Row row = 0; row < shown.passage_rows; ++row) {
      if (const auto& passage = shown.passages[row]) add(row, *passage, builder);
    }
    table_ = builder.build();
  }

  /// The passages that a condition holds for, for LiveView::search_filtered: `lang=en & price<=20`; see rows_where().
  /// @throws ValueError  it is no condition, or of a key that no passage has; names the column
  [[nodiscard]] EpochPassages where(std::string_view condition) const {
    return {there_.epoch, PassageSet(rows_where(table_, condition) & there_.passages.rows())};
  }

  /// The table, by the rows of the view.
  [[nodiscard]] const TagTable& table() const noexcept { return table_; }

 private:
  static void add(Row row, const detail::LivePassage& passage, TagTableBuilder& builder) {
    std::string_view rest = passage.tags;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const std::size_t tab = line.find('\t');
      try {
        if (tab == std::string_view::npos) pefa::detail::fail<ValueError>("'", line, "' has no tab");
        if (tab + 1 < line.size()) builder.add(row, line.substr(0, tab), line.substr(tab + 1));
      } catch (const Error& error) {
        pefa::detail::fail<FormatError>("LiveTags: passage '", passage.id, "': ", error.what(),
                                        "; expected lines of key<TAB>value");
      }
    }
  }

  TagTable table_;
  EpochPassages there_;
};

}  // namespace pefa::live
