#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "output.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/adapter/spec_text.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;
using Metrics = std::vector<std::pair<std::string, const std::map<std::size_t, Estimate> EvaluationReport::*>>;

const Metrics& metrics() {
  static const Metrics all{
      {"Recall", &EvaluationReport::recall}, {"nDCG", &EvaluationReport::ndcg}, {"MRR", &EvaluationReport::mrr}};
  return all;
}

Json means(const std::map<std::size_t, Estimate>& estimates) {
  Json json = Json::object();
  for (const auto& [k, estimate] : estimates) json[std::to_string(k)] = estimate.mean;
  return json;
}

Json intervals(const std::map<std::size_t, Estimate>& estimates) {
  Json json = Json::object();
  for (const auto& [k, estimate] : estimates) json[std::to_string(k)] = {estimate.low, estimate.high};
  return json;
}

std::string title(const Measured& measured) {
  return measured.run.empty() ? describe(measured.spec) : measured.run;
}

}  // namespace

std::string to_table(const std::vector<Measured>& measured, const std::string& queries) {
  std::size_t width = 0;
  for (const Measured& one : measured) width = std::max(width, title(one).size());
  std::string heads = fmt::format("{:<{}}", "method", width);
  for (const auto& [name, member] : metrics()) {
    for (const auto& entry : measured.front().report.*member) {
      heads += fmt::format("{:>18}", fmt::format("{}@{}", name, entry.first));
    }
  }
  heads += fmt::format("{:>9}{:>11}{:>16}\n", "build s", "index MiB", "p50 / p99 ms");

  std::string rows;
  for (const Measured& one : measured) {
    rows += fmt::format("{:<{}}", title(one), width);
    for (const auto& [name, member] : metrics()) {
      for (const auto& entry : one.report.*member) {
        const Estimate& estimate = entry.second;
        rows += fmt::format("{:>18}", fmt::format("{:.1f} [{:.1f}, {:.1f}]", 100 * estimate.mean, 100 * estimate.low,
                                                  100 * estimate.high));
      }
    }
    const std::string seconds = one.build_seconds ? fmt::format("{:.2f}", *one.build_seconds) : "-";
    const double mebibytes = static_cast<double>(one.index_bytes) / (1024.0 * 1024.0);
    const auto& latency = one.report.latency;
    rows += fmt::format("{:>9}{:>11}{:>16}\n", seconds, one.run.empty() ? fmt::format("{:.1f}", mebibytes) : "-",
                        latency ? fmt::format("{:.2f} / {:.2f}", latency->p50, latency->p99) : "-");
  }
  const EvaluationReport& first = measured.front().report;
  return heads + rows +
         fmt::format("{} {}, metrics in percent with 95 % bootstrap intervals; latency on one thread\n",
                     first.queries_evaluated, queries);
}

Json to_json(const Measured& measured) {
  const EvaluationReport& report = measured.report;
  Json json = measured.run.empty() ? to_json(measured.spec) : Json{{"run", measured.run}};
  json["recall"] = means(report.recall);
  json["recall_interval"] = intervals(report.recall);
  json["ndcg"] = means(report.ndcg);
  json["ndcg_interval"] = intervals(report.ndcg);
  json["mrr"] = means(report.mrr);
  json["mrr_interval"] = intervals(report.mrr);
  json["queries_evaluated"] = report.queries_evaluated;
  json["queries_without_truth"] = report.queries_without_truth;
  json["judgements_skipped"] = measured.judgements_skipped;
  if (!measured.run.empty()) {
    json["pefa_version"] = version();
    return json;
  }
  json["build_seconds"] = measured.build_seconds ? Json(*measured.build_seconds) : Json(nullptr);
  json["index_bytes"] = measured.index_bytes;
  if (report.latency) {
    const LatencyReport& latency = *report.latency;
    json["latency_ms"] = {{"mean", latency.mean}, {"p50", latency.p50}, {"p95", latency.p95}, {"p99", latency.p99}};
  }
  json["queries_per_second"] = static_cast<double>(report.queries_evaluated) / report.seconds;
  json["pefa_version"] = version();
  return json;
}

}  // namespace pefa::cli
