// pefa: multi-vector PEFA-XS: a passage is what it says and the few things it is asked for, one vector each; one index.
//
// Between XS, which averages all the training queries of a passage into one direction, and XL, which keeps every one.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/build_index.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/query_centroids.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "pefa/store/row_filter.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa {

/// How a PefaXsMulti is built.
template <class IndexParams>
struct PefaXsMultiParams {
  CentroidParams centroids{};          ///< what stands for a passage
  Whitened whitened = Whitened::none;  ///< none, or all
  WhiteningParams whitening{};         ///< of Whitened::all
  std::size_t balance = 0;             ///< rank of the balanced vectors, 1 to dim; 0: vectors for raw queries
  IndexParams index{};                 ///< over those vectors
};

/// Multi-vector PEFA-XS: f(q̂, p_j) = λ·⟨q̂, p_j⟩ + (1 − λ)·(μ·⟨q̂, C_j⟩ + (1 − μ)·max_m ⟨q̂, c_jm⟩) over the centroids
/// of passage j.
///
/// The maximum commutes with what is added to it, so f = max_m ⟨q̂, p̃_jm⟩ and one index over all the p̃_jm serves it:
/// it is asked for more than k vectors, until k different passages are among them. Exact where the index is.
///
/// @tparam Scalar  element type of P and Q
/// @tparam Index   any AnnIndex over float rows
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index>
class PefaXsMulti : public ArchivedRetriever<PefaXsMulti<Scalar, Index>, ArchivableIndex<Index>> {
 public:
  /// What build() takes.
  using Params = PefaXsMultiParams<typename Index::Params>;

  /// A store passed by && goes as soon as it is folded.
  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages]
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  a parameter out of range, an empty input, a row that is not finite, or zero, an index that is
  ///                     not over inner product
  /// @throws Cancelled   the progress callback said stop
  [[nodiscard]] static PefaXsMulti build(EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries,
                                         const RelevanceMatrix& relevance, const Params& params = {},
                                         const BuildOptions& options = {}) {
    const CentroidParams& centroids = params.centroids;
    detail::require_centroids(passages.view(), queries.view(), relevance, centroids, "PefaXsMulti::build");
    detail::require_whitened_all(params.whitened, "PefaXsMulti::build");
    const Folding how{centroids, params.balance, queries.view().size(), relevance.pair_count()};
    const PassageFold fold{.lambda = centroids.lambda, .rule = centroids.rule};
    const std::size_t n = passages.view().size();
    const detail::BuildParts<4> parts(
        options, detail::passage_side_items(params.whitened, fold, params.balance, n, how.training_queries));
    FittedParts fitted;
    std::vector<PassageId> passage_of;
    auto vectors = detail::in_space(
        params.whitened, params.whitening, passages, queries, relevance, fitted, parts[0],
        [&](const auto& p, const auto& q) {
          const detail::BuildParts<2> fits(
              parts[1], {detail::needs_fit(centroids.rule, centroids.lambda) ? q.size() : 0, p.size()});
          fitted.least_squares =
              detail::fit_fold(p, q, centroids.rule, centroids.least_squares, centroids.lambda, fits[0]);
          PassageVectors folded =
              detail::fold_centroids(p, q, relevance, centroids, detail::pointer_to(fitted.least_squares), fits[1]);
          passage_of = std::move(folded.passage);
          return detail::balance_rows(q, std::move(folded.vectors), params.balance, centroids.lambda, fitted, parts[2]);
        });
    passages.release();
    queries.release();
    return PefaXsMulti(detail::build_index<Index>(std::move(vectors), params.index, parts[3]), std::move(passage_of),
                       std::move(fitted), how);
  }

  /// The best k. @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0; another λ
  /// than the built one
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    detail::require_folded_lambda(options, how_.centroids.lambda, "PefaXsMulti::search");
    detail::require_direction(query, "PefaXsMulti::search");
    detail::MappedQuery mapped;
    detail::map_query(fitted_, query, mapped, "PefaXsMulti::search");
    std::vector<Hit> best;
    for (std::size_t rows = first_rows(k);; rows = more_rows(rows, k)) {
      const std::vector<Neighbor> found = detail::search_passages(index_, mapped, rows, options);
      std::vector<Hit> hits = distinct(found, k);
      const bool is_last = is_complete(hits, k, found, rows) || options.limit.reached();
      if (hits.size() >= best.size()) best = std::move(hits);  // a limit may have cut the wider search short
      if (is_last) return best;
    }
  }

  /// The best hits.size(), into the caller's buffer; returns how many. @throws  as above
  std::size_t search(QueryView query, std::span<Hit> hits, const SearchOptions& options = {}) const {
    const std::vector<Hit> found = search(query, hits.size(), options);
    std::copy(found.begin(), found.end(), hits.begin());
    return found.size();
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    detail::require_folded_lambda(options, how_.centroids.lambda, "PefaXsMulti::search");
    detail::require_directions(queries, "PefaXsMulti::search_batch");
    std::vector<std::vector<Hit>> results(queries.size());
    std::vector<std::size_t> open(queries.size());  // the queries that do not have k passages yet
    std::iota(open.begin(), open.end(), std::size_t{0});
    detail::MappedQueries mapped;
    detail::map_queries(fitted_, queries, executor, mapped, "PefaXsMulti::search_batch");
    EmbeddingView<float> asked = mapped.view;
    RowMajorMatrix gathered;
    for (std::size_t rows = first_rows(k); !open.empty(); rows = more_rows(rows, k)) {
      auto found = detail::search_passages(index_, asked, rows, options, executor);
      for (std::size_t i = 0; i < open.size() && !mapped.offsets.empty(); ++i) {
        detail::add_offset(found[i], mapped.offsets[open[i]]);
      }
      std::vector<std::size_t> still_open;
      for (std::size_t i = 0; i < open.size(); ++i) {
        std::vector<Hit> hits = distinct(found[i], k);
        if (!is_complete(hits, k, found[i], rows)) still_open.push_back(open[i]);
        if (hits.size() >= results[open[i]].size()) results[open[i]] = std::move(hits);
      }
      open = std::move(still_open);
      if (options.limit.reached()) break;
      gathered.resize(static_cast<Eigen::Index>(open.size()), static_cast<Eigen::Index>(mapped.view.dim()));
      for (std::size_t i = 0; i < open.size(); ++i) {
        mapped.view.decode(open[i], gathered.row(static_cast<Eigen::Index>(i)).data());
      }
      asked = EmbeddingView<float>(gathered);
    }
    return results;
  }

  /// Whether its index lets search_filtered compile.
  static constexpr bool can_filter = FilterableIndex<Index>;

  /// The best k of the passages that a filter admits; a passage scores as without one. @throws  as FilteringRetriever
  /// says
  [[nodiscard]] std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                 const SearchOptions& options = {}) const {
    constexpr const char* who = "PefaXsMulti::search_filtered";
    require_filter(filter, who);
    if (filter.passages.rows().admits_all()) return search(query, k, options);
    return with_vectors_of(filter.passages.rows(),
                           [&](const RowFilter& vectors) { return find_admitted(query, k, vectors, options, who); });
  }

  /// The same for many; a predicate is asked about each passage once. Queries whose turn comes after the limit have no
  /// results. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                    const SearchFilter& filter,
                                                                    const SearchOptions& options = {},
                                                                    const AnyExecutor& executor = {}) const {
    constexpr const char* who = "PefaXsMulti::search_filtered_batch";
    require_filter(filter, who);
    if (filter.passages.rows().admits_all()) return search_batch(queries, k, options, executor);
    detail::require_directions(queries, who);
    const RowSet admitted = filter.passages.rows().to_set(passage_count());
    const RowSet vectors = with_vectors_of(admitted, [&](const RowFilter& rows) { return rows.to_set(index_.size()); });
    return detail::search_each(queries, options, executor, [&](QueryView query, const SearchOptions& mine) {
      return find_admitted(query, k, vectors, mine, "PefaXsMulti::search_filtered");
    });
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const noexcept { return passage_count_; }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return detail::query_dim(fitted_, index_.dim()); }
  /// How many vectors are indexed: passage_count() to passage_count() · max_centroids.
  [[nodiscard]] std::size_t vector_count() const { return index_.size(); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const {
    return index_.memory_bytes() + passage_.capacity() * sizeof(PassageId) + fitted_.memory_bytes();
  }
  /// λ, as folded in.
  [[nodiscard]] float lambda() const noexcept { return how_.centroids.lambda; }
  /// How the vectors of a passage were made.
  [[nodiscard]] const CentroidParams& centroids() const noexcept { return how_.centroids; }
  /// The rank of the balanced vectors that was asked for; 0: none.
  [[nodiscard]] std::size_t balance() const noexcept { return how_.balance; }
  /// What was fitted.
  [[nodiscard]] const FittedParts& fitted() const noexcept { return fitted_; }
  /// The index over all vectors. [vector_count x dim, or the rank of the whitening or of the balance]
  [[nodiscard]] const Index& index() const noexcept { return index_; }
  /// Whose vector each row of the index is, ascending. [vector_count]
  [[nodiscard]] const std::vector<PassageId>& passages() const noexcept { return passage_; }

 private:
  friend struct detail::RetrieverFields<PefaXsMulti>;
  friend struct detail::TargetRecall;

  /// What was folded in, and how.
  struct Folding {
    CentroidParams centroids;
    std::size_t balance;
    std::size_t training_queries;
    std::size_t pairs;
  };

  PefaXsMulti(Index index, std::vector<PassageId> passage, FittedParts fitted, const Folding& how)
      : index_(std::move(index)), passage_(std::move(passage)), fitted_(std::move(fitted)), how_(how) {
    detail::require_inner_product(index_, "PefaXsMulti::build");
    passage_count_ = std::size_t{passage_.back().row()} + 1;
    std::size_t run = 0;
    for (std::size_t v = 0; v < passage_.size(); ++v) {
      run = v > 0 && passage_[v] == passage_[v - 1] ? run + 1 : 1;
      most_vectors_ = std::max(most_vectors_, run);
    }
  }

  void require_filter(const SearchFilter& filter, const char* who) const {
    detail::require_passage_filter(filter, passage_count(), who);
    detail::require_no_query_filter(filter, "has folded them into the passages", who);
  }

  /// Calls use(filter) with the filter on vectors that one on passages comes to.
  template <class Use>
  [[nodiscard]] auto with_vectors_of(const RowFilter& passages, const Use& use) const {
    const RowSet* set = passages.set();
    if (set == nullptr || set->form() == RowSetForm::dense) {
      const auto admits = [&](Row vector) { return passages.admits(passage_[vector].row()); };
      return use(RowFilter(admits));
    }
    std::vector<Row> listed;  // the vectors of those that the set lists
    for (const Row passage : set->listed()) {
      const auto [begin, end] = std::equal_range(passage_.begin(), passage_.end(), PassageId(passage));
      for (auto vector = begin; vector != end; ++vector) listed.push_back(static_cast<Row>(vector - passage_.begin()));
    }
    RowSet vectors = RowSet::of(listed, passage_.size());
    if (set->form() == RowSetForm::all_but) vectors = ~vectors;
    return use(RowFilter(vectors));
  }

  /// search_filtered(), by a filter on vectors.
  [[nodiscard]] std::vector<Hit> find_admitted(QueryView query, std::size_t k, const RowFilter& vectors,
                                               const SearchOptions& options, const char* who) const {
    detail::require_folded_lambda(options, how_.centroids.lambda, who);
    detail::require_direction(query, who);
    detail::MappedQuery mapped;
    detail::map_query(fitted_, query, mapped, who);
    std::vector<Hit> best;
    for (std::size_t rows = first_rows(k);; rows = more_rows(rows, k)) {
      const auto found = detail::search_admitted_passages(index_, mapped, rows, vectors, options);
      std::vector<Hit> hits = distinct(found, k);
      const bool is_last = is_complete(hits, k, found, rows) || options.limit.reached();
      if (hits.size() >= best.size()) best = std::move(hits);  // a limit may have cut the wider search short
      if (is_last) return best;
    }
  }

  /// So many rows hold k passages whatever their order is, or are all there are.
  [[nodiscard]] std::size_t enough_rows(std::size_t k) const {
    const std::size_t size = index_.size();
    return k - 1 < size / most_vectors_ ? std::min(size, (k - 1) * most_vectors_ + 1) : size;
  }
  [[nodiscard]] std::size_t first_rows(std::size_t k) const {
    if (k == 0) return 0;  // the index's to refuse
    const std::size_t enough = enough_rows(k);
    return k > enough / first_factor ? enough : first_factor * k;
  }
  [[nodiscard]] std::size_t more_rows(std::size_t rows, std::size_t k) const {
    const std::size_t enough = enough_rows(k);
    return rows > enough / growth_factor ? enough : growth_factor * rows;
  }

  [[nodiscard]] bool is_complete(const std::vector<Hit>& hits, std::size_t k, const std::vector<Neighbor>& found,
                                 std::size_t rows) const {
    return hits.size() == k || found.size() < rows || rows == enough_rows(k);
  }

  /// The first k passages among the vectors found: as those are sorted, each with its best score.
  [[nodiscard]] std::vector<Hit> distinct(const std::vector<Neighbor>& found, std::size_t k) const {
    std::vector<std::pair<Row, std::size_t>> seen;  // passage and position
    seen.reserve(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) seen.emplace_back(passage_[found[i].row].row(), i);
    std::sort(seen.begin(), seen.end());
    const auto end =
        std::unique(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
    std::vector<std::size_t> positions;
    for (auto it = seen.begin(); it != end; ++it) positions.push_back(it->second);
    std::sort(positions.begin(), positions.end());
    positions.resize(std::min(k, positions.size()));
    std::vector<Hit> hits;
    hits.reserve(positions.size());
    for (const std::size_t i : positions) hits.push_back({passage_[found[i].row], found[i].score});
    return hits;
  }

  static constexpr std::size_t first_factor = 4;
  static constexpr std::size_t growth_factor = 4;

  Index index_;
  std::vector<PassageId> passage_;
  FittedParts fitted_;
  Folding how_;
  std::size_t passage_count_ = 0;
  std::size_t most_vectors_ = 1;
};

static_assert(FilteringRetriever<PefaXsMulti<>>);

}  // namespace pefa
