// Running the pefa command as its users do, and a small data set in files to run it on.
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "support.hpp"

namespace pefa::test {

using Json = nlohmann::json;

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

/// Runs a command line as a shell would.
inline Outcome run_shell(const std::string& line) {
  const TemporaryDirectory directory;
  const std::string command =
      line + " >'" + (directory / "out").string() + "' 2>'" + (directory / "err").string() + "' </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_bytes(directory / "out"), read_bytes(directory / "err")};
}

/// Runs the command with arguments as a shell would split them.
inline Outcome run(const std::string& arguments) {
  return run_shell(std::string(PEFA_COMMAND) + " " + arguments);
}

/// Runs what must succeed; its stdout.
inline std::string run_well(const std::string& arguments) {
  const Outcome outcome = run(arguments);
  INFO("pefa " << arguments << "\nstderr: " << outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return outcome.out;
}

/// One line on stderr that says `text`, nothing on stdout, an exit code of `code`.
inline void require_refused(const std::string& arguments, int code, const std::string& text) {
  const Outcome outcome = run(arguments);
  INFO("pefa " << arguments << "\nstderr: " << outcome.err);
  REQUIRE(outcome.exit_code == code);
  REQUIRE(outcome.out.empty());
  REQUIRE(outcome.err.find(text) != std::string::npos);
  REQUIRE(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  REQUIRE(outcome.err.back() == '\n');
}

/// A small valid data set in files, to break one of.
struct Files {
  TemporaryDirectory directory;
  std::string passages = (directory / "P.npy").string();
  std::string queries = (directory / "Q.npy").string();
  std::string relevance = (directory / "Y.tsv").string();
  std::string tests = (directory / "T.npy").string();
  std::string truth = (directory / "Z.tsv").string();

  Files() {
    io::write_npy(passages, EmbeddingView<float>(random_matrix(30, 8, 1)));
    io::write_npy(queries, EmbeddingView<float>(random_matrix(40, 8, 2)));
    io::write_npy(tests, EmbeddingView<float>(random_matrix(20, 8, 3)));
    io::write_pairs(relevance, random_relevance(40, 30, 2, 4));
    io::write_pairs(truth, random_relevance(20, 30, 2, 5));
  }

  [[nodiscard]] std::string path(const std::string& name) const { return (directory / name).string(); }

  [[nodiscard]] std::string training() const {
    return " --passages " + passages + " --train-queries " + queries + " --train-relevance " + relevance;
  }
  [[nodiscard]] std::string testing() const { return " --test-queries " + tests + " --test-relevance " + truth; }

  /// Of `pefa eval`.
  [[nodiscard]] std::string arguments(const std::string& method = "xl", const std::string& more = "") const {
    return "eval --quiet" + training() + testing() + " --method " + method + " " + more;
  }

  /// Builds an archive and returns its path.
  [[nodiscard]] std::string build(const std::string& method, const std::string& more = "",
                                  const std::string& name = "x.pefa") const {
    run_well("build --quiet" + training() + " --method " + method + " --out " + path(name) + " " + more);
    return path(name);
  }
};

inline void replace_bytes(const std::string& path, const std::string& from, const std::string& to) {
  std::string bytes = read_bytes(path);
  bytes.replace(bytes.find(from), from.size(), to);
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace pefa::test
