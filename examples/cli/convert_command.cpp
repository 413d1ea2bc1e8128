// pefa convert: vectors, relevance or ground truths from one format to another that can hold them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "commands.hpp"
#include "data_files.hpp"
#include "interrupt.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/io/file/wrong_format.hpp"
#include "pefa/io/relevance/relevance_file.hpp"
#include "pefa/io/vectors/vector_file.hpp"

namespace pefa::cli {
namespace {

enum class Kind { vectors, relevance, ground_truth };

const char* name(Kind kind) {
  constexpr const char* names[] = {"vectors", "relevance", "a ground truth"};
  return names[static_cast<std::size_t>(kind)];
}

/// A format's name from --from or --to, or from the extension.
std::string format_name(const std::filesystem::path& path, const std::string& given) {
  if (!given.empty()) return given;
  const std::string extension = path.extension().string();
  if (extension == ".svm" || extension == ".svmlight") return "libsvm";
  return extension.empty() ? std::string() : extension.substr(1);
}

/// No two kinds share a format's name.
Kind kind_of(const std::filesystem::path& path, const std::string& format, const char* option) {
  if (format == "ivecs" || format == "ibin") return Kind::ground_truth;
  const auto is = [&format](auto each) { return format == io::name(each); };
  if (std::any_of(io::vector_formats.begin(), io::vector_formats.end(), is)) return Kind::vectors;
  using enum io::RelevanceFormat;
  constexpr std::array relevance{tsv, qrels, beir, npz, csr, xmc, libsvm};
  if (std::any_of(relevance.begin(), relevance.end(), is)) return Kind::relevance;
  throw ValueError(path.string() + ": '" + format + "' is no format, expected by extension or " + option + ": " +
                   vector_formats_help + " for vectors, " + relevance_formats_help +
                   " for relevance, ivecs or ibin for ground truths");
}

/// Whether a format of relevance lists ids, so that it cannot say how many rows there are.
bool lists_ids(io::RelevanceFormat format) {
  return format == io::RelevanceFormat::tsv || format == io::RelevanceFormat::qrels ||
         format == io::RelevanceFormat::beir;
}

struct ConvertCommand {
  std::filesystem::path in;
  std::filesystem::path out;
  std::string from;
  std::string to;
  bool normalize = false;
  std::size_t n_queries = 0;
  std::size_t n_passages = 0;
  std::size_t label_base = 0;
  std::filesystem::path query_ids;
  std::filesystem::path passage_ids;
  Output output;

  void run() const {
    const std::string from_name = format_name(in, from);
    const std::string to_name = format_name(out, to);
    const Kind kind = kind_of(in, from_name, "--from");
    const Kind wanted = kind_of(out, to_name, "--to");
    if (normalize && kind != Kind::vectors) {
      throw ValueError("--normalize: " + in.string() + " holds " + name(kind) + ", expected vectors");
    }
    if (kind != wanted) {
      throw ValueError(out.string() + ": " + to_name + " holds " + name(wanted) + ", but " + in.string() + " holds " +
                       name(kind));
    }
    require_file(in);
    nlohmann::ordered_json json;
    json["in"] = in.string();
    json["from"] = from_name;
    json["out"] = out.string();
    json["to"] = to_name;
    json["kind"] = name(kind);
    std::string what;
    try {
      if (kind == Kind::vectors) what = vectors(from_name, to_name, json);
      if (kind == Kind::relevance) what = relevance(from_name, to_name, json);
      if (kind == Kind::ground_truth) what = ground_truth(from_name, to_name, json);
    } catch (const io::WrongFormat& error) {
      const std::string is = error.format();
      if (is == "pefa") throw;
      throw FormatError(std::string(error.what()) + ": give --from " + (is == "zip" ? "npz" : is));
    } catch (const io::UnknownRow& error) {
      if (error.why() != io::UnknownRow::Why::not_a_number) throw;
      const bool is_query = error.side() == io::UnknownRow::Side::query;
      throw FormatError(std::string(error.what()) + "; if these are ids, give them by " +
                        (is_query ? "--query-ids" : "--passage-ids"));
    }
    output.summary(out.string() + ": " + what + "\n", json);
  }

  [[nodiscard]] std::string vectors(const std::string& from_name, const std::string& to_name,
                                    nlohmann::ordered_json& json) const {
    const auto rows = [&] {
      const EndAtOnce reading;
      return io::read_vectors<float>(in, normalize ? Normalize::unit : Normalize::none,
                                     io::parse_vector_format(from_name));
    }();
    io::write_vectors(out, rows, io::parse_vector_format(to_name), interrupted);
    json["rows"] = rows.size();
    json["dim"] = rows.dim();
    return fmt::format("{} vectors of dim {}", rows.size(), rows.dim());
  }

  [[nodiscard]] std::string relevance(const std::string& from_name, const std::string& to_name,
                                      nlohmann::ordered_json& json) const {
    const io::RelevanceFormat format = io::parse_relevance_format(to_name);
    std::optional<io::ExternalIds> queries;
    std::optional<io::ExternalIds> passages;
    if (!query_ids.empty()) queries = read_ids_file(query_ids);
    if (!passage_ids.empty()) passages = read_ids_file(passage_ids);
    const RelevanceMatrix matrix = read(io::parse_relevance_format(from_name), queries, passages);
    const io::RowIds query_rows = queries ? io::RowIds(*queries) : io::RowIds();
    const io::RowIds passage_rows = passages ? io::RowIds(*passages) : io::RowIds();
    if (format == io::RelevanceFormat::qrels) {
      io::write_qrels(out, matrix, query_rows, passage_rows, interrupted);
    } else if (format == io::RelevanceFormat::beir) {
      io::write_beir_qrels(out, matrix, query_rows, passage_rows, interrupted);
    } else {
      io::write_relevance(out, matrix, format, interrupted);
    }
    json["queries"] = matrix.rows();
    json["passages"] = matrix.cols();
    json["pairs"] = matrix.pair_count();
    return fmt::format("{} pairs of {} queries and {} passages", matrix.pair_count(), matrix.rows(), matrix.cols());
  }

  [[nodiscard]] RelevanceMatrix read(io::RelevanceFormat format, const std::optional<io::ExternalIds>& queries,
                                     const std::optional<io::ExternalIds>& passages) const {
    const std::size_t rows = queries ? queries->size() : n_queries;
    const std::size_t cols = passages ? passages->size() : n_passages;
    if (lists_ids(format) && (rows == 0 || cols == 0)) {
      throw ValueError(in.string() +
                       ": a list of ids does not say how many queries and passages there are; give "
                       "--n-queries and --n-passages, or files of ids");
    }
    const EndAtOnce reading;
    if (!lists_ids(format)) {
      RelevanceMatrix matrix = io::read_relevance(in, format, io::IndexBase{label_base});
      const bool grows = format == io::RelevanceFormat::libsvm && cols > matrix.cols();  // it does not say how many
      if (grows) matrix = io::read_relevance(in, matrix.rows(), cols, format, io::IndexBase{label_base});
      io::detail::require_relevance_shape(in, matrix, rows != 0 ? rows : matrix.rows(),
                                          cols != 0 ? cols : matrix.cols());
      return matrix;
    }
    io::Judgements judgements = io::read_relevance(in, rows_by(queries, rows), rows_by(passages, cols), format);
    if (!queries && !passages) warn_of_rows_from_one(in, judgements);
    return std::move(judgements.relevance);
  }

  [[nodiscard]] std::string ground_truth(const std::string& from_name, const std::string& to_name,
                                         nlohmann::ordered_json& json) const {
    const io::GroundTruth truth = [&] {
      const EndAtOnce reading;
      return from_name == "ivecs" ? io::read_ivecs(in) : io::read_ibin(in);
    }();
    if (to_name == "ivecs") {
      if (!truth.distances.empty()) {
        throw ValueError(out.string() + ": ivecs hold ids without the distances that " + in.string() + " has");
      }
      io::write_ivecs(out, truth, interrupted);
    } else {
      io::write_ibin(out, truth, interrupted);
    }
    json["queries"] = truth.query_count;
    json["k"] = truth.k;
    return fmt::format("{} x {} ids", truth.query_count, truth.k);
  }
};

}  // namespace

void add_convert_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("convert", "Convert vectors, relevance or ground truths to another format");
  const auto convert = std::make_shared<ConvertCommand>();
  command.add_option("IN", convert->in, "the file to read")->required();
  command.add_option("OUT", convert->out, "the file to write")->required();
  const std::string formats = std::string(vector_formats_help) + "; " + relevance_formats_help + "; ivecs, ibin";
  const auto data = [](CLI::Option* option) { return option->group(groups::data); };
  data(command.add_option("--from", convert->from, "its format, where its extension does not tell: " + formats));
  data(command.add_option("--to", convert->to, "so too of the other"));
  data(command.add_flag("--normalize", convert->normalize, "divide every vector by its length"));
  data(command.add_option("--n-queries", convert->n_queries,
                          "rows of the relevance, where the file is a list of ids; held against any other"))
      ->check(CLI::PositiveNumber);
  data(command.add_option("--n-passages", convert->n_passages, "columns of the relevance, so too"))
      ->check(CLI::PositiveNumber);
  data(command.add_option("--query-ids", convert->query_ids,
                          "ids of the queries, which tsv, qrels and beir are read by, and qrels and beir written by"))
      ->excludes("--n-queries");
  data(command.add_option("--passage-ids", convert->passage_ids, "so too of the passages"))->excludes("--n-passages");
  add_label_base_option(command, convert->label_base);
  convert->output.add_options(command);
  command.footer(
      "Vectors are converted through float32. Only integers fit in bvecs, u8bin and i8bin, whole grades in qrels and\n"
      "beir, weights of 1 in xmc and libsvm; others are refused.\n"
      "Examples:\n"
      "  pefa convert P.npy P.fbin\n"
      "  pefa convert qrels/test.tsv Z.npz --from beir --query-ids queries.jsonl --passage-ids corpus.jsonl");
  command.callback([convert] { convert->run(); });
}

}  // namespace pefa::cli
