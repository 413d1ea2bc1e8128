// libFuzzer target: any bytes as the archive of a retriever, opened as each kind over each index and searched. They are
// taken as they come, and with their checksums made right, so that what opening checks is reached.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "archive_input.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/index/flat_index_archive.hpp"
#include "pefa/index/partitioned_index_archive.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "pefa/io/archive/id_table.hpp"

namespace {

using namespace pefa;

/// Opens and searches; anything but a pefa::Error ends the run.
template <class R>
void search(const io::ArchiveReader& reader) {
  try {
    const R retriever = R::open(reader);
    if (retriever.dim() > 4096) return;
    RowMajorMatrix queries(2, static_cast<Eigen::Index>(retriever.dim()));
    queries.setConstant(0.25f);
    (void)retriever.search({queries.data(), retriever.dim()}, 7);
    (void)retriever.search_batch(EmbeddingView<float>(queries), 3, {}, AnyExecutor::serial());
  } catch (const Error&) {
  }
}

void open_and_search(const test::Bytes& bytes) {
  try {
    const io::ArchiveReader reader = test::open_bytes(bytes);
    (void)io::read_passage_ids(reader);
  } catch (const Error&) {
  }
  try {
    const io::ArchiveReader reader = test::open_bytes(bytes);
    search<ErmRetriever<float, FlatIndex<>>>(reader);
    search<ErmRetriever<std::int8_t, FlatIndex<std::int8_t>>>(reader);
    search<ErmRetriever<float, PartitionedIndex<>>>(reader);
    search<PefaXs<>>(reader);
    search<PefaXsMulti<float, QuantizedHnswIndex<>>>(reader);
    search<PefaXl<float, QuantizedHnswIndex<>, HnswIndex, AnyGate>>(reader);
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::take_archive(data, size, open_and_search);
  return 0;
}
