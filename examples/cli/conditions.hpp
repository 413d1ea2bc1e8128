// Which passages a command may find, as options: a list of ids, a condition on the tags of the archive, or both.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/row_set.hpp"
#include "pefa/store/tag_table.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// What --help says of a file of tags.
inline constexpr const char* tags_help =
    "lines of row<TAB>key<TAB>value, or a header passage<TAB>key... and a column a key; JSON lines where *.jsonl";

/// Tags, of JSON lines where the extension is .jsonl or .ndjson. @param rows  what they are of, by row number or id
[[nodiscard]] TagTable read_tags_file(const std::filesystem::path& path, const io::RowIds& rows);

/// --filter and --where.
class Conditions {
 public:
  void add_options(CLI::App& command);

  [[nodiscard]] bool any() const noexcept { return !filter_.empty() || !where_.empty(); }

  /// The passages that all that was given holds for; nothing where nothing was given.
  /// @param ids   how --filter names passages  @param tags  what --where is about; nullptr: there are none
  /// @param name  of the archive, for messages
  /// @throws pefa::Error  an unknown id, no tags, a condition that says nothing
  [[nodiscard]] std::optional<PassageSet> passages(const io::RowIds& ids, const TagTable* tags,
                                                   const std::string& name) const;

 private:
  std::filesystem::path filter_;
  std::string where_;
};

}  // namespace pefa::cli
