#include "any_retriever.hpp"

#include <string>

#include "interrupt.hpp"
#include "pefa/io/archive/id_table.hpp"
#include "retriever_over.hpp"

namespace pefa::cli {
namespace {

/// This command is built for float32 rows and, in XL, one kind of index on both sides.
void require_known(const io::ArchiveReader& reader) {
  const io::ArchiveMetadata& metadata = reader.metadata();
  const auto refuse = [&reader](const std::string& what) {
    throw FormatError(reader.name() + ": " + what + "; open it with the library");
  };
  const std::string name = metadata.text("retriever");
  if (name != "erm" && name != "xs" && name != "xl" && name != "xs_multi") {
    refuse("holds a retriever '" + name + "', this command knows erm, xs, xl and xs_multi");
  }
  const std::string index = metadata.text("passages.index");
  if (index != "flat" && index != "hnsw" && index != "quantized_hnsw") {
    refuse("holds an index '" + index + "', this command knows flat, hnsw and quantized_hnsw");
  }
  if (name == "xl" && metadata.text("queries.index") != index) {
    refuse("has " + index + " over passages and " + metadata.text("queries.index") +
           " over queries, this command knows the same over both");
  }
  for (const char* key : {"passages.scalar", "queries.scalar"}) {
    const std::string scalar = metadata.find_text(key).value_or("float32");
    if (scalar != "float32") refuse(std::string(key) + " is " + scalar + ", this command knows float32");
  }
}

AnyRetriever open_retriever(const Method& method, const io::ArchiveReader& reader) {
  if (method.index == "flat") return open_over_flat(method.name, reader);
  if (method.index == "quantized") return open_over_quantized(method.name, reader);
  return open_over_hnsw(method.name, reader);
}

}  // namespace

AnyRetriever build(const Method& method, const TrainingView& data, const BuildOptions& options) {
  if (method.index == "flat") return build_over_flat(method, data, options);
  if (method.index == "quantized") return build_over_quantized(method, data, options);
  return build_over_hnsw(method, data, options);
}

OpenArchive open_archive(const std::filesystem::path& path) {
  require_file(path);
  const EndAtOnce opening;
  io::ArchiveReader reader = io::ArchiveReader::open(path);
  require_known(reader);
  Method method = method_of(reader.metadata());
  AnyRetriever retriever = open_retriever(method, reader);
  std::optional<io::ExternalIds> passage_ids = io::read_passage_ids(reader);
  return {std::move(reader), std::move(method), std::move(retriever), std::move(passage_ids)};
}

}  // namespace pefa::cli
