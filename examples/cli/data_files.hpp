// The files a command reads: passages, training queries with their pairs, test queries with theirs, and external ids.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/relevance/judgements.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace pefa::cli {

/// P, Q and Y in memory. Without training files, Q has no rows and Y is 0 x n_passages.
struct TrainingData {
  EmbeddingStore<float> passages;
  EmbeddingStore<float> queries;
  RelevanceMatrix relevance;
  std::optional<io::ExternalIds> passage_ids;
  std::size_t judgements_skipped = 0;  ///< by --unknown-ids skip
  std::optional<io::ExternalIds> query_ids{};
};

/// P, Q and Y to build from, which somebody else keeps.
struct TrainingView {
  EmbeddingView<float> passages;
  EmbeddingView<float> queries;
  const RelevanceMatrix& relevance;
};

/// Held-out queries and what is relevant to them.
struct TestData {
  EmbeddingStore<float> queries;
  RelevanceMatrix truth;
  std::size_t judgements_skipped = 0;  ///< by --unknown-ids skip
  std::optional<io::ExternalIds> query_ids{};
};

/// What test files must fit.
struct PassageSide {
  std::string name;  ///< of the file or archive, for messages
  std::size_t size = 0;
  std::size_t dim = 0;
  const io::ExternalIds* ids = nullptr;
  const char* ids_option = nullptr;  ///< what gives the ids; none where an archive has them or not
};

/// What one side of a relevance file is of.
struct JudgedSide {
  std::size_t size = 0;
  const io::ExternalIds* ids = nullptr;
  std::string ids_come_from;  ///< "give them by --train-query-ids", for messages
};

/// Whether a command can do without a file.
enum class Required { no, yes };
/// Whether a method learns from training queries.
enum class Training { unused, used };

/// Names of the formats, for --help.
inline constexpr const char* vector_formats_help = "npy, fvecs, bvecs, fbin, u8bin, i8bin, f16bin, safetensors";
#if defined(PEFA_HAS_LIBZIP) && PEFA_HAS_LIBZIP
inline constexpr const char* relevance_formats_help = "tsv, qrels, beir, npz, csr, xmc, libsvm";
#else
inline constexpr const char* relevance_formats_help = "tsv, qrels, beir, csr, xmc, libsvm";
#endif

/// Checks that something is there that can be read. @throws IoError  it is not, or is a directory
void require_file(const std::filesystem::path& path);

/// External ids, one a line, or of JSON lines where the extension is .jsonl or .ndjson.
[[nodiscard]] io::ExternalIds read_ids_file(const std::filesystem::path& path);

/// The same, one for each row; nothing where no file is named. @param what  the rows are, for messages
/// @throws ShapeError  other than one id for each row
[[nodiscard]] std::optional<io::ExternalIds> read_ids_for(const std::filesystem::path& path, std::size_t n_rows,
                                                          const char* what);

/// How the rows of one side are named: by its ids if it has any, else by their numbers. Borrows the ids.
[[nodiscard]] inline io::RowIds rows_by(const io::ExternalIds* ids, std::size_t n_rows) {
  return ids != nullptr ? io::RowIds(*ids) : io::RowIds(n_rows);
}
[[nodiscard]] inline io::RowIds rows_by(const std::optional<io::ExternalIds>& ids, std::size_t n_rows) {
  return rows_by(ids ? &*ids : nullptr, n_rows);
}

/// Says on stderr where the row numbers of a file seem to count from 1.
void warn_of_rows_from_one(const std::filesystem::path& path, const io::Judgements& judgements);

/// The option of what the labels of LIBSVM's files count from.
void add_label_base_option(CLI::App& command, std::size_t& base);

/// Y, and how many judgements of its file were skipped for their ids.
struct ReadRelevance {
  RelevanceMatrix relevance;
  std::size_t skipped = 0;
};

/// How vectors and relevance are read, whatever the file.
class Reading {
 public:
  /// Adds --normalize and --vector-format.
  void add_vector_options(CLI::App& command);
  /// Adds --relevance-format, --pairs-by and --unknown-ids.
  void add_relevance_options(CLI::App& command);

  /// @throws pefa::Error  the file cannot be read as what it should be; the message names it
  [[nodiscard]] EmbeddingStore<float> vectors(const std::filesystem::path& path) const;

  /// Query vectors for passages of a known dim.
  [[nodiscard]] EmbeddingStore<float> queries(const std::filesystem::path& path, const PassageSide& passages) const;

  /// Y; by ids where a side has them, unless --pairs-by says otherwise. Says on stderr how many judgements were
  /// skipped, and where rows seem to count from 1.
  [[nodiscard]] ReadRelevance relevance(const std::filesystem::path& path, const JudgedSide& queries,
                                        const JudgedSide& passages) const;

 private:
  bool unit_ = false;
  std::string vector_format_;
  std::string relevance_format_;
  std::size_t label_base_ = 0;
  std::string pairs_by_;
  std::string unknown_ids_ = "refuse";
};

/// The paths of a data set, and reading them.
class DataFiles {
 public:
  /// Adds --passages and --passage-ids.
  void add_passages(CLI::App& command, Required required);
  /// Adds --train-queries, --train-relevance and --train-query-ids.
  void add_training(CLI::App& command, Required required);
  /// Adds --test-queries.
  void add_test_queries(CLI::App& command, Required required = Required::yes);
  /// Adds --test-queries, --test-relevance and --test-query-ids.
  void add_test(CLI::App& command, Required required = Required::yes);
  /// Adds how they are read.
  void add_reading(CLI::App& command);

  /// @throws CLI::RequiredError  a file that is needed is not named
  /// @throws pefa::Error  a file that cannot be read, or files that do not fit together; the message names them
  [[nodiscard]] TrainingData read_training(Training training) const;
  /// Where add_test() left it to the command whether they are required.
  void require_test() const;
  [[nodiscard]] TestData read_test(const PassageSide& passages) const;
  /// The test queries alone.
  [[nodiscard]] EmbeddingStore<float> read_test_queries(const PassageSide& passages) const;

  /// What test files must fit, where passages come from these files.
  [[nodiscard]] PassageSide passage_side(const TrainingData& training) const;

 private:
  Reading reading_;
  std::filesystem::path passages_;
  std::filesystem::path passage_ids_;
  std::filesystem::path train_queries_;
  std::filesystem::path train_query_ids_;
  std::filesystem::path train_relevance_;
  std::filesystem::path test_queries_;
  std::filesystem::path test_query_ids_;
  std::filesystem::path test_relevance_;
};

}  // namespace pefa::cli
