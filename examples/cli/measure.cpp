#include "measure.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <utility>

#include "conditions.hpp"
#include "interrupt.hpp"
#include "option_groups.hpp"

namespace pefa::cli {
namespace {

constexpr std::size_t metric_depth = 10;  // of nDCG and MRR

/// Bytes of the rows that what was built reads in place.
std::size_t borrowed_bytes(const RetrieverSpec& built, const TrainingData& data) {
  const auto borrows = [](const IndexSpec& index) {
    return index.kind != IndexKind::hnsw && index.exact_rows == ExactRows::keep;
  };
  const bool is_xl = built.method == Method::xl;
  std::size_t bytes = 0;
  if ((built.method == Method::erm || (is_xl && !built.is_folded())) && borrows(built.index)) {
    bytes += data.passages.memory_bytes();
  }
  if (is_xl && !built.is_condensed() && borrows(built.query_index)) bytes += data.queries.memory_bytes();
  return bytes;
}

}  // namespace

void add_threads_option(CLI::App& command, std::size_t& threads) {
  command.add_option("--threads", threads, "threads (default: all); a build by 1 is reproducible to the bit")
      ->check(CLI::PositiveNumber);
}

Built build_with_progress(const RetrieverSpec& spec, const TrainingData& data, std::size_t threads,
                          Verbosity verbosity) {
  const InterruptibleExecutor executor(threads);
  const auto start = std::chrono::steady_clock::now();
  ProgressBar bar(std::string("building ") + name(spec.method), verbosity);
  AnyRetriever retriever =
      build(spec, data.passages, data.queries, data.relevance, {executor, bar.callback()}, Rows::borrow);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::size_t bytes = retriever.memory_bytes() + borrowed_bytes(retriever.spec(), data);
  return {std::move(retriever), seconds, bytes};
}

void Measurement::add_options(CLI::App& command) {
  command.add_option("--top-k", top_k_, "passages a query asks for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::search);
  command.add_option("--recall-at", recall_at_, "cut-offs of Recall (default: 1,10,100 up to --top-k)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->group(groups::measurement);
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

EvaluateOptions Measurement::options() const {
  const std::size_t depth = std::min(metric_depth, top_k_);
  return {.recall_at = recall_cutoffs(), .ndcg_at = {depth}, .mrr_at = {depth}, .top_k = top_k_};
}

EvaluationReport Measurement::evaluate(const AnyRetriever& retriever, const SearchOptions& search, const TestData& test,
                                       const Admitted* admitted) const {
  ProgressBar bar(std::string("evaluating ") + name(retriever.spec().method), output_.verbosity());
  EvaluateOptions asked = options();
  asked.search = search;
  asked.latency = MeasureLatency::yes;
  asked.progress = bar.callback();
  if (admitted == nullptr) return pefa::evaluate(retriever, test.queries.view(), test.truth, asked);
  return pefa::evaluate(Filtered(retriever, *admitted), test.queries.view(),
                        admitted_part(test.truth, admitted->passages), asked);
}

Outcome Measurement::run(const RetrieverSpec& spec, const TrainingData& training, const TestData& test,
                         const SearchOptions& search, const Admitted* admitted) const {
  require_cutoffs();
  Built built = build_with_progress(spec, training, threads_, output_.verbosity());
  Measured measured{with_arguments(built.retriever.spec(), search), evaluate(built.retriever, search, test, admitted),
                    built.seconds, built.index_bytes, training.judgements_skipped + test.judgements_skipped};
  return {std::move(measured), std::move(built.retriever)};
}

Measured Measurement::run(const std::string& name, const std::vector<std::vector<Hit>>& results,
                          const RelevanceMatrix& truth, std::size_t judgements_skipped) const {
  return {{}, evaluate_run(results, truth, options()), std::nullopt, 0, judgements_skipped, name};
}

Measured Measurement::run(const OpenArchive& archive, const SearchOptions& search, const TestData& test,
                          const Admitted* admitted) const {
  return {with_arguments(archive.retriever.spec(), search), evaluate(archive.retriever, search, test, admitted),
          std::nullopt, archive.index_bytes(), test.judgements_skipped};
}

}  // namespace pefa::cli
