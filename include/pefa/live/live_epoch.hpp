// pefa: what is frozen between two merges: the fits, and the indexes over what was there at the last one. It makes rows
// of new and changed vectors as the build made those it has.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/any_adapters.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/hubness.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/passage_evidence.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/spec_params.hpp"
#include "pefa/adapter/target_recall.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::live::detail {

/// Rows, and whoever keeps them.
struct KeptRows {
  EmbeddingView<float> view{};
  std::shared_ptr<const void> owner{};

  /// Rows of a store that this takes over.
  [[nodiscard]] static KeptRows of(EmbeddingStore<float> rows) {
    const auto kept = std::make_shared<const EmbeddingStore<float>>(std::move(rows));
    return {kept->view(), kept};
  }
  /// One row, which keeps them all.
  [[nodiscard]] std::shared_ptr<const float> row(std::size_t i) const { return {owner, view.row(i)}; }
};

/// Whether a live retriever can do what a spec says. @throws ValueError  names the field
inline void require_live_spec(const RetrieverSpec& spec, const char* who) {
  if (spec.method == Method::xs_multi) {
    pefa::detail::fail<ValueError>(who, ": the method is xs-multi, expected erm, xs or xl");
  }
  if (spec.is_condensed()) {
    pefa::detail::fail<ValueError>(who, ": condense is ", spec.condense,
                                   ", which merges training queries for good; expected 0");
  }
  const bool is_own = pefa::detail::is_own_query(spec.rule, spec.least_squares);
  if (spec.cold == ColdPassage::borrowed && spec.method != Method::erm && !is_own) {
    pefa::detail::fail<ValueError>(who, ": cold is borrowed, which asks all the other passages; expected erm or paper");
  }
}

/// What a search works in.
struct LiveScratch {
  pefa::detail::AskedQuery asked;
  NeighborVectors vectors;
  Voters voters;
  Ballot ballot;
  Votes votes;
  Blender blender;
  std::vector<Neighbor> numbered;  // neighbours by their place
  std::vector<float> hubness;      // of them
  std::vector<Row> indexed;        // voted passages that the index scores
  std::vector<std::size_t> indexed_places;
  std::vector<float> indexed_scores;
};

/// The fits and indexes of an epoch. An epoch that began without a pair has no fits: W and M are the identity and
/// nothing is taken for a hub, until a merge. Immutable: safe from any number of threads.
class LiveEpoch {
 public:
  using Xs = PefaXsOverAny<>;
  using Xl = PefaXlOverAny<>;

  /// Builds by the ordinary build.
  /// @param spec       as require_live_spec() lets pass
  /// @param passages   P; may be empty  @param queries  Q, those that have a pair; may be empty
  /// @param relevance  Y [queries x passages]
  /// @throws  as the retrievers' build
  [[nodiscard]] static LiveEpoch build(const RetrieverSpec& spec, std::uint64_t number, KeptRows passages,
                                       KeptRows queries, RelevanceMatrix relevance, const BuildOptions& options) {
    LiveEpoch epoch(spec, number, std::move(passages), std::move(queries));
    if (!epoch.is_fitted()) {
      epoch.build_plain(options);
    } else {
      epoch.build_fitted(std::move(relevance), options);
    }
    epoch.keep_sample();
    return epoch;
  }

  /// From what was saved: one of the three, whichever the spec and the rows ask for; none where there are no passages.
  /// @throws FormatError  another one, or one of other rows
  [[nodiscard]] static LiveEpoch of(const RetrieverSpec& spec, std::uint64_t number, KeptRows passages,
                                    KeptRows queries, std::optional<Xs> xs, std::optional<Xl> xl,
                                    std::optional<AnyIndex> plain) {
    LiveEpoch epoch(spec, number, std::move(passages), std::move(queries));
    epoch.xs_ = std::move(xs);
    epoch.xl_ = std::move(xl);
    epoch.plain_ = std::move(plain);
    const AnyIndex* index = epoch.passage_index();
    const std::size_t rows = index == nullptr ? 0 : index->size();
    const std::size_t query_rows = epoch.xl_ ? epoch.xl_->query_index().size() : epoch.query_rows();
    if (rows != epoch.passage_rows() || query_rows != epoch.query_rows()) {
      pefa::detail::fail<FormatError>("the indexes have ", rows, " and ", query_rows, " rows, expected ",
                                      epoch.passage_rows(), " and ", epoch.query_rows());
    }
    const std::size_t dim = epoch.xs_ ? epoch.xs_->dim() : epoch.xl_ ? epoch.xl_->dim() : index ? index->dim() : 0;
    if (index != nullptr && dim != epoch.passages_.view.dim()) {
      pefa::detail::fail<FormatError>("the retriever has dim ", dim, ", expected ", epoch.passages_.view.dim());
    }
    epoch.keep_sample();
    return epoch;
  }

  /// The number of its base; in memory alone, how many merges there were before.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// What is built.
  [[nodiscard]] const RetrieverSpec& spec() const noexcept { return spec_; }
  /// P as it was.
  [[nodiscard]] const KeptRows& passages() const noexcept { return passages_; }
  /// Q as it was.
  [[nodiscard]] const KeptRows& queries() const noexcept { return queries_; }

  /// Rows of the passage index.
  [[nodiscard]] std::size_t passage_rows() const noexcept { return passages_.view.size(); }
  /// Rows of the index of training queries.
  [[nodiscard]] std::size_t query_rows() const noexcept { return xl_ ? queries_.view.size() : 0; }
  /// Null where there are no rows.
  [[nodiscard]] const AnyIndex* passage_index() const noexcept {
    if (xs_) return &xs_->index();
    if (xl_) return &xl_->passage_index();
    return plain_ ? &*plain_ : nullptr;
  }
  /// The same of the index of training queries.
  [[nodiscard]] const AnyIndex* query_index() const noexcept { return xl_ ? &xl_->query_index() : nullptr; }
  /// PEFA-XS, where that is what serves.
  [[nodiscard]] const std::optional<Xs>& xs() const noexcept { return xs_; }
  /// The same of PEFA-XL.
  [[nodiscard]] const std::optional<Xl>& xl() const noexcept { return xl_; }
  /// The index of an epoch without fits.
  [[nodiscard]] const std::optional<AnyIndex>& plain() const noexcept { return plain_; }
  /// β·(r_i − r̄) of the training queries of the index; empty where there is none.
  [[nodiscard]] std::span<const float> hubness() const noexcept {
    return xl_ ? xl_->hubness() : std::span<const float>{};
  }

  /// Whether there was a pair to fit to.
  [[nodiscard]] bool is_fitted() const noexcept {
    return spec_.method != Method::erm && !passages_.view.empty() && !queries_.view.empty();
  }
  /// Whether training queries vote.
  [[nodiscard]] bool votes() const noexcept { return spec_.method == Method::xl; }
  /// Whether the row of a passage is made of its training queries, too.
  [[nodiscard]] bool folds() const noexcept { return fold_.lambda < 1.0f; }
  /// What a neighbour's score is.
  [[nodiscard]] const auto& voting() const noexcept { return voting_; }

  /// The rows of passages as the passage index would hold them; zeros of one that the fits leave nothing of, as a
  /// whitening of fewer dimensions may. @param passages  each with its queries in ascending order
  [[nodiscard]] EmbeddingStore<float> passage_rows_of(std::span<const PassageEvidence> passages) const {
    try {
      return folded(passages);
    } catch (const ValueError&) {  // of one of them: all are in the log, and must be taken
      const std::size_t dim = passage_index() != nullptr ? passage_index()->dim() : passages_.view.dim();
      auto rows = EmbeddingStore<float>::for_overwrite(passages.size(), dim);
      for (std::size_t i = 0; i < passages.size(); ++i) {
        try {
          const EmbeddingStore<float> one = folded(passages.subspan(i, 1));
          std::copy_n(one.row(0), rows.dim(), rows.mutable_row(i));
        } catch (const ValueError&) {
          std::fill_n(rows.mutable_row(i), rows.dim(), 0.0f);
        }
      }
      return rows;
    }
  }
  /// The row of one.
  [[nodiscard]] std::vector<float> passage_row(const PassageEvidence& passage) const {
    const EmbeddingStore<float> row = passage_rows_of({&passage, 1});
    return {row.row(0), row.row(0) + row.dim()};
  }

  /// The rows of training queries as their index would hold them.
  [[nodiscard]] EmbeddingStore<float> query_rows_of(std::span<const QueryView> queries) const {
    pefa::detail::AskedQuery asked;
    std::optional<EmbeddingStore<float>> rows;
    const bool has_hubness = !hubness().empty();
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const std::vector<float> row = query_row_of(queries[i], asked);
      if (!rows) rows = EmbeddingStore<float>::for_overwrite(queries.size(), row.size());
      std::copy(row.begin(), row.end(), rows->mutable_row(i));
    }
    if (!has_hubness) return *std::move(rows);
    const auto nearest = sample_->search_batch(rows->view(), HubnessParams{}.nearest, {}, AnyExecutor::serial());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      rows->mutable_row(i)[rows->dim() - 1] =
          spec_.hubness * (xl_->hubness_mean() - pefa::detail::mean_score(nearest[i]));
    }
    return *std::move(rows);
  }

  /// A query as both indexes are asked with it. @throws ShapeError, ValueError  as the retrievers' search
  void ask(QueryView query, pefa::detail::AskedQuery& asked) const {
    if (xl_) return xl_->ask(query, asked);
    asked.passages.view = query;
    if (xs_) pefa::detail::map_query(xs_->fitted(), query, asked.passages, "LiveRetriever::search");
    asked.queries = query;
    asked.similar = query;
  }

  /// What searches of this epoch hand on to each other.
  [[nodiscard]] auto take_scratch() const {
    return scratches_->take([] { return std::make_unique<LiveScratch>(); });
  }

 private:
  /// The row of one training query, without its hubness; zeros where the fits leave nothing of it.
  [[nodiscard]] std::vector<float> query_row_of(QueryView query, pefa::detail::AskedQuery& asked) const {
    try {
      ask(query, asked);
      std::vector<float> row = pefa::detail::query_row(asked, spec_.similarity);
      if (std::ranges::all_of(row, [](float x) { return pefa::detail::is_finite(x); })) return row;
    } catch (const ValueError&) {  // it is in the log, and must be taken
    }
    return std::vector<float>(query_index() != nullptr ? query_index()->dim() : query.size(), 0.0f);
  }

  [[nodiscard]] EmbeddingStore<float> folded(std::span<const PassageEvidence> passages) const {
    if (xs_) return xs_->fold_many(passages);
    if (xl_) return xl_->fold_many(passages);
    return pefa::detail::fold_many({}, nullptr, fold_, passages, passages_.view.dim(), "LiveRetriever");
  }

  LiveEpoch(const RetrieverSpec& spec, std::uint64_t number, KeptRows passages, KeptRows queries)
      : spec_(spec),
        number_(number),
        passages_(std::move(passages)),
        queries_(std::move(queries)),
        voting_(pefa::detail::xl_params(spec, Rows::borrow)) {
    if (spec.method == Method::xs) fold_ = pefa::detail::xs_params(spec, Rows::copy).fold();
    if (spec.method == Method::xl) fold_ = voting_.fold;
    if (!is_fitted()) fold_.rule = FoldRule::correlation;
  }

  /// Keeps the training queries that hubness is measured by, which PefaXl::fold_one_query draws and has the index score
  /// anew for each query.
  void keep_sample() {
    if (hubness().empty()) return;
    const AnyIndex& index = *query_index();
    const std::vector<Row> rows =
        pefa::detail::seeded_sample(index.size(), HubnessParams{}.sample_size, HubnessParams{}.seed);
    auto sample = EmbeddingStore<float>::for_overwrite(rows.size(), index.dim());
    for (std::size_t i = 0; i < rows.size(); ++i) index.read_row(rows[i], {sample.mutable_row(i), index.dim()});
    sample_ = FlatIndex<float>::build(std::move(sample), {}, {AnyExecutor::serial(), {}});
  }

  /// The retriever that the spec names, as build() would make it.
  void build_fitted(RelevanceMatrix relevance, const BuildOptions& options) {
    const EmbeddingView<float>& p = passages_.view;
    const EmbeddingView<float>& q = queries_.view;
    const RetrieverSpec balanced = pefa::detail::with_balance(spec_, p.size(), p.dim());
    const auto built = [&](const auto& build) { return pefa::detail::build_to_target(balanced, q, options, build); };
    if (balanced.method == Method::xs) {
      xs_ = built([&](const RetrieverSpec& how, const BuildOptions& part) {
        return Xs::build(p, q, relevance, pefa::detail::xs_params(how, Rows::copy), part);
      });
    } else {
      xl_ = built([&](const RetrieverSpec& how, const BuildOptions& part) {
        return Xl::build(p, q, std::move(relevance), pefa::detail::xl_params(how, Rows::borrow), part);
      });
    }
  }

  /// An index of rows that no training query has a part in.
  void build_plain(const BuildOptions& options) {
    const EmbeddingView<float>& p = passages_.view;
    if (p.empty()) return;
    auto rows = EmbeddingStore<float>::for_overwrite(p.size(), p.dim());
    for (std::size_t j = 0; j < p.size(); ++j) {
      const std::vector<float> row = passage_row({{p.row(j), p.dim()}});
      std::copy(row.begin(), row.end(), rows.mutable_row(j));
    }
    plain_ = AnyIndex::build(std::move(rows), {.index = spec_.index}, options);
  }

  RetrieverSpec spec_;
  std::uint64_t number_;
  KeptRows passages_;
  KeptRows queries_;
  PefaXlParams<AnyIndexParams, AnyIndexParams, AnyGate> voting_;
  PassageFold fold_;
  std::optional<Xs> xs_;
  std::optional<Xl> xl_;
  std::optional<AnyIndex> plain_;
  std::optional<FlatIndex<float>> sample_;  // of the rows of the index of training queries
  std::unique_ptr<pefa::detail::ScratchPool<LiveScratch>> scratches_ =
      std::make_unique<pefa::detail::ScratchPool<LiveScratch>>();
};

}  // namespace pefa::live::detail
