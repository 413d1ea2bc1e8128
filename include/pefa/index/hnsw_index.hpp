// pefa: approximate search on hnswlib's hierarchical navigable small world graph (Malkov & Yashunin, TPAMI 2018).
//
// The graph is hnswlib's; what is added is parallel building, a search of our own with an ef and a limit that belong to
// the call, errors instead of silent caps, kernels chosen at run time, and deterministic ties.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/equal_rows.hpp"
#include "pefa/index/filter_plan.hpp"
#include "pefa/index/filtered_scan.hpp"
#include "pefa/index/graph_insertion.hpp"
#include "pefa/index/hnsw_walk.hpp"
#include "pefa/index/hnswlib_graph.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/index/lift.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// The parameters of the graph; the defaults are the paper's (section 5.1).
struct HnswParams {
  std::size_t m = 32;                     ///< M: links a node on the upper levels, twice that on level 0; 2 … 1024
  std::size_t ef_construction = 500;      ///< beam width while building; 1 … 100,000
  std::size_t ef_search = 300;            ///< beam width of a search that names none; at least 1
  Metric metric = Metric::inner_product;  ///< what a score means
  Lift lift = Lift::never;                ///< what a graph over inner product does about rows of unequal length
  std::size_t seed = 100;                 ///< of the levels drawn for the nodes
};

namespace detail {

/// @throws ValueError  a parameter out of the range that HnswParams gives it
inline void require_hnsw_params(const HnswParams& params, const char* who) {
  if (params.m < 2 || params.m > 1024) fail<ValueError>(who, ": m is ", params.m, ", expected 2 to 1024");
  if (params.ef_construction < 1 || params.ef_construction > 100'000) {
    fail<ValueError>(who, ": ef_construction is ", params.ef_construction, ", expected 1 to 100000");
  }
  require_ef_search(params.ef_search, who);
}

}  // namespace detail

/// hnswlib's graph over float rows; rows of other types are converted as they go in.
///
/// Built with AnyExecutor::serial() it is the same to the bit on every run; built in parallel it depends on the timing
/// of the threads. `search` is safe from any number of threads. Memory: about 4·dim + 8·M + 40 bytes a row.
///
/// Of rows that are equal to the bit the first is linked, and the others are found with it.
class HnswIndex {
 public:
  /// What build() takes.
  using Params = HnswParams;
  /// What a filtered search weighs its ways by, in the time that a walk takes a row.
  static constexpr detail::FilterCosts filter_costs{.scanned_row = 0.65, .candidate = 15.0, .two_hops = 90.0};

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
    const std::vector<Row> first = detail::first_equal_rows(rows, options.executor);
    index.equal_ = detail::EqualRows(first);
    detail::insert_rows(*index.graph_, first, "HnswIndex::build", options,
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

  /// The same of a store that is not needed any more: the graph has the rows.
  template <EmbeddingScalar Scalar>
  [[nodiscard]] static HnswIndex build(EmbeddingStore<Scalar>&& store, const HnswParams& params = {},
                                       const BuildOptions& options = {}) {
    return build(static_cast<const EmbeddingStore<Scalar>&>(store).view(), params, options);
  }

  /// Adds the index to an archive; it must live, unchanged, until that is written. Defined in hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The index in place: hnswlib's own object reads rows and links from the archive. Every link is read once, to check
  /// it, and 16 bytes a row go to the heap. Defined in hnsw_index_archive.hpp, as a template, so that only who opens an
  /// index compiles hnswlib's graph.
  /// @throws FormatError  the archive holds no such index under this prefix, or a damaged one
  template <class = void>
  [[nodiscard]] static HnswIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  /// Takes over the graph; the other may only be destroyed or assigned to.
  HnswIndex(HnswIndex&&) noexcept = default;
  /// As above.
  HnswIndex& operator=(HnswIndex&&) noexcept = default;

  /// The k best rows that the walk finds, best first, ties by ascending row. @throws  as AnnIndex says
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "HnswIndex::search");
    const auto state = take_state();
    detail::HnswWalk(*graph_, *space_).run(query.data(), ef_of(k, options), options.limit, *state);
    if (options.stats != nullptr) *options.stats += state->stats;
    return best_of(state->beam, k, detail::AdmitsAll{});
  }

  /// The k best of the rows that a filter admits, by whichever way is the cheapest (filter_plan.hpp); exact where a
  /// hundredth of the rows are admitted at most. @param costs  what the choice is made by: others than those measured,
  /// for tests and benchmarks  @throws  as FilteringIndex says
  [[nodiscard]] std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const IndexSearchOptions& options = {},
                                                      const detail::FilterCosts& costs = filter_costs) const {
    detail::require_query(query, k, dim(), "HnswIndex::search_filtered");
    filter.require_universe(size(), "HnswIndex::search_filtered");
    if (filter.admits_all()) return search(query, k, options);
    if (filter.count(size()) == std::size_t{0}) return {};
    return detail::with_admission(
        filter, [&](const auto& admits) { return search_admitted(query, k, filter, admits, options, costs); });
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

  /// One row. @param out  dim floats  @throws ShapeError  a row past the end, another size
  void read_row(Row row, std::span<float> out) const {
    detail::require_row_to_read(row, size(), out.size(), dim(), "HnswIndex::read_row");
    std::memcpy(out.data(), graph_->getDataByInternalId(node_of_row_[row]), out.size_bytes());
  }

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return node_of_row_.size(); }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const noexcept { return space_->dim(); }
  /// What a score means.
  [[nodiscard]] Metric metric() const noexcept { return space_->metric(); }
  /// What it was built with.
  [[nodiscard]] const HnswParams& params() const noexcept { return params_; }
  /// Another ef_search. Not while somebody searches. @throws ValueError  it is 0
  void set_ef_search(std::size_t ef) {
    detail::require_ef_search(ef, "HnswIndex::set_ef_search");
    params_.ef_search = ef;
  }

  /// Bytes on the heap; what lies in an archive is not. A thread that searches holds a bit a row and its beam beside
  /// that.
  [[nodiscard]] std::size_t memory_bytes() const {
    return sizeof(detail::HnswSpace) + sizeof(*states_) + node_of_row_.capacity() * sizeof(std::uint32_t) +
           equal_.memory_bytes() +
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

  [[nodiscard]] detail::ScratchPool<detail::HnswWalkState>::Lease take_state() const {
    return states_->take([this] { return std::make_unique<detail::HnswWalkState>(size()); });
  }

  [[nodiscard]] std::size_t ef_of(std::size_t k, const IndexSearchOptions& options) const noexcept {
    return std::min(std::max(options.ef == 0 ? params_.ef_search : options.ef, k), size());
  }

  [[nodiscard]] Row row_of(Row node) const { return static_cast<Row>(graph_->getExternalLabel(node)); }

  /// The k best admitted rows of a beam of nodes.
  template <class Admits>
  [[nodiscard]] std::vector<Neighbor> best_of(const detail::Beam& beam, std::size_t k, const Admits& admits) const {
    std::vector<Neighbor> found;
    found.reserve(std::min(k, beam.size()) + 1);
    for (std::size_t i = 0; i < beam.size(); ++i) {
      const float score = beam[i].score;
      if (found.size() >= k && score < found.back().score) break;  // what ties with the last may rank before it
      equal_.append_admitted({row_of(beam[i].row()), score}, k, admits, found);
    }
    keep_best(found, k);
    return found;
  }

  template <class Admits>
  [[nodiscard]] std::vector<Neighbor> search_admitted(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const Admits& admits, const IndexSearchOptions& options,
                                                      const detail::FilterCosts& costs) const {
    k = std::min(k, size());
    const std::size_t ef = ef_of(k, options);
    const auto state = take_state();
    state->stats = {};  // of whoever searched before
    const detail::HnswWalk walk(*graph_, *space_);
    const auto admits_node = [&](Row node) { return equal_.any(row_of(node), admits); };
    IndexSearchStats took;
    const auto account = [&] { took += std::exchange(state->stats, {}); };
    detail::FilterPlanner planner(filter, size(), std::min(ef, std::max(3 * k, k + 16)), ef, costs);
    auto found = detail::search_by_plan(
        planner, k,
        [&](detail::FilterPlanner& plan) {
          account();
          ++took.walks;
          const std::size_t width = plan.width();
          std::size_t hops = 0;
          std::optional<detail::NearShare> given_up;
          walk.run(query.data(), width, options.limit, *state, [&](const detail::HnswWalkState& walked) {
            if (++hops != detail::FilterPlanner::probed_hops) return true;
            const auto near = detail::near_share(walked.beam, hops, width, admits_node);
            if (plan.goes_on(near)) return true;
            given_up = near;
            return false;
          });
          return given_up ? *given_up : detail::near_share(state->beam, width, plan.wanted(), admits_node);
        },
        [&] {
          account();
          ++took.walks;
          ++took.two_hop_walks;
          std::vector<Row> seeds;  // nodes; of equal rows some may not be linked
          if (equal_.empty()) seeds = detail::some_admitted(filter, size(), 16);
          for (Row& seed : seeds) seed = node_of_row_[seed];
          walk.run_two_hops(query.data(), planner.two_hop_width(), options.limit, admits_node, std::move(seeds),
                            *state);
        },
        [&] { return best_of(state->beam, k, admits); }, [&] { return state->stats.stopped; },
        [&] {
          account();
          return detail::scan_admitted(
              filter, size(), k, {.limit = options.limit, .stats = &took},
              [&](std::span<const Row> rows, std::span<float> scores) { score_rows(query, rows, scores); });
        });
    account();
    if (options.stats != nullptr) *options.stats += took;
    return found;
  }

  HnswParams params_;
  std::unique_ptr<detail::HnswSpace> space_;  // before graph_, which keeps a pointer to it
  detail::HnswGraphPtr graph_;
  std::vector<std::uint32_t> node_of_row_;  // nodes may be numbered in the order of insertion, not by row
  detail::EqualRows equal_;
  std::unique_ptr<detail::ScratchPool<detail::HnswWalkState>> states_ =
      std::make_unique<detail::ScratchPool<detail::HnswWalkState>>();
};

}  // namespace pefa
