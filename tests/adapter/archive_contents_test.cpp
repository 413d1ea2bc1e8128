#include "pefa/adapter/archive_contents.hpp"

#include "catch.hpp"

using namespace pefa;
using pefa::detail::cpp_type_of;
using pefa::detail::describe;

TEST_CASE("cpp_type_of: the type that opens what a label says, and none for parts that are a host's own") {
  REQUIRE(cpp_type_of({"erm", {"flat", "float16"}}) == "ErmRetriever<Eigen::half, FlatIndex<Eigen::half>>");
  REQUIRE(cpp_type_of({"erm", {"quantized_hnsw", "int8"}}) ==
          "ErmRetriever<std::int8_t, QuantizedHnswIndex<std::int8_t>>");
  REQUIRE(cpp_type_of({"xs", {"hnsw", "float32"}}) == "PefaXs<float, HnswIndex>");
  REQUIRE(cpp_type_of({"xs_multi", {"flat", "float32"}}) == "PefaXsMulti<float, FlatIndex<>>");
  // HnswIndex holds floats whatever it was built of: the other side tells the element type.
  REQUIRE(cpp_type_of({"xl", {"hnsw", "float32"}, {"flat", "bfloat16"}, "sum"}) ==
          "PefaXl<Eigen::bfloat16, HnswIndex, FlatIndex<Eigen::bfloat16>, SumGate>");
  REQUIRE(cpp_type_of({"xl", {"flat", "float64"}, {"hnsw", "float32"}, "mean"}) ==
          "PefaXl<double, FlatIndex<double>, HnswIndex, MeanGate>");
  REQUIRE(cpp_type_of({"erm", {"mine", "float32"}}).empty());
  REQUIRE(cpp_type_of({"erm", {"flat", "float4"}}).empty());
  REQUIRE(cpp_type_of({"xl", {"flat", "float32"}, {"mine", "float32"}, "mean"}).empty());
  REQUIRE(cpp_type_of({"xl", {"flat", "float32"}, {"flat", "float32"}, "mine"}).empty());
  REQUIRE(cpp_type_of({"new", {"flat", "float32"}}).empty());
}

TEST_CASE("describe: method, indexes, element types and gate of a label") {
  REQUIRE(describe({"xs", {"hnsw", "float32"}}) == "an xs retriever over hnsw of float32");
  REQUIRE(describe({"xl", {"flat", "int8"}, {"hnsw", "float32"}, "softmax"}) ==
          "an xl retriever over flat of int8, training queries over hnsw of float32, gate softmax");
  REQUIRE(describe({"erm"}) == "an erm retriever over an unknown index");
}
