#include "measure.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "interrupt.hpp"
#include "pefa/adapter/condense.hpp"

namespace pefa::cli {
namespace {

constexpr std::size_t metric_depth = 10;  // of nDCG and MRR

}  // namespace

void add_threads_option(CLI::App& command, std::size_t& threads) {
  command.add_option("--threads", threads, "threads (default: all); a build by 1 is reproducible to the bit")
      ->check(CLI::PositiveNumber);
}

Built build_with_progress(const Method& method, const TrainingData& data, std::size_t threads, Verbosity verbosity) {
  const InterruptibleExecutor executor(threads);
  const auto start = std::chrono::steady_clock::now();
  std::shared_ptr<const CondensedQueries> condensed;
  if (method.condense) {
    ProgressBar bar("condensing queries", verbosity);
    condensed = std::make_shared<CondensedQueries>(condense_queries(
        data.queries.view(), data.relevance, {.min_cosine = *method.condense}, {executor, bar.callback()}));
  }
  const TrainingView training{data.passages.view(), condensed ? condensed->queries.view() : data.queries.view(),
                              condensed ? condensed->relevance : data.relevance};
  ProgressBar bar("building " + method.label(), verbosity);
  AnyRetriever retriever = build(method, training, {executor, bar.callback()});
  retriever.keep(std::move(condensed));
  return {std::move(retriever), std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

void Measurement::add_options(CLI::App& command) {
  command.add_option("--top-k", top_k_, "passages a query asks for")->check(CLI::PositiveNumber)->capture_default_str();
  command.add_option("--recall-at", recall_at_, "cut-offs of Recall (default: 1,10,100 up to --top-k)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  add_threads_option(command, threads_);
  output_.add_options(command);
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

EvaluationReport Measurement::evaluate(const AnyRetriever& retriever, const Method& method, const SearchOptions& search,
                                       const TestData& test) const {
  ProgressBar bar("evaluating " + method.label(), output_.verbosity());
  const std::size_t depth = std::min(metric_depth, top_k_);
  return pefa::evaluate(retriever, test.queries.view(), test.truth,
                        {.recall_at = recall_cutoffs(),
                         .ndcg_at = {depth},
                         .mrr_at = {depth},
                         .top_k = top_k_,
                         .search = search,
                         .latency = MeasureLatency::yes,
                         .progress = bar.callback()});
}

Outcome Measurement::run(const Method& method, const TrainingData& training, const TestData& test,
                         const SearchOptions& search) const {
  (void)recall_cutoffs();  // refused before anything is built
  Built built = build_with_progress(method, training, threads_, output_.verbosity());
  Measured measured{method, evaluate(built.retriever, method, search, test), built.seconds,
                    built.retriever.memory_bytes(), training.judgements_skipped + test.judgements_skipped};
  return {std::move(measured), std::move(built.retriever)};
}

Measured Measurement::run(const OpenArchive& archive, const SearchOptions& search, const TestData& test) const {
  Method method = archive.method;
  if (search.lambda) method.lambda = *search.lambda;
  if (search.neighbors != 0) method.neighbors = search.neighbors;
  if (search.ef != 0) method.ef_search = search.ef;
  return {method, evaluate(archive.retriever, method, search, test), std::nullopt, archive.index_bytes(),
          test.judgements_skipped};
}

}  // namespace pefa::cli
