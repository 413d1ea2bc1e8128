// pefa: building an HNSW graph over a code table, in batches: the rows of a batch search the graph of those before it,
// choose their links, and are offered as links to the other end.
//
// A batch reads only what the one before it wrote, and every list is written by one thread: no locks, and the same
// graph for any number of threads (ParlayANN: Manohar et al., PPoPP 2024).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/index/coded_rows.hpp"
#include "pefa/index/growing_links.hpp"
#include "pefa/index/link_choice.hpp"
#include "pefa/index/link_unreached.hpp"
#include "pefa/index/packed_graph.hpp"
#include "pefa/index/row_levels.hpp"
#include "pefa/index/row_walk.hpp"
#include "pefa/index/upper_levels.hpp"

namespace pefa::detail {

/// How a graph is built.
struct GraphParams {
  std::size_t m = 32;              ///< links a node on the upper levels, twice that on level 0
  std::size_t insert_ef = 100;     ///< beam width of a row's search when it goes in
  std::size_t refine_ef = 200;     ///< of its second search, when all are in; 0: none
  std::size_t seed = 100;          ///< of the levels
  float alpha = 1.1f;              ///< LinkChoice's
  std::size_t slack = 32;          ///< links that a list may have past 2M before its links are chosen anew
  std::size_t max_offers = 1024;   ///< so many are weighed for one list, the nearest: half of all rows may want one hub
  std::size_t growth = 8;          ///< a batch has this part of the rows that are there
  std::size_t refine_batches = 4;  ///< of the second searches; a later one finds the links of those before
};

/// Builds one graph.
class GraphBuilder {
 public:
  /// @param first  for each row the first one equal to it; empty: no two are equal. All must outlive it
  /// @param meter  counts rows, each once, and once more where there are second searches
  GraphBuilder(const CodedRows& rows, std::span<const Row> first, const GraphParams& params,
               const AnyExecutor& executor, ProgressMeter& meter)
      : rows_(rows),
        first_(first),
        params_(params),
        executor_(executor),
        meter_(meter),
        levels_(RowLevels::draw(rows.size(), first, params.m, params.seed)),
        links_(rows.size(), most_links() + params.slack),
        upper_(levels_.order.front()),
        walk_(rows_, links_) {}

  /// The graph; to be called once. @throws Cancelled
  [[nodiscard]] PackedGraph run() {
    insert_all();
    if (params_.refine_ef != 0) refine_all();
    trim();
    link_unreached(levels_.order, upper_.entry_row(), walk_, links_, most_links(), meter_);
    return upper_.with_bottom(links_.packed(first_));
  }

 private:
  enum class Search { insertion, refinement };

  static constexpr std::size_t lanes_in_flight = 8;  // searches interleaved on a thread
  static constexpr std::size_t block = 64;           // rows that a thread takes at a time
  static constexpr std::size_t done = static_cast<std::size_t>(-1);

  /// What a thread works with.
  struct Scratch {
    Scratch(const CodedRows& of, float alpha) : choice(of, alpha) {
      for (auto& state : states) state = std::make_unique<RowWalkState>(of.size());
    }
    LinkChoice choice;
    std::vector<LinkCandidate> candidates;
    std::vector<Row> rows;
    std::vector<Row> found;
    std::array<std::unique_ptr<RowWalkState>, lanes_in_flight> states;
  };

  /// A row that chose another, the target in the upper half, so that offers sort by it.
  using Offer = std::uint64_t;

  [[nodiscard]] std::size_t most_links() const noexcept { return 2 * params_.m; }
  [[nodiscard]] std::size_t left_out() const noexcept { return rows_.size() - levels_.order.size(); }

  [[nodiscard]] auto take_scratch() {
    return scratches_.take([this] { return std::make_unique<Scratch>(rows_, params_.alpha); });
  }

  void insert_all() {
    const std::span<const Row> order = levels_.order;
    std::size_t level = levels_.sizes.size();  // the lowest that is there
    meter_.add(1 + left_out());
    for (std::size_t inside = 1;;) {  // the first row has nothing to search
      for (; level > 1 && levels_.sizes[level - 1] == inside; --level) add_upper(order.first(inside));
      if (inside == order.size()) return;
      const std::size_t end = level > 1 ? levels_.sizes[level - 1] : order.size();
      const std::size_t size = std::min(std::max<std::size_t>(1, inside / params_.growth), end - inside);
      connect(order.subspan(inside, size), Search::insertion);
      inside += size;
    }
  }

  void refine_all() {
    const std::span<const Row> order = levels_.order;
    meter_.add(left_out());
    const std::size_t size = (order.size() + params_.refine_batches - 1) / params_.refine_batches;
    for (std::size_t begin = 0; begin < order.size(); begin += size) {
      connect(order.subspan(begin, std::min(size, order.size() - begin)), Search::refinement);
    }
  }

  /// Gives the rows of a batch their links, and offers them to those.
  void connect(std::span<const Row> batch, Search how) {
    chosen_.resize(batch.size() * most_links());
    chosen_counts_.resize(batch.size());
    for_each_block(executor_, batch.size(), block,
                   [&](std::size_t begin, std::size_t end) { search(batch, begin, end, how, *take_scratch()); });
    offers_.clear();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto links = std::span(chosen_).subspan(i * most_links(), chosen_counts_[i]);
      links_.set(batch[i], links);
      for (const Row link : links) offers_.push_back(Offer{link} << 32 | batch[i]);
    }
    std::sort(offers_.begin(), offers_.end());
    targets_.clear();
    for (std::size_t i = 0; i < offers_.size(); ++i) {
      if (i == 0 || offers_[i] >> 32 != offers_[i - 1] >> 32) targets_.push_back(i);
    }
    targets_.push_back(offers_.size());
    for_each_block(executor_, targets_.size() - 1, block, [&](std::size_t begin, std::size_t end) {
      const auto scratch = take_scratch();
      for (std::size_t t = begin; t < end; ++t) {
        accept(std::span(offers_).subspan(targets_[t], targets_[t + 1] - targets_[t]), *scratch);
      }
      meter_.poll();
    });
  }

  /// Rows begin … end-1 of a batch on one thread, a few at a time; each takes one step of its walk in turn.
  void search(std::span<const Row> batch, std::size_t begin, std::size_t end, Search how, Scratch& scratch) {
    std::array<std::size_t, lanes_in_flight> at;  // of each lane: which row of the batch
    at.fill(done);
    std::size_t next = begin;
    const auto start = [&](std::size_t lane) {
      at[lane] = next++;
      const Row row = batch[at[lane]];
      RowWalkState& state = *scratch.states[lane];
      walk_.ask(row, state);
      if (how == Search::refinement) {
        walk_.start({&row, 1}, params_.refine_ef + 1, state);  // it finds itself
      } else {
        upper_.descend([&](std::span<const Row> rows) { return walk_.scores(rows, state); }, state.descent);
        walk_.start(state.descent.starts, params_.insert_ef, state);
      }
    };
    std::size_t running = std::min(lanes_in_flight, end - begin);
    for (std::size_t lane = 0; lane < running; ++lane) start(lane);
    while (running > 0) {
      for (std::size_t lane = 0; lane < lanes_in_flight; ++lane) {
        if (at[lane] == done) continue;
        RowWalkState& state = *scratch.states[lane];
        walk_.absorb(state);
        if (walk_.expand(state)) {
          walk_.prefetch(state);
          continue;
        }
        choose_links(batch[at[lane]], state, scratch);
        chosen_counts_[at[lane]] = static_cast<std::uint32_t>(scratch.candidates.size());
        std::transform(scratch.candidates.begin(), scratch.candidates.end(),
                       chosen_.begin() + static_cast<std::ptrdiff_t>(at[lane] * most_links()),
                       [](const LinkCandidate& link) { return link.row; });
        meter_.add(1);  // long rows take milliseconds each
        if (next < end) {
          start(lane);
        } else {
          at[lane] = done;
          --running;
        }
      }
    }
  }

  /// Leaves a row's links in scratch.candidates, of what a walk found and the links that it has.
  void choose_links(Row row, const RowWalkState& state, Scratch& scratch) {
    std::vector<LinkCandidate>& candidates = scratch.candidates;
    candidates.clear();
    scratch.found.clear();
    for (std::size_t i = 0; i < state.beam.size(); ++i) {
      const Row found = state.beam[i].row();
      if (found == row) continue;
      candidates.push_back({rows_.distance_of(row, found, state.beam[i].score), found});
      scratch.found.push_back(found);
    }
    const auto old_links = links_.list(row);
    if (!old_links.empty()) {
      std::sort(scratch.found.begin(), scratch.found.end());
      scratch.rows.clear();
      for (const Row link : old_links) {
        if (!std::binary_search(scratch.found.begin(), scratch.found.end(), link)) scratch.rows.push_back(link);
      }
      scratch.choice.weigh(row, scratch.rows, candidates);
    }
    scratch.choice.choose(candidates, most_links());
  }

  /// Adds rows to the links of the one that they chose. @param offers  of one target
  void accept(std::span<const Offer> offers, Scratch& scratch) {
    const auto target = static_cast<Row>(offers.front() >> 32);
    const auto old_links = links_.list(target);
    std::vector<Row>& links = scratch.rows;
    links.assign(old_links.begin(), old_links.end());
    for (const Offer offer : offers) {
      const auto row = static_cast<Row>(offer);
      if (std::find(old_links.begin(), old_links.end(), row) == old_links.end()) links.push_back(row);
    }
    if (links.size() > links_.room()) choose_anew(target, links, most_links(), scratch);
    links_.set(target, links);
  }

  /// Leaves at most `most` of a node's links.
  void choose_anew(Row node, std::vector<Row>& links, std::size_t most, Scratch& scratch) const {
    std::vector<LinkCandidate>& candidates = scratch.candidates;
    candidates.clear();
    scratch.choice.weigh(node, links, candidates);
    if (candidates.size() > params_.max_offers) {
      std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(params_.max_offers),
                       candidates.end());
      candidates.resize(params_.max_offers);
    }
    scratch.choice.choose(candidates, most);
    links.resize(candidates.size());
    std::transform(candidates.begin(), candidates.end(), links.begin(), [](const auto& link) { return link.row; });
  }

  /// Takes back the slack.
  void trim() {
    for_each_block(executor_, levels_.order.size(), block, [&](std::size_t begin, std::size_t end) {
      const auto scratch = take_scratch();
      for (std::size_t i = begin; i < end; ++i) {
        const Row row = levels_.order[i];
        const auto links = links_.list(row);
        if (links.size() <= most_links()) continue;
        scratch->rows.assign(links.begin(), links.end());
        choose_anew(row, scratch->rows, most_links(), *scratch);
        links_.set(row, scratch->rows);
      }
      meter_.poll();
    });
  }

  /// The links that these rows, all that are inside, have among each other become a level.
  void add_upper(std::span<const Row> inside) {
    std::vector<Row> rows(inside.begin(), inside.end());
    std::sort(rows.begin(), rows.end());
    std::vector<std::vector<Row>> links(rows.size());
    for_each_block(executor_, rows.size(), block, [&](std::size_t begin, std::size_t end) {
      const auto scratch = take_scratch();
      for (std::size_t i = begin; i < end; ++i) {
        if (rows.size() <= params_.m + 1) {  // each links to all others
          links[i] = rows;
          std::erase(links[i], rows[i]);
          continue;
        }
        const auto list = links_.list(rows[i]);
        links[i].assign(list.begin(), list.end());
        if (links[i].size() > params_.m) choose_anew(rows[i], links[i], params_.m, *scratch);
      }
    });
    upper_.add(std::move(rows), links);
  }

  const CodedRows& rows_;
  std::span<const Row> first_;
  GraphParams params_;
  const AnyExecutor& executor_;
  ProgressMeter& meter_;
  RowLevels levels_;
  GrowingLinks links_;  // of level 0
  UpperLevels upper_;
  RowWalk walk_;
  ScratchPool<Scratch> scratches_;
  std::vector<Row> chosen_;  // by the rows of the batch at work, most_links() each
  std::vector<std::uint32_t> chosen_counts_;
  std::vector<Offer> offers_;
  std::vector<std::size_t> targets_;  // where in the offers each one begins
};

}  // namespace pefa::detail
