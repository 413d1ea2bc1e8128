#include "any_retriever.hpp"

#include <utility>

namespace pefa::cli {
namespace {

AnyGate make_gate(const Method& method) {
  if (method.gate == "sum") return SumGate{};
  if (method.gate == "softmax") return SoftmaxGate(method.temperature);
  return MeanGate{};
}

template <class Index>
AnyRetriever build_over(const Method& method, const TrainingData& data, const typename Index::Params& index,
                        const BuildOptions& options) {
  if (method.name == "xs") {
    const auto cold = method.cold == "erm" ? ColdPassage::erm : ColdPassage::paper;
    return AnyRetriever(PefaXs<float, Index>::build(data.passages, data.queries, data.relevance,
                                                    {.lambda = method.lambda, .cold = cold, .index = index}, options));
  }
  if (method.name == "xl") {
    return AnyRetriever(PefaXl<float, Index, Index, AnyGate>::build(data.passages, data.queries, data.relevance,
                                                                    {.lambda = method.lambda,
                                                                     .neighbors = method.neighbors,
                                                                     .gate = make_gate(method),
                                                                     .passage_index = index,
                                                                     .query_index = index},
                                                                    options));
  }
  return AnyRetriever(ErmRetriever<float, Index>::build(data.passages, {.index = index}, options));
}

}  // namespace

std::string Method::label() const {
  if (name == "xl") return "PEFA-XL " + gate;
  return name == "xs" ? "PEFA-XS" : "ERM";
}

AnyRetriever build(const Method& method, const TrainingData& data, const BuildOptions& options) {
  if (method.index == "flat") return build_over<FlatIndex<>>(method, data, {.rows = Rows::borrow}, options);
  const HnswParams hnsw{.m = method.m, .ef_construction = method.ef_construction, .ef_search = method.ef_search};
  if (method.index == "quantized") {
    return build_over<QuantizedHnswIndex<>>(method, data, {.graph = hnsw, .rows = Rows::borrow}, options);
  }
  return build_over<HnswIndex>(method, data, hnsw, options);
}

}  // namespace pefa::cli
