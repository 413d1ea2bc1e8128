// Random events over a few hundred ids, and the check of a live retriever against the oracle.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "live_oracle.hpp"
#include "pefa/live/live_retriever.hpp"

namespace pefa::test {

inline constexpr std::size_t live_dim = 12;

inline const BuildOptions one_thread{AnyExecutor::serial(), {}};

/// Logs that are written, and not waited for: what a process writes another one reads.
inline live::FolderOptions unsynced() {
  live::FolderOptions options;
  options.log.sync_interval = std::chrono::hours(1);
  return options;
}

/// Makes events; the same seed, the same events.
class LiveEvents {
 public:
  explicit LiveEvents(unsigned seed, std::size_t n_passages = 90, std::size_t n_queries = 160)
      : random_(seed), n_passages_(n_passages), n_queries_(n_queries) {}

  [[nodiscard]] std::size_t below(std::size_t n) { return random_() % n; }

  [[nodiscard]] std::vector<float> vector() {
    std::normal_distribution<float> gaussian;
    std::vector<float> values(live_dim);
    float squares = 0.0f;
    for (float& x : values) {
      x = gaussian(random_);
      squares += x * x;
    }
    for (float& x : values) x /= std::sqrt(squares);
    return values;
  }

  [[nodiscard]] live::Event event() {
    ++time_;
    const std::string passage = "p" + std::to_string(below(n_passages_));
    const std::string query = "q" + std::to_string(below(n_queries_));
    const std::size_t kind = below(100);
    if (kind < 14) return live::UpsertPassage{passage, vector(), below(2) == 0 ? "red" : "blue", time_};
    if (kind < 19) return live::RemovePassage{passage, time_};
    if (kind < 37) {
      return live::UpsertQuery{query, vector(), below(3) == 0 ? "o" + std::to_string(below(40)) : "", time_};
    }
    if (kind < 87) return live::AddPair{query, passage, static_cast<float>(1 + below(3)), time_};
    if (kind < 93) return live::RetractPair{query, passage, time_};
    if (kind < 97) return live::ForgetQuery{query, time_};
    if (kind < 98) return live::RetireQuery{query, time_};
    return live::ForgetOwner{"o" + std::to_string(below(40)), time_};
  }

  [[nodiscard]] live::Batch batch(std::size_t most) {
    live::Batch batch;
    for (std::size_t n = 1 + below(most); n > 0; --n) batch.events.push_back(event());
    batch.cursor = "at " + std::to_string(time_);
    return batch;
  }

 private:
  std::mt19937 random_;
  std::size_t n_passages_;
  std::size_t n_queries_;
  std::int64_t time_ = 0;
};

/// Requires the oracle's answer, ids in its order but where scores are equal within rounding.
inline void require_answer(const live::LiveView& view, const LiveOracle& oracle, const std::vector<float>& query,
                           std::size_t k) {
  const Eigen::VectorXd asked =
      Eigen::Map<const Eigen::VectorXf>(query.data(), static_cast<Eigen::Index>(query.size())).cast<double>();
  const auto expected = oracle.answer(asked);
  const auto found = view.search(query, k);
  REQUIRE(found.size() == std::min(k, oracle.passages()));
  if (!expected) return;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto scored = std::find_if(expected->begin(), expected->end(),
                                     [&](const auto& passage) { return passage.id == found[i].id; });
    INFO("rank " << i << ", " << found[i].id << ", expected " << (*expected)[i].id);
    REQUIRE(scored != expected->end());
    REQUIRE(seen.insert(found[i].id).second);
    REQUIRE(std::abs(static_cast<double>(found[i].score) - scored->score) < 1e-5);
    REQUIRE(std::abs(static_cast<double>(found[i].score) - (*expected)[i].score) < 1e-5);
  }
}

/// The specs that a live retriever is checked with.
struct LiveCase {
  const char* name;
  RetrieverSpec spec;
  live::CountingParams counting{};
};

inline std::vector<LiveCase> live_cases() {
  RetrieverSpec xs;
  xs.method = Method::xs;
  xs.lambda = 0.4f;
  xs.rule = FoldRule::correlation;
  xs.whitened = Whitened::none;
  RetrieverSpec solved = xs;
  solved.rule = FoldRule::least_squares;
  RetrieverSpec whitened = solved;
  whitened.whitened = Whitened::all;
  whitened.least_squares.passages_as_queries = 0.0f;
  whitened.cold = ColdPassage::paper;
  RetrieverSpec plain = RetrieverSpec::paper_xl();
  plain.index = plain.query_index = {};
  plain.passage_candidates = 0;
  RetrieverSpec over;  // XL over XS, as tuned
  over.neighbors = 12;
  RetrieverSpec all = over;
  all.whitened = Whitened::all;
  all.hubness = 0.0f;
  RetrieverSpec erm;
  erm.method = Method::erm;
  return {{"xs", xs, {.duplicates = DuplicatePolicy::max}},
          {"xs by least squares", solved, {.unknown = live::UnknownIds::park}},
          {"xs whitened", whitened, {.weighting = live::Weighting::log1p, .half_life = 500.0}},
          {"xl", plain, {.duplicates = DuplicatePolicy::last, .unknown = live::UnknownIds::park}},
          {"xl over xs", over, {}},
          {"xl over xs whitened", all, {.weighting = live::Weighting::row_normalized}},
          {"erm", erm, {.weighting = live::Weighting::binary}}};
}

}  // namespace pefa::test
