// --out, --format, --tag and --top-k: what a search found, written as a run file, NumPy matrices or JSON lines.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/io/ids/external_ids.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// A file of hits, a list a query.
class ResultsFile {
 public:
  void add_options(CLI::App& command);

  /// trec, npy or jsonl: as --format says, or the extension. @throws ValueError  neither tells
  [[nodiscard]] std::string format() const;
  /// Refuses ids that the format cannot hold, before anything is searched. @throws ValueError  names one
  void require_ids(const io::RowIds& queries, const io::RowIds& passages) const;
  /// Writes it. @param n_passages  that a query can have as hits at most  @throws IoError  it cannot be written
  void write(const std::vector<std::vector<Hit>>& results, const io::RowIds& queries_by, const io::RowIds& passages_by,
             std::size_t n_passages) const;

  [[nodiscard]] std::string name() const { return out_.string(); }
  /// How many hits a query asks for.
  [[nodiscard]] std::size_t top_k() const noexcept { return top_k_; }
  /// How many of n passages it gets; says so on stderr where they are fewer. @param which  "", or " that are admitted"
  std::size_t limited_to(std::size_t n_passages, const char* which) const;

 private:
  std::filesystem::path out_;
  std::string format_;
  std::string tag_ = "pefa";
  std::size_t top_k_ = 100;
};

}  // namespace pefa::cli
