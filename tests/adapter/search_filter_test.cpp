// Filtered searches of every retriever, over every index, against the dense oracle: the scores of all passages, those
// that are not admitted left out.
#include "pefa/adapter/search_filter.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "host_index.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/exact_search.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/any_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// A host's own index that scores rows and knows no filter.
class ScoringHostIndex : public HostIndexOver<ScoringHostIndex> {
 public:
  using HostIndexOver::HostIndexOver;
  float score(QueryView query, Row row) const { return flat().score(query, row); }
};

/// One that cannot even score.
class BareIndex : public HostIndexOver<BareIndex> {
 public:
  using HostIndexOver::HostIndexOver;
};

static_assert(Retriever<ErmRetriever<float, BareIndex>> && !FilteringRetriever<ErmRetriever<float, BareIndex>>);
static_assert(!FilteringRetriever<PefaXl<float, ScoringHostIndex, BareIndex>>);
static_assert(FilteringRetriever<PefaXl<float, ScoringHostIndex>>);

constexpr std::size_t n = 90;
constexpr std::size_t n_train = 140;

/// Sets of every form and size, among them none, one, and all but a few.
std::vector<PassageSet> passage_sets() {
  std::vector<PassageSet> sets{PassageSet(RowSet::none(n)), PassageSet(RowSet::all(n))};
  for (const Row step : {2U, 3U, 9U, 89U}) {
    sets.emplace_back(RowSet::where(n, [&](Row row) { return row % step == 1; }));
    sets.push_back(~sets.back());
  }
  return sets;
}

/// Requires the best k of the admitted, by these scores of all passages.
void require_best_admitted(const std::vector<Hit>& hits, const Eigen::RowVectorXf& scores, const PassageSet& set,
                           std::size_t k) {
  std::vector<float> sorted;
  for (Row row = 0; row < n; ++row) {
    if (set.contains(PassageId(row))) sorted.push_back(scores[static_cast<Eigen::Index>(row)]);
  }
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  REQUIRE(hits.size() == std::min(k, sorted.size()));
  for (std::size_t i = 0; i < hits.size(); ++i) {
    REQUIRE(set.contains(hits[i].passage));
    REQUIRE(hits[i].score == Approx(scores[static_cast<Eigen::Index>(hits[i].passage.row())]).margin(2e-6));
    REQUIRE(hits[i].score == Approx(sorted[i]).margin(2e-6));
  }
}

/// f of PEFA-XL for every passage, where only some training queries may be neighbours.
Eigen::RowVectorXf oracle_of(const Problem& p, const RowMajorMatrix& rows, float lambda, std::size_t k,
                             const std::vector<bool>& may_vote, Eigen::Index test) {
  const Eigen::RowVectorXf similarity = p.tests.row(test) * p.queries.transpose();
  std::vector<Neighbor> order;
  for (Row i = 0; i < n_train; ++i) {
    if (may_vote[i]) order.push_back({i, similarity[static_cast<Eigen::Index>(i)]});
  }
  std::sort(order.begin(), order.end(), ranks_before);
  order.resize(std::min(k, order.size()));
  Eigen::RowVectorXf knn = Eigen::RowVectorXf::Zero(static_cast<Eigen::Index>(n));
  const RowMajorMatrix y = dense(p.relevance);
  for (const Neighbor& each : order) {
    knn += each.score / static_cast<float>(order.size()) * y.row(static_cast<Eigen::Index>(each.row));
  }
  return lambda * (p.tests.row(test) * rows.transpose()) + (1.0f - lambda) * knn;
}

/// Whether each training query has a passage in the set, and is admitted itself.
std::vector<bool> with_admitted(const Problem& p, const PassageSet& set, const QueryFilter& queries = {}) {
  std::vector<bool> may_vote(n_train);
  for (Row i = 0; i < n_train; ++i) {
    for (const std::int32_t passage : p.relevance.passages_of(QueryId(i)).columns) {
      if (set.contains(PassageId(static_cast<Row>(passage)))) may_vote[i] = queries.admits(QueryId(i));
    }
  }
  return may_vote;
}

/// What holds of every retriever. @param scores  (test): of all passages, or of those admitted at least
template <class R, class Scores>
void check_retriever(const R& retriever, const Problem& p, const PassageSet& set, const Scores& scores) {
  for (const std::size_t k : {7U, 200U}) {
    std::vector<std::vector<Hit>> singles;
    for (Eigen::Index t = 0; t < p.tests.rows(); ++t) {
      INFO(set.size() << " admitted, k " << k << ", test " << t);
      singles.push_back(retriever.search_filtered(p.test(t), k, set));
      require_best_admitted(singles.back(), scores(t), set, k);
      if (set.size() == n) REQUIRE(singles.back() == retriever.search(p.test(t), k));
      if (t > 3) continue;
      const auto exact = exact_search_filtered(retriever, p.test(t), k, set);
      require_best_admitted(exact, scores(t), set, k);
      if (set.size() == n) continue;  // of a predicate it is not known that it admits all
      const auto by_predicate = [&](PassageId passage) { return set.contains(passage); };
      require_best_admitted(retriever.search_filtered(p.test(t), k, by_predicate), scores(t), set, k);
    }
    const auto batch = retriever.search_filtered_batch(p.tests, k, set, {}, ThreadExecutor(2));
    if (set.size() == n) REQUIRE(batch == retriever.search_batch(p.tests, k));
    for (std::size_t t = 0; t < batch.size(); ++t)
      require_best_admitted(batch[t], scores(static_cast<Eigen::Index>(t)), set, k);
  }
  REQUIRE_ERROR(ShapeError, "the filter is a set of 89 passages, expected 90",
                retriever.search_filtered(p.test(0), 3, PassageSet(RowSet::all(89))));
  REQUIRE_ERROR(ShapeError, "the filter is a set of 89 passages, expected 90",
                retriever.search_filtered_batch(p.tests, 3, PassageSet(RowSet::all(89))));
  const std::vector<float> zero(20, 0.0f);
  REQUIRE_ERROR(ValueError, "zero vector", retriever.search_filtered(zero, 3, set));
  REQUIRE_ERROR(ShapeError, "dim 19", retriever.search_filtered(p.test(0).first(19), 3, set));
}

/// Runs the checks over one kind of index.
template <class Index>
void check_all(const typename Index::Params& index) {
  const Problem p;
  const BuildOptions serial{AnyExecutor::serial()};
  const auto erm = ErmRetriever<float, Index>::build(p.passages, {.index = index}, serial);
  const auto xs =
      PefaXs<float, Index>::build(p.passages, p.queries, p.relevance, {.lambda = 0.3f, .index = index}, serial);
  const auto multi = PefaXsMulti<float, Index>::build(p.passages, p.queries, p.relevance,
                                                      {.centroids = {.lambda = 0.3f}, .index = index}, serial);
  const PassageFold fold{.lambda = 0.3f, .cold = ColdPassage::erm};
  const auto build_xl = [&](const PassageFold& of) {
    return PefaXl<float, Index>::build(
        p.passages, p.queries, p.relevance,
        {.lambda = 0.4f, .neighbors = 9, .fold = of, .passage_index = index, .query_index = index}, serial);
  };
  const auto xl = build_xl({.lambda = 1.0f});
  const auto xl_over_xs = build_xl(fold);
  const auto folded =
      fold_queries(EmbeddingView<float>(p.passages), EmbeddingView<float>(p.queries), p.relevance, fold);
  const RowMajorMatrix rows = Eigen::Map<const RowMajorMatrix>(folded.row(0), n, 20);
  const auto flat_multi = PefaXsMulti<float, FlatIndex<>>::build(p.passages, p.queries, p.relevance,
                                                                 {.centroids = {.lambda = 0.3f}}, serial);
  const auto multi_scores = [&](Eigen::Index t) {
    Eigen::RowVectorXf best = Eigen::RowVectorXf::Constant(n, -std::numeric_limits<float>::infinity());
    for (Row v = 0; v < flat_multi.vector_count(); ++v) {
      float& score = best[static_cast<Eigen::Index>(flat_multi.passages()[v].row())];
      score = std::max(score, flat_multi.index().score(p.test(t), v));
    }
    return best;
  };
  for (const PassageSet& set : passage_sets()) {
    check_retriever(erm, p, set,
                    [&](Eigen::Index t) { return Eigen::RowVectorXf(p.tests.row(t) * p.passages.transpose()); });
    check_retriever(xs, p, set, [&](Eigen::Index t) { return Eigen::RowVectorXf(p.tests.row(t) * rows.transpose()); });
    check_retriever(multi, p, set, multi_scores);
    const std::vector<bool> all(n_train, true);
    const std::vector<bool> may_vote = set.size() == n ? all : with_admitted(p, set);
    check_retriever(xl, p, set, [&](Eigen::Index t) { return oracle_of(p, p.passages, 0.4f, 9, may_vote, t); });
    check_retriever(xl_over_xs, p, set, [&](Eigen::Index t) { return oracle_of(p, rows, 0.4f, 9, may_vote, t); });
    // The k nearest of all, whose votes are filtered: a passage scores as without a filter.
    const QuerySet tenant(RowSet::where(n_train, [](Row row) { return row % 5 < 2; }));
    std::vector<bool> of_tenant(n_train);
    for (Row i = 0; i < n_train; ++i) of_tenant[i] = tenant.contains(QueryId(i));
    for (Eigen::Index t = 0; t < 6; ++t) {
      const SearchFilter votes_filtered{set, {}, FilteredNeighbors::all};
      require_best_admitted(xl.search_filtered(p.test(t), 7, votes_filtered), oracle_of(p, p.passages, 0.4f, 9, all, t),
                            set, 7);
      require_best_admitted(exact_search_filtered(xl, p.test(t), 7, votes_filtered),
                            oracle_of(p, p.passages, 0.4f, 9, all, t), set, 7);
      const SearchFilter both_filtered{set, tenant, FilteredNeighbors::all};
      require_best_admitted(xl.search_filtered(p.test(t), 7, both_filtered),
                            oracle_of(p, p.passages, 0.4f, 9, of_tenant, t), set, 7);
      const SearchFilter of_both{set, tenant};
      require_best_admitted(
          xl.search_filtered(p.test(t), 7, of_both),
          oracle_of(p, p.passages, 0.4f, 9, set.size() == n ? of_tenant : with_admitted(p, set, tenant), t), set, 7);
    }
  }
}

}  // namespace

TEST_CASE("search_filtered: every retriever over the library's indexes gives the best of the admitted") {
  const IndexKind kind = GENERATE(IndexKind::flat, IndexKind::hnsw, IndexKind::quantized);
  check_all<AnyIndex>({.index = {kind}});
}

TEST_CASE("search_filtered: every retriever over a host's own index gives the best of the admitted") {
  check_all<ScoringHostIndex>({});
}

TEST_CASE("search_filtered: a filter on training queries is refused where they are not there any more") {
  const Problem p;
  const QuerySet some(RowSet::where(n_train, [](Row row) { return row % 2 == 0; }));
  const SearchFilter filter{PassageFilter(), some};
  const auto xs = PefaXs<float, ScoringHostIndex>::build(p.passages, p.queries, p.relevance);
  REQUIRE_ERROR(
      ValueError,
      "PefaXs::search_filtered: the filter is on training queries, too, but this retriever has folded them into "
      "the passages; filter passages alone, or use PefaXl",
      xs.search_filtered(p.test(0), 3, filter));
  REQUIRE_ERROR(ValueError, "has folded them", xs.search_filtered_batch(p.tests, 3, filter));
  const auto multi = PefaXsMulti<float, ScoringHostIndex>::build(p.passages, p.queries, p.relevance);
  REQUIRE_ERROR(ValueError, "PefaXsMulti::search_filtered: the filter is on training queries, too",
                multi.search_filtered(p.test(0), 3, filter));
  const auto erm = ErmRetriever<float, ScoringHostIndex>::build(p.passages);
  REQUIRE_ERROR(ValueError, "this retriever has none", erm.search_filtered(p.test(0), 3, filter));
  const auto condensed = PefaXl<float, ScoringHostIndex>::build(p.passages, p.queries, p.relevance, {.condense = 0.9f});
  REQUIRE_ERROR(ValueError, "has condensed several of them into one", condensed.search_filtered(p.test(0), 3, filter));
  REQUIRE_ERROR(ValueError, "has condensed several of them into one",
                exact_search_filtered(condensed, p.test(0), 3, filter));
  const auto xl = PefaXl<float, ScoringHostIndex>::build(p.passages, p.queries, p.relevance);
  const QuerySet wrong(RowSet::all(7));
  REQUIRE_ERROR(ShapeError, "PefaXl::search_filtered: the filter is a set of 7 training queries, expected 140",
                xl.search_filtered(p.test(0), 3, {PassageFilter(), wrong}));
}

TEST_CASE("PefaXl::search_filtered: without an admitted training query the ERM side alone speaks") {
  const Problem p;
  const auto xl = PefaXl<float, ScoringHostIndex>::build(p.passages, p.queries, p.relevance, {.lambda = 0.4f});
  const PassageSet half(RowSet::where(n, [](Row row) { return row % 2 == 0; }));
  const QuerySet none(RowSet::none(n_train));
  require_best_admitted(xl.search_filtered(p.test(0), 7, {half, none}),
                        0.4f * (p.tests.row(0) * p.passages.transpose()), half, 7);
}

TEST_CASE("search_filtered: what a filtered search took is on its account, alone and in a batch") {
  const Problem p;
  const auto xl = PefaXl<float, FlatIndex<>>::build(p.passages, p.queries, p.relevance);
  const PassageSet half(RowSet::where(n, [](Row row) { return row % 2 == 0; }));
  SearchStats one;
  (void)xl.search_filtered(p.test(0), 3, half, {.stats = &one});
  REQUIRE(one.passages.scanned == 45);
  REQUIRE(one.passages.scans == 1);
  REQUIRE(one.queries.scans == 1);
  REQUIRE(one.queries.scanned > 0);
  SearchStats many;
  (void)xl.search_filtered_batch(p.tests, 3, half, {.stats = &many}, ThreadExecutor(2));
  REQUIRE(many.passages.scans == 25);
  REQUIRE(many.passages.scanned == 25 * 45);
}
