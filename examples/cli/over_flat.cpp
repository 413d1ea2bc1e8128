#include "pefa/index/flat_index_archive.hpp"
#include "retriever_model.hpp"
#include "retriever_over.hpp"

namespace pefa::cli {

AnyRetriever build_over_flat(const Method& method, const TrainingView& data, const BuildOptions& options) {
  return build_over<FlatIndex<>>(method, data, {.rows = Rows::borrow}, options);
}

AnyRetriever open_over_flat(const std::string& name, const io::ArchiveReader& reader) {
  return open_over<FlatIndex<>>(name, reader);
}

}  // namespace pefa::cli
