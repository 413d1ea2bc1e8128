// What becomes of passages without training queries? The training queries of a share of the passages are withheld, and
// Recall@10 is taken over all relevant passages, over those that kept their queries (warm) and over the others (cold):
// for the policies of PEFA-XS, and for two rules that are not in the library, λ by evidence, so that it shows what was
// left out. PEFA-XS by passage: λ_j = λ + (1 − λ)·c / (c + n_j) with its n_j training queries. PEFA-XL by query:
// λ_q = λ + (1 − λ)·min(1, slope·max(0, 1 − s/s₀)) with s the similarity of the nearest training query.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <utility>
#include <vector>

#include "quality_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 10;

/// The training data without the queries of some passages.
struct Withheld {
  EmbeddingStore<float> queries;
  RelevanceMatrix relevance;
  std::vector<char> is_cold;  // by passage: none of its queries is left
};

/// Drops the pairs of a seeded choice of passages, and the queries that have none left.
Withheld withhold(const DataSet& data, double share, std::uint64_t seed) {
  const std::size_t n = data.passages.size();
  std::vector<Row> chosen(n);
  std::iota(chosen.begin(), chosen.end(), Row{0});
  pefa::detail::shuffle(chosen, seed);
  chosen.resize(static_cast<std::size_t>(std::lround(share * static_cast<double>(n))));
  std::vector<char> is_chosen(n, 0);
  for (const Row passage : chosen) is_chosen[passage] = 1;

  EmbeddingStore<float> queries(data.train_queries.dim());
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < data.train_queries.size(); ++q) {
    const RelevanceMatrix::Entries entries = data.train_relevance.passages_of(QueryId(q));
    const std::size_t pairs_before = pairs.size();
    for (std::size_t e = 0; e < entries.size(); ++e) {
      const auto passage = static_cast<Row>(entries.columns[e]);
      if (is_chosen[passage] != 0) continue;
      pairs.push_back({QueryId(static_cast<Row>(queries.size())), PassageId(passage), entries.weights[e]});
    }
    if (pairs.size() > pairs_before) queries.append(QueryView(data.train_queries.row(q), data.train_queries.dim()));
  }
  auto relevance = RelevanceMatrix::from_pairs(pairs, queries.size(), n);
  std::vector<char> is_cold(n);
  const std::vector<std::size_t> counts = relevance.column_counts();
  std::transform(counts.begin(), counts.end(), is_cold.begin(), [](std::size_t count) { return count == 0 ? 1 : 0; });
  return {std::move(queries), std::move(relevance), std::move(is_cold)};
}

/// The truth with the warm passages alone, or the cold ones.
RelevanceMatrix restricted(const RelevanceMatrix& truth, const std::vector<char>& is_cold, char wanted) {
  RelevanceMatrix::Sparse kept = truth.sparse();
  kept.prune(
      [&](Eigen::Index, Eigen::Index passage, float) { return is_cold[static_cast<std::size_t>(passage)] == wanted; });
  return RelevanceMatrix::from_eigen(kept);
}

/// PEFA-XS with λ_j of each passage by how many training queries it has.
ExactErm build_xs_by_evidence(const DataSet& data, const Withheld& training, float lambda, float c) {
  EmbeddingStore<float> folded = aggregate_queries(training.queries.view(), training.relevance);
  const std::vector<std::size_t> counts = training.relevance.column_counts();
  for (std::size_t j = 0; j < folded.size(); ++j) {
    const float own = lambda + (1.0f - lambda) * c / (c + static_cast<float>(counts[j]));
    const float* passage = data.passages.row(j);
    float* out = folded.mutable_row(j);
    for (std::size_t d = 0; d < folded.dim(); ++d) out[d] = own * passage[d] + (1.0f - own) * out[d];
  }
  return ExactErm(FlatIndex<>::build(std::move(folded)));
}

/// How λ of PEFA-XL rises where the nearest training query is far.
struct RisingLambda {
  float threshold;  // s₀
  float slope;

  [[nodiscard]] float at(float nearest, float lambda) const {
    return lambda + (1.0f - lambda) * std::min(1.0f, slope * std::max(0.0f, 1.0f - nearest / threshold));
  }
};

/// PEFA-XL with λ_q of each query. @param plain  what it finds with λ, which stays where the nearest query is near
Ranking rank_by_evidence(const ExactXl<>& xl, const Ranking& plain, const EmbeddingView<float>& queries,
                         const RisingLambda& rising) {
  const auto nearest = search_batch(xl.query_index(), queries, 1);
  std::vector<std::size_t> raised;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    if (nearest[q][0].score < rising.threshold) raised.push_back(q);
  }
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "XL, by query: s0 = %.1f x%.0f, %.0f %% raised",
                static_cast<double>(rising.threshold), static_cast<double>(rising.slope),
                100 * static_cast<double>(raised.size()) / static_cast<double>(queries.size()));
  std::fprintf(stderr, "%s\n", name.data());
  Ranking ranking{.method = name.data(), .bytes = plain.bytes, .lists = plain.lists};
  const ThreadExecutor threads;
  threads.run(raised.size(), [&](std::size_t i) {
    const std::size_t q = raised[i];
    const float lambda = rising.at(nearest[q][0].score, xl.params().lambda);
    ranking.lists[q] = xl.search({queries.row(q), queries.dim()}, list_depth, {.lambda = lambda});
  });
  return ranking;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Recall@10 of warm and cold passages, where the training queries of some passages are withheld");
  Options options;
  double share = 0.3;
  std::uint64_t seed = 1;
  float lambda = 0.1f;
  add_quality_options(app, options);
  app.add_option("--share", share, "of the passages whose training queries are withheld")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--seed", seed, "of the choice of passages")->capture_default_str();
  app.add_option("--lambda", lambda, "of PEFA-XS and PEFA-XL")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = read_data(options);
    const Withheld training = withhold(data, share, seed);
    const EmbeddingView<float> passages = data.passages.view();
    const EmbeddingView<float> queries = training.queries.view();
    const EmbeddingView<float> asked = data.test_queries.view();
    const RelevanceMatrix warm = restricted(data.test_relevance, training.is_cold, 0);
    const RelevanceMatrix cold = restricted(data.test_relevance, training.is_cold, 1);
    const std::size_t n = passages.size();
    const auto n_cold = std::count(training.is_cold.begin(), training.is_cold.end(), char{1});
    print_data(data, options);
    std::printf("withheld: %td of %zu passages are cold, %zu training queries are left; lambda = %g\n", n_cold, n,
                queries.size(), static_cast<double>(lambda));
    std::printf("%-42s%22s%22s%22s\n", "Recall@10 in percent, 95 % intervals", "all", "warm", "cold");

    nlohmann::ordered_json json{{"data", options.folder},
                                {"share", share},
                                {"seed", seed},
                                {"lambda", lambda},
                                {"cold_passages", n_cold},
                                {"passages", n},
                                {"training_queries_left", queries.size()}};
    const auto report = [&](const Ranking& ranking) {
      const Estimate on_all = recall(ranking, data.test_relevance, k);
      const Estimate on_warm = recall(ranking, warm, k);
      const Estimate on_cold = recall(ranking, cold, k);
      std::printf("%-42s%22s%22s%22s\n", ranking.method.c_str(), percent(on_all).c_str(), percent(on_warm).c_str(),
                  percent(on_cold).c_str());
      std::fflush(stdout);
      json["methods"].push_back({{"method", ranking.method},
                                 {"all", to_json(on_all)},
                                 {"warm", to_json(on_warm)},
                                 {"cold", to_json(on_cold)}});
    };

    report(rank("ERM", n, ExactErm::build(passages, {.index = borrowing}), asked));
    for (const auto& [name, policy] : {std::pair{"XS, cold passages: paper", ColdPassage::paper},
                                       std::pair{"XS, cold passages: erm", ColdPassage::erm},
                                       std::pair{"XS, cold passages: borrowed", ColdPassage::borrowed}}) {
      report(rank(name, n, ExactXs::build(passages, queries, training.relevance, {.lambda = lambda, .cold = policy}),
                  asked));
    }
    report(rank("XS, by passage: c = 1", n, build_xs_by_evidence(data, training, lambda, 1.0f), asked));
    report(rank("XS, by passage: c = 0.25", n, build_xs_by_evidence(data, training, lambda, 0.25f), asked));

    const auto xl = ExactXl<>::build(
        passages, queries, training.relevance,
        {.lambda = lambda, .gate = SoftmaxGate(0.05f), .passage_index = borrowing, .query_index = borrowing});
    const Ranking plain = rank("XL softmax", n + queries.size(), xl, asked);
    report(plain);
    for (const RisingLambda rising : {RisingLambda{0.5f, 1.0f}, RisingLambda{0.5f, 3.0f}, RisingLambda{0.8f, 1.0f}}) {
      report(rank_by_evidence(xl, plain, asked, rising));
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cold: %s\n", error.what());
    return 1;
  }
}
