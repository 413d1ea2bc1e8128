// pefa: what bridges hnswlib's versions (0.6.2, 0.7, 0.8) and reaches the parts its own interface hides.
//
// It holds our metrics as an hnswlib space, so that the graph is built and walked with kernels chosen at run time, and
// room for its prefetching.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/hnswlib_headers.hpp"
#include "pefa/simd/kernels.hpp"

namespace pefa::detail {

using HnswGraph = hnswlib::HierarchicalNSW<float>;

/// Destroys a graph; from one that lies in an archive it first takes away what hnswlib would free.
struct HnswGraphDeleter {
  bool in_archive = false;                ///< level 0 and the upper links, which are the graph's own otherwise
  std::shared_ptr<const void> archive{};  ///< keeps them

  template <class Graph>
  void operator()(Graph* graph) const noexcept {
    if (in_archive) {
      graph->data_level0_memory_ = nullptr;
      graph->cur_element_count = 0;  // so many upper link lists would be freed
    }
    delete graph;
  }
};

using HnswGraphPtr = std::unique_ptr<HnswGraph, HnswGraphDeleter>;

/// A metric over float rows for hnswlib: a distance is the negated similarity. Must outlive the graphs built with it.
///
/// A lifted space has one coordinate more while the graph is built (lift.hpp); serve() leaves it out of the distances.
class HnswSpace final : public hnswlib::SpaceInterface<float> {
 public:
  HnswSpace(std::size_t dim, Metric metric, bool lifted)
      : row_dim_(dim),
        stored_dim_(dim + (lifted ? 1 : 0)),
        dim_(stored_dim_),
        metric_(metric),
        kernel_(metric == Metric::inner_product ? simd::dot_kernel<float>() : simd::squared_l2_kernel<float>()),
        rows_kernel_(metric == Metric::inner_product ? simd::dot_rows_kernel<float>()
                                                     : simd::squared_l2_rows_kernel<float>()) {}

  std::size_t get_data_size() override { return stored_dim_ * sizeof(float); }
  hnswlib::DISTFUNC<float> get_dist_func() override {
    return metric_ == Metric::inner_product ? &negated_product : &squared_l2;
  }
  void* get_dist_func_param() override { return this; }

  [[nodiscard]] float similarity(const void* query, const void* row) const noexcept {
    const float sum = kernel_(static_cast<const float*>(query), static_cast<const float*>(row), dim_, 1.0f);
    return metric_ == Metric::inner_product ? sum : -sum;
  }
  /// The similarities of rows `numbers` of a table whose rows are `stride` floats apart.
  void similarities(const float* query, const float* table, std::size_t stride, std::span<const Row> numbers,
                    float* out) const noexcept {
    rows_kernel_(query, table, stride, dim_, numbers.data(), numbers.size(), nullptr, out);
    if (metric_ == Metric::inner_product) return;
    for (std::size_t i = 0; i < numbers.size(); ++i) out[i] = -out[i];
  }
  [[nodiscard]] Metric metric() const noexcept { return metric_; }
  [[nodiscard]] std::size_t dim() const noexcept { return row_dim_; }

  /// From here on distances are of the rows alone, as queries have no lifting coordinate.
  void serve() noexcept { dim_ = row_dim_; }

 private:
  static float negated_product(const void* a, const void* b, const void* self) {
    const auto* space = static_cast<const HnswSpace*>(self);
    return -space->kernel_(static_cast<const float*>(a), static_cast<const float*>(b), space->dim_, 1.0f);
  }
  static float squared_l2(const void* a, const void* b, const void* self) {
    const auto* space = static_cast<const HnswSpace*>(self);
    return space->kernel_(static_cast<const float*>(a), static_cast<const float*>(b), space->dim_, 1.0f);
  }

  std::size_t row_dim_;
  std::size_t stored_dim_;
  std::size_t dim_;  // what distances run over
  Metric metric_;
  simd::Kernel<float> kernel_;
  simd::RowsKernel<float> rows_kernel_;
};

/// Runs what may throw hnswlib's own runtime_error. @throws Error  in its place, and what else `action` throws
template <class Action>
decltype(auto) with_hnswlib(const char* who, const Action& action) {
  try {
    return action();
  } catch (const Error&) {
    throw;
  } catch (const std::runtime_error& error) {
    fail<Error>(who, ": hnswlib: ", error.what());
  }
}

/// An empty graph with room for n rows. @throws Error  hnswlib found no memory for their links and rows
[[nodiscard]] inline std::unique_ptr<HnswGraph> make_graph(hnswlib::SpaceInterface<float>& space, std::size_t n,
                                                           std::size_t m, std::size_t ef_construction, std::size_t seed,
                                                           const char* who) {
  return with_hnswlib(who, [&] { return std::make_unique<HnswGraph>(&space, n, m, ef_construction, seed); });
}

/// hnswlib's prefetching looks one link past the end of a list. On the upper levels that is past the end of its memory
/// where the list is full: one more link's room a list, before the first is made, keeps it inside.
inline void make_room_for_prefetch(HnswGraph& graph) noexcept {
  graph.size_links_per_element_ += sizeof(hnswlib::tableint);
}

/// Gives back what only insertion needs: marks and a mutex a node, and in 0.6 65,536 more. The graph is read-only from
/// here on; hnswlib's own search makes new marks where a host calls it.
template <class Graph>
void release_build_state(Graph& graph) {
  auto no_marks = std::make_unique<hnswlib::VisitedListPool>(0, static_cast<int>(graph.max_elements_));
  if constexpr (std::is_pointer_v<decltype(graph.visited_list_pool_)>) {
    delete std::exchange(graph.visited_list_pool_, no_marks.release());
  } else {  // 0.8 holds them by a unique_ptr
    graph.visited_list_pool_ = std::move(no_marks);
  }
  std::vector<std::mutex>().swap(graph.link_list_locks_);
  if constexpr (requires { graph.link_list_update_locks_; }) {
    std::vector<std::mutex>().swap(graph.link_list_update_locks_);
  }
  if constexpr (requires { graph.label_op_locks_; }) std::vector<std::mutex>().swap(graph.label_op_locks_);
  decltype(graph.label_lookup_)().swap(graph.label_lookup_);
}

/// What malloc really takes for a block, by glibc's rule: 8 bytes of header, multiples of 16.
[[nodiscard]] constexpr std::size_t heap_block(std::size_t bytes) noexcept {
  return bytes <= 24 ? 32 : (bytes + 8 + 15) / 16 * 16;
}

/// Bytes on the heap beside the rows and links of a graph after release_build_state().
[[nodiscard]] inline std::size_t beside_graph_bytes(const HnswGraph& graph) {
  return sizeof(HnswGraph) + sizeof(hnswlib::VisitedListPool) + graph.max_elements_ * sizeof(void*) +
         graph.element_levels_.capacity() * sizeof(int);
}

/// Bytes a graph after release_build_state() holds on the heap.
[[nodiscard]] inline std::size_t graph_bytes(const HnswGraph& graph) {
  std::size_t bytes = beside_graph_bytes(graph) + graph.max_elements_ * graph.size_data_per_element_;
  for (const int level : graph.element_levels_) {
    if (level > 0) bytes += heap_block(graph.size_links_per_element_ * static_cast<std::size_t>(level) + 1);
  }
  return bytes;
}

}  // namespace pefa::detail
