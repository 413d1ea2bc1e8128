#include "pefa/adapter/retriever_spec_json.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using Json = nlohmann::ordered_json;

namespace {

RetrieverSpec unlike_the_defaults(Method method) {
  RetrieverSpec spec{.method = method, .lambda = 0.3f};
  spec.index = {IndexKind::quantized, 16, 200, 100, 40};
  spec.query_index = spec.index;
  switch (method) {
    case Method::erm: spec.lambda = RetrieverSpec{}.lambda; break;
    case Method::xs_multi:
      spec.max_centroids = 3;
      spec.queries_per_centroid = 2;
      spec.shrinkage = 0.5f;
      [[fallthrough]];
    case Method::xs:
      spec.cold = ColdPassage::borrowed;
      spec.norm = PseudoNorm::passage;
      spec.rule = FoldRule::least_squares;
      spec.least_squares = {0.7f, 0.9f};
      spec.balance = 12;
      spec.whitened = Whitened::all;
      spec.whitening = {Scatter::both, 0.6f, 9};
      break;
    case Method::xl:
      spec.neighbors = 7;
      spec.gate = {.kind = GateKind::local, .bandwidth = 0.2f, .ridge = 0.6f};
      spec.similarity = KnnSimilarity::l2;
      spec.knn_scale = 2.5f;
      spec.passage_candidates = 90;
      spec.missing_erm_score = MissingErmScore::zero;
      spec.fold = 0.4f;
      spec.condense = 0.8f;
      spec.rule = FoldRule::least_squares;
      spec.least_squares = {0.7f, 0.9f};
      spec.balance = 12;
      spec.whitened = Whitened::all;
      spec.whitening = {Scatter::both, 0.6f, 9};
      spec.hubness = 0.7f;
      spec.cold = ColdPassage::paper;
      spec.norm = PseudoNorm::passage;
      spec.query_index = {IndexKind::hnsw, 8, 50, 60};
      break;
  }
  return spec;
}

}  // namespace

TEST_CASE("to_json(RetrieverSpec): spec_from_json brings every method back, through text") {
  for (const Method method : {Method::erm, Method::xs, Method::xs_multi, Method::xl}) {
    INFO(name(method));
    const RetrieverSpec spec = unlike_the_defaults(method);
    REQUIRE(spec != RetrieverSpec{});
    REQUIRE(spec_from_json(Json::parse(to_json(spec).dump())) == spec);
  }
  for (const RetrieverSpec& spec : {RetrieverSpec{}, RetrieverSpec::paper_xl()}) {
    REQUIRE(spec_from_json(to_json(spec)) == spec);
  }
}

TEST_CASE("to_json(RetrieverSpec): floats as people wrote them, null for what the method does not have") {
  const Json xl = to_json(RetrieverSpec{});
  REQUIRE(xl["spec_version"] == 2);
  REQUIRE(xl["method"] == "xl");
  REQUIRE(xl["lambda"].dump() == "0.2");
  REQUIRE(xl["temperature"].dump() == "0.05");
  REQUIRE(xl["index"] == "automatic");
  for (const char* key : {"max_centroids", "shrinkage", "bandwidth", "ridge"}) {
    INFO(key);
    REQUIRE(xl.at(key).is_null());
  }
  REQUIRE(!xl.contains("query_index"));

  const Json xs = to_json({.method = Method::xs, .lambda = 0.25f, .index = {IndexKind::flat}});
  REQUIRE(xs["cold"] == "erm");
  for (const char* key : {"neighbors", "gate", "temperature", "similarity", "m", "ef_search", "hubness"}) {
    INFO(key);
    REQUIRE(xs.at(key).is_null());
  }
  REQUIRE(!xs.contains("query_index"));
  REQUIRE(to_json({.method = Method::erm}).at("lambda").is_null());
  REQUIRE(to_json({.gate = {GateKind::mean}}).at("temperature").is_null());
}

TEST_CASE("spec_from_json: what is missing, null or unknown leaves the base as it is") {
  const RetrieverSpec base = unlike_the_defaults(Method::xl);
  REQUIRE(spec_from_json(Json::object(), base) == base);
  REQUIRE(spec_from_json(Json::parse(R"({"lambda": null, "score": 0.3, "gate_of_a_later_day": [1]})"), base) == base);
  const RetrieverSpec spec = spec_from_json(Json::parse(R"({"method": "xs", "lambda": 1})"), base);
  REQUIRE(spec.method == Method::xs);
  REQUIRE(spec.lambda == 1.0f);
  REQUIRE(spec.cold == base.cold);
}

TEST_CASE("spec_from_json: a spec of version 1 has none of what came later") {
  RetrieverSpec base = RetrieverSpec::paper_xl();
  base.rule = FoldRule::least_squares;
  base.fold = 0.2f;
  base.condense = 0.8f;
  base.balance = 7;
  base.whitened = Whitened::queries;
  base.hubness = 0.5f;
  const RetrieverSpec old = spec_from_json(Json::parse(R"({"spec_version": 1, "method": "xl", "fold": null})"), base);
  REQUIRE(old == RetrieverSpec::paper_xl());
}

TEST_CASE("spec_from_json: one index holds for both sides, a query_index for its own") {
  const RetrieverSpec both = spec_from_json(Json::parse(R"({"index": "hnsw", "m": 8})"));
  REQUIRE(both.index == IndexSpec{IndexKind::hnsw, 8});
  REQUIRE(both.query_index == both.index);
  const RetrieverSpec other =
      spec_from_json(Json::parse(R"({"index": "hnsw", "m": 8, "query_index": {"index": "flat"}})"));
  REQUIRE(other.index == IndexSpec{IndexKind::hnsw, 8});
  REQUIRE(other.query_index.kind == IndexKind::flat);
}

TEST_CASE("spec_from_json: reads what nlohmann::json of a host's own numbers is") {
  const nlohmann::json json{{"method", "xl"}, {"neighbors", 12}, {"lambda", 0.5}};
  const RetrieverSpec spec = spec_from_json(json);
  REQUIRE(spec.neighbors == 12);
  REQUIRE(spec.lambda == 0.5f);
}

TEST_CASE("spec_from_json: a value of another type is refused with its key, what was expected and what came") {
  const auto refused = [](const std::string& text, const std::string& message) {
    INFO(text);
    REQUIRE_ERROR(FormatError, message, spec_from_json(Json::parse(text)));
  };
  refused("3", "is number, expected an object");
  refused(R"({"method": "xz"})", "method is \"xz\", expected one of erm, xs, xs-multi, xl");
  refused(R"({"method": 2})", "method is 2, expected one of");
  refused(R"({"lambda": "half"})", "lambda is \"half\", expected a number");
  refused(R"({"lambda": true})", "lambda is true, expected a number");
  refused(R"({"lambda": 1e300})", "expected a number");
  refused(R"({"lambda": [1]})", "lambda is an array, expected a number");
  refused(R"({"neighbors": -1})", "neighbors is -1, expected a whole number");
  refused(R"({"neighbors": 8.5})", "neighbors is 8.5, expected a whole number");
  refused(R"({"query_index": "flat"})", "query_index is string, expected an object");
  refused(R"({"spec_version": 3})", "spec_version is 3, this pefa reads up to 2");
  refused(R"({"spec_version": "1"})", "spec_version is \"1\", expected a whole number");
}
