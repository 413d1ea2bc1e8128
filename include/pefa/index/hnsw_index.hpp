// pefa: approximate search on hnswlib's hierarchical navigable small world graph (Malkov & Yashunin, TPAMI 2018).
//
// The graph is hnswlib's; what is added is parallel building, an ef that belongs to the call, errors instead of silent
// caps, kernels chosen at run time, and deterministic ties.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/hnswlib_graph.hpp"
#include "pefa/index/lift.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// The parameters of the graph; the defaults are the paper's (section 5.1).
struct HnswParams {
  std::size_t m = 32;                 ///< M: links a node on the upper levels, twice that on level 0; 2 … 1024
  std::size_t ef_construction = 500;  ///< beam width while building; 1 … 100,000
  std::size_t ef_search = 300;        ///< beam width of a search that names none; at least 1
  Metric metric = Metric::inner_product;
  Lift lift = Lift::never;  ///< what a graph over inner product does about rows of unequal length
  std::size_t seed = 100;   ///< of the levels drawn for the nodes
};

namespace detail {

/// @throws ValueError  a parameter out of the range that HnswParams gives it
inline void require_hnsw_params(const HnswParams& params, const char* who) {
  if (params.m < 2 || params.m > 1024) fail<ValueError>(who, ": m is ", params.m, ", expected 2 to 1024");
  if (params.ef_construction < 1 || params.ef_construction > 100'000) {
    fail<ValueError>(who, ": ef_construction is ", params.ef_construction, ", expected 1 to 100000");
  }
  if (params.ef_search < 1) fail<ValueError>(who, ": ef_search is 0, expected at least 1");
}

}  // namespace detail

/// hnswlib's graph over float rows; rows of other types are converted as they go in.
///
/// Built with AnyExecutor::serial() it is the same to the bit on every run; built in parallel it depends on the timing
/// of the threads. `search` is safe from any number of threads. Memory: about 4·dim + 8·M + 40 bytes a row.
///
/// Many equal rows link to each other alone, and rows inserted between them may then be out of reach: keep one of each.
class HnswIndex {
 public:
  using Params = HnswParams;

  /// @throws ValueError  parameters out of range, no rows, or a row that is not finite
  /// @throws ShapeError  2^31 rows or more  @throws Cancelled
  template <EmbeddingScalar Scalar>
  [[nodiscard]] static HnswIndex build(const EmbeddingView<Scalar>& rows, const HnswParams& params = {},
                                       const BuildOptions& options = {}) {
    detail::require_hnsw_params(params, "HnswIndex::build");
    if (rows.empty()) detail::fail<ValueError>("HnswIndex::build: no rows, expected at least 1");
    if (rows.size() > most_rows) {
      detail::fail<ShapeError>("HnswIndex::build: ", rows.size(), " rows, expected at most ", most_rows);
    }
    require_valid_rows(rows, RowCheck::finite, "HnswIndex::build");
    const detail::Lifting<Scalar> lifting(rows, params.metric, params.lift);
    HnswIndex index(rows.size(), rows.dim(), params, lifting.active());
    detail::insert_rows(*index.graph_, rows.size(), "HnswIndex::build", options,
                        [&](std::size_t row, std::vector<std::byte>& scratch) -> const void* {
                          if constexpr (std::same_as<Scalar, float>) {
                            if (!lifting.active()) return rows.row(row);
                          }
                          scratch.resize((rows.dim() + 1) * sizeof(float));
                          auto* floats = reinterpret_cast<float*>(scratch.data());
                          rows.decode(row, floats);
                          floats[rows.dim()] = lifting.coordinate(row);
                          return floats;
                        });
    index.finish();
    return index;
  }

  /// Adds the index to an archive; it must live, unchanged, until that is written. Defined in hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The index in place: hnswlib's own object reads rows and links from the archive. Every link is read once, to check
  /// it, and 16 bytes a row go to the heap. Defined in hnsw_index_archive.hpp, as a template, so that only who opens an
  /// index compiles hnswlib's graph.
  /// @throws FormatError  the archive holds no such index under this prefix, or a damaged one
  template <class = void>
  [[nodiscard]] static HnswIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  HnswIndex(HnswIndex&&) noexcept = default;
  HnswIndex& operator=(HnswIndex&&) noexcept = default;

  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "HnswIndex::search");
    const std::size_t ef = std::min(std::max(options.ef == 0 ? params_.ef_search : options.ef, k), size());
    const hnswlib::tableint entry = detail::descend(*graph_, *space_, query.data());
    const auto candidates = detail::search_base_layer(*graph_, entry, query.data(), ef);
    std::vector<Neighbor> found;
    found.reserve(candidates.size());
    for (const auto& [distance, node] : candidates) {
      found.push_back({static_cast<Row>(graph_->getExternalLabel(node)), detail::rankable(-distance)});
    }
    keep_best(found, k);
    return found;
  }

  /// The exact score of one row. @throws ShapeError  a query of another dim, a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    detail::require_rows_to_score(query, dim(), {&row, 1}, size(), 1, "HnswIndex::score");
    return detail::rankable(space_->similarity(query.data(), graph_->getDataByInternalId(node_of_row_[row])));
  }

  /// The same of several rows. @param scores  as many as rows
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    detail::require_rows_to_score(query, dim(), rows, size(), scores.size(), "HnswIndex::score_rows");
    const auto* table = reinterpret_cast<const float*>(graph_->getDataByInternalId(0));
    const std::size_t stride = graph_->size_data_per_element_ / sizeof(float);
    std::array<Row, 64> nodes;
    for (std::size_t begin = 0; begin < rows.size(); begin += nodes.size()) {
      const std::size_t count = std::min(nodes.size(), rows.size() - begin);
      for (std::size_t i = 0; i < count; ++i) nodes[i] = node_of_row_[rows[begin + i]];
      space_->similarities(query.data(), table, stride, {nodes.data(), count}, scores.data() + begin);
    }
    for (float& score : scores) score = detail::rankable(score);
  }

  [[nodiscard]] std::size_t size() const noexcept { return node_of_row_.size(); }
  [[nodiscard]] std::size_t dim() const noexcept { return space_->dim(); }
  [[nodiscard]] Metric metric() const noexcept { return space_->metric(); }
  [[nodiscard]] const HnswParams& params() const noexcept { return params_; }

  /// Bytes on the heap while one thread searches; each further thread that searches at the same time adds 2 a row. What
  /// lies in an archive is not on the heap.
  [[nodiscard]] std::size_t memory_bytes() const {
    return sizeof(detail::HnswSpace) + node_of_row_.capacity() * sizeof(std::uint32_t) +
           (graph_.get_deleter().in_archive ? detail::beside_graph_bytes(*graph_) : detail::graph_bytes(*graph_));
  }

  /// hnswlib's own object, for what this class does not offer. Its label_lookup_ and locks are gone: read only.
  [[nodiscard]] const detail::HnswGraph& graph() const noexcept { return *graph_; }

 private:
  static constexpr std::size_t most_rows = std::numeric_limits<std::int32_t>::max();  // hnswlib numbers them by int

  HnswIndex(std::size_t size, std::size_t dim, const HnswParams& params, bool lifted)
      : params_(params),
        space_(std::make_unique<detail::HnswSpace>(dim, params.metric, lifted)),
        graph_(detail::make_graph(*space_, size, params.m, params.ef_construction, params.seed, "HnswIndex::build")
                   .release()) {}
  HnswIndex() = default;

  void finish() {
    node_of_row_.resize(graph_->max_elements_);
    for (std::size_t node = 0; node < node_of_row_.size(); ++node) {
      node_of_row_[graph_->getExternalLabel(static_cast<hnswlib::tableint>(node))] = static_cast<std::uint32_t>(node);
    }
    detail::release_build_state(*graph_);
    space_->serve();
  }

  HnswParams params_;
  std::unique_ptr<detail::HnswSpace> space_;  // before graph_, which keeps a pointer to it
  detail::HnswGraphPtr graph_;
  std::vector<std::uint32_t> node_of_row_;  // hnswlib numbers nodes in the order of insertion, not by row
};

}  // namespace pefa
