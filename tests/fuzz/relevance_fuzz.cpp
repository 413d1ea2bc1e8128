// Relevance text and run files of any bytes: read, or refused with a pefa::Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "input_file.hpp"
#include "pefa/io/relevance/beir_qrels.hpp"
#include "pefa/io/relevance/judgements.hpp"
#include "pefa/io/relevance/libsvm.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/relevance/qrels.hpp"
#include "pefa/io/relevance/xmc_text.hpp"
#include "pefa/io/results/trec_run.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  using fuzz::accept_errors;
  static const io::ExternalIds ids = io::ExternalIds::from(std::vector<std::string>{"q1", "d2", "0"});
  const auto path = fuzz::input_file(data, size);
  accept_errors([&] { return io::read_pairs(path, 8, 16); });
  accept_errors([&] { return io::read_pairs(path, ids, ids, io::UnknownId::skip); });
  accept_errors([&] { return io::read_qrels(path, 8, 16); });
  accept_errors([&] { return io::read_qrels(path, ids, ids, io::UnknownId::skip); });
  accept_errors([&] { return io::read_beir_qrels(path, ids, io::RowIds(16), io::UnknownId::skip); });
  accept_errors([&] { return io::read_xmc(path, io::PointFeatures::keep); });
  accept_errors([&] { return io::read_libsvm(path, {.features = io::PointFeatures::keep}); });
  accept_errors(
      [&] { return io::read_libsvm(path, {.label_base = io::IndexBase::one, .n_labels = 16, .n_features = 16}); });
  accept_errors([&] { return io::read_trec_run(path, ids, io::RowIds(16)); });
  accept_errors([&] {
    const io::TrecRun run = io::read_trec_run(path);
    if (run.results.size() != run.queries.size()) std::abort();
    for (const std::vector<Hit>& hits : run.results) {
      for (std::size_t i = 1; i < hits.size(); ++i) {
        if (hits[i].score > hits[i - 1].score) std::abort();
      }
    }
  });
  return 0;
}
