// pefa: the plain embedding model: f(q̂, p_j) = ⟨q̂, p_j⟩ over one index. The baseline, in the same shape as the
// adapters.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/build_index.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/store/embedding_source.hpp"

namespace pefa {

/// How an ErmRetriever is built.
template <class IndexParams>
struct ErmParams {
  IndexParams index{};  ///< over the passages
};

/// One index over the passages, nothing learnt.
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index, Scalar>
class ErmRetriever : public ArchivedRetriever<ErmRetriever<Scalar, Index>, ArchivableIndex<Index>> {
 public:
  /// What build() takes.
  using Params = ErmParams<typename Index::Params>;

  /// A store passed by && is taken over, not copied, whatever the index's `rows` say.
  /// @param passages  P [n_passages x dim]
  /// @throws ValueError  no passages, or a row that is not finite, or zero  @throws Cancelled
  [[nodiscard]] static ErmRetriever build(EmbeddingSource<Scalar> passages, const Params& params = {},
                                          const BuildOptions& options = {}) {
    if (passages.view().empty()) detail::fail<ValueError>("ErmRetriever::build: no passages, expected at least 1");
    require_valid_rows(passages.view(), RowCheck::finite_non_zero, "ErmRetriever::build: passages");
    return ErmRetriever(detail::build_index<Index>(std::move(passages), params.index, options));
  }

  /// Serves an index that was built elsewhere.
  explicit ErmRetriever(Index index) : index_(std::move(index)) {}

  /// The best k. @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return detail::to_hits(nearest(query, k, options));
  }

  /// The best hits.size(), into the caller's buffer; returns how many. @throws  as above
  std::size_t search(QueryView query, std::span<Hit> hits, const SearchOptions& options = {}) const {
    return detail::to_hits(nearest(query, hits.size(), options), hits);
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    detail::require_directions(queries, "ErmRetriever::search_batch");
    return detail::to_hits(detail::search_passages(index_, queries, k, options, executor));
  }

  /// Whether its index lets search_filtered compile.
  static constexpr bool can_filter = FilterableIndex<Index>;

  /// The best k of the passages that a filter admits. @throws  as FilteringRetriever says
  [[nodiscard]] std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                 const SearchOptions& options = {}) const {
    require_filter(filter, "ErmRetriever::search_filtered");
    detail::require_direction(query, "ErmRetriever::search_filtered");
    return detail::to_hits(detail::search_admitted_passages(index_, query, k, filter.passages.rows(), options));
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                    const SearchFilter& filter,
                                                                    const SearchOptions& options = {},
                                                                    const AnyExecutor& executor = {}) const {
    require_filter(filter, "ErmRetriever::search_filtered_batch");
    detail::require_directions(queries, "ErmRetriever::search_filtered_batch");
    return detail::to_hits(
        detail::search_admitted_passages(index_, queries, k, filter.passages.rows(), options, executor));
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const { return index_.size(); }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return index_.dim(); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_bytes(); }
  /// The index over P [n_passages x dim].
  [[nodiscard]] const Index& index() const noexcept { return index_; }

 private:
  friend struct detail::RetrieverFields<ErmRetriever>;
  friend struct detail::TargetRecall;

  void require_filter(const SearchFilter& filter, const char* who) const {
    detail::require_passage_filter(filter, passage_count(), who);
    detail::require_no_query_filter(filter, "has none", who);
  }

  [[nodiscard]] std::vector<Neighbor> nearest(QueryView query, std::size_t k, const SearchOptions& options) const {
    detail::require_direction(query, "ErmRetriever::search");
    return detail::search_passages(index_, query, k, options);
  }

  Index index_;
};

static_assert(FilteringRetriever<ErmRetriever<>>);

}  // namespace pefa
