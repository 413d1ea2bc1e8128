#include "pefa/index/hnsw_index_archive.hpp"
#include "retriever_model.hpp"
#include "retriever_over.hpp"

namespace pefa::cli {

AnyRetriever build_over_hnsw(const Method& method, const TrainingView& data, const BuildOptions& options) {
  return build_over<HnswIndex>(
      method, data, {.m = method.m, .ef_construction = method.ef_construction, .ef_search = method.ef_search}, options);
}

AnyRetriever open_over_hnsw(const std::string& name, const io::ArchiveReader& reader) {
  return open_over<HnswIndex>(name, reader);
}

}  // namespace pefa::cli
