#include "pefa/index/quantized_hnsw_index.hpp"

#include "catch.hpp"
#include "conformance.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("QuantizedHnswIndex conforms over inner product") {
  check_index_conforms<QuantizedHnswIndex<>>({.graph = {.metric = Metric::inner_product}}, 0.99);
}

TEST_CASE("QuantizedHnswIndex conforms over L2") {
  check_index_conforms<QuantizedHnswIndex<>>({.graph = {.metric = Metric::l2}}, 0.99);
}
