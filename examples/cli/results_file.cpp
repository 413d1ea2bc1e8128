#include "results_file.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "interrupt.hpp"
#include "option_groups.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/results/hits_jsonl.hpp"
#include "pefa/io/results/hits_npy.hpp"
#include "pefa/io/results/trec_run.hpp"

namespace pefa::cli {

void ResultsFile::add_options(CLI::App& command) {
  command.add_option("--top-k", top_k_, "passages a query asks for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::search);
  command
      .add_option("--out", out_, "the file to write; run.npy becomes run.ids.npy (int64) and run.scores.npy (float32)")
      ->required()
      ->group(groups::output);
  command.add_option("--format", format_, "trec, npy or jsonl (default: by the extension of --out)")
      ->check(CLI::IsMember({"trec", "npy", "jsonl"}))
      ->group(groups::output);
  command.add_option("--tag", tag_, "trec: the name of the run")->capture_default_str()->group(groups::output);
}

std::string ResultsFile::format() const {
  if (!format_.empty()) return format_;
  const std::string extension = out_.extension().string();
  if (extension == ".trec" || extension == ".run") return "trec";
  if (extension == ".npy") return "npy";
  if (extension == ".jsonl" || extension == ".ndjson") return "jsonl";
  throw ValueError(out_.string() + ": has the extension '" + extension +
                   "', which tells no format of results, expected .trec, .run, .npy or .jsonl; or give --format");
}

void ResultsFile::require_ids(const io::RowIds& queries, const io::RowIds& passages) const {
  const std::string to = format();
  const std::string where = name() + ": ";
  std::string scratch;
  const auto require = [&](const io::RowIds& ids, const char* what) {
    for (Row row = 0; ids.has_table() && row < ids.size(); ++row) {
      if (to == "trec") (void)io::detail::run_field(ids.text(row), where, what);
      if (to == "jsonl") io::detail::append_json_string(scratch, ids.text(row), where);
      scratch.clear();
    }
  };
  if (to != "npy") require(queries, "query");
  require(passages, "passage");
  for (Row row = 0; to == "npy" && passages.has_table() && row < passages.size(); ++row) {
    (void)io::detail::numeric_id(passages, row, name());
  }
}

void ResultsFile::write(const std::vector<std::vector<Hit>>& results, const io::RowIds& queries_by,
                        const io::RowIds& passages_by, std::size_t n_passages) const {
  const std::string to = format();
  if (to == "trec") return io::write_trec_run(out_, results, queries_by, passages_by, tag_, interrupted);
  if (to == "jsonl") return io::write_hits_jsonl(out_, results, queries_by, passages_by, interrupted);
  io::write_hits_npy(out_, results, std::max<std::size_t>(1, std::min(top_k_, n_passages)), passages_by, interrupted);
}

std::size_t ResultsFile::limited_to(std::size_t n_passages, const char* which) const {
  const std::size_t written = std::min(top_k_, n_passages);
  if (written < top_k_) {
    fmt::print(stderr, "pefa: {}: asked for {} of {} passages{}: {} written\n", name(), top_k_, n_passages, which,
               written);
  }
  return written;
}

}  // namespace pefa::cli
