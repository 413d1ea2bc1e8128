#include "pefa/index/partitioned_index.hpp"

#include "catch.hpp"
#include "conformance.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

static_assert(AnnIndex<PartitionedIndex<float>> && BatchScoringIndex<PartitionedIndex<float>>);
static_assert(ReadableIndex<PartitionedIndex<float>> && BatchIndex<PartitionedIndex<float>>);

TEST_CASE("PartitionedIndex conforms over inner product and L2") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  check_index_conforms<PartitionedIndex<>>({.metric = metric}, 0.99);
}

TEST_CASE("PartitionedIndex conforms where rows stand in two lists") {
  check_index_conforms<PartitionedIndex<>>({.lists = 30, .code_width = 2, .spill = Spill::once}, 0.99);
}
