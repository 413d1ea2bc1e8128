#include "data_files.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "interrupt.hpp"
#include "option_groups.hpp"
#include "pefa/io/file/wrong_format.hpp"
#include "pefa/io/ids/jsonl_ids.hpp"
#include "pefa/io/relevance/relevance_file.hpp"
#include "pefa/io/vectors/vector_file.hpp"

namespace pefa::cli {
namespace {

const io::ExternalIds* pointer_to(const std::optional<io::ExternalIds>& ids) {
  return ids ? &*ids : nullptr;
}

void require_option(const std::filesystem::path& path, const char* option) {
  if (path.empty()) throw CLI::RequiredError(option);
}

/// What to do about a query or passage that has no row.
std::string remedy(const io::UnknownRow& error, const JudgedSide& side) {
  using enum io::UnknownRow::Why;
  if (error.why() == unknown_id) {
    return "; if the file has row numbers, give --pairs-by rows; --unknown-ids skip leaves such judgements out";
  }
  if (error.why() == out_of_range) return {};
  if (side.ids != nullptr) return "; if these are ids, leave out --pairs-by rows";
  return "; if these are ids, " + side.ids_come_from;
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

std::optional<io::ExternalIds> read_ids_for(const std::filesystem::path& path, std::size_t n_rows, const char* what) {
  if (path.empty()) return std::nullopt;
  io::ExternalIds ids = read_ids_file(path);
  if (ids.size() != n_rows) {
    throw ShapeError(path.string() + ": has " + std::to_string(ids.size()) + " ids for " + std::to_string(n_rows) +
                     " " + what + ", expected one each");
  }
  return ids;
}

void add_label_base_option(CLI::App& command, std::size_t& base) {
  command.add_option("--label-base", base, "what the labels of libsvm files count from: 0 or 1")
      ->check(CLI::IsMember({"0", "1"}))
      ->capture_default_str()
      ->group(groups::data);
}

void warn_of_rows_from_one(const std::filesystem::path& path, const io::Judgements& judgements) {
  if (judgements.lowest_query == 0 || judgements.lowest_passage == 0) return;
  std::fprintf(stderr, "pefa: %s: no row 0 on either side: do its rows count from 1? They are read as from 0\n",
               path.c_str());
}

void Reading::add_vector_options(CLI::App& command) {
  command.add_flag("--normalize", unit_, "divide every vector by its length (inner product becomes cosine)")
      ->group(groups::data);
  command
      .add_option("--vector-format", vector_format_,
                  std::string("format of the vector files, where extensions do not tell: ") + vector_formats_help)
      ->group(groups::data);
}

void Reading::add_relevance_options(CLI::App& command) {
  command
      .add_option("--relevance-format", relevance_format_,
                  std::string("format of the relevance files, where extensions do not tell: ") + relevance_formats_help)
      ->group(groups::data);
  add_label_base_option(command, label_base_);
  command
      .add_option(
          "--pairs-by", pairs_by_,
          "relevance files have rows (row numbers, whatever ids there are) or ids (default: ids of the side that "
          "has them, else rows)")
      ->check(CLI::IsMember({"rows", "ids"}))
      ->group(groups::data);
  command.add_option("--unknown-ids", unknown_ids_, "judgements of ids that no id file has: refuse them, or skip them")
      ->check(CLI::IsMember({"refuse", "skip"}))
      ->capture_default_str()
      ->group(groups::data);
}

EmbeddingStore<float> Reading::vectors(const std::filesystem::path& path) const {
  std::optional<io::VectorFormat> format;
  if (!vector_format_.empty()) format = io::parse_vector_format(vector_format_);
  require_file(path);
  const EndAtOnce reading;
  try {
    return io::read_vectors<float>(path, unit_ ? Normalize::unit : Normalize::none, format);
  } catch (const io::WrongFormat& error) {
    const std::string_view is = error.format();
    if (is != "npy" && is != "safetensors") throw;
    throw FormatError(std::string(error.what()) + ": name it so, or give --vector-format " + error.format());
  }
}

EmbeddingStore<float> Reading::queries(const std::filesystem::path& path, const PassageSide& passages) const {
  auto queries = vectors(path);
  if (queries.dim() != passages.dim) {
    throw ShapeError(path.string() + ": queries have dim " + std::to_string(queries.dim()) + ", passages in " +
                     passages.name + " have dim " + std::to_string(passages.dim) + "; encode both with the same model");
  }
  return queries;
}

namespace {

bool is_libsvm(const std::filesystem::path& path, std::optional<io::RelevanceFormat> format) {
  return (format ? *format : io::relevance_format_of(path)) == io::RelevanceFormat::libsvm;
}

}  // namespace

ReadRelevance Reading::relevance(const std::filesystem::path& path, const JudgedSide& queries,
                                 const JudgedSide& passages) const {
  std::optional<io::RelevanceFormat> format;
  if (!relevance_format_.empty()) format = io::parse_relevance_format(relevance_format_);
  require_file(path);
  for (const JudgedSide* side : {&queries, &passages}) {
    if (pairs_by_ != "ids" || side->ids != nullptr) continue;
    throw ValueError(path.string() + ": --pairs-by ids needs ids of the " +
                     (side == &queries ? "queries: " : "passages: ") + side->ids_come_from);
  }
  const auto rows = [this](const JudgedSide& side) {
    return rows_by(pairs_by_ != "rows" ? side.ids : nullptr, side.size);
  };
  const io::RowIds query_rows = rows(queries);
  const io::RowIds passage_rows = rows(passages);
  const auto unknown = unknown_ids_ == "skip" ? io::UnknownId::skip : io::UnknownId::refuse;
  const EndAtOnce reading;
  io::Judgements read = [&] {
    try {
      return io::read_relevance(path, query_rows, passage_rows, format, unknown, io::IndexBase{label_base_});
    } catch (const io::UnknownRow& error) {
      const bool is_query = error.side() == io::UnknownRow::Side::query;
      throw FormatError(error.what() + remedy(error, is_query ? queries : passages));
    } catch (const io::WrongFormat& error) {
      const std::string is = error.format() == std::string_view("zip") ? "npz" : error.format();
      if (is != "npz" && is != "beir") throw;
      throw FormatError(std::string(error.what()) + ": give --relevance-format " + is);
    }
  }();
  if (!query_rows.has_table() && !passage_rows.has_table()) warn_of_rows_from_one(path, read);
  if (label_base_ == 0 && is_libsvm(path, format) && read.lowest_passage == 1) {
    std::fprintf(stderr, "pefa: %s: no label 0: do its labels count from 1? Then give --label-base 1\n", path.c_str());
  }
  const std::size_t skipped = read.unknown_queries + read.unknown_passages;
  if (skipped > 0) {
    std::fprintf(stderr, "pefa: %s: judgements skipped: %zu of unknown queries, %zu of unknown passages\n",
                 path.c_str(), read.unknown_queries, read.unknown_passages);
  }
  return {std::move(read.relevance), skipped};
}

void DataFiles::add_passages(CLI::App& command, Required required) {
  command.add_option("--passages", passages_, std::string("passage vectors [n x dim]: ") + vector_formats_help)
      ->required(required == Required::yes)
      ->group(groups::data);
  command
      .add_option("--passage-ids", passage_ids_,
                  "ids of the passages, which relevance files use: one a line, or JSON lines with _id or id (*.jsonl)")
      ->group(groups::data);
}

void DataFiles::add_training(CLI::App& command, Required required) {
  command.add_option("--train-queries", train_queries_, "training query vectors, as --passages")
      ->required(required == Required::yes)
      ->group(groups::data);
  command
      .add_option("--train-relevance", train_relevance_,
                  std::string("training pairs: ") + relevance_formats_help +
                      "; tsv is query<TAB>passage[<TAB>weight], rows from 0")
      ->required(required == Required::yes)
      ->group(groups::data);
  command.add_option("--train-query-ids", train_query_ids_, "ids of the training queries, as --passage-ids")
      ->group(groups::data);
}

void DataFiles::add_test_queries(CLI::App& command, Required required) {
  command.add_option("--test-queries", test_queries_, "test query vectors, as --passages")
      ->required(required == Required::yes)
      ->group(groups::data);
}

void DataFiles::add_test(CLI::App& command, Required required) {
  add_test_queries(command, required);
  command.add_option("--test-relevance", test_relevance_, "test pairs, as --train-relevance")
      ->required(required == Required::yes)
      ->group(groups::data);
  command.add_option("--test-query-ids", test_query_ids_, "ids of the test queries, as --passage-ids")
      ->group(groups::data);
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
  auto query_ids = read_ids_for(train_query_ids_, queries.size(), "queries");
  auto [relevance, skipped] =
      reading_.relevance(train_relevance_, {queries.size(), pointer_to(query_ids), "give them by --train-query-ids"},
                         {passages.size(), pointer_to(passage_ids), "give them by --passage-ids"});
  return {std::move(passages), std::move(queries), std::move(relevance), std::move(passage_ids), skipped,
          std::move(query_ids)};
}

void DataFiles::require_test() const {
  require_option(test_queries_, "--test-queries");
  require_option(test_relevance_, "--test-relevance");
}

TestData DataFiles::read_test(const PassageSide& passages) const {
  auto queries = read_test_queries(passages);
  auto query_ids = read_ids_for(test_query_ids_, queries.size(), "queries");
  auto [truth, skipped] =
      reading_.relevance(test_relevance_, {queries.size(), pointer_to(query_ids), "give them by --test-query-ids"},
                         {passages.size, passages.ids,
                          passages.ids_option != nullptr ? std::string("give them by ") + passages.ids_option
                                                         : "build " + passages.name + " with --passage-ids"});
  return {std::move(queries), std::move(truth), skipped, std::move(query_ids)};
}

EmbeddingStore<float> DataFiles::read_test_queries(const PassageSide& passages) const {
  return reading_.queries(test_queries_, passages);
}

PassageSide DataFiles::passage_side(const TrainingData& training) const {
  return {passages_.string(), training.passages.size(), training.passages.dim(), pointer_to(training.passage_ids),
          "--passage-ids"};
}

}  // namespace pefa::cli
