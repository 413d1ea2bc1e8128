// Ctrl-C: what is built or written ends soon, with its own exit code, and leaves nothing half-written.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cli_support.hpp"
#include "pefa/io/relevance/sparse_csr.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// A process that was started without a shell, so that a signal reaches it.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    std::vector<char*> pointers{const_cast<char*>(PEFA_COMMAND)};
    for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int error = posix_spawn(&id_, PEFA_COMMAND, &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(error == 0);
  }

  void send(int signal) const { kill(id_, signal); }

  /// Sends the signal, after which the program must end soon, with exit code 130.
  void require_interrupted_by(int signal) const {
    send(signal);
    const auto start = std::chrono::steady_clock::now();
    int status = 0;
    waitpid(id_, &status, 0);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 130);
    // A second on a machine that does nothing else.
    REQUIRE(taken.count() < 20.0);
  }

  /// Waits until the program has come to where it catches signals, by what the system says of it.
  void wait_until_it_catches(int signal) const {
    for (int i = 0; i < 3000; ++i) {
      std::ifstream status("/proc/" + std::to_string(id_) + "/status");
      for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("SigCgt:")) continue;
        const std::uint64_t caught = std::stoull(line.substr(7), nullptr, 16);
        if ((caught >> (signal - 1) & 1) != 0) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("it catches no signals");
  }

  /// Waits until it writes a file in a folder that had `files` of them.
  void wait_until_it_writes(const TemporaryDirectory& directory, std::size_t files) const {
    for (int i = 0; i < 60'000 && directory.file_count() == files; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(directory.file_count() > files);
  }

 private:
  pid_t id_ = 0;
};

}  // namespace

TEST_CASE("pefa build: a signal ends it with exit code 130, and an older archive stays as it was", "[interrupt]") {
  const TemporaryDirectory directory;
  io::write_npy(directory / "P.npy", EmbeddingView<float>(random_matrix(40'000, 64, 1)));
  const auto archive = directory.write("x.pefa", "the old one");
  const std::size_t files = directory.file_count();
  for (const int signal : {SIGINT, SIGTERM}) {
    for (const int milliseconds : {0, 200, 1000}) {
      INFO("signal " << signal << " after " << milliseconds << " ms");
      const Process process({"build", "--passages", (directory / "P.npy").string(), "--method", "erm", "--index",
                             "hnsw", "--ef-construction", "2000", "--out", archive.string()});
      process.wait_until_it_catches(signal);
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      process.require_interrupted_by(signal);  // the build itself takes minutes
      REQUIRE(read_bytes(archive) == "the old one");
      REQUIRE(directory.file_count() == files);
    }
  }
}

TEST_CASE("pefa convert: a signal while it writes leaves the older file, and nothing beside it", "[interrupt]") {
  const TemporaryDirectory directory;
  // 5 million pairs: seconds of text, or of deflate.
  io::write_sparse_csr(directory / "Y.csr", random_relevance(50'000, 1'000'000, 100, 1));
  const bool has_npz = run("convert --help").out.find("npz") != std::string::npos;
  for (const std::string format : {"tsv", "qrels", "npz"}) {
    if (format == "npz" && !has_npz) continue;
    INFO(format);
    const auto out = directory.write("Y." + format, "the old one");
    const std::size_t files = directory.file_count();
    const Process process({"convert", (directory / "Y.csr").string(), out.string(), "--quiet"});
    process.wait_until_it_writes(directory, files);
    process.require_interrupted_by(SIGINT);
    REQUIRE(read_bytes(out) == "the old one");
    REQUIRE(directory.file_count() == files);
  }
}

TEST_CASE("pefa search: a signal while it writes leaves the older results, and nothing beside them", "[interrupt]") {
  const TemporaryDirectory directory;
  const auto path = [&directory](const std::string& name) { return (directory / name).string(); };
  io::write_npy(directory / "P.npy", EmbeddingView<float>(random_matrix(200, 4, 1)));
  io::write_npy(directory / "T.npy", EmbeddingView<float>(random_matrix(40'000, 4, 2)));  // 8 million hits
  run_well("build --quiet --method erm --index flat --passages " + path("P.npy") + " --out " + path("x.pefa"));
  for (const std::string name : {"run.trec", "run.jsonl"}) {
    INFO(name);
    const auto out = directory.write(name, "the old one");
    const std::size_t files = directory.file_count();
    const Process process(
        {"search", path("x.pefa"), "--queries", path("T.npy"), "--top-k", "200", "--quiet", "--out", out.string()});
    process.wait_until_it_writes(directory, files);
    process.require_interrupted_by(SIGTERM);
    REQUIRE(read_bytes(out) == "the old one");
    REQUIRE(directory.file_count() == files);
  }
}
