// pefa: the plain embedding model: f(q̂, p_j) = ⟨q̂, p_j⟩ over one index. The baseline, in the same shape as the
// adapters.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <utility>
#include <vector>

#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"

namespace pefa {

template <class IndexParams>
struct ErmParams {
  IndexParams index{};
};

/// One index over the passages, nothing learnt.
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index, Scalar>
class ErmRetriever {
 public:
  using Params = ErmParams<typename Index::Params>;

  /// @param passages  P [n_passages x dim]
  /// @throws ValueError  no passages, or a row that is not finite, or zero  @throws Cancelled
  [[nodiscard]] static ErmRetriever build(const EmbeddingView<Scalar>& passages, const Params& params = {},
                                          const BuildOptions& options = {}) {
    if (passages.empty()) detail::fail<ValueError>("ErmRetriever::build: no passages, expected at least 1");
    require_valid_rows(passages, RowCheck::finite_non_zero, "ErmRetriever::build: passages");
    return ErmRetriever(Index::build(passages, params.index, options));
  }

  /// Serves an index that was built elsewhere.
  explicit ErmRetriever(Index index) : index_(std::move(index)) {}

  /// Saves the retriever to a file, durably: on an error, or where the process dies, an older archive of that name
  /// stays as it was. Over indexes that are ArchivableIndex.
  /// @throws IoError  @throws Cancelled  @throws ShapeError  another number of ids than of passages
  void save(const std::filesystem::path& path, const SaveOptions& options = {}) const requires ArchivableIndex<Index> {
    archive(options).save(path, options.progress);
  }

  /// The same to a binary stream.
  void save(std::ostream& out, const SaveOptions& options = {}) const requires ArchivableIndex<Index> {
    archive(options).write(out, options.progress);
  }

  /// Opens what save() wrote, in place: the retriever keeps what the reader holds, and does not need the reader.
  /// @throws FormatError  the archive holds another retriever or index, or a damaged one
  [[nodiscard]] static ErmRetriever open(const io::ArchiveReader& reader) requires ArchivableIndex<Index> {
    detail::require_retriever(reader, "erm");
    return detail::require_passage_count(ErmRetriever(Index::open(reader, "passages.")), reader);
  }

  /// @throws IoError  the file cannot be read  @throws FormatError  as above, or it is no archive
  [[nodiscard]] static ErmRetriever open(const std::filesystem::path& path) requires ArchivableIndex<Index> {
    return open(io::ArchiveReader::open(path));
  }

  /// @throws ShapeError, ValueError  a query of another dim or that is not finite; k = 0
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return detail::to_hits(index_.search(query, k, detail::passage_options(options)));
  }

  /// @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    return detail::to_hits(pefa::search_batch(index_, queries, k, detail::passage_options(options), executor));
  }

  [[nodiscard]] std::size_t passage_count() const { return index_.size(); }
  [[nodiscard]] std::size_t dim() const { return index_.dim(); }
  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_bytes(); }
  [[nodiscard]] const Index& index() const noexcept { return index_; }

 private:
  [[nodiscard]] io::ArchiveWriter archive(const SaveOptions& options) const {
    io::ArchiveWriter writer = detail::begin_archive(*this, "erm", options);
    index_.save(writer, "passages.");
    return writer;
  }

  Index index_;
};

static_assert(Retriever<ErmRetriever<>>);

}  // namespace pefa
