// One pair of functions an index: what over_flat.cpp, over_hnsw.cpp and over_quantized.cpp define.
#pragma once

#include <string>

#include "any_retriever.hpp"

namespace pefa::cli {

[[nodiscard]] AnyRetriever build_over_flat(const Method&, const TrainingView&, const BuildOptions&);
[[nodiscard]] AnyRetriever build_over_hnsw(const Method&, const TrainingView&, const BuildOptions&);
[[nodiscard]] AnyRetriever build_over_quantized(const Method&, const TrainingView&, const BuildOptions&);

[[nodiscard]] AnyRetriever open_over_flat(const std::string& name, const io::ArchiveReader&);
[[nodiscard]] AnyRetriever open_over_hnsw(const std::string& name, const io::ArchiveReader&);
[[nodiscard]] AnyRetriever open_over_quantized(const std::string& name, const io::ArchiveReader&);

}  // namespace pefa::cli
