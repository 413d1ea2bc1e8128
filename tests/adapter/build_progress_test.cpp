// What a progress callback hears of a build, for every retriever over every index.
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// One total, steps that never go back, and the end, once.
template <class Build>
void require_one_whole(const std::string& what, const Build& build) {
  for (const AnyExecutor& executor : {AnyExecutor::serial(), AnyExecutor(ThreadExecutor(4))}) {
    std::vector<std::pair<std::size_t, std::size_t>> reports;
    const Progress progress = [&](std::size_t done, std::size_t total) {
      reports.emplace_back(done, total);
      return ProgressAction::proceed;
    };
    (void)build(BuildOptions{executor, progress});
    INFO(what << ", " << executor.concurrency() << " threads");
    REQUIRE_FALSE(reports.empty());
    const std::size_t total = reports.front().second;
    for (std::size_t i = 0; i < reports.size(); ++i) {
      REQUIRE(reports[i].second == total);
      if (i > 0) REQUIRE(reports[i].first >= reports[i - 1].first);
      REQUIRE((reports[i].first == total) == (i + 1 == reports.size()));
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("build: progress has one total, never goes back, and ends at the total once", "", FlatIndex<>,
                   HnswIndex, QuantizedHnswIndex<>) {
  const Problem p;
  using Index = TestType;
  require_one_whole("ERM", [&](const BuildOptions& o) { return ErmRetriever<float, Index>::build(p.passages, {}, o); });
  for (const ColdPassage cold : {ColdPassage::paper, ColdPassage::erm, ColdPassage::borrowed}) {
    const std::string cold_name = name(cold);
    require_one_whole("XS, cold " + cold_name, [&](const BuildOptions& o) {
      return PefaXs<float, Index>::build(p.passages, p.queries, p.relevance, {.cold = cold}, o);
    });
    require_one_whole("XS multi, cold " + cold_name, [&](const BuildOptions& o) {
      return PefaXsMulti<float, Index>::build(p.passages, p.queries, p.relevance, {.centroids = {.cold = cold}}, o);
    });
    require_one_whole("XL over XS, cold " + cold_name, [&](const BuildOptions& o) {
      return PefaXl<float, Index>::build(p.passages, p.queries, p.relevance, {.fold = {.lambda = 0.3f, .cold = cold}},
                                         o);
    });
  }
  require_one_whole("XL", [&](const BuildOptions& o) {
    return PefaXl<float, Index>::build(p.passages, p.queries, p.relevance, {}, o);
  });
  require_one_whole("XL by cosine", [&](const BuildOptions& o) {
    return PefaXl<float, Index, FlatIndex<>>::build(p.passages, p.queries, p.relevance,
                                                    {.similarity = KnnSimilarity::cosine}, o);
  });
}
