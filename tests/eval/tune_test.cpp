#include "pefa/eval/tune.hpp"

#include "catch.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "retriever_oracle.hpp"
#include "tuning_problem.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("tune: a query that would score 1 with its own pair in Q and Y scores 0 without it") {
  // Query i alone points to passage i, which no vector of P resembles: only leakage can find it.
  const RowMajorMatrix passages = random_matrix(60, 16, 1);
  const RowMajorMatrix queries = random_matrix(60, 16, 2);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 60; ++i) pairs.push_back({QueryId(i), PassageId(i), 1.0f});
  const RelevanceMatrix relevance = RelevanceMatrix::from_pairs(pairs, 60, 60);

  const EvaluateOptions first{.recall_at = {1}};
  const auto xs = PefaXs<float, FlatIndex<>>::build(passages, queries, relevance, {.lambda = 0.0f});
  const auto xl = PefaXl<float, FlatIndex<>>::build(passages, queries, relevance, {.lambda = 0.0f, .neighbors = 8});
  REQUIRE(evaluate(xs, queries, relevance, first).recall.at(1).mean == 1.0);
  REQUIRE(evaluate(xl, queries, relevance, first).recall.at(1).mean == 1.0);
  const auto multi = PefaXsMulti<float, FlatIndex<>>::build(passages, queries, relevance, {.centroids = {.lambda = 0}});
  REQUIRE(evaluate(multi, queries, relevance, first).recall.at(1).mean == 1.0);

  for (const std::size_t folds : {std::size_t{1}, std::size_t{3}, std::size_t{60}}) {
    const TuneOptions options{.at = 1,
                              .lambdas = {0.0f},
                              .cold = {ColdPassage::paper},
                              .neighbors = {1, 8},
                              .condense = {0.9f},
                              .fitted = FittedGrid::none(),
                              .validation = {.folds = folds}};
    const TuneReport report = tune<float>(passages, queries, relevance, options);
    for (const TuneEntry& entry : report.grid) {
      INFO(describe(entry.spec));
      if (entry.spec.method != Method::erm) REQUIRE(entry.score == 0.0);
    }
  }
}

TEST_CASE("tune: nor does its own pair help where cold passages keep or borrow a vector, or parts are fitted") {
  // As above, but the cold passage has a vector to be found by: each is the opposite of its query.
  const RowMajorMatrix queries = random_matrix(60, 16, 2);
  const RowMajorMatrix passages = -queries;
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 60; ++i) pairs.push_back({QueryId(i), PassageId(i), 1.0f});
  const RelevanceMatrix relevance = RelevanceMatrix::from_pairs(pairs, 60, 60);
  TuneOptions options = with_all_methods({.at = 1, .lambdas = {0.0f, 0.5f}});
  options.cold.push_back(ColdPassage::borrowed);
  options.folds = {0.0f, 0.3f};
  for (const std::size_t folds : {std::size_t{1}, std::size_t{3}, std::size_t{60}}) {
    options.validation.folds = folds;
    for (const TuneEntry& entry : tune<float>(passages, queries, relevance, options).grid) {
      INFO(describe(entry.spec));
      REQUIRE(entry.score == 0.0);
    }
  }
}

TEST_CASE("tune: the twin of a held-out query does not give its passage away, unless twins are told apart") {
  const RowMajorMatrix passages = random_matrix(30, 16, 1);
  RowMajorMatrix queries = random_matrix(60, 16, 2);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 60; ++i) {
    queries.row(i) = queries.row(i / 2 * 2);
    pairs.push_back({QueryId(i), PassageId(i / 2), 1.0f});
  }
  const RelevanceMatrix relevance = RelevanceMatrix::from_pairs(pairs, 60, 30);
  TuneOptions options = with_paper_methods({.at = 1, .lambdas = {0.0f}, .cold = {ColdPassage::paper}});
  options.neighbors = {1};
  options.gates = {{GateKind::mean}};
  options.validation = {.folds = 30};
  const TuneReport together = tune<float>(passages, queries, relevance, options);
  REQUIRE(together.grid[1].score == 0.0);
  REQUIRE(together.grid[2].score == 0.0);
  options.validation.duplicates = DuplicateQueries::apart;
  const TuneReport apart = tune<float>(passages, queries, relevance, options);
  REQUIRE(apart.grid[1].score > 0.8);
  REQUIRE(apart.grid[2].score > 0.8);
}

TEST_CASE("tune: the same seed gives the same report, whatever the number of threads") {
  const TuningProblem problem = gaussian();
  const auto run = [&](std::size_t threads, std::uint64_t seed) {
    TuneOptions options = with_all_methods({.lambdas = {0.0f, 0.3f, 0.6f, 1.0f}});
    options.validation = {.folds = 2, .max_queries = 70, .seed = seed};
    options.executor = ThreadExecutor(threads);
    return problem.tune(options);
  };
  const TuneReport one = run(1, 4);
  const TuneReport three = run(3, 4);
  REQUIRE(one.grid.size() > 1 + 4 * (2 + 2 + 4 * 4 * 6));
  REQUIRE(one.grid.size() == three.grid.size());
  REQUIRE(one.queries == 70);
  REQUIRE(one.folds == 2);
  for (std::size_t e = 0; e < one.grid.size(); ++e) {
    REQUIRE(one.grid[e].score == three.grid[e].score);
    REQUIRE(one.grid[e].standard_error == three.grid[e].standard_error);
  }
  REQUIRE(one.p_value == three.p_value);
  REQUIRE(one.gain.low == three.gain.low);
  REQUIRE(describe(one.pick) == describe(three.pick));
  REQUIRE(run(1, 5).erm().score != one.erm().score);
}

TEST_CASE("tune: best is the highest of the grid, the gain is that of the pick over the plain model") {
  const TuneReport report = gaussian().tune({.validation = {.folds = 4}});
  double highest = 0.0;
  for (const TuneEntry& entry : report.grid) highest = std::max(highest, entry.score);
  REQUIRE(report.best.score == highest);
  REQUIRE(report.gain.mean == Approx(report.chosen.score - report.erm().score).margin(1e-12));
  REQUIRE(report.gain.low <= report.gain.mean);
  REQUIRE(report.gain.high >= report.gain.mean);
  REQUIRE(report.seconds > 0.0);
}

TEST_CASE("tune: prefers the best answers, or the least cost within noise of them") {
  TuneOptions options{.validation = {.folds = 2}};
  const TuneReport best = bundled().tune(options);
  REQUIRE(best.prefer == Preference::answers);
  REQUIRE(best.pick == best.best.spec);
  options.prefer = Preference::cost;
  const TuneReport cheap = bundled().tune(options);
  REQUIRE(cheap.best.spec == best.best.spec);
  REQUIRE_FALSE(detail::cost_of(cheap.best) < detail::cost_of(cheap.chosen));
}

TEST_CASE("tune: a budget that is over leaves the coarse stages") {
  TuneOptions options{.budget_seconds = 1e-9, .validation = {.folds = 2}};
  const TuneReport coarse = bundled().tune(options);
  options.budget_seconds = 0.0;
  const TuneReport all = bundled().tune(options);
  REQUIRE(coarse.grid.size() < all.grid.size());
  const auto has = [&](const auto& accept) {
    return std::any_of(coarse.grid.begin(), coarse.grid.end(),
                       [&](const TuneEntry& entry) { return accept(entry.spec); });
  };
  REQUIRE(has([](const RetrieverSpec& s) { return s.method == Method::xs && s.rule == FoldRule::least_squares; }));
  REQUIRE(has([](const RetrieverSpec& s) { return s.method == Method::xs && s.whitened == Whitened::all; }));
  REQUIRE(has([](const RetrieverSpec& s) { return s.method == Method::xl && s.gate.kind == GateKind::local; }));
}

TEST_CASE("tune: picks the cheapest method within one standard error of the best") {
  using detail::pick_setting;
  const auto grid_of = [](const std::vector<std::vector<double>>& values) {
    std::vector<TuneEntry> grid{
        {{.method = Method::erm}}, {{.method = Method::xs}}, {{.method = Method::xs}}, {{.method = Method::xl}}};
    for (std::size_t e = 0; e < grid.size(); ++e) grid[e].score = detail::mean_of(values[e]);
    return grid;
  };
  const std::vector<double> low(20, 0.1);
  std::vector<double> nearly(20, 0.5);
  const std::vector<double> high(20, 0.5);
  const auto pick = [&](const std::vector<std::vector<double>>& values) {
    const auto grid = grid_of(values);
    return pick_setting(grid, values, detail::best_setting(grid, [](const TuneEntry&) { return true; }));
  };
  REQUIRE(pick({low, low, low, high}) == 3);    // nothing else is near
  REQUIRE(pick({low, low, high, high}) == 2);   // XS as good as XL
  REQUIRE(pick({high, low, high, high}) == 0);  // the plain model as good as both
  nearly[3] = 0.3;                              // one query worse by 0.2: a mean of 0.01 +- 0.01
  REQUIRE(pick({low, low, nearly, high}) == 2);
  nearly[4] = 0.3;  // two queries worse: 0.02 +- 0.0138
  REQUIRE(pick({low, low, nearly, high}) == 3);
}

TEST_CASE("tune: of methods equally good, picks one search before two, then fewer bytes, then the plainer") {
  std::vector<TuneEntry> grid{{{.method = Method::erm}, 100},
                              {{.method = Method::xs}, 100},
                              {{.method = Method::xs_multi, .max_centroids = 8}, 500},
                              {{.method = Method::xs_multi, .max_centroids = 4}, 300},
                              {{.method = Method::xl}, 400},
                              {{.method = Method::xl, .condense = 0.9f}, 200},
                              {{.method = Method::xl, .condense = 0.8f}, 150},
                              {{.method = Method::xl, .fold = 0.3f}, 400}};
  std::vector<std::vector<double>> values(grid.size(), std::vector<double>(20, 0.5));
  for (const std::size_t expected : std::vector<std::size_t>{0, 1, 3, 2, 6, 5, 4, 7}) {
    for (std::size_t e = 0; e < grid.size(); ++e) grid[e].score = detail::mean_of(values[e]);
    const std::size_t best = detail::best_setting(grid, [](const TuneEntry&) { return true; });
    REQUIRE(detail::pick_setting(grid, values, best) == expected);
    values[expected].assign(20, 0.1);  // no longer among the best
  }
}

TEST_CASE("tune: data on which the training queries tell make it pick an adapter, with a small p") {
  // Passages mean nothing to the model; the queries of a passage lie about a centre of their own.
  const RowMajorMatrix passages = random_matrix(20, 24, 1);
  const RowMajorMatrix centres = random_matrix(20, 24, 2);
  RowMajorMatrix queries = random_matrix(300, 24, 3);
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < 300; ++q) {
    queries.row(q) = (centres.row(q % 20) + 0.5f * queries.row(q)).normalized();
    pairs.push_back({QueryId(q), PassageId(q % 20), 1.0f});
  }
  const TuneReport report = tune<float>(passages, queries, RelevanceMatrix::from_pairs(pairs, 300, 20),
                                        {.at = 1, .prefer = Preference::cost});
  REQUIRE(report.pick.method == Method::xs);
  REQUIRE(report.chosen.score > 0.95);
  REQUIRE(report.gain.low > 0.5);
  REQUIRE(report.p_value <= 1.0 / 10'001.0 + 1e-12);
}

TEST_CASE("tune: reports its progress in queries, and stop cancels it") {
  std::size_t last = 0;
  std::size_t of = 0;
  TuneOptions options;
  options.validation.folds = 3;
  options.progress = [&](std::size_t done, std::size_t total) {
    last = done;
    of = total;
    return ProgressAction::proceed;
  };
  const TuneReport report = gaussian().tune(options);
  REQUIRE(last == of);
  REQUIRE(of % report.queries == 0);
  options.progress = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_ERROR(Cancelled, "tune: stopped", gaussian().tune(options));
}

TEST_CASE("tune: grids and data that cannot work are refused") {
  const TuningProblem problem = gaussian();
  REQUIRE_ERROR(ValueError, "tune: the metric's cut-off is 0", problem.tune({.at = 0}));
  REQUIRE_ERROR(ValueError, "tune: no lambdas", problem.tune({.lambdas = {}}));
  REQUIRE_ERROR(ValueError, "tune: lambda is 1.5, expected 0 to 1", problem.tune({.lambdas = {0.5f, 1.5f}}));
  REQUIRE_ERROR(ValueError, "tune: neighbors is 0", problem.tune({.neighbors = {4, 0}}));
  REQUIRE_ERROR(ValueError, "0 neighbors and 6 gates", problem.tune({.neighbors = {}}));
  REQUIRE_ERROR(ValueError, "4 neighbors and 0 gates", problem.tune({.gates = {}}));
  REQUIRE_ERROR(ValueError, "neither PEFA-XS (cold, max_centroids) nor PEFA-XL",
                problem.tune(with_paper_methods({.cold = {}, .neighbors = {}, .gates = {}})));
  REQUIRE_ERROR(ValueError, "neither PEFA-XS (cold, max_centroids) nor PEFA-XL",
                problem.tune(with_paper_methods({.cold = {}, .plain_xl = PlainXl::left_out})));
  const auto with_fitted = [&](const auto& change) {
    TuneOptions options;
    change(options.fitted);
    return problem.tune(options);
  };
  REQUIRE_ERROR(ValueError, "tune: fitted.passages_as_queries: expected at least 1 value",
                with_fitted([](FittedGrid& fitted) { fitted.passages_as_queries.clear(); }));
  REQUIRE_ERROR(ValueError, "tune: fitted.solve_shrinkages: expected finite values of at least 0",
                with_fitted([](FittedGrid& fitted) { fitted.solve_shrinkages = {-0.1f}; }));
  REQUIRE_ERROR(ValueError, "tune: fitted.folds: expected values of 0 or more and below 1",
                with_fitted([](FittedGrid& fitted) { fitted.folds.push_back(1.0f); }));
  REQUIRE_ERROR(ValueError, "tune: fitted.gates: expected another than local first",
                with_fitted([](FittedGrid& fitted) { fitted.gates = {{.kind = GateKind::local}}; }));
  REQUIRE_ERROR(ValueError, "tune: max_centroids is 0, expected at least 1", problem.tune({.max_centroids = {4, 0}}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_ERROR(ValueError, "tune: condense is 0, expected above 0 and at most 1", problem.tune({.condense = {0.0f}}));
  REQUIRE_ERROR(ValueError, "tune: condense is 1.5, expected above 0", problem.tune({.condense = {0.8f, 1.5f}}));
  REQUIRE_ERROR(ValueError, "tune: condense is nan", problem.tune({.condense = {nan}}));
  REQUIRE_ERROR(ValueError, "tune: folds is 1, expected 0 or more and below 1", problem.tune({.folds = {0.5f, 1.0f}}));
  REQUIRE_ERROR(ValueError, "tune: folds is -0.5, expected 0 or more", problem.tune({.folds = {-0.5f}}));
  REQUIRE_ERROR(ValueError, "tune: folds is nan", problem.tune({.folds = {nan}}));
  REQUIRE_ERROR(ValueError, "0 condense and 1 folds, but no neighbors and gates",
                problem.tune({.neighbors = {}, .gates = {}, .folds = {0.5f}}));
  REQUIRE_ERROR(ValueError, "tune: gates has local", problem.tune({.gates = {{.kind = GateKind::local}}}));
  REQUIRE_ERROR(ValueError, "temperature is 0", problem.tune({.gates = {{GateKind::softmax, 0.0f}}}));
  REQUIRE_ERROR(ValueError, "folds is 0", problem.tune({.validation = {.folds = 0}}));

  const RowMajorMatrix narrow = problem.queries.leftCols(11);
  REQUIRE_ERROR(ShapeError, "tune: queries have dim 11, passages have dim 12",
                tune<float>(problem.passages, narrow, problem.relevance));
  REQUIRE_ERROR(ShapeError, "tune: relevance has 129 rows, queries has 130",
                tune<float>(problem.passages, problem.queries, random_relevance(129, 70, 1, 1)));
  REQUIRE_ERROR(ShapeError, "tune: relevance has 69 columns, passages has 70",
                tune<float>(problem.passages, problem.queries, random_relevance(130, 69, 1, 1)));
  REQUIRE_ERROR(ValueError, "tune: relevance has no pairs",
                tune<float>(problem.passages, problem.queries, RelevanceMatrix::from_pairs({}, 130, 70)));
  const RowMajorMatrix few = problem.queries.topRows(9);
  REQUIRE_ERROR(ValueError, "9 queries to score, expected at least 10",
                tune<float>(problem.passages, few, random_relevance(9, 70, 1, 1)));
  RowMajorMatrix broken = problem.queries;
  broken(5, 5) = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_ERROR(ValueError, "tune: queries: row 5 has a NaN", tune<float>(problem.passages, broken, problem.relevance));
}

TEST_CASE("tune: on banking77 the pick reaches 85 % Recall@1 on the test queries") {
  PEFA_SKIP_WITHOUT_BANKING77();
  const auto passages = io::read_npy<float>(banking77() / "passages.npy");
  const auto queries = io::read_npy<float>(banking77() / "train_queries.npy");
  const auto relevance = io::read_pairs(banking77() / "train_relevance.tsv", queries.size(), passages.size());
  // A part of the default's 2000 queries and of its grid, to be quick.
  const TuneReport report = tune<float>(
      passages, queries, relevance,
      with_paper_methods({.at = 1, .lambdas = {0.0f, 0.1f, 0.5f}, .validation = {.folds = 2, .max_queries = 400}}));
  REQUIRE(report.pick.method == Method::xl);
  REQUIRE(report.pick.gate.kind == GateKind::softmax);
  REQUIRE(report.p_value < 0.001);

  const auto tests = io::read_npy<float>(banking77() / "test_queries.npy");
  const auto truth = io::read_pairs(banking77() / "test_relevance.tsv", tests.size(), passages.size());
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
  const auto xl = Xl::build(
      passages, queries, relevance,
      {.lambda = report.pick.lambda, .neighbors = report.pick.neighbors, .gate = make_gate(report.pick.gate)});
  const auto measured = evaluate(xl, tests, truth, {.recall_at = {1}, .bootstrap_samples = 0});
  REQUIRE(measured.recall.at(1).mean >= 0.85);
}

TEST_CASE("tune: rows so long that products are infinite or NaN score as the retrievers have them") {
  TuningProblem problem = gaussian();
  for (Eigen::Index j = 0; j < problem.passages.rows(); j += 3) problem.passages.row(j) *= 1e28f;
  for (Eigen::Index i = 0; i < problem.queries.rows(); i += 2) problem.queries.row(i) *= 1e28f;
  for (const float sign : {1.0f, -1.0f}) {  // of one sign throughout: infinite, and no NaN
    problem.passages.row(6) = sign * problem.passages.row(6).cwiseAbs();
    problem.queries.row(8) = problem.queries.row(8).cwiseAbs();
    TuneOptions options =
        with_paper_methods({.lambdas = {0.0f, 0.5f, 1.0f}, .cold = {ColdPassage::erm, ColdPassage::paper}});
    options.max_centroids = {3};
    options.neighbors = {1, 16};
    options.folds = {0.5f};
    for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
      options.metric = metric;
      require_same_as_retrievers(problem, options);
      const TuneReport report = problem.tune(options);
      for (const TuneEntry& entry : report.grid) REQUIRE((entry.score >= 0.0 && entry.score <= 1.0));
    }
  }
}
