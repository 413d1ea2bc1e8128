// Which passages a command may find, as options: a list of ids, conditions on tags, or all of them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pefa/adapter/any_retriever.hpp"
#include "pefa/adapter/search_filter.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/relevance_matrix.hpp"
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

/// What a filtered search finds and who votes in it.
struct Admitted {
  PassageSet passages;
  std::optional<QuerySet> training_queries;  ///< XL: nothing where all vote

  /// Of this, which must outlive it.
  [[nodiscard]] SearchFilter filter() const {
    return training_queries ? SearchFilter(passages, *training_queries) : SearchFilter(passages);
  }
};

/// The tags that conditions are about; nullptr where there are none.
struct TagsOf {
  const TagTable* passages = nullptr;
  const TagTable* training_queries = nullptr;
};

/// --filter, --where and --train-where.
class Conditions {
 public:
  void add_options(CLI::App& command);

  /// What all that was given holds for; nothing where nothing was given.
  /// @param ids  how --filter names passages  @param name  of the archive, for messages
  /// @throws pefa::Error  an unknown id, no tags, a condition that says nothing
  [[nodiscard]] std::optional<Admitted> admitted(const io::RowIds& ids, const TagsOf& tags,
                                                 const std::string& name) const;

  /// The same by the ids and tags of a retriever.
  [[nodiscard]] std::optional<Admitted> admitted(const AnyRetriever& retriever, const std::string& name) const;

 private:
  std::filesystem::path filter_;
  std::string where_;
  std::string train_where_;
};

/// A retriever that finds no passages but the admitted, as a pefa::Retriever. Both must outlive it.
class Filtered {
 public:
  Filtered(const AnyRetriever& retriever, const Admitted& admitted)
      : retriever_(retriever), filter_(admitted.filter()) {}

  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return retriever_.search_filtered(query, k, filter_, options);
  }
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    return retriever_.search_filtered_batch(queries, k, filter_, options, executor);
  }
  [[nodiscard]] std::size_t passage_count() const { return retriever_.passage_count(); }
  [[nodiscard]] std::size_t dim() const { return retriever_.dim(); }
  [[nodiscard]] std::size_t memory_bytes() const { return retriever_.memory_bytes(); }

 private:
  const AnyRetriever& retriever_;
  SearchFilter filter_;
};

/// Y without the pairs of passages that are not admitted: what a filtered search is asked to find.
[[nodiscard]] RelevanceMatrix admitted_part(const RelevanceMatrix& relevance, const PassageSet& admitted);

}  // namespace pefa::cli
