// Archives that version 0.1 wrote, with the answers it gave: they open for ever, and answer the same.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "catch.hpp"
#include "pefa/adapter/archive_contents.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/index/flat_index_archive.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

const std::filesystem::path& folder() {
  static const std::filesystem::path path = shipped_data() / "../../tests/data/archives_v1";
  return path;
}

std::size_t opened = 0;

/// The archive opens as R, which is the type it names, and answers as the lines beside it say.
template <class R>
void require_answers(const std::string& name, const std::string& type) {
  INFO(name);
  ++opened;
  const auto path = folder() / (name + ".pefa");
  const auto reader = io::ArchiveReader::open(path);
  REQUIRE(pefa::detail::cpp_type_of(reader) == type);
  const R retriever = R::open(path, Verify::full);
  const auto ids = io::read_passage_ids(reader);
  const auto queries = io::read_npy(folder() / "T.npy");
  std::ifstream lines(folder() / (name + ".jsonl"));
  std::size_t q = 0;
  for (std::string line; std::getline(lines, line); ++q) {
    const auto expected = nlohmann::json::parse(line)["hits"];
    const auto hits = retriever.search({queries.row(q), queries.dim()}, 5);
    REQUIRE(hits.size() == expected.size());
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const Row row = hits[i].passage.row();
      REQUIRE((ids ? std::string((*ids)[row]) : std::to_string(row)) == expected[i]["passage"].get<std::string>());
      REQUIRE(hits[i].score == Approx(expected[i]["score"].get<float>()).epsilon(1e-6));
    }
  }
  REQUIRE(q == queries.size());
}

using Flat = FlatIndex<>;
using Quantized = QuantizedHnswIndex<>;

}  // namespace

TEST_CASE("open: archives of version 1 open with the type they name, and answer as they did") {
  opened = 0;
  require_answers<ErmRetriever<float, Flat>>("erm_flat", "ErmRetriever<float, FlatIndex<>>");
  require_answers<ErmRetriever<>>("erm_hnsw", "ErmRetriever<float, HnswIndex>");
  require_answers<ErmRetriever<float, Quantized>>("erm_quantized", "ErmRetriever<float, QuantizedHnswIndex<>>");
  require_answers<PefaXs<float, Flat>>("xs_flat", "PefaXs<float, FlatIndex<>>");
  require_answers<PefaXs<float, Flat>>("xs_borrowed_flat", "PefaXs<float, FlatIndex<>>");
  require_answers<PefaXs<>>("xs_hnsw", "PefaXs<float, HnswIndex>");
  require_answers<PefaXs<float, Quantized>>("xs_quantized", "PefaXs<float, QuantizedHnswIndex<>>");
  require_answers<PefaXs<float, Quantized>>("xs_ids_quantized", "PefaXs<float, QuantizedHnswIndex<>>");
  require_answers<PefaXsMulti<float, Flat>>("xs_multi_flat", "PefaXsMulti<float, FlatIndex<>>");
  require_answers<PefaXsMulti<>>("xs_multi_hnsw", "PefaXsMulti<float, HnswIndex>");
  require_answers<PefaXsMulti<float, Quantized>>("xs_multi_quantized", "PefaXsMulti<float, QuantizedHnswIndex<>>");
  require_answers<PefaXl<float, Flat, Flat, SoftmaxGate>>("xl_softmax_flat",
                                                          "PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>");
  require_answers<PefaXl<float, HnswIndex, HnswIndex, SoftmaxGate>>("xl_softmax_hnsw",
                                                                    "PefaXl<float, HnswIndex, HnswIndex, SoftmaxGate>");
  require_answers<PefaXl<float, Quantized, Quantized, AnyGate>>(
      "xl_softmax_quantized", "PefaXl<float, QuantizedHnswIndex<>, QuantizedHnswIndex<>, SoftmaxGate>");
  require_answers<PefaXl<float, Flat, Flat, MeanGate>>("xl_mean_cosine_flat",
                                                       "PefaXl<float, FlatIndex<>, FlatIndex<>, MeanGate>");
  require_answers<PefaXl<float, Flat, Flat, SumGate>>("xl_sum_l2_zero_flat",
                                                      "PefaXl<float, FlatIndex<>, FlatIndex<>, SumGate>");
  require_answers<PefaXl<float, Flat, Flat, AnyGate>>("xl_fold_condense_flat",
                                                      "PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>");
  const auto files = std::filesystem::directory_iterator(folder());
  REQUIRE(std::count_if(begin(files), end(files), [](const auto& file) {
            return file.path().extension() == ".pefa";
          }) == static_cast<std::ptrdiff_t>(opened));
}
