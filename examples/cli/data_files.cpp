#include "data_files.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "interrupt.hpp"
#include "pefa/io/ids/jsonl_ids.hpp"
#include "pefa/io/relevance/relevance_file.hpp"
#include "pefa/io/vectors/vector_file.hpp"

namespace pefa::cli {
namespace {

const io::ExternalIds* pointer_to(const std::optional<io::ExternalIds>& ids) {
  return ids ? &*ids : nullptr;
}

std::optional<io::ExternalIds> read_ids_for(const std::filesystem::path& path, std::size_t n_rows, const char* what) {
  if (path.empty()) return std::nullopt;
  io::ExternalIds ids = read_ids_file(path);
  if (ids.size() != n_rows) {
    throw ShapeError(path.string() + ": has " + std::to_string(ids.size()) + " ids for " + std::to_string(n_rows) +
                     " " + what + ", expected one each");
  }
  return ids;
}

void require_option(const std::filesystem::path& path, const char* option) {
  if (path.empty()) throw CLI::RequiredError(option);
}

}  // namespace

void require_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    throw IoError(path.string() +
                  ": cannot be opened: " + (error ? error.message() : std::string("No such file or directory")));
  }
  if (std::filesystem::is_directory(status)) throw IoError(path.string() + ": is a directory, expected a file");
}

io::ExternalIds read_ids_file(const std::filesystem::path& path) {
  require_file(path);
  const EndAtOnce reading;
  const bool json = path.extension() == ".jsonl" || path.extension() == ".ndjson";
  return json ? io::read_jsonl_ids(path) : io::read_ids(path);
}

io::ExternalIds row_number_ids(std::size_t n_rows) {
  io::ExternalIds ids;
  for (std::size_t row = 0; row < n_rows; ++row) ids.insert(std::to_string(row));
  return ids;
}

void Reading::add_vector_options(CLI::App& command) {
  command.add_flag("--normalize", unit_, "divide every vector by its length (inner product becomes cosine)");
  command.add_option("--vector-format", vector_format_,
                     std::string("format of the vector files, where extensions do not tell: ") + vector_formats_help);
}

void Reading::add_relevance_options(CLI::App& command) {
  command.add_option(
      "--relevance-format", relevance_format_,
      std::string("format of the relevance files, where extensions do not tell: ") + relevance_formats_help);
  command.add_option("--unknown-ids", unknown_ids_, "judgements of ids that no id file has: refuse them, or skip them")
      ->check(CLI::IsMember({"refuse", "skip"}))
      ->capture_default_str();
}

EmbeddingStore<float> Reading::vectors(const std::filesystem::path& path) const {
  std::optional<io::VectorFormat> format;
  if (!vector_format_.empty()) format = io::parse_vector_format(vector_format_);
  require_file(path);
  const EndAtOnce reading;
  return io::read_vectors<float>(path, unit_ ? Normalize::unit : Normalize::none, format);
}

EmbeddingStore<float> Reading::queries(const std::filesystem::path& path, const PassageSide& passages) const {
  auto queries = vectors(path);
  if (queries.dim() != passages.dim) {
    throw ShapeError(path.string() + ": queries have dim " + std::to_string(queries.dim()) + ", passages in " +
                     passages.name + " have dim " + std::to_string(passages.dim) + "; encode both with the same model");
  }
  return queries;
}

ReadRelevance Reading::relevance(const std::filesystem::path& path, std::size_t n_queries, std::size_t n_passages,
                                 const io::ExternalIds* query_ids, const io::ExternalIds* passage_ids) const {
  std::optional<io::RelevanceFormat> format;
  if (!relevance_format_.empty()) format = io::parse_relevance_format(relevance_format_);
  require_file(path);
  const EndAtOnce reading;
  if (query_ids == nullptr && passage_ids == nullptr) {
    return {io::read_relevance(path, n_queries, n_passages, format)};
  }
  io::ExternalIds query_rows;
  io::ExternalIds passage_rows;
  if (query_ids == nullptr) query_ids = &(query_rows = row_number_ids(n_queries));
  if (passage_ids == nullptr) passage_ids = &(passage_rows = row_number_ids(n_passages));
  const auto unknown = unknown_ids_ == "skip" ? io::UnknownId::skip : io::UnknownId::refuse;
  io::Judgements read = io::read_relevance(path, *query_ids, *passage_ids, format, unknown);
  const std::size_t skipped = read.unknown_queries + read.unknown_passages;
  if (skipped > 0) {
    std::fprintf(stderr, "pefa: %s: judgements skipped: %zu of unknown queries, %zu of unknown passages\n",
                 path.c_str(), read.unknown_queries, read.unknown_passages);
  }
  return {std::move(read.relevance), skipped};
}

void DataFiles::add_passages(CLI::App& command, Required required) {
  command.add_option("--passages", passages_, std::string("passage vectors [n x dim]: ") + vector_formats_help)
      ->required(required == Required::yes);
  command.add_option(
      "--passage-ids", passage_ids_,
      "ids of the passages that relevance files use: one a line, or JSON lines with _id or id (*.jsonl)");
}

void DataFiles::add_training(CLI::App& command, Required required) {
  command.add_option("--train-queries", train_queries_, "training query vectors, as --passages")
      ->required(required == Required::yes);
  command
      .add_option("--train-relevance", train_relevance_,
                  std::string("training pairs: ") + relevance_formats_help +
                      "; tsv is query<TAB>passage[<TAB>weight], rows from 0")
      ->required(required == Required::yes);
  command.add_option("--train-query-ids", train_query_ids_, "ids of the training queries, as --passage-ids");
}

void DataFiles::add_test_queries(CLI::App& command) {
  command.add_option("--test-queries", test_queries_, "test query vectors, as --passages")->required();
}

void DataFiles::add_test(CLI::App& command) {
  add_test_queries(command);
  command.add_option("--test-relevance", test_relevance_, "test pairs, as --train-relevance")->required();
  command.add_option("--test-query-ids", test_query_ids_, "ids of the test queries, as --passage-ids");
}

void DataFiles::add_reading(CLI::App& command) {
  reading_.add_vector_options(command);
  reading_.add_relevance_options(command);
}

TrainingData DataFiles::read_training(Training training) const {
  require_option(passages_, "--passages");
  if (training == Training::used) {
    require_option(train_queries_, "--train-queries");
    require_option(train_relevance_, "--train-relevance");
  }
  auto passages = reading_.vectors(passages_);
  auto passage_ids = read_ids_for(passage_ids_, passages.size(), "passages");
  if (train_queries_.empty() || train_relevance_.empty()) {
    EmbeddingStore<float> no_queries(passages.dim());
    auto no_pairs = RelevanceMatrix::from_pairs({}, 0, passages.size());
    return {std::move(passages), std::move(no_queries), std::move(no_pairs), std::move(passage_ids), 0};
  }
  auto queries = reading_.queries(train_queries_, {passages_.string(), passages.size(), passages.dim()});
  const auto query_ids = read_ids_for(train_query_ids_, queries.size(), "queries");
  auto [relevance, skipped] = reading_.relevance(train_relevance_, queries.size(), passages.size(),
                                                 pointer_to(query_ids), pointer_to(passage_ids));
  return {std::move(passages), std::move(queries), std::move(relevance), std::move(passage_ids), skipped};
}

TestData DataFiles::read_test(const PassageSide& passages) const {
  auto queries = read_test_queries(passages);
  const auto query_ids = read_ids_for(test_query_ids_, queries.size(), "queries");
  auto [truth, skipped] =
      reading_.relevance(test_relevance_, queries.size(), passages.size, pointer_to(query_ids), passages.ids);
  return {std::move(queries), std::move(truth), skipped};
}

EmbeddingStore<float> DataFiles::read_test_queries(const PassageSide& passages) const {
  return reading_.queries(test_queries_, passages);
}

PassageSide DataFiles::passage_side(const TrainingData& training) const {
  return {passages_.string(), training.passages.size(), training.passages.dim(), pointer_to(training.passage_ids)};
}

}  // namespace pefa::cli
