// The texts alone; tests/engines.sh runs them in PostgreSQL and holds the answers against PefaXl's.
#include "pefa/adapter/xl_sql.hpp"

#include <string>

#include "catch.hpp"

using namespace pefa;

namespace {

const XlSqlShape shape{.passage_dim = 8, .query_dim = 6, .raw_dim = 8, .has_text_ids = true, .has_graphs = true};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Everything, which must have no mark left in it.
std::string script(const RetrieverSpec& spec, const XlSqlShape& of = shape) {
  std::string text = xl_sql_tables(spec, of) + xl_sql_indexes(spec, of) + xl_sql_functions(spec, of);
  REQUIRE(text.find('@') == std::string::npos);
  return text;
}

}  // namespace

TEST_CASE("xl_sql: the spec's parameters are the defaults of the search") {
  RetrieverSpec spec;
  spec.lambda = 0.3f;
  spec.neighbors = 17;
  spec.gate = {GateKind::softmax, 0.07f};
  const std::string text = script(spec);
  REQUIRE(has(text, "neighbors integer DEFAULT 17"));
  REQUIRE(has(text, "lambda real DEFAULT 0.3,"));
  REQUIRE(has(text, "gate pefa_gate DEFAULT 'softmax'"));
  REQUIRE(has(text, "temperature real DEFAULT 0.07,"));
}

TEST_CASE("xl_sql: what is fitted is in the tables, what is not is left out") {
  RetrieverSpec spec;
  REQUIRE(has(script(spec), "CREATE TABLE whitening"));
  REQUIRE(has(script(spec), "vector(7)"));  // hubness is one element more
  spec.whitened = Whitened::none;
  spec.hubness = 0.0f;
  REQUIRE(!has(script(spec), "whiten("));
  REQUIRE(has(script(spec), "vector(6)"));
  spec.similarity = KnnSimilarity::l2;
  REQUIRE(has(script(spec), "embedding <-> (SELECT query_side"));
  REQUIRE(has(script(spec), "vector_l2_ops"));
  spec.similarity = KnnSimilarity::cosine;
  REQUIRE(has(script(spec), "vector_norm(query) AS length"));
}

TEST_CASE("xl_sql: an exact script has no graphs and leaves the planner alone") {
  XlSqlShape exact = shape;
  exact.has_graphs = false;
  exact.has_text_ids = false;
  const std::string text = script(RetrieverSpec{}, exact);
  REQUIRE(!has(text, "hnsw"));
  REQUIRE(!has(text, "enable_seqscan"));
  REQUIRE(has(text, "id bigint PRIMARY KEY"));
  REQUIRE(has(script(RetrieverSpec{}), "id text PRIMARY KEY"));
}

TEST_CASE("xl_sql: what SQL cannot say is refused") {
  RetrieverSpec spec;
  spec.method = Method::xs;
  REQUIRE_ERROR(ValueError, "the method is xs, expected xl", xl_sql_tables(spec, shape));
  spec = {};
  spec.gate.kind = GateKind::local;
  REQUIRE_ERROR(ValueError, "the gate is local", xl_sql_functions(spec, shape));
  spec = {};
  spec.missing_erm_score = MissingErmScore::zero;
  REQUIRE_ERROR(ValueError, "missing_erm_score is zero, expected exact", xl_sql_functions(spec, shape));
  XlSqlShape wide = shape;
  wide.passage_dim = 2001;
  REQUIRE_ERROR(ValueError, "expected at most 2000 for an index of pgvector", xl_sql_indexes(RetrieverSpec{}, wide));
}
