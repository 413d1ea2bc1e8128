// PEFA over ScaNN: an index that lives in Python, behind pefa::AnnIndex. The interpreter is embedded; rows and queries
// are lent to NumPy, and only who asks the index waits for the GIL.
//
// From Python, as its C++ is hard to come by: scann-core 0.2.1 wants GCC 13 or Clang 19, CMake 3.27 and just these
// versions of what it stands on: abseil 20260817, protobuf 36.2, highway 1.4.0, Eigen 5.0.1. Debian 12 has older ones.
#include <pybind11/embed.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pefa/pefa.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace {

/// ScaNN's settings (Guo et al., ICML 2020; Sun et al., NeurIPS 2023), as its authors advise for thousands of rows.
struct ScannParams {
  std::size_t leaves = 0;              ///< partitions; 0: the root of the number of rows
  std::size_t dims_per_block = 2;      ///< dimensions that share a code of 4 bits
  double anisotropic_threshold = 0.2;  ///< T, for rows of length 1
  std::optional<double> soar_lambda;   ///< of second assignments; none: no second assignments
  std::size_t ef_search = 300;         ///< rows rescored exactly; the share of leaves that is read follows it
};

class ScannIndex {
 public:
  using Params = ScannParams;

  static ScannIndex build(const pefa::EmbeddingView<float>& rows, const Params& params = {},
                          const pefa::BuildOptions& = {}) {
    if (rows.empty()) throw pefa::ValueError("ScannIndex::build: no rows, expected at least 1");
    ScannIndex index(rows.size(), rows.dim(), params);
    const py::gil_scoped_acquire gil;
    const py::object builder_module = py::module_::import("scann.scann_ops.py.scann_builder");
    py::object builder =
        py::module_::import("scann.scann_ops.py.scann_ops_pybind")
            .attr("builder")(lend(rows.data(), rows.size(), rows.dim(), rows.stride()), 10, "dot_product");
    builder =
        builder.attr("tree")(index.params_.leaves, index.params_.leaves, py::arg("training_sample_size") = rows.size(),
                             py::arg("soar_lambda") = index.params_.soar_lambda);
    builder =
        builder.attr("score_ah")(index.params_.dims_per_block, py::arg("anisotropic_quantization_threshold") =
                                                                   index.params_.anisotropic_threshold * length(rows));
    builder = builder.attr("reorder")(index.params_.ef_search, builder_module.attr("ReorderType").attr("FLOAT32"));
    *index.searcher_ = builder.attr("build")();
    return index;
  }

  std::vector<pefa::Neighbor> search(pefa::QueryView query, std::size_t k,
                                     const pefa::IndexSearchOptions& options = {}) const {
    pefa::detail::require_query(query, k, dim(), "ScannIndex::search");  // dim, k, no NaN and no infinity
    k = std::min(k, size());
    const std::size_t rescored = std::min(std::max(options.ef == 0 ? params_.ef_search : options.ef, k), size());
    // As many leaves as hold 24 times the rows that are rescored.
    const std::size_t leaves = std::clamp<std::size_t>(24 * rescored * params_.leaves / size(), 1, params_.leaves);
    std::vector<pefa::Neighbor> found;
    {
      const py::gil_scoped_acquire gil;
      const py::tuple answer = searcher_->attr("search")(
          lend(query.data(), 1, query.size(), query.size()).attr("ravel")(), k, rescored, leaves);
      const py::array_t<std::uint32_t, py::array::forcecast> labels(answer[0]);
      const py::array_t<float, py::array::forcecast> scores(answer[1]);
      for (py::ssize_t i = 0; i < labels.size(); ++i) {
        if (!std::isnan(scores.at(i))) found.push_back({labels.at(i), scores.at(i)});  // where ScaNN found fewer
      }
    }
    std::sort(found.begin(), found.end(), pefa::ranks_before);
    return found;
  }

  std::size_t size() const { return size_; }
  std::size_t dim() const { return dim_; }
  pefa::Metric metric() const { return pefa::Metric::inner_product; }
  /// Of the rows, the codes and the centres of the leaves; ScaNN does not tell what else it holds.
  std::size_t memory_bytes() const {
    const std::size_t codes = (dim_ + 2 * params_.dims_per_block - 1) / (2 * params_.dims_per_block);
    return size_ * (dim_ * sizeof(float) + codes * (params_.soar_lambda ? 2 : 1)) +
           params_.leaves * dim_ * sizeof(float);
  }

 private:
  ScannIndex(std::size_t size, std::size_t dim, const Params& params)
      : params_(params), size_(size), dim_(dim), searcher_(new py::object, [](py::object* searcher) {
          const py::gil_scoped_acquire gil;
          delete searcher;
        }) {
    if (params_.leaves == 0) {
      params_.leaves = std::max<std::size_t>(1, static_cast<std::size_t>(std::sqrt(static_cast<double>(size))));
    }
  }

  /// An array over memory of ours, without a copy.
  static py::array_t<float> lend(const float* values, std::size_t rows, std::size_t dim, std::size_t stride) {
    const auto bytes = static_cast<py::ssize_t>(sizeof(float));
    return py::array_t<float>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(dim)},
                              {static_cast<py::ssize_t>(stride) * bytes, bytes}, values,
                              py::capsule(values, [](void*) {}));
  }

  /// The root of the mean square, which the threshold is scaled by.
  static double length(const pefa::EmbeddingView<float>& rows) {
    double squares = 0.0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t d = 0; d < rows.dim(); ++d) squares += static_cast<double>(rows.row(i)[d]) * rows.row(i)[d];
    }
    return std::sqrt(squares / static_cast<double>(rows.size()));
  }

  Params params_;
  std::size_t size_;
  std::size_t dim_;
  std::shared_ptr<py::object> searcher_;
};

static_assert(pefa::AnnIndex<ScannIndex>);

/// Recall@10 and the median of a search, of XS and XL over one kind of index.
template <class Index>
void print_row(const char* name, const pefa::EmbeddingStore<float>& passages,
               const pefa::EmbeddingStore<float>& queries, const pefa::RelevanceMatrix& relevance,
               const pefa::EmbeddingStore<float>& test_queries, const pefa::RelevanceMatrix& truth) {
  const auto xs = pefa::PefaXs<float, Index>::build(passages, queries, relevance, {.lambda = 0.5f});
  const auto xl = pefa::PefaXl<float, Index>::build(passages, queries, relevance, {.lambda = 0.1f, .neighbors = 16});
  // One search at a time: what a request waits for, and under the GIL there is no other way.
  const pefa::EvaluateOptions options{
      .recall_at = {10}, .latency = pefa::MeasureLatency::yes, .executor = pefa::AnyExecutor::serial()};
  const auto xs_report = pefa::evaluate(xs, test_queries, truth, options);
  const auto xl_report = pefa::evaluate(xl, test_queries, truth, options);
  std::printf("| %-18s | %4.1f | %5.3f | %4.1f | %5.3f |\n", name, 100 * xs_report.recall.at(10).mean,
              xs_report.latency->p50, 100 * xl_report.recall.at(10).mean, xl_report.latency->p50);
}

void print_table(const pefa::EmbeddingStore<float>& passages, const pefa::EmbeddingStore<float>& queries,
                 const pefa::RelevanceMatrix& relevance, const pefa::EmbeddingStore<float>& test_queries,
                 const pefa::RelevanceMatrix& truth) {
  std::printf("| index              | PEFA-XS Recall@10 | ms | PEFA-XL Recall@10 | ms |\n|---|---|---|---|---|\n");
  print_row<pefa::FlatIndex<float>>("FlatIndex, exact", passages, queries, relevance, test_queries, truth);
  print_row<pefa::QuantizedHnswIndex<float>>("QuantizedHnswIndex", passages, queries, relevance, test_queries, truth);
  print_row<ScannIndex>("ScaNN", passages, queries, relevance, test_queries, truth);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");
  const auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");
  const auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());
  const auto test_queries = pefa::io::read_npy<float>(data + "/test_queries.npy");
  const auto truth = pefa::io::read_pairs(data + "/test_relevance.tsv", test_queries.size(), passages.size());

  const py::scoped_interpreter interpreter;
  const py::gil_scoped_release no_gil;
  try {
    print_table(passages, queries, relevance, test_queries, truth);
  } catch (const py::error_already_set& error) {  // what it says lives in the interpreter, which ends before main does
    const py::gil_scoped_acquire gil;
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
