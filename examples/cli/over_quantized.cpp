#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "retriever_model.hpp"
#include "retriever_over.hpp"

namespace pefa::cli {

AnyRetriever build_over_quantized(const Method& method, const TrainingView& data, const BuildOptions& options) {
  const HnswParams graph{.m = method.m, .ef_construction = method.ef_construction, .ef_search = method.ef_search};
  return build_over<QuantizedHnswIndex<>>(method, data, {.graph = graph, .rows = Rows::borrow}, options);
}

AnyRetriever open_over_quantized(const std::string& name, const io::ArchiveReader& reader) {
  return open_over<QuantizedHnswIndex<>>(name, reader);
}

}  // namespace pefa::cli
