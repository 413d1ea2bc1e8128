#include "pefa/live/live_guard.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/live/live_retriever.hpp"
#include "support.hpp"

namespace pefa::test {
namespace {

/// Ten pairs of training queries with the same vector and the same click, on a passage that the plain model would show
/// last, and then one that is alone with its click.
live::Batch twins_and_one() {
  const RowMajorMatrix passages = random_matrix(100, 12, 1);
  const RowMajorMatrix queries = random_matrix(11, 12, 2);
  live::Batch batch;
  const auto row = [](const RowMajorMatrix& rows, Eigen::Index i) {
    return std::vector<float>(rows.row(i).data(), rows.row(i).data() + rows.cols());
  };
  for (Eigen::Index j = 0; j < passages.rows(); ++j) {
    batch.events.emplace_back(live::UpsertPassage{"p" + std::to_string(j), row(passages, j)});
  }
  for (Eigen::Index i = 0; i < queries.rows(); ++i) {
    Eigen::Index last = 0;
    (passages * queries.row(i).transpose()).minCoeff(&last);
    for (const char* twin : {"a", "b"}) {
      if (i == 10 && *twin == 'b') continue;
      const std::string id = twin + std::to_string(i);
      batch.events.emplace_back(live::UpsertQuery{id, row(queries, i)});
      batch.events.emplace_back(live::AddPair{id, "p" + std::to_string(last)});
    }
  }
  return batch;
}

live::LiveParams guarded() {
  live::LiveParams params{.dim = 12, .guards = {.max_recall_loss = 0.0}};
  params.spec = {.method = Method::xl,
                 .lambda = 0.1f,
                 .index = {.kind = IndexKind::flat},
                 .neighbors = 1,
                 .fold = 1.0f,
                 .query_index = {.kind = IndexKind::flat},
                 .whitened = Whitened::none,
                 .hubness = 0.0f};
  return params;
}

}  // namespace

TEST_CASE("recent_recall: training queries are asked as if they had never come, the last ones first") {
  live::LiveRetriever retriever(guarded());
  REQUIRE(live::detail::recent_recall(retriever.view(), 10).queries == 0);
  (void)retriever.apply(twins_and_one());
  for (const bool is_merged : {false, true}) {
    if (is_merged) retriever.merge({AnyExecutor::serial(), {}});
    const auto all = live::detail::recent_recall(retriever.view(), 100);
    REQUIRE(all.queries == 21);
    REQUIRE(all.mean == Approx(20.0 / 21.0));
    REQUIRE(live::detail::recent_recall(retriever.view(), 1).mean == 0.0);
    REQUIRE(live::detail::recent_recall(retriever.view(), 3).mean == Approx(2.0 / 3.0));
  }
}

TEST_CASE("LiveView::search_as_new: the answer of a retriever to which the training query never came") {
  for (const Method method : {Method::xs, Method::xl}) {
    live::LiveParams params = guarded();
    params.spec.method = method;
    params.spec.rule = FoldRule::correlation;
    params.spec.fold = 0.25f;
    params.spec.neighbors = 8;
    live::Batch all = twins_and_one();
    live::LiveRetriever with(params);
    (void)with.apply(all);
    all.events.resize(all.events.size() - 2);  // the last query and its click
    live::LiveRetriever without(params);
    (void)without.apply(all);
    const live::LiveView view = with.view();
    const auto found = view.search_as_new(20, 10);
    const std::vector<float> vector(view.shown().queries[20]->vector.get(),
                                    view.shown().queries[20]->vector.get() + 12);
    const auto expected = without.search({vector.data(), 12}, 10);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO(name(method) << ", rank " << i);
      REQUIRE(view.shown().passages[found[i].passage.row()]->id == expected[i].id);
      REQUIRE(found[i].score == Approx(expected[i].score).margin(1e-5));
    }
  }
}

TEST_CASE("require_recent_recall: a base that answers worse than the host allows is refused, and says by how much") {
  live::LiveRetriever retriever(guarded());
  (void)retriever.apply(twins_and_one());
  const live::LiveView view = retriever.view();
  live::detail::require_recent_recall({21, 1.0}, view, 0.1);
  REQUIRE_ERROR(ValueError, "Recall@10 0.952381 on the last 21 training queries, the old one 1, more than",
                (live::detail::require_recent_recall({21, 1.0}, view, 0.01), 0));
  live::detail::require_recent_recall({21, 9.0}, view, 1.0);  // a guard that is off
}

TEST_CASE("LiveRetriever::merge: keeps its guards in the folder") {
  const TemporaryDirectory directory;
  live::LiveParams params = guarded();
  params.guards.recent_queries = 7;
  (void)live::LiveRetriever::create(directory / "live", params)->apply(twins_and_one());
  const auto opened = live::LiveRetriever::open(directory / "live");
  REQUIRE(opened->params() == params);
  opened->merge({AnyExecutor::serial(), {}});
  params.guards.max_recall_loss = 1.1;
  REQUIRE_ERROR(ValueError, "max_recall_loss is 1.1, expected 0 to 1", live::LiveRetriever(params));
  REQUIRE_ERROR(ValueError, "recent_queries is 0, expected at least 1",
                (opened->merge({}, {.max_recall_loss = 0.1, .recent_queries = 0}), 0));
}

}  // namespace pefa::test
