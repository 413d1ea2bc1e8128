// pefa: a RetrieverSpec as JSON and back: what `pefa tune --json` writes as its pick, and the other commands write of
// what they built. Optional: needs nlohmann-json, and pefa/pefa.hpp does not bring it.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/index/index_spec.hpp"

namespace pefa {
namespace detail {

/// The double that a float32 was written as: 0.1, not 0.10000000149011612. The same float32 comes back from it.
[[nodiscard]] inline double decimal(float value) {
  std::array<char, 32> digits;
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  double read = 0.0;
  std::from_chars(digits.data(), written.ptr, read);
  return static_cast<float>(read) == value ? read : static_cast<double>(value);
}

/// The value as JSON where it applies, else null.
template <class T>
[[nodiscard]] nlohmann::ordered_json json_when(bool applies, const T& value) {
  if (!applies) return nullptr;
  if constexpr (NamedEnum<T>) {
    return name(value);
  } else if constexpr (std::same_as<T, float>) {
    return decimal(value);
  } else {
    return value;
  }
}

inline void write_index(const IndexSpec& index, nlohmann::ordered_json& json) {
  const bool is_partitioned = index.kind == IndexKind::partitioned;
  const bool is_graph = index.kind != IndexKind::flat && !is_partitioned;
  json["index"] = name(index.kind);
  json["m"] = json_when(is_graph, index.m);
  json["ef_construction"] = json_when(is_graph, index.ef_construction);
  json["ef_search"] = json_when(is_graph || is_partitioned, index.ef_search);
  json["rerank"] = json_when(is_graph || is_partitioned, index.rerank);
  if (is_partitioned || index.exact_rows == ExactRows::drop) json["exact_rows"] = name(index.exact_rows);
  if (index.target_recall > 0.0f) json["target_recall"] = decimal(index.target_recall);
}

/// Replaces `value` by what the key holds, where it is there and not null.
/// @throws FormatError  it holds something else
template <class T>
void read_value(const nlohmann::ordered_json& json, const char* key, T& value) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return;
  const auto refuse = [&](const std::string& expected) {
    const std::string got = found->is_structured()
                                ? "an " + std::string(found->type_name())
                                : found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    fail<FormatError>("spec_from_json: ", key, " is ", got, ", expected ", expected);
  };
  if constexpr (NamedEnum<T>) {
    const auto parsed =
        found->is_string() ? parse_enum<T>(found->template get_ref<const std::string&>()) : std::nullopt;
    if (!parsed) refuse("one of " + list_names<T>());
    value = *parsed;
  } else if constexpr (std::same_as<T, float>) {
    constexpr double largest = std::numeric_limits<float>::max();
    const double number = found->is_number() ? found->template get<double>() : 2 * largest;
    if (!(number >= -largest && number <= largest)) refuse("a number");
    value = static_cast<float>(number);
  } else {
    const bool is_count =
        found->is_number_unsigned() || (found->is_number_integer() && found->template get<std::int64_t>() >= 0);
    if (!is_count) refuse("a whole number, 0 or more");
    value = found->template get<T>();
  }
}

inline void read_index(const nlohmann::ordered_json& json, IndexSpec& index) {
  read_value(json, "index", index.kind);
  read_value(json, "m", index.m);
  read_value(json, "ef_construction", index.ef_construction);
  read_value(json, "ef_search", index.ef_search);
  read_value(json, "rerank", index.rerank);
  read_value(json, "exact_rows", index.exact_rows);
  read_value(json, "target_recall", index.target_recall);
}

}  // namespace detail

/// What matters to the method, with null for what other methods have. spec_from_json() brings it back.
///
/// The keys are the fields of RetrieverSpec, and those of its gate and index without a prefix: "gate", "temperature",
/// "index", "m". Where XL's two indexes differ, "query_index" is an object with the keys of the other.
[[nodiscard]] inline nlohmann::ordered_json to_json(const RetrieverSpec& spec) {
  using detail::json_when;
  const bool is_xl = spec.method == Method::xl;
  const bool is_multi = spec.method == Method::xs_multi;
  const bool is_xs = spec.method == Method::xs || is_multi;
  const bool has_pseudo = is_xs || is_xl;
  nlohmann::ordered_json json;
  json["spec_version"] = RetrieverSpec::version;
  json["method"] = name(spec.method);
  json["lambda"] = json_when(is_xl || is_xs, spec.lambda);
  json["neighbors"] = json_when(is_xl, spec.neighbors);
  json["gate"] = json_when(is_xl, spec.gate.kind);
  json["temperature"] = json_when(is_xl && spec.gate.kind == GateKind::softmax, spec.gate.temperature);
  json["bandwidth"] = json_when(is_xl && spec.gate.kind == GateKind::local, spec.gate.bandwidth);
  json["ridge"] = json_when(is_xl && spec.gate.kind == GateKind::local, spec.gate.ridge);
  json["similarity"] = json_when(is_xl, spec.similarity);
  json["knn_scale"] = json_when(is_xl, spec.knn_scale);
  json["passage_candidates"] = json_when(is_xl, spec.passage_candidates);
  json["missing_erm_score"] = json_when(is_xl, spec.missing_erm_score);
  json["fold"] = json_when(is_xl, spec.fold);
  json["condense"] = json_when(is_xl, spec.condense);
  json["cold"] = json_when(has_pseudo, spec.cold);
  json["norm"] = json_when(has_pseudo, spec.norm);
  json["max_centroids"] = json_when(is_multi, spec.max_centroids);
  json["queries_per_centroid"] = json_when(is_multi, spec.queries_per_centroid);
  json["shrinkage"] = json_when(is_multi, spec.shrinkage);
  const bool is_solved = has_pseudo && spec.rule == FoldRule::least_squares;
  json["rule"] = json_when(has_pseudo, spec.rule);
  json["least_squares_shrinkage"] = json_when(is_solved, spec.least_squares.shrinkage);
  json["passages_as_queries"] = json_when(is_solved, spec.least_squares.passages_as_queries);
  json["balance"] = json_when(has_pseudo, spec.balance);
  const bool is_whitened = (is_xl && spec.whitened != Whitened::none) || (is_xs && spec.whitened == Whitened::all);
  json["whitened"] = json_when(is_xl || is_xs, spec.whitened);
  json["scatter"] = json_when(is_whitened, spec.whitening.scatter);
  json["whitening_shrinkage"] = json_when(is_whitened, spec.whitening.shrinkage);
  json["whitening_rank"] = json_when(is_whitened, spec.whitening.rank);
  json["hubness"] = json_when(is_xl, spec.hubness);
  detail::write_index(spec.index, json);
  if (is_xl && spec.query_index != spec.index) detail::write_index(spec.query_index, json["query_index"]);
  return json;
}

/// What the JSON says, over `base` where a key is missing or null. What it says of the index holds for XL's query side
/// too, unless there is a "query_index". Where it says "spec_version": 1, all that came later is left out, whatever
/// `base` says. Keys that are none of a spec's are ignored; values are checked by build().
/// @throws FormatError  no object, a value of another type, or a spec of a later version
[[nodiscard]] inline RetrieverSpec spec_from_json(const nlohmann::ordered_json& json, const RetrieverSpec& base = {}) {
  using detail::read_value;
  if (!json.is_object()) detail::fail<FormatError>("spec_from_json: is ", json.type_name(), ", expected an object");
  std::uint64_t version = RetrieverSpec::version;
  read_value(json, "spec_version", version);
  if (version > static_cast<std::uint64_t>(RetrieverSpec::version)) {
    detail::fail<FormatError>("spec_from_json: spec_version is ", version, ", this pefa reads up to ",
                              RetrieverSpec::version, "; a newer one wrote it");
  }
  RetrieverSpec spec = base;
  if (version < 2) detail::leave_out_fits(spec);  // a fold that is null was none
  read_value(json, "method", spec.method);
  read_value(json, "lambda", spec.lambda);
  read_value(json, "neighbors", spec.neighbors);
  read_value(json, "gate", spec.gate.kind);
  read_value(json, "temperature", spec.gate.temperature);
  read_value(json, "bandwidth", spec.gate.bandwidth);
  read_value(json, "ridge", spec.gate.ridge);
  read_value(json, "similarity", spec.similarity);
  read_value(json, "knn_scale", spec.knn_scale);
  read_value(json, "passage_candidates", spec.passage_candidates);
  read_value(json, "missing_erm_score", spec.missing_erm_score);
  read_value(json, "fold", spec.fold);
  read_value(json, "condense", spec.condense);
  read_value(json, "cold", spec.cold);
  read_value(json, "norm", spec.norm);
  read_value(json, "max_centroids", spec.max_centroids);
  read_value(json, "queries_per_centroid", spec.queries_per_centroid);
  read_value(json, "shrinkage", spec.shrinkage);
  read_value(json, "rule", spec.rule);
  read_value(json, "least_squares_shrinkage", spec.least_squares.shrinkage);
  read_value(json, "passages_as_queries", spec.least_squares.passages_as_queries);
  read_value(json, "balance", spec.balance);
  read_value(json, "whitened", spec.whitened);
  read_value(json, "scatter", spec.whitening.scatter);
  read_value(json, "whitening_shrinkage", spec.whitening.shrinkage);
  read_value(json, "whitening_rank", spec.whitening.rank);
  read_value(json, "hubness", spec.hubness);
  detail::read_index(json, spec.index);
  const auto query_index = json.find("query_index");
  const bool is_other = query_index != json.end() && !query_index->is_null();
  if (is_other && !query_index->is_object()) {
    detail::fail<FormatError>("spec_from_json: query_index is ", query_index->type_name(), ", expected an object");
  }
  detail::read_index(is_other ? *query_index : json, spec.query_index);
  return spec;
}

}  // namespace pefa
