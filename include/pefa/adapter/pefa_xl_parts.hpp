// pefa: what a PEFA-XL holds, and the steps that its searches, exact_search(), explain() and shards are made of.
//
// Neither builds nor searches: that is PefaXl's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/balance.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/hubness.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/pefa_xl_params.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/search_filter.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/adapter/whitening.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "pefa/store/row_filter.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa {

/// The two indexes, Y and the fits of a PEFA-XL, and how a query becomes votes and scores over them: a base of PefaXl.
///
/// @tparam Scalar, PassageIndex, QueryIndex, GatePolicy  as PefaXl's
template <EmbeddingScalar Scalar, class PassageIndex, class QueryIndex, VoteGate GatePolicy>
  requires AnnIndex<PassageIndex, Scalar> && AnnIndex<QueryIndex, Scalar>
class PefaXlParts {
 public:
  /// What PefaXl::build() takes.
  using Params = PefaXlParams<typename PassageIndex::Params, typename QueryIndex::Params, GatePolicy>;

  /// The row of one new or changed passage for passage_index(), by the same fits and λ: see PefaXs::fold_one.
  [[nodiscard]] std::vector<float> fold_one(std::span<const float> passage, const EmbeddingView<float>& queries,
                                            std::span<const float> weights) const {
    return detail::fold_one(fitted_, passage_whitening(), params_.fold, {passage, queries, weights}, dim(),
                            "PefaXl::fold_one");
  }
  /// The same of many, in less time each: see PefaXs::fold_many.
  [[nodiscard]] EmbeddingStore<float> fold_many(std::span<const PassageEvidence> passages) const {
    return detail::fold_many(fitted_, passage_whitening(), params_.fold, passages, dim(), "PefaXl::fold_many");
  }

  /// The row of one new training query for query_index(), by the same fits; its hubness is by the training queries that
  /// the others' is by. @throws ShapeError, ValueError  another dim, a value that is not finite, zeros
  [[nodiscard]] std::vector<float> fold_one_query(QueryView query) const requires ScoringIndex<QueryIndex> {
    detail::require_query(query, 1, dim(), "PefaXl::fold_one_query");
    detail::require_direction(query, "PefaXl::fold_one_query");
    detail::AskedQuery asked;
    ask(query, asked);
    std::vector<float> row = detail::query_row(asked, params_.similarity);
    if (hubness_.offsets.empty()) return row;
    const std::vector<Row> sample =
        detail::seeded_sample(query_index_.size(), HubnessParams{}.sample_size, HubnessParams{}.seed);
    std::vector<Neighbor> near;
    for (const Row i : sample) near.push_back({i, query_index_.score(row, i)});
    keep_best(near, HubnessParams{}.nearest);
    row.back() = params_.hubness * (hubness_.mean - detail::mean_score(near));
    return row;
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const { return passage_index_.size(); }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return detail::query_dim(fitted_, passage_index_.dim()); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const {
    return passage_index_.memory_bytes() + query_index_.memory_bytes() + relevance_.memory_bytes() +
           (copies_.passages ? copies_.passages->memory_bytes() : 0) +
           (copies_.queries ? copies_.queries->memory_bytes() : 0) + fitted_.memory_bytes() +
           hubness_.offsets.capacity() * sizeof(float);
  }
  /// What it was built with.
  [[nodiscard]] const Params& params() const noexcept { return params_; }
  /// What was fitted.
  [[nodiscard]] const FittedParts& fitted() const noexcept { return fitted_; }
  /// The index of the ERM side. [n_passages x dim, or the rank of the whitening or of the balance]
  [[nodiscard]] const PassageIndex& passage_index() const noexcept { return passage_index_; }
  /// β·(r_i − r̄) of every training query; empty where β is 0.
  [[nodiscard]] std::span<const float> hubness() const noexcept { return hubness_.offsets; }
  /// r̄, the mean of r_i.
  [[nodiscard]] float hubness_mean() const noexcept { return hubness_.mean; }
  /// The index of the kNN side. [n_train_queries x dim, or the rank of the whitening; with hubness one element more]
  [[nodiscard]] const QueryIndex& query_index() const noexcept { return query_index_; }
  /// Y [n_train_queries x n_passages]
  [[nodiscard]] const RelevanceMatrix& relevance() const noexcept { return relevance_; }

  /// The query as both indexes are asked with it; for who walks through a search step by step.
  void ask(QueryView query, detail::AskedQuery& asked) const {
    ask_passages(query, asked);
    asked.queries = query;
    if (params_.whitened == Whitened::all) {
      asked.queries = asked.passages.whitened;
    } else if (fitted_.whitening) {
      detail::whiten(*fitted_.whitening, query, asked.whitened, "PefaXl::search");
      asked.queries = asked.whitened;
    }
    asked.similar = asked.queries;
    if (hubness_.offsets.empty()) return;
    asked.extended.assign(asked.queries.begin(), asked.queries.end());
    asked.extended.push_back(hub_factor(asked.queries));
    asked.queries = asked.extended;
  }

  /// Checks a filter's sizes, and that what it filters is still there. @param who  "PefaXl::search_filtered"
  void require_filter(const SearchFilter& filter, const char* who) const {
    detail::require_passage_filter(filter, passage_count(), who);
    if (params_.condense > 0.0f) detail::require_no_query_filter(filter, "has condensed several of them into one", who);
    filter.training_queries.rows().require_universe(query_index_.size(), who, "training queries");
  }

  /// Calls use(rows) with the filter on the rows of query_index() that a search's filter comes to.
  template <class Use>
  [[nodiscard]] auto with_voters(const SearchFilter& filter, const Use& use) const {
    const RowFilter& passages = filter.passages.rows();
    const RowFilter& queries = filter.training_queries.rows();
    if (filter.neighbors == FilteredNeighbors::all || passages.admits_all()) return use(queries);
    if (passages.set() == nullptr || passages.set()->form() != RowSetForm::listed) {
      const auto votes = [&](Row query) {
        const auto named = relevance_.passages_of(QueryId(query)).columns;
        return queries.admits(query) && std::any_of(named.begin(), named.end(), [&](std::int32_t passage) {
                 return passages.admits(static_cast<Row>(passage));
               });
      };
      return use(RowFilter(votes));
    }
    std::vector<Row> voters;
    for (const Row passage : passages.set()->listed()) {
      for (const std::int32_t query : relevance_.queries_of(PassageId(passage)).columns) {
        if (queries.admits(static_cast<Row>(query))) voters.push_back(static_cast<Row>(query));
      }
    }
    const RowSet set = RowSet::of(voters, query_index_.size());
    return use(RowFilter(set));
  }

  /// Weighs neighbours that query_index() found for `asked`.
  void weigh_neighbors(const detail::AskedQuery& asked, std::span<const Neighbor> nearest, NeighborVectors& vectors,
                       Voters& voters) const {
    const std::size_t dim = asked.similar.size();
    weigh(
        nearest, knn_scale_of(asked), hubness_.offsets, params_.gate, dim,
        [&](Row row, std::span<float> out) { read_query(row, out, vectors.row); }, vectors, voters);
  }

  /// The exact ERM scores of passages.
  void score_passages(const detail::AskedQuery& asked, std::span<const Row> passages, std::span<float> scores) const {
    const QueryView query = asked.passages.view;
    if constexpr (ScoringIndex<PassageIndex>) {
      detail::score_rows(passage_index_, query, passages, scores);
    } else {
      const EmbeddingView<Scalar> rows = copies_.passages->view();
      simd::dot_rows_kernel<Scalar>()(query.data(), rows.data(), rows.stride(), rows.dim(), passages.data(),
                                      passages.size(), rows.scales(), scores.data());
    }
    if (asked.passages.offset == 0.0f) return;
    for (float& score : scores) score += asked.passages.offset;
  }

 protected:
  /// Rows that an index cannot give back.
  struct Copies {
    std::optional<EmbeddingStore<Scalar>> passages;  ///< where the passage index cannot score its rows
    std::optional<EmbeddingStore<float>> queries;    ///< where a NeighborGate needs what the query index cannot read
  };

  /// @throws ValueError  an index that is not over inner product (the query index: over what the similarity needs)
  PefaXlParts(PassageIndex passage_index, QueryIndex query_index, RelevanceMatrix relevance, Copies copies,
              FittedParts fitted, detail::HubOffsets hubness, const Params& params)
      : passage_index_(std::move(passage_index)),
        query_index_(std::move(query_index)),
        relevance_(std::move(relevance)),
        copies_(std::move(copies)),
        fitted_(std::move(fitted)),
        hubness_(std::move(hubness)),
        params_(params) {
    detail::require_inner_product(passage_index_, "PefaXl::build");
    detail::require_knn_metric(query_index_.metric(), params.similarity, "PefaXl::build");
  }

  /// What the rows of the passage index were mapped with.
  [[nodiscard]] const Whitening* passage_whitening() const noexcept {
    return params_.whitened == Whitened::all ? detail::pointer_to(fitted_.whitening) : nullptr;
  }
  /// The same, after the whitening.
  [[nodiscard]] const Balance* balance() const noexcept { return detail::pointer_to(fitted_.balance); }

  /// The query as the passage index alone is asked with it.
  void ask_passages(QueryView query, detail::AskedQuery& asked) const {
    detail::map_query(passage_whitening(), balance(), query, asked.passages, "PefaXl::search");
  }

  /// What β·(r_i − r̄) is taken off with: scores of cosine carry the length of the query.
  [[nodiscard]] float hub_factor(QueryView query) const {
    return params_.similarity == KnnSimilarity::cosine ? KnnScale(params_.similarity, 1.0f, query).vote_factor() : 1.0f;
  }

  /// Many queries as the query index is asked with them. @param made  where they are, if not in what came
  [[nodiscard]] EmbeddingView<float> query_side(const EmbeddingView<float>& queries,
                                                const detail::MappedQueries& mapped,
                                                std::optional<EmbeddingStore<float>>& made,
                                                const AnyExecutor& executor) const {
    EmbeddingView<float> asked = queries;
    if (mapped.whitened) {
      asked = mapped.whitened->view();
    } else if (fitted_.whitening) {
      for (std::size_t i = 0; i < queries.size(); ++i) {
        detail::require_query({queries.row(i), queries.dim()}, 1, fitted_.whitening->dim(), "PefaXl::search_batch");
      }
      made = fitted_.whitening->apply(queries, {executor, {}});
      asked = made->view();
    }
    if (hubness_.offsets.empty()) return asked;
    auto extended = EmbeddingStore<float>::for_overwrite(asked.size(), asked.dim() + 1);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      asked.decode(i, extended.mutable_row(i));
      extended.mutable_row(i)[asked.dim()] = hub_factor({asked.row(i), asked.dim()});
    }
    made = std::move(extended);
    return made->view();
  }

  /// What makes votes of the scores of query_index().
  [[nodiscard]] KnnScale knn_scale_of(const detail::AskedQuery& asked) const {
    return KnnScale(params_.similarity, params_.knn_scale, asked.similar);
  }

  /// A training query without its hubness. @param row  where the whole row is read to
  void read_query(Row query, std::span<float> out, std::vector<float>& row) const {
    if constexpr (ReadableIndex<QueryIndex>) {
      row.resize(query_index_.dim());
      query_index_.read_row(query, row);
      std::copy_n(row.begin(), out.size(), out.begin());
    } else if (copies_.queries) {
      std::copy_n(copies_.queries->row(query), out.size(), out.begin());
    }
  }

  PassageIndex passage_index_;  ///< passage_index()
  QueryIndex query_index_;      ///< query_index()
  RelevanceMatrix relevance_;   ///< relevance()
  Copies copies_;               ///< of rows
  FittedParts fitted_;          ///< fitted()
  detail::HubOffsets hubness_;  ///< hubness(), hubness_mean()
  Params params_;               ///< params()
};

}  // namespace pefa
