// pefa: HNSW served from int8 codes: the graph that hnswlib builds, walked in a quarter of the bytes, the best
// candidates rescored exactly on the rows themselves.
//
// A walk waits for memory, not for arithmetic: a row is 4·dim bytes of floats or dim bytes of codes. The codes decide
// where the walk goes; the scores that come back are those of the rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/huge_buffer.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/code_space.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/hnswlib_graph.hpp"
#include "pefa/index/lift.hpp"
#include "pefa/index/packed_graph.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

struct QuantizedHnswParams {
  HnswParams graph{};      ///< how the graph is built: M, efConstruction, efSearch, metric, lift
  Rows rows = Rows::copy;  ///< the exact rows: the index's own copy, or the caller's, which must outlive it
  std::size_t rerank = 0;  ///< candidates rescored exactly by a search that names none; 0: k + k/2, at least k + 32
};

/// A compact, read-only HNSW index: packed links, int8 codes with a scale a row, exact scores on the rows.
///
/// @tparam Scalar  element type of the rows; double and int8 rows, too, are walked by codes made from their floats
/// Built on codes with hnswlib, in parallel; the same to the bit on every run with AnyExecutor::serial(). `search` is
/// safe from any number of threads, which do not wait for each other. Memory beside the rows: about dim + 4·M + 24
/// bytes a row.
template <EmbeddingScalar Scalar = float>
class QuantizedHnswIndex {
 public:
  using Params = QuantizedHnswParams;

  /// @throws ValueError  parameters out of range, no rows, or a row that is not finite  @throws Cancelled
  [[nodiscard]] static QuantizedHnswIndex build(const EmbeddingView<Scalar>& rows, const Params& params = {},
                                                const BuildOptions& options = {}) {
    QuantizedHnswIndex index(rows, params);
    if (params.rows == Rows::copy) {
      index.own(EmbeddingStore<Scalar>::from(rows, Normalize::none, RowCheck::finite));
    } else {
      index.rows_ = rows;
    }
    index.build_graph(options);
    return index;
  }

  /// The same, taking a store over instead of copying it; `params.rows` does not matter.
  [[nodiscard]] static QuantizedHnswIndex build(EmbeddingStore<Scalar>&& store, const Params& params = {},
                                                const BuildOptions& options = {}) {
    QuantizedHnswIndex index(store.view(), params);
    index.own(std::move(store));
    index.build_graph(options);
    return index;
  }

  QuantizedHnswIndex(QuantizedHnswIndex&&) noexcept = default;
  QuantizedHnswIndex& operator=(QuantizedHnswIndex&&) noexcept = default;

  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "QuantizedHnswIndex::search");
    const std::size_t ef = std::min(std::max(options.ef == 0 ? params_.graph.ef_search : options.ef, k), size());
    const auto scratch = scratch_->take([this] { return std::make_unique<Scratch>(size(), padded_); });
    walk(query, ef, *scratch);
    return rescore(query, k, rerank_of(k, options), scratch->beam);
  }

  /// The exact score of one row. @throws ShapeError  a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    if (row >= size()) detail::fail<ShapeError>("QuantizedHnswIndex::score: row ", row, ", expected below ", size());
    return exact_score(query.data(), row);
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t dim() const noexcept { return rows_.dim(); }
  [[nodiscard]] Metric metric() const noexcept { return params_.graph.metric; }
  [[nodiscard]] const Params& params() const noexcept { return params_; }

  /// Bytes on the heap: what is served, and the exact rows where the index owns them. A thread that searches holds a
  /// bit a row and its beam beside that.
  [[nodiscard]] std::size_t memory_bytes() const { return served_bytes() + (store_ ? store_->memory_bytes() : 0); }

  /// Bytes of codes, scales and links alone.
  [[nodiscard]] std::size_t served_bytes() const {
    return codes_.bytes() + scales_.bytes() + offsets_.bytes() + graph_.memory_bytes() +
           sizeof(detail::ScratchPool<Scratch>);
  }

 private:
  struct Scratch {
    Scratch(std::size_t rows, std::size_t padded) : seen(rows), query(padded) {}
    detail::SeenRows seen;
    detail::Beam beam;
    detail::AlignedVector<std::int8_t> query;
    std::vector<std::int32_t> dots;  // of the unseen links of the node at work
  };

  QuantizedHnswIndex(const EmbeddingView<Scalar>& rows, const Params& params)
      : params_(params),
        kernel_(params.graph.metric == Metric::inner_product ? simd::dot_kernel<Scalar>()
                                                             : simd::squared_l2_kernel<Scalar>()),
        code_kernels_(simd::code_kernels()),
        padded_(simd::padded_code_dim(rows.dim())),
        scratch_(std::make_unique<detail::ScratchPool<Scratch>>()) {
    detail::require_hnsw_params(params.graph, "QuantizedHnswIndex::build");
    if (rows.empty()) detail::fail<ValueError>("QuantizedHnswIndex::build: no rows, expected at least 1");
    if (rows.size() >= detail::Beam::row_limit) {
      detail::fail<ShapeError>("QuantizedHnswIndex::build: ", rows.size(), " rows, expected below ",
                               detail::Beam::row_limit);
    }
    require_valid_rows(rows, RowCheck::finite, "QuantizedHnswIndex::build");
  }

  void own(EmbeddingStore<Scalar>&& store) {
    store_ = std::move(store);
    rows_ = store_->view();  // stays valid when the index moves: the heap block does not
  }

  void build_graph(const BuildOptions& options) {
    const HnswParams& hnsw = params_.graph;
    const bool is_l2 = hnsw.metric == Metric::l2;
    codes_ = detail::HugeBuffer<std::int8_t>(size() * padded_);
    scales_ = detail::HugeBuffer<float>(size());
    if (is_l2) offsets_ = detail::HugeBuffer<float>(size());
    const detail::Lifting<Scalar> lifting(rows_, hnsw.metric, hnsw.lift);
    detail::CodeSpace space(dim(), hnsw.metric);
    detail::HnswGraph graph(&space, size(), hnsw.m, hnsw.ef_construction, hnsw.seed);
    detail::insert_rows(graph, size(), "QuantizedHnswIndex::build", options,
                        [&](std::size_t row, std::vector<std::byte>& scratch) -> const void* {
                          encode(row);
                          const auto squared = static_cast<float>(detail::squared_norm(rows_, row));
                          if (is_l2) offsets_[row] = -squared;
                          scratch.resize(space.get_data_size());
                          std::memcpy(scratch.data(), codes_.data() + row * padded_, padded_);
                          space.finish_row(scratch.data(), scales_[row], is_l2 ? squared : lifting.coordinate(row));
                          return scratch.data();
                        });
    graph_ = detail::PackedGraph(graph);
  }

  void encode(std::size_t row) {
    std::vector<float> decoded(dim());
    rows_.decode(row, decoded.data());
    scales_[row] = detail::encode_row(decoded.data(), dim(), codes_.data() + row * padded_);
  }

  [[nodiscard]] float exact_score(const float* query, std::size_t row) const noexcept {
    const float sum = kernel_(query, rows_.row(row), dim(), rows_.scale(row));
    return metric() == Metric::inner_product ? sum : -sum;
  }

  /// What a product of codes says of a row's score, up to a constant of the query: ⟨q, x⟩, or 2⟨q, x⟩ − ‖x‖² under L2.
  [[nodiscard]] float approximate(std::int32_t dot, Row row, float query_scale) const noexcept {
    const float product = static_cast<float>(dot) * (query_scale * scales_[row]);
    return offsets_.size() == 0 ? product : 2.0f * product + offsets_[row];
  }

  void prefetch_scale(Row row) const noexcept {
    __builtin_prefetch(scales_.data() + row);
    if (offsets_.size() != 0) __builtin_prefetch(offsets_.data() + row);
  }

  /// Greedy descent through the upper levels. @return the row of level 0 to start from
  [[nodiscard]] Row descend(const std::int8_t* query, float query_scale) const {
    std::uint32_t node = graph_.entry();
    const auto score_row = [&](Row row) {
      return approximate(code_kernels_.dot(query, codes_.data() + row * padded_, padded_), row, query_scale);
    };
    for (std::size_t l = graph_.upper().size(); l-- > 0;) {
      const detail::PackedLevel& level = graph_.upper()[l];
      float best = score_row(level.rows[node]);
      for (bool moved = true; moved;) {
        moved = false;
        for (const std::uint32_t link : level.links.list(node)) {
          const float score = score_row(level.rows[link]);
          if (score <= best) continue;
          best = score;
          node = link;
          moved = true;
          break;  // first improvement: the rest of the old list is behind it
        }
      }
      node = level.down[node];
    }
    return node;
  }

  /// Beam search on level 0 by codes; leaves the `ef` best candidates in the beam.
  void walk(QueryView query, std::size_t ef, Scratch& scratch) const {
    const float scale = detail::encode_row(query.data(), dim(), scratch.query.data());
    const std::int8_t* codes = scratch.query.data();
    detail::Beam& beam = scratch.beam;
    beam.reset(ef);
    const Row entry = descend(codes, scale);
    const auto consider = [&](std::span<const Row> links) {
      const std::span<const Row> fresh = scratch.seen.insert(links);
      for (const Row row : fresh) prefetch_scale(row);
      if (const detail::Beam::Candidate* next = beam.peek()) graph_.bottom().prefetch(next->row());
      if (scratch.dots.size() < fresh.size()) scratch.dots.resize(fresh.size());
      code_kernels_.dot_rows(codes, codes_.data(), padded_, fresh.data(), fresh.size(), scratch.dots.data());
      for (std::size_t i = 0; i < fresh.size(); ++i) {
        const float score = approximate(scratch.dots[i], fresh[i], scale);
        if (beam.admits(score)) beam.insert(fresh[i], score);
      }
    };
    consider({&entry, 1});
    while (const detail::Beam::Candidate* candidate = beam.expand_next()) {
      consider(graph_.bottom().list(candidate->row()));
    }
    scratch.seen.clear();
  }

  [[nodiscard]] std::size_t rerank_of(std::size_t k, const IndexSearchOptions& options) const noexcept {
    if (options.rerank != 0) return std::max(options.rerank, k);
    if (params_.rerank != 0) return std::max(params_.rerank, k);
    return k + std::max<std::size_t>(k / 2, 32);
  }

  /// The best k of the beam's first `rerank` candidates by their exact scores.
  [[nodiscard]] std::vector<Neighbor> rescore(QueryView query, std::size_t k, std::size_t rerank,
                                              const detail::Beam& beam) const {
    std::vector<Neighbor> found(std::min(rerank, beam.size()));
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i + 1 < found.size()) __builtin_prefetch(rows_.row(beam[i + 1].row()));
      found[i] = {beam[i].row(), exact_score(query.data(), beam[i].row())};
    }
    keep_best(found, k);
    return found;
  }

  Params params_;
  simd::Kernel<Scalar> kernel_;
  simd::CodeKernels code_kernels_;
  std::size_t padded_;
  EmbeddingView<Scalar> rows_;
  std::optional<EmbeddingStore<Scalar>> store_;  // the exact rows, where they are the index's own
  detail::HugeBuffer<std::int8_t> codes_;        // [size x padded_]
  detail::HugeBuffer<float> scales_;
  detail::HugeBuffer<float> offsets_;  // −‖x‖² under L2, empty under inner product
  detail::PackedGraph graph_;
  std::unique_ptr<detail::ScratchPool<Scratch>> scratch_;
};

static_assert(AnnIndex<QuantizedHnswIndex<float>> && ScoringIndex<QuantizedHnswIndex<float>>);

}  // namespace pefa
