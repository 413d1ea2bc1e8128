// pefa: PEFA-XL: the training queries nearest to q̂ vote for their passages at search time; two indexes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

template <class PassageIndexParams, class QueryIndexParams, class GatePolicy>
struct PefaXlParams {
  float lambda = 0.5f;         ///< λ: the weight of the plain model, 0 to 1; may change per call
  std::size_t neighbors = 32;  ///< k: how many training queries are looked up; at least 1
  GatePolicy gate{};           ///< D(q̂, Q): their weights
  KnnSimilarity similarity = KnnSimilarity::inner_product;  ///< s(q̂, q_i); l2 needs a query index of Metric::l2
  float knn_scale = 1.0f;  ///< what votes are multiplied with, above 0; see KnnSimilarity for what matches the ERM side
  /// How many passages the ERM side offers, raised to what the result needs. 0: just that, which under
  /// MissingErmScore::exact leaves nothing out (see PefaXl::search), and 500, as in the paper, under zero.
  std::size_t passage_candidates = 0;
  MissingErmScore missing_erm_score = MissingErmScore::exact;
  PassageFold fold{};
  PassageIndexParams passage_index{};
  QueryIndexParams query_index{};
};

/// PEFA-XL: f(q̂, p_j) = λ·⟨q̂, p_j⟩ + (1 − λ)·Σ_{i ∈ NN(q̂, Q; k)} w_i·⟨q̂, q_i⟩·Y_ij (WSDM 2024, section 4).
///
/// With fold.lambda below 1 the ERM side is ⟨q̂, p̃_j⟩: PEFA-XL on top of PEFA-XS, for the bytes of XL; on measured data
/// at least as good as either, and better deep in the list. KnnSimilarity and knn_scale are for embeddings that are not
/// of unit length.
///
/// The candidates are the passages that the ERM side offers and those the neighbours point to. λ = 1 asks the passage
/// index alone and returns what ErmRetriever would (with fold.lambda below 1: what PefaXs would).
///
/// @tparam Scalar        element type of P and Q
/// @tparam PassageIndex  any AnnIndex over rows of Scalar; one that is no ScoringIndex costs a copy of P
/// @tparam QueryIndex    the same for Q
/// @tparam GatePolicy    any Gate
template <EmbeddingScalar Scalar = float, class PassageIndex = HnswIndex, class QueryIndex = PassageIndex,
          Gate GatePolicy = MeanGate>
  requires AnnIndex<PassageIndex, Scalar> && AnnIndex<QueryIndex, Scalar>
class PefaXl {
  static constexpr bool is_archivable = ArchivableIndex<PassageIndex> && ArchivableIndex<QueryIndex> &&
                                        ScoringIndex<PassageIndex> && ArchivableGate<GatePolicy>;

 public:
  using Params = PefaXlParams<typename PassageIndex::Params, typename QueryIndex::Params, GatePolicy>;

  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages], kept by the retriever
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  a λ outside [0, 1], neighbors = 0, a knn_scale out of range, an empty input, a row that is not
  ///                     finite, or zero, an index that is not over inner product (the query index: over what
  ///                     `similarity` needs)
  /// @throws Cancelled   the progress callback said stop
  [[nodiscard]] static PefaXl build(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                    RelevanceMatrix relevance, const Params& params = {},
                                    const BuildOptions& options = {}) {
    detail::require_lambda(params.lambda, "PefaXl::build");
    if (params.neighbors == 0) detail::fail<ValueError>("PefaXl::build: neighbors is 0, expected at least 1");
    detail::require_knn_scale(params.knn_scale, "PefaXl::build");
    detail::require_training_data(passages, queries, relevance, "PefaXl::build");
    detail::require_lambda(params.fold.lambda, "PefaXl::build: fold");
    const std::size_t n = passages.size();
    const std::size_t folded = params.fold.lambda < 1.0f ? n : 0;  // progress: as many items as passages to fold
    const std::size_t total = folded + n + queries.size();
    const BuildOptions folding{options.executor, detail::scaled_stage(options.progress, 0, folded, total)};
    const BuildOptions first{options.executor, detail::stage(options.progress, folded, total)};
    const BuildOptions second{options.executor, detail::stage(options.progress, folded + n, total)};

    std::optional<EmbeddingStore<Scalar>> rows;
    const auto keep_rows = [&](const EmbeddingView<Scalar>& indexed) {
      if constexpr (!ScoringIndex<PassageIndex>) {
        if (params.missing_erm_score == MissingErmScore::exact) {
          rows = EmbeddingStore<Scalar>::from(indexed, Normalize::none, RowCheck::finite);
        }
      }
    };
    const auto index_passages = [&] {
      if (folded == 0) {
        keep_rows(passages);
        return PassageIndex::build(passages, params.passage_index, first);
      }
      EmbeddingStore<Scalar> vectors = detail::fold_passages(passages, queries, relevance, params.fold, folding);
      keep_rows(vectors.view());
      return detail::build_index<PassageIndex>(std::move(vectors), params.passage_index, first);
    };
    PassageIndex passage_index = index_passages();
    QueryIndex query_index =
        detail::build_query_index<QueryIndex>(queries, params.similarity, params.query_index, second);
    return PefaXl(std::move(passage_index), std::move(query_index), std::move(relevance), std::move(rows), params);
  }

  /// Saves the retriever to a file, durably: on an error, or where the process dies, an older archive of that name
  /// stays as it was. Over indexes that are ArchivableIndex, that of passages also a ScoringIndex, with an
  /// ArchivableGate.
  /// @throws IoError  @throws Cancelled  @throws ShapeError  another number of ids than of passages
  void save(const std::filesystem::path& path, const SaveOptions& options = {}) const requires is_archivable {
    archive(options).save(path, options.progress);
  }

  /// The same to a binary stream.
  void save(std::ostream& out, const SaveOptions& options = {}) const requires is_archivable {
    archive(options).write(out, options.progress);
  }

  /// Opens what save() wrote, in place: the retriever keeps what the reader holds, and does not need the reader.
  /// @throws FormatError  the archive holds another retriever or index, or a damaged one
  [[nodiscard]] static PefaXl open(const io::ArchiveReader& reader) requires is_archivable {
    detail::require_retriever(reader, "xl");
    return detail::from_archive(reader, [&] {
      PassageIndex passages = PassageIndex::open(reader, "passages.");
      QueryIndex queries = QueryIndex::open(reader, "queries.");
      if (queries.dim() != passages.dim()) {
        detail::fail<FormatError>(reader.name(), ": queries have dim ", queries.dim(), ", passages have dim ",
                                  passages.dim());
      }
      RelevanceMatrix relevance = detail::read_relevance(reader, queries.size(), passages.size());
      Params params = open_params(reader);
      if constexpr (requires { params.passage_index = passages.params(); }) params.passage_index = passages.params();
      if constexpr (requires { params.query_index = queries.params(); }) params.query_index = queries.params();
      return detail::require_passage_count(
          PefaXl(std::move(passages), std::move(queries), std::move(relevance), std::nullopt, params), reader);
    });
  }

  /// @throws IoError  the file cannot be read  @throws FormatError  as above, or it is no archive
  [[nodiscard]] static PefaXl open(const std::filesystem::path& path) requires is_archivable {
    return open(io::ArchiveReader::open(path));
  }

  /// A passage outside the result of the ERM side's k best and without a vote is behind those k in the blend as well,
  /// unless votes below 0 pushed some of them back: k and as many more as there are such votes are asked for.
  ///
  /// @throws ShapeError, ValueError  a query of another dim or that is not finite; k = 0; λ outside [0, 1]
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    const float lambda = lambda_of(options);
    if (lambda == 1.0f || k == 0)
      return detail::to_hits(passage_index_.search(query, k, detail::passage_options(options)));
    const auto scratch = take_scratch();
    vote(query, query_index_.search(query, neighbors_of(options), {.ef = options.query_ef}), *scratch);
    std::vector<Neighbor> erm =
        passage_index_.search(query, candidates(k, scratch->votes), detail::passage_options(options));
    return blend(query, lambda, erm, *scratch, k);
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    const float lambda = lambda_of(options);
    if (lambda == 1.0f || k == 0) {
      return detail::to_hits(
          pefa::search_batch(passage_index_, queries, k, detail::passage_options(options), executor));
    }
    const std::size_t usual = candidates(k, {});
    auto erm = pefa::search_batch(passage_index_, queries, usual, detail::passage_options(options), executor);
    const auto nearest =
        pefa::search_batch(query_index_, queries, neighbors_of(options), {.ef = options.query_ef}, executor);
    std::vector<std::vector<Hit>> results(queries.size());
    executor.run(queries.size(), [&](std::size_t i) {
      const QueryView query(queries.row(i), queries.dim());
      const auto scratch = take_scratch();
      vote(query, nearest[i], *scratch);
      const std::size_t wanted = candidates(k, scratch->votes);
      if (wanted > usual) erm[i] = passage_index_.search(query, wanted, detail::passage_options(options));
      results[i] = blend(query, lambda, erm[i], *scratch, k);
    });
    return results;
  }

  /// The training queries nearest to q̂ with their similarities: why a passage was found.
  [[nodiscard]] std::vector<Neighbor> nearest_queries(QueryView query, const SearchOptions& options = {}) const {
    std::vector<Neighbor> nearest = query_index_.search(query, neighbors_of(options), {.ef = options.query_ef});
    const detail::KnnScale scale(params_.similarity, params_.knn_scale, query);
    for (Neighbor& neighbor : nearest) neighbor.score = scale.similarity(neighbor.score);
    return nearest;
  }

  [[nodiscard]] std::size_t passage_count() const { return passage_index_.size(); }
  [[nodiscard]] std::size_t dim() const { return passage_index_.dim(); }
  [[nodiscard]] std::size_t memory_bytes() const {
    return passage_index_.memory_bytes() + query_index_.memory_bytes() + relevance_.memory_bytes() +
           (rows_ ? rows_->memory_bytes() : 0);
  }
  [[nodiscard]] const Params& params() const noexcept { return params_; }
  [[nodiscard]] const PassageIndex& passage_index() const noexcept { return passage_index_; }
  [[nodiscard]] const QueryIndex& query_index() const noexcept { return query_index_; }
  [[nodiscard]] const RelevanceMatrix& relevance() const noexcept { return relevance_; }

 private:
  PefaXl(PassageIndex passage_index, QueryIndex query_index, RelevanceMatrix relevance,
         std::optional<EmbeddingStore<Scalar>> rows, const Params& params)
      : passage_index_(std::move(passage_index)),
        query_index_(std::move(query_index)),
        relevance_(std::move(relevance)),
        rows_(std::move(rows)),
        params_(params) {
    detail::require_inner_product(passage_index_, "PefaXl::build");
    detail::require_knn_metric(query_index_.metric(), params.similarity, "PefaXl::build");
  }

  [[nodiscard]] io::ArchiveWriter archive(const SaveOptions& options) const {
    io::ArchiveWriter writer = detail::begin_archive(*this, "xl", options);
    writer.metadata().add("lambda", params_.lambda);
    detail::add_count(writer, "neighbors", params_.neighbors);
    detail::add_gate(writer, params_.gate);
    detail::add_enum(writer, "similarity", params_.similarity, similarity_names);
    writer.metadata().add("knn_scale", params_.knn_scale);
    writer.metadata().add("fold_lambda", params_.fold.lambda);
    detail::add_enum(writer, "fold_cold", params_.fold.cold, detail::cold_names);
    detail::add_enum(writer, "fold_norm", params_.fold.norm, detail::norm_names);
    detail::add_count(writer, "passage_candidates", params_.passage_candidates);
    detail::add_enum(writer, "missing_erm_score", params_.missing_erm_score, missing_names);
    detail::add_relevance(writer, relevance_);
    passage_index_.save(writer, "passages.");
    query_index_.save(writer, "queries.");
    return writer;
  }

  /// All but those of the indexes.
  [[nodiscard]] static Params open_params(const io::ArchiveReader& reader) {
    Params params{.lambda = detail::read_lambda(reader),
                  .neighbors = detail::read_count(reader, "neighbors", 1),
                  .gate = detail::read_gate<GatePolicy>(reader),
                  .similarity = detail::read_enum(reader, "similarity", similarity_names),
                  .knn_scale = detail::read_float(reader, "knn_scale"),
                  .passage_candidates = detail::read_count(reader, "passage_candidates", 0),
                  .missing_erm_score = detail::read_enum(reader, "missing_erm_score", missing_names),
                  .fold = {.lambda = static_cast<float>(reader.metadata().real("fold_lambda", 0.0, 1.0)),
                           .cold = detail::read_enum(reader, "fold_cold", detail::cold_names),
                           .norm = detail::read_enum(reader, "fold_norm", detail::norm_names)}};
    detail::require_knn_scale(params.knn_scale, "PefaXl::open");
    return params;
  }

  static constexpr detail::EnumNames<KnnSimilarity, 3> similarity_names{
      {{KnnSimilarity::inner_product, "inner_product"}, {KnnSimilarity::cosine, "cosine"}, {KnnSimilarity::l2, "l2"}}};
  static constexpr detail::EnumNames<MissingErmScore, 2> missing_names{
      {{MissingErmScore::exact, "exact"}, {MissingErmScore::zero, "zero"}}};

  [[nodiscard]] float lambda_of(const SearchOptions& options) const {
    const float lambda = options.lambda.value_or(params_.lambda);
    detail::require_lambda(lambda, "PefaXl::search");
    return lambda;
  }

  /// What one vote says: a neighbour's weight and similarity times its relevance, for one passage.
  struct Vote {
    Row passage;
    std::uint32_t order;  // of arrival: a passage's votes add up in the order of the neighbours, on every run
    float score;
  };

  /// Buffers that searches hand on, so that none allocates after the first.
  struct Scratch {
    std::vector<float> similarities;
    std::vector<float> weights;
    std::vector<Vote> votes;  // ascending passages, each once
    std::vector<Neighbor> blended;
    std::vector<Row> missing;       // passages that only the kNN side found
    std::vector<std::size_t> at;    // where they are in blended
    std::vector<float> erm_scores;  // of them
  };

  [[nodiscard]] std::size_t neighbors_of(const SearchOptions& options) const noexcept {
    return options.neighbors == 0 ? params_.neighbors : options.neighbors;
  }

  [[nodiscard]] auto take_scratch() const {
    return scratches_->take([] { return std::make_unique<Scratch>(); });
  }

  [[nodiscard]] std::size_t candidates(std::size_t k, const std::vector<Vote>& votes) const {
    const bool is_zero = params_.missing_erm_score == MissingErmScore::zero;
    const auto needed =
        std::min(k, passage_count()) + static_cast<std::size_t>(std::count_if(
                                           votes.begin(), votes.end(), [](const Vote& v) { return v.score < 0.0f; }));
    return std::max(needed, params_.passage_candidates == 0 && is_zero ? 500 : params_.passage_candidates);
  }

  /// Leaves f_kNN of every passage that a neighbour points to in scratch.votes.
  void vote(QueryView query, const std::vector<Neighbor>& nearest, Scratch& scratch) const {
    std::vector<Vote>& votes = scratch.votes;
    votes.clear();
    if (nearest.empty()) return;
    const detail::KnnScale scale(params_.similarity, params_.knn_scale, query);
    scratch.similarities.resize(nearest.size());
    scratch.weights.resize(nearest.size());
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      scratch.similarities[i] = scale.similarity(nearest[i].score);
    }
    params_.gate(scratch.similarities, scratch.weights);

    for (std::size_t i = 0; i < nearest.size(); ++i) {
      const RelevanceMatrix::Entries entries = relevance_.passages_of(QueryId(nearest[i].row));
      const float strength = scratch.weights[i] * scratch.similarities[i] * scale.vote_factor();
      for (std::size_t e = 0; e < entries.size(); ++e) {
        votes.push_back({static_cast<Row>(entries.columns[e]), static_cast<std::uint32_t>(votes.size()),
                         strength * entries.weights[e]});
      }
    }
    std::sort(votes.begin(), votes.end(), [](const Vote& a, const Vote& b) {
      return a.passage < b.passage || (a.passage == b.passage && a.order < b.order);
    });
    std::size_t kept = 0;
    for (const Vote& each : votes) {
      if (kept > 0 && votes[kept - 1].passage == each.passage) {
        votes[kept - 1].score += each.score;
      } else {
        votes[kept++] = each;
      }
    }
    votes.resize(kept);
  }

  /// Merges the ERM side with scratch.votes. @param erm  reordered
  [[nodiscard]] std::vector<Hit> blend(QueryView query, float lambda, std::vector<Neighbor>& erm, Scratch& scratch,
                                       std::size_t k) const {
    std::sort(erm.begin(), erm.end(), [](const Neighbor& a, const Neighbor& b) { return a.row < b.row; });
    std::vector<Neighbor>& blended = scratch.blended;
    blended.clear();
    scratch.missing.clear();
    scratch.at.clear();
    auto passage = erm.begin();
    for (const Vote& vote : scratch.votes) {
      for (; passage != erm.end() && passage->row < vote.passage; ++passage) {
        blended.push_back({passage->row, lambda * passage->score});
      }
      if (passage != erm.end() && passage->row == vote.passage) {
        blended.push_back({vote.passage, lambda * passage->score + (1.0f - lambda) * vote.score});
        ++passage;
      } else {
        scratch.missing.push_back(vote.passage);
        scratch.at.push_back(blended.size());
        blended.push_back({vote.passage, (1.0f - lambda) * vote.score});
      }
    }
    for (; passage != erm.end(); ++passage) blended.push_back({passage->row, lambda * passage->score});
    add_missing_scores(query, lambda, scratch);
    for (Neighbor& hit : blended) hit.score = detail::rankable(hit.score);
    keep_best(blended, k);
    return detail::to_hits(blended);
  }

  /// Adds the ERM side to the passages of scratch.missing.
  void add_missing_scores(QueryView query, float lambda, Scratch& scratch) const {
    if (params_.missing_erm_score == MissingErmScore::zero) return;
    scratch.erm_scores.resize(scratch.missing.size());
    score_passages(query, scratch.missing, scratch.erm_scores);
    for (std::size_t i = 0; i < scratch.at.size(); ++i) {
      scratch.blended[scratch.at[i]].score += lambda * scratch.erm_scores[i];
    }
  }

  /// The exact ERM scores of passages.
  void score_passages(QueryView query, std::span<const Row> passages, std::span<float> scores) const {
    if constexpr (BatchScoringIndex<PassageIndex>) {
      passage_index_.score_rows(query, passages, scores);
    } else if constexpr (ScoringIndex<PassageIndex>) {
      for (std::size_t i = 0; i < passages.size(); ++i) scores[i] = passage_index_.score(query, passages[i]);
    } else {
      const EmbeddingView<Scalar> rows = rows_->view();
      simd::dot_rows_kernel<Scalar>()(query.data(), rows.data(), rows.stride(), rows.dim(), passages.data(),
                                      passages.size(), rows.scales(), scores.data());
    }
  }

  PassageIndex passage_index_;
  QueryIndex query_index_;
  RelevanceMatrix relevance_;
  std::optional<EmbeddingStore<Scalar>> rows_;  // P, where the passage index cannot score its rows
  Params params_;
  std::unique_ptr<detail::ScratchPool<Scratch>> scratches_ = std::make_unique<detail::ScratchPool<Scratch>>();
};

static_assert(Retriever<PefaXl<>>);

}  // namespace pefa
