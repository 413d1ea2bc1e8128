// pefa: one more pass over a finished graph's level 0: every node searches the whole graph for its neighbours, which
// hnswlib could not do for nodes inserted early (the second pass of Vamana: Subramanya et al., DiskANN, NeurIPS 2019).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/code_walk.hpp"
#include "pefa/index/packed_graph.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

struct RefinementParams {
  std::size_t max_degree = 64;  ///< links a node keeps; hnswlib's 2M on level 0
  std::size_t ef = 300;         ///< beam width of the searches for candidates
  /// A candidate goes where the squared distance to a kept link, times alpha, is less than to the node. Measured on
  /// PEFA-XS vectors of WordNet, time at R@100 = 0.99: 0.33 ms at 1.0, 0.26 at 1.1, 0.30 at 1.2.
  float alpha = 1.1f;
  /// Of the links offered to a node only this many, the nearest, are weighed: half of all rows may choose the same hub.
  std::size_t max_offers = 1024;
};

/// New links for level 0, from searches on the old ones.
///
/// Nodes choose from what a search for their own vector finds and from their old links; every choice is then offered to
/// the other end. Both rounds read only what the round before wrote: the same links for any number of threads.
template <class Scalar>
class GraphRefinement {
 public:
  /// @param rows  what the table was made of
  GraphRefinement(const EmbeddingView<Scalar>& rows, const CodeTable& table, const PackedGraph& graph,
                  const RefinementParams& params)
      : rows_(rows), table_(table), graph_(graph), params_(params), dot_(simd::code_kernels().dot) {}

  /// One list a row. @param meter  counts rows, each once
  /// @param first  for each row the first one equal to it; empty: no two are equal. The others keep their lists
  [[nodiscard]] PackedLists run(const AnyExecutor& executor, ProgressMeter& meter,
                                std::span<const Row> first = {}) const {
    const std::size_t n = table_.size();
    ScratchPool<Scratch> scratches;
    const auto take = [&] {
      return scratches.take([&] { return std::make_unique<Scratch>(n, rows_.dim(), table_.code_bytes()); });
    };
    constexpr std::size_t block = 256;
    std::vector<std::vector<Row>> chosen(n);
    for_each_block(executor, n, block, [&](std::size_t begin, std::size_t end) {
      const auto scratch = take();
      for (std::size_t i = begin; i < end; ++i) {
        if (first.empty() || first[i] == i) chosen[i] = choose_links(static_cast<Row>(i), *scratch);
        meter.add(1);  // long rows take milliseconds each
      }
    });

    const PackedLists offered = reversed(chosen);
    for_each_block(executor, n, block, [&](std::size_t begin, std::size_t end) {
      const auto scratch = take();
      for (std::size_t i = begin; i < end; ++i) {
        meter.poll();
        const auto offers = offered.list(i);
        std::vector<Row> all(chosen[i]);
        all.insert(all.end(), offers.begin(), offers.end());
        std::sort(all.begin(), all.end());
        all.erase(std::unique(all.begin(), all.end()), all.end());
        if (all.size() > params_.max_degree) {
          keep_nearest(static_cast<Row>(i), all, *scratch);
          all = prune(static_cast<Row>(i), all, *scratch);
        }
        chosen[i] = std::move(all);
      }
    });
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (first[i] == i) continue;
      const auto links = graph_.bottom().list(i);
      chosen[i].assign(links.begin(), links.end());
    }
    return packed(chosen);
  }

 private:
  struct Scratch {
    Scratch(std::size_t rows, std::size_t dim, std::size_t code_bytes) : state(rows), row(dim), own(code_bytes) {}
    WalkState state;
    std::vector<float> row;
    std::vector<Row> candidates;
    AlignedVector<std::int8_t> own;    // codes of the node at work
    AlignedVector<std::int8_t> codes;  // of its candidates, one after the other
  };

  [[nodiscard]] std::vector<Row> choose_links(Row node, Scratch& scratch) const {
    rows_.decode(node, scratch.row.data());
    CodeWalk(table_, graph_).run(scratch.row, std::min(params_.ef, table_.size()), scratch.state);
    const auto links = graph_.bottom().list(node);
    std::vector<Row>& candidates = scratch.candidates;
    candidates.assign(links.begin(), links.end());
    for (std::size_t i = 0; i < scratch.state.beam.size(); ++i) candidates.push_back(scratch.state.beam[i].row());
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    std::erase(candidates, node);
    return prune(node, candidates, scratch);
  }

  /// Leaves the max_offers candidates nearest to the node.
  void keep_nearest(Row node, std::vector<Row>& candidates, Scratch& scratch) const {
    if (candidates.size() <= params_.max_offers) return;
    std::vector<std::pair<float, Row>> by_distance;
    by_distance.reserve(candidates.size());
    scratch.codes.resize(std::max(scratch.codes.size(), table_.code_bytes()));
    const Coded own = coded(node, scratch.own.data());
    for (const Row row : candidates) {
      by_distance.emplace_back(rankable(distance(own, coded(row, scratch.codes.data()))), row);
    }
    const auto end = by_distance.begin() + static_cast<std::ptrdiff_t>(params_.max_offers);
    std::nth_element(by_distance.begin(), end, by_distance.end());
    candidates.resize(params_.max_offers);
    std::transform(by_distance.begin(), end, candidates.begin(), [](const auto& offer) { return offer.second; });
  }

  /// The candidates that no nearer one stands for, nearest first, at most max_degree: those that are not alpha times
  /// nearer to a link already kept than to the node.
  [[nodiscard]] std::vector<Row> prune(Row node, const std::vector<Row>& candidates, Scratch& scratch) const {
    struct Candidate {
      float distance;  // to the node
      Row row;
      Coded coded;
    };
    const std::size_t bytes = table_.code_bytes();
    const Coded own = coded(node, scratch.own.data());
    if (scratch.codes.size() < candidates.size() * bytes) scratch.codes.resize(candidates.size() * bytes);
    std::vector<Candidate> ordered(candidates.size());
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const Coded candidate = coded(candidates[c], scratch.codes.data() + c * bytes);
      ordered[c] = {rankable(distance(own, candidate)), candidates[c], candidate};
    }
    std::sort(ordered.begin(), ordered.end(), [](const Candidate& a, const Candidate& b) {
      return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
    });
    std::vector<const Candidate*> kept;
    for (const Candidate& candidate : ordered) {
      if (kept.size() == params_.max_degree) break;
      const bool stood_for = std::any_of(kept.begin(), kept.end(), [&](const Candidate* link) {
        return params_.alpha * distance(candidate.coded, link->coded) < candidate.distance;
      });
      if (!stood_for) kept.push_back(&candidate);
    }
    std::vector<Row> links;
    links.reserve(kept.size());
    for (const Candidate* link : kept) links.push_back(link->row);
    return links;
  }

  /// A row as its codes have it.
  struct Coded {
    const std::int8_t* codes;
    float scale;
    float norm;  // ‖x‖²
  };

  /// @param codes  where its codes go, code_bytes() of them
  [[nodiscard]] Coded coded(Row row, std::int8_t* codes) const noexcept {
    table_.copy_codes(row, codes);
    const float scale = table_.terms(row).scale;
    return {codes, scale, static_cast<float>(dot_(codes, codes, table_.code_bytes())) * (scale * scale)};
  }

  /// ‖a − b‖² by their codes.
  [[nodiscard]] float distance(const Coded& a, const Coded& b) const noexcept {
    const float product = static_cast<float>(dot_(a.codes, b.codes, table_.code_bytes())) * (a.scale * b.scale);
    return a.norm + b.norm - 2.0f * product;
  }

  /// For every row those that chose it, in ascending order.
  [[nodiscard]] static PackedLists reversed(const std::vector<std::vector<Row>>& chosen) {
    std::vector<std::uint32_t> counts(chosen.size());
    for (const std::vector<Row>& links : chosen) {
      for (const Row link : links) ++counts[link];
    }
    PackedLists offered(counts);
    std::fill(counts.begin(), counts.end(), 0U);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      for (const Row link : chosen[i]) offered.mutable_list(link)[counts[link]++] = static_cast<Row>(i);
    }
    return offered;
  }

  [[nodiscard]] static PackedLists packed(const std::vector<std::vector<Row>>& chosen) {
    std::vector<std::uint32_t> lengths;
    lengths.reserve(chosen.size());
    for (const std::vector<Row>& links : chosen) lengths.push_back(static_cast<std::uint32_t>(links.size()));
    PackedLists lists(lengths);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      std::copy(chosen[i].begin(), chosen[i].end(), lists.mutable_list(i).begin());
    }
    return lists;
  }

  const EmbeddingView<Scalar>& rows_;
  const CodeTable& table_;
  const PackedGraph& graph_;
  RefinementParams params_;
  simd::CodeDot dot_;
};

}  // namespace pefa::detail
