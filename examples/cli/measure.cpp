#include "measure.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <utility>

namespace pefa::cli {
namespace {

constexpr std::size_t metric_depth = 10;  // of nDCG and MRR

}  // namespace

void Measurement::add_options(CLI::App& command, Method& method) {
  command.add_option("--neighbors", method.neighbors, "XL: training queries looked up, k")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--temperature", method.temperature, "XL softmax: its temperature")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--cold", method.cold, "XS: passages without training queries: paper or erm")
      ->check(CLI::IsMember({"paper", "erm"}))
      ->capture_default_str();
  command.add_option("--index", method.index, "flat (exact), hnsw, or quantized (hnsw on int8 codes, exact scores)")
      ->check(CLI::IsMember({"flat", "hnsw", "quantized"}))
      ->capture_default_str();
  command.add_option("--m", method.m, "HNSW: M")->check(CLI::Range(2, 1024))->capture_default_str();
  command.add_option("--ef-construction", method.ef_construction, "HNSW: efConstruction")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--ef-search", method.ef_search, "HNSW: efSearch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--top-k", top_k_, "passages a query asks for")->check(CLI::PositiveNumber)->capture_default_str();
  command.add_option("--recall-at", recall_at_, "cut-offs of Recall (default: 1,10,100 up to --top-k)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command.add_option("--threads", threads_, "threads while building (default: all); 1 is reproducible to the bit")
      ->check(CLI::PositiveNumber);
  command.add_flag("--quiet", quiet_, "no progress");
  command.add_option("--json", json_, "write the result as JSON to FILE, or to stdout for -")->type_name("FILE|-");
}

std::vector<std::size_t> Measurement::recall_cutoffs() const {
  std::vector<std::size_t> cutoffs = recall_at_;
  if (cutoffs.empty()) {
    for (const std::size_t k : {1U, 10U, 100U}) {
      if (k <= top_k_) cutoffs.push_back(k);
    }
  }
  const std::size_t deepest = *std::max_element(cutoffs.begin(), cutoffs.end());
  if (deepest > top_k_) {
    throw ValueError("--recall-at " + std::to_string(deepest) + " is past --top-k " + std::to_string(top_k_) +
                     "; raise --top-k");
  }
  return cutoffs;
}

Outcome Measurement::run(const Method& method, const TrainingData& training, const TestData& test) const {
  const std::vector<std::size_t> cutoffs = recall_cutoffs();
  const Verbosity verbosity = quiet_ ? Verbosity::quiet : Verbosity::normal;
  Measured measured;
  measured.method = method;

  const auto start = std::chrono::steady_clock::now();
  AnyRetriever retriever = [&] {
    ProgressBar bar("building " + method.label(), verbosity);
    return build(method, training, {ThreadExecutor(threads_), bar.callback()});
  }();
  measured.build_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  measured.index_bytes = retriever.memory_bytes();

  ProgressBar bar("evaluating " + method.label(), verbosity);
  const std::size_t depth = std::min(metric_depth, top_k_);
  measured.report = evaluate(retriever, test.queries.view(), test.truth,
                             {.recall_at = cutoffs,
                              .ndcg_at = {depth},
                              .mrr_at = {depth},
                              .top_k = top_k_,
                              .latency = MeasureLatency::yes,
                              .progress = bar.callback()});
  return {std::move(measured), std::move(retriever)};
}

}  // namespace pefa::cli
