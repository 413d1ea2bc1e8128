#include "method.hpp"

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>

#include "json_values.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/archive/metadata.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Replaces `value` by what a key holds, where it is there and not null.
/// @throws Json::exception  it holds something else
template <class T>
void take(const Json& json, const char* key, T& value) {
  if (!json.contains(key) || json[key].is_null()) return;
  if (std::is_unsigned_v<T> && !json[key].is_number_unsigned()) {  // get() would wrap -1
    throw Json::type_error::create(302, "expected a whole number", &json);
  }
  if (std::is_floating_point_v<T> && !json[key].is_number()) {  // get() would take true for 1
    throw Json::type_error::create(302, "expected a number", &json);
  }
  value = json[key].get<T>();
}

template <class T>
void take(const Json& json, const char* key, std::optional<T>& value) {
  T held{};
  if (!json.contains(key) || json[key].is_null()) return;
  take(json, key, held);
  value = held;
}

void require_one_of(const std::string& value, std::initializer_list<const char*> known, const std::string& where) {
  std::string list;
  for (const char* each : known) {
    if (value == each) return;
    list += (list.empty() ? "" : ", ") + std::string(each);
  }
  throw FormatError(where + " is '" + value + "', expected one of " + list);
}

}  // namespace

std::string Method::label() const {
  if (name == "xl") return "PEFA-XL " + gate + (is_folded() ? " over XS" : "");
  if (name == "xs-multi") return "PEFA-XS multi";
  return name == "xs" ? "PEFA-XS" : "ERM";
}

Json to_json(const Method& method) {
  const bool is_xl = method.name == "xl";
  const bool is_multi = method.name == "xs-multi";
  const bool is_xs = method.name == "xs" || is_multi;
  const bool is_graph = method.index != "flat";
  Json json;
  json["method"] = method.name;
  json["lambda"] = when(is_xl || is_xs, method.lambda);
  json["neighbors"] = when(is_xl, method.neighbors);
  json["gate"] = when(is_xl, method.gate);
  json["temperature"] = when(is_xl && method.gate == "softmax", method.temperature);
  json["similarity"] = when(is_xl, method.similarity);
  json["knn_scale"] = when(is_xl, method.knn_scale);
  json["fold"] = when(method.is_folded(), method.fold.value_or(1.0f));
  json["condense"] = when(is_xl && method.condense, method.condense.value_or(0.0f));
  json["cold"] = when(is_xs || method.is_folded(), method.cold);
  json["norm"] = when(is_xs || method.is_folded(), method.norm);
  json["max_centroids"] = when(is_multi, method.max_centroids);
  json["index"] = method.index;
  json["m"] = when(is_graph, method.m);
  json["ef_construction"] = when(is_graph, method.ef_construction);
  json["ef_search"] = when(is_graph, method.ef_search);
  return json;
}

void add_adapter_options(CLI::App& command, Method& method) {
  command.add_option("--neighbors", method.neighbors, "XL: training queries looked up, k")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--temperature", method.temperature, "XL softmax: its temperature")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--similarity", method.similarity, "XL: of training queries: inner_product, cosine or l2")
      ->check(CLI::IsMember({"inner_product", "cosine", "l2"}))
      ->capture_default_str();
  command.add_option("--knn-scale", method.knn_scale, "XL: votes are multiplied by this; for vectors not of length 1")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--passage-candidates", method.passage_candidates,
                     "XL: passages the plain model offers at least (0: what leaves none out)");
  command
      .add_option("--missing-erm-score", method.missing_erm_score,
                  "XL: plain score of passages that only training queries found: exact or zero")
      ->check(CLI::IsMember({"exact", "zero"}))
      ->capture_default_str();
  command.add_option("--fold", method.fold, "XL: index PEFA-XS vectors of this lambda in place of the passages")
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--condense", method.condense,
                  "XL: first merge training queries of the same passages whose cosine is at least this")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--cold", method.cold, "XS and --fold: passages without training queries: paper, erm or borrowed")
      ->check(CLI::IsMember({"paper", "erm", "borrowed"}))
      ->capture_default_str();
  command.add_option("--norm", method.norm, "XS and --fold: length of the training side: unit, or that of the passage")
      ->check(CLI::IsMember({"unit", "passage"}))
      ->capture_default_str();
}

void add_index_options(CLI::App& command, Method& method) {
  command.add_option("--index", method.index, "flat (exact), hnsw, or quantized (hnsw on int8 codes, exact scores)")
      ->check(CLI::IsMember({"flat", "hnsw", "quantized"}))
      ->capture_default_str();
  command.add_option("--m", method.m, "HNSW: M")->check(CLI::Range(2, 1024))->capture_default_str();
  command.add_option("--ef-construction", method.ef_construction, "HNSW: efConstruction")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--ef-search", method.ef_search, "HNSW: efSearch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void MethodOptions::add_options(CLI::App& command) {
  CLI::Option* tuned = command.add_option("--tuned", tuned_, "take method and parameters from what pefa tune wrote");
  CLI::Option* method = command.add_option_function<std::string>(
      "--method", [this](const std::string& name) { method_.name = name, method_given_ = true; },
      "erm, xs, xl or xs-multi");
  method->check(CLI::IsMember({"erm", "xs", "xl", "xs-multi"}))->excludes(tuned);
  command.add_option("--lambda", method_.lambda, "weight of the plain model, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->excludes(tuned);
  command.add_option("--gate", method_.gate, "XL: mean, sum or softmax")
      ->check(CLI::IsMember({"mean", "sum", "softmax"}))
      ->capture_default_str()
      ->excludes(tuned);
  add_adapter_options(command, method_);
  for (const char* name : {"--neighbors", "--temperature", "--fold", "--condense", "--cold"}) {
    command.get_option(name)->excludes(tuned);
  }
  command.add_option("--max-centroids", method_.max_centroids, "XS multi: vectors a passage at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(tuned);
  command
      .add_option("--queries-per-centroid", method_.queries_per_centroid,
                  "XS multi: training queries that are evidence for one vector")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--shrinkage", method_.shrinkage, "XS multi: share of the mean in each vector, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  add_index_options(command, method_);
}

Method MethodOptions::method() const {
  if (!method_given_ && tuned_.empty()) throw CLI::RequiredError("--method (or --tuned)");
  if (!tuned_.empty()) return read_tuned(tuned_, method_);
  for (const auto& [option, value] : {std::pair("--fold", method_.fold), std::pair("--condense", method_.condense)}) {
    if (value && method_.name != "xl") {
      throw CLI::ValidationError(option, "is for --method xl, not " + method_.name);
    }
  }
  return method_;
}

Method read_tuned(const std::filesystem::path& path, Method base) {
  require_file(path);
  std::ifstream in(path);
  const Json json = Json::parse(in, nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains("pick") || !json["pick"].is_object()) {
    throw FormatError(path.string() + ": is not what pefa tune --json writes: expected an object with a pick");
  }
  const Json& pick = json["pick"];
  try {
    take(pick, "method", base.name);
    take(pick, "lambda", base.lambda);
    take(pick, "neighbors", base.neighbors);
    take(pick, "gate", base.gate);
    take(pick, "temperature", base.temperature);
    take(pick, "cold", base.cold);
    take(pick, "max_centroids", base.max_centroids);
    take(pick, "fold", base.fold);
    take(pick, "condense", base.condense);
  } catch (const Json::exception&) {
    throw FormatError(path.string() + ": its pick has a value of the wrong type: " + pick.dump());
  }
  require_one_of(base.name, {"erm", "xs", "xl", "xs-multi"}, path.string() + ": the method of its pick");
  require_one_of(base.gate, {"mean", "sum", "softmax"}, path.string() + ": the gate of its pick");
  require_one_of(base.cold, {"paper", "erm", "borrowed"}, path.string() + ": the cold policy of its pick");
  if (base.name != "xl" && (base.fold || base.condense)) {
    throw FormatError(path.string() + ": its pick is " + base.name + ", which has no fold and no condense");
  }
  return base;
}

Method method_of(const io::ArchiveMetadata& metadata) {
  Method method;
  const auto text = [&metadata](const char* key, std::string& value) {
    if (auto found = metadata.find_text(key)) value = *std::move(found);
  };
  const auto count = [&metadata](const char* key, std::size_t& value) {
    if (metadata.find_integer(key)) value = metadata.count(key, std::size_t{1} << 32);
  };
  const auto real = [&metadata](const char* key, float& value) {
    if (const auto found = metadata.find_real(key)) value = static_cast<float>(*found);
  };
  method.name = metadata.text("retriever");
  if (method.name == "xs_multi") method.name = "xs-multi";
  method.index = metadata.text("passages.index");
  if (method.index == "quantized_hnsw") method.index = "quantized";
  real("lambda", method.lambda);
  count("neighbors", method.neighbors);
  text("gate", method.gate);
  real("temperature", method.temperature);
  text("similarity", method.similarity);
  real("knn_scale", method.knn_scale);
  const auto optional_real = [&metadata](const char* key) {
    const auto found = metadata.find_real(key);
    return found ? std::optional(static_cast<float>(*found)) : std::nullopt;
  };
  method.fold = optional_real("fold_lambda");
  if (!method.is_folded()) method.fold.reset();
  method.condense = optional_real("condense");
  text(method.fold ? "fold_cold" : "cold", method.cold);
  text(method.fold ? "fold_norm" : "norm", method.norm);
  count("max_centroids", method.max_centroids);
  count("queries_per_centroid", method.queries_per_centroid);
  real("shrinkage", method.shrinkage);
  count("passage_candidates", method.passage_candidates);
  text("missing_erm_score", method.missing_erm_score);
  count("passages.m", method.m);
  count("passages.ef_construction", method.ef_construction);
  count("passages.ef_search", method.ef_search);
  return method;
}

void SearchArguments::add_options(CLI::App& command) {
  command.add_option("--ef", ef_, "beam width on the passage index (default: efSearch of the index)")
      ->check(CLI::PositiveNumber);
  command.add_option("--query-ef", query_ef_, "XL: beam width on the index of training queries")
      ->check(CLI::PositiveNumber);
  command.add_option("--rerank", rerank_, "quantized: candidates that are scored exactly")->check(CLI::PositiveNumber);
}

void SearchArguments::add_archive_options(CLI::App& command) {
  add_options(command);
  command.add_option("--lambda", lambda_, "XL: weight of the plain model in this search (default: as built)")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--neighbors", neighbors_, "XL: training queries looked up (default: as built)")
      ->check(CLI::PositiveNumber);
}

SearchOptions SearchArguments::options(const Method& method, const std::string& archive) const {
  const auto require = [&](bool applies, bool given, const char* option, const char* to) {
    if (given && !applies) {
      throw ValueError(std::string(option) + " is for " + to + ", but " + archive + " holds " + method.name + " over " +
                       method.index);
    }
  };
  require(method.index != "flat", ef_ != 0, "--ef", "graph indexes");
  require(method.index != "flat" && method.name == "xl", query_ef_ != 0, "--query-ef", "xl over graph indexes");
  require(method.index == "quantized", rerank_ != 0, "--rerank", "quantized indexes");
  require(method.name == "xl", lambda_ >= 0.0f, "--lambda", "xl, which blends at search time");
  require(method.name == "xl", neighbors_ != 0, "--neighbors", "xl");
  SearchOptions options{.ef = ef_, .rerank = rerank_, .query_ef = query_ef_, .neighbors = neighbors_};
  if (lambda_ >= 0.0f) options.lambda = lambda_;
  return options;
}

}  // namespace pefa::cli
