// pefa: HNSW served from int8 codes: built and walked in a quarter of the bytes, the best candidates rescored exactly
// on the rows themselves.
//
// A walk waits for memory, not for arithmetic: a row is 4·dim bytes of floats or dim bytes of codes. The codes decide
// where the walk goes; the scores that come back are those of the rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/code_walk.hpp"
#include "pefa/index/coded_rows.hpp"
#include "pefa/index/equal_rows.hpp"
#include "pefa/index/filter_plan.hpp"
#include "pefa/index/filtered_code_scan.hpp"
#include "pefa/index/filtered_scan.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/graph_builder.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/interleaved_walks.hpp"
#include "pefa/index/lift.hpp"
#include "pefa/index/packed_graph.hpp"
#include "pefa/index/rescored_rows.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// Whether every row looks for better links once more, when all are in the graph (graph_builder.hpp).
enum class Refine {
  never,
  once  ///< about two thirds of the build's time
};
/// Their names.
template <>
inline constexpr std::array enum_names<Refine>{"never", "once"};

/// How a QuantizedHnswIndex is built.
struct QuantizedHnswParams {
  HnswParams graph{};      ///< how the graph is built: M, efConstruction, efSearch, metric, lift
  Rows rows = Rows::copy;  ///< the exact rows: the index's own copy, the caller's, which must outlive it, or none
  CodeSplit split = CodeSplit::automatic;  ///< whether codes have head and tail
  Refine refine = Refine::once;            ///< whether links get a second pass
  std::size_t rerank = 0;  ///< candidates rescored by a search that names none; 0: k + k/2, at least k + 32
};

/// A compact, read-only HNSW index: packed links, int8 codes with a scale a row, exact scores on the rows.
///
/// @tparam Scalar  element type of the rows; double and int8 rows, too, are walked by codes made from their floats
/// Built on codes, in parallel; the same to the bit on every run, for any number of threads. `search` is safe from any
/// number of threads, which do not wait for each other. Memory beside the rows: dim + 12 bytes a row, rounded up to
/// cache lines, and 4 a link, 2·M of them at most but in the few lists that lead to rows nothing else leads to; 771
/// bytes for 512 dimensions of WordNet (served_bytes()).
///
/// Without rows (Rows::drop) scores are those of the codes and of 4 bits a coordinate of what these leave, dim/2 + 4
/// bytes a row: on WordNet's unit rows and queries of 512 dimensions 7e-5 off on average, 8e-4 at most.
///
/// A walk sees rows and queries as codes times a scale. Where their elements are all below 1e-28 that scale counts as
/// 0, and where the scores on the walk pass the range of float it has lost its way; scores are exact all the same.
template <EmbeddingScalar Scalar = float>
class QuantizedHnswIndex {
 public:
  /// What build() takes.
  using Params = QuantizedHnswParams;
  /// Admitted rows all over the index that a walk over admitted nodes is started from, the best of them: admitted ones
  /// may lie in clusters that no admitted links lead to.
  static constexpr std::size_t seeds_looked_at = 2048;
  /// What a filtered search weighs its ways by, in the time that a walk takes a row.
  static constexpr detail::FilterCosts filter_costs{.scanned_row = 0.55, .candidate = 30.0, .two_hops = 300.0};

  /// @throws ValueError  parameters out of range, no rows, or a row that is not finite
  /// @throws ShapeError  2^31 rows or more, a dim above 100,000  @throws Cancelled
  [[nodiscard]] static QuantizedHnswIndex build(const EmbeddingView<Scalar>& rows, const Params& params = {},
                                                const BuildOptions& options = {}) {
    require_build(rows, params);
    QuantizedHnswIndex index(params);
    index.rows_.keep(rows, params.rows);
    index.build_graph(rows, options);
    return index;
  }

  /// The same, taking a store over instead of copying it; it is let go with Rows::drop.
  [[nodiscard]] static QuantizedHnswIndex build(EmbeddingStore<Scalar>&& store, const Params& params = {},
                                                const BuildOptions& options = {}) {
    require_build(store.view(), params);
    QuantizedHnswIndex index(params);
    EmbeddingStore<Scalar> taken = std::move(store);
    index.build_graph(taken.view(), options);
    if (params.rows != Rows::drop) index.rows_.own(std::move(taken));
    return index;
  }

  /// Adds the index, and the exact rows whosever they are, to an archive; it must live, unchanged, until that is
  /// written. Defined in quantized_hnsw_index_archive.hpp.
  void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The index in place: rows, codes and level 0 stay in the archive. Every link is read once, to check it. Defined in
  /// quantized_hnsw_index_archive.hpp.
  /// @throws FormatError  the archive holds no such index under this prefix, or a damaged one
  [[nodiscard]] static QuantizedHnswIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  /// Takes over rows, codes and graph; the other may only be destroyed or assigned to.
  QuantizedHnswIndex(QuantizedHnswIndex&&) noexcept = default;
  /// As above.
  QuantizedHnswIndex& operator=(QuantizedHnswIndex&&) noexcept = default;

  /// The k best rows that the walk finds, best first, ties by ascending row. @throws  as AnnIndex says
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "QuantizedHnswIndex::search");
    const auto state = take_state();
    detail::CodeWalk(codes_, graph_).run(query, ef_of(k, options), *state, options.limit);
    std::vector<Neighbor> found = rescore(rows_.scorer(query, codes_, state->decoded, &state->query), k,
                                          rerank_of(k, options), detail::AdmitsAll{}, *state);
    if (options.stats != nullptr) *options.stats += state->stats;
    return found;
  }

  /// The k best of the rows that a filter admits, by whichever way is the cheapest (filter_plan.hpp); exact where a
  /// hundredth of the rows are admitted at most. Codes decide the scan as they do the walk, and every score is the
  /// row's. @param costs  what the choice is made by: others than those measured, for tests and benchmarks
  /// @throws  as FilteringIndex says
  [[nodiscard]] std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const IndexSearchOptions& options = {},
                                                      const detail::FilterCosts& costs = filter_costs) const {
    detail::require_query(query, k, dim(), "QuantizedHnswIndex::search_filtered");
    filter.require_universe(size(), "QuantizedHnswIndex::search_filtered");
    if (filter.admits_all()) return search(query, k, options);
    if (filter.count(size()) == std::size_t{0}) return {};
    return detail::with_admission(
        filter, [&](const auto& admits) { return search_admitted(query, k, filter, admits, options, costs); });
  }

  /// Every thread keeps several searches in flight: while one waits for memory, another computes. The results are those
  /// of search(). @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& options = {},
                                                                const AnyExecutor& executor = {}) const {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      detail::require_query({queries.row(i), queries.dim()}, k, dim(), "QuantizedHnswIndex::search_batch");
    }
    std::vector<std::vector<Neighbor>> results(queries.size());
    detail::BatchStats stats(options.stats, (queries.size() + batch_block - 1) / batch_block);
    for_each_block(executor, queries.size(), batch_block, [&](std::size_t begin, std::size_t end) {
      IndexSearchOptions mine = options;
      mine.stats = stats.part(begin / batch_block);
      search_interleaved(queries.slice(begin, end), k, mine, results.data() + begin);
    });
    stats.add_up();
    return results;
  }

  /// The score of one row: exact where rows are kept. @throws ShapeError  a query of another dim, a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    float score = 0.0f;
    score_rows(query, {&row, 1}, {&score, 1});
    return score;
  }

  /// The same of several rows. @param scores  as many as rows
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    detail::require_rows_to_score(query, dim(), rows, size(), scores.size(), "QuantizedHnswIndex::score_rows");
    detail::DecodedQuery form;
    rows_.scorer(query, codes_, form)(rows, scores);
  }

  /// One row as floats: as it was, or as its codes have it where rows are not kept. @param out  dim floats
  /// @throws ShapeError  a row past the end, another size
  void read_row(Row row, std::span<float> out) const {
    detail::require_row_to_read(row, size(), out.size(), dim(), "QuantizedHnswIndex::read_row");
    rows_.decode(row, codes_, out.data());
  }

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return codes_.size(); }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const noexcept { return codes_.dim(); }
  /// What a score means.
  [[nodiscard]] Metric metric() const noexcept { return params_.graph.metric; }
  /// What it was built with.
  [[nodiscard]] const Params& params() const noexcept { return params_; }
  /// Another ef_search. Not while somebody searches. @throws ValueError  it is 0
  void set_ef_search(std::size_t ef) {
    detail::require_ef_search(ef, "QuantizedHnswIndex::set_ef_search");
    params_.graph.ef_search = ef;
  }

  /// Bytes on the heap: what is served, and the exact rows where the index owns them; what lies in an archive is not. A
  /// thread that searches holds a bit a row and its beam beside that.
  [[nodiscard]] std::size_t memory_bytes() const {
    return served_bytes() + (rows_.are_exact() ? rows_.memory_bytes() : 0);
  }

  /// Bytes of codes and links alone, with what is left of rows that are not kept; those on the heap.
  [[nodiscard]] std::size_t served_bytes() const {
    return codes_.memory_bytes() + graph_.memory_bytes() + equal_.memory_bytes() +
           (rows_.are_exact() ? 0 : rows_.memory_bytes()) + sizeof(detail::ScratchPool<detail::WalkState>);
  }

 private:
  static constexpr std::size_t batch_block = 64;  // queries a thread takes at a time

  explicit QuantizedHnswIndex(const Params& params)
      : params_(params),
        rows_(params.graph.metric),
        states_(std::make_unique<detail::ScratchPool<detail::WalkState>>()) {}

  static void require_build(const EmbeddingView<Scalar>& rows, const Params& params) {
    detail::require_hnsw_params(params.graph, "QuantizedHnswIndex::build");
    if (rows.empty()) detail::fail<ValueError>("QuantizedHnswIndex::build: no rows, expected at least 1");
    if (rows.size() >= detail::Beam::row_limit) {
      detail::fail<ShapeError>("QuantizedHnswIndex::build: ", rows.size(), " rows, expected below ",
                               detail::Beam::row_limit);
    }
    if (rows.dim() > simd::code_dim_limit) {
      detail::fail<ShapeError>("QuantizedHnswIndex::build: rows have dim ", rows.dim(), ", expected at most ",
                               simd::code_dim_limit);
    }
    require_valid_rows(rows, RowCheck::finite, "QuantizedHnswIndex::build");
  }

  /// @param rows  those that are kept, or to be dropped
  void build_graph(const EmbeddingView<Scalar>& rows, const BuildOptions& options);

  /// Under inner product rows look for those of the highest product, as queries will, not for the nearest: measured on
  /// least-squares rows of WordNet, whose lengths differ by half, R@100 at ef = 300 was a point less by distance.
  [[nodiscard]] std::vector<float> product_terms(const EmbeddingView<Scalar>& rows, const AnyExecutor& executor) const {
    if (metric() == Metric::l2) return {};
    std::vector<float> terms(size());
    for_each_block(executor, size(), 256, [&](std::size_t begin, std::size_t end) {
      std::vector<float> row(dim());
      for (std::size_t i = begin; i < end; ++i) {
        rows.decode(i, row.data());
        terms[i] = codes_.along_mean(row.data());
      }
    });
    return terms;
  }

  /// The second search makes up for what the first could not see, so that both may be narrower than hnswlib's. Measured
  /// on a quarter of WordNet against hnswlib's insertion of codes at 500 and a second search at 300: R@100 is the same
  /// within 0.001 at every ef, for two fifths of the processor time.
  [[nodiscard]] detail::GraphParams graph_params() const noexcept {
    const std::size_t ef = params_.graph.ef_construction;
    const std::size_t least = std::min<std::size_t>(ef, 32);
    return {.m = params_.graph.m,
            .insert_ef = std::max(ef / 5, least),
            .refine_ef = params_.refine == Refine::once ? std::max(3 * ef / 5, least) : 0,
            .seed = params_.graph.seed};
  }

  /// A block of queries on one thread. Queries whose turn comes after the limit have no results.
  void search_interleaved(const EmbeddingView<float>& queries, std::size_t k, const IndexSearchOptions& options,
                          std::vector<Neighbor>* results) const {
    const auto query = [&](std::size_t i) { return QueryView(queries.row(i), queries.dim()); };
    const IndexSearchStats took = detail::walk_interleaved(
        detail::CodeWalk(codes_, graph_), queries.size(), ef_of(k, options), options.limit,
        [&] { return take_state(); }, query,
        [&](std::size_t i, detail::WalkState& state) {
          results[i] = rescore(rows_.scorer(query(i), codes_, state.decoded, &state.query), k, rerank_of(k, options),
                               detail::AdmitsAll{}, state);
        });
    if (options.stats != nullptr) *options.stats += took;
  }

  [[nodiscard]] auto take_state() const {
    return states_->take([this] { return std::make_unique<detail::WalkState>(size()); });
  }

  /// The beam of a search: a little wider than k, so that what the codes order wrongly at its end is still rescored.
  [[nodiscard]] std::size_t ef_of(std::size_t k, const IndexSearchOptions& options) const noexcept {
    const std::size_t least = k < size() ? k + k / 8 + 2 : k;
    return std::min(std::max(options.ef == 0 ? params_.graph.ef_search : options.ef, least), size());
  }

  [[nodiscard]] std::size_t rerank_of(std::size_t k, const IndexSearchOptions& options) const noexcept {
    k = std::min(k, size());  // so that what is added to it cannot wrap
    if (options.rerank != 0) return std::max(options.rerank, k);
    if (params_.rerank != 0) return std::max(params_.rerank, k);
    return k + std::max<std::size_t>(k / 2, 32);
  }

  /// The best k of the beam's first `rerank` admitted candidates. @param score  (rows, scores), as scorer() makes it
  template <class Score, class Admits>
  [[nodiscard]] std::vector<Neighbor> rescore(const Score& score, std::size_t k, std::size_t rerank,
                                              const Admits& admits, detail::WalkState& state) const {
    state.rescored.clear();
    for (std::size_t i = 0; i < state.beam.size() && state.rescored.size() < rerank; ++i) {
      const Row row = state.beam[i].row();
      if (equal_.any(row, admits)) state.rescored.push_back(row);
    }
    const std::size_t count = state.rescored.size();
    state.stats.reranked += count;
    state.scores.resize(count);
    score(state.rescored, state.scores);
    std::vector<Neighbor> found(count);
    for (std::size_t i = 0; i < count; ++i) {
      found[i] = {equal_.first_admitted(state.rescored[i], admits), state.scores[i]};
    }
    keep_best(found, k);
    if (equal_.empty()) return found;
    std::vector<Neighbor> all;
    for (const Neighbor& each : found) {
      if (all.size() >= k && each.score < all.back().score) break;  // what ties with the last may rank before it
      equal_.append_admitted(each, k, admits, all);
    }
    keep_best(all, k);
    return all;
  }

  template <class Admits>
  [[nodiscard]] std::vector<Neighbor> search_admitted(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const Admits& admits, const IndexSearchOptions& options,
                                                      const detail::FilterCosts& costs) const {
    k = std::min(k, size());
    const std::size_t rerank = rerank_of(k, options);
    const std::size_t ef = ef_of(k, options);
    const auto state = take_state();
    state->stats = {};  // of whoever searched before
    const detail::CodeWalk walk(codes_, graph_);
    IndexSearchStats took;
    const auto account = [&] { took += std::exchange(state->stats, {}); };
    const auto admits_group = [&](Row row) { return equal_.any(row, admits); };
    const auto score_exact = rows_.scorer(query, codes_, state->decoded);
    detail::FilterPlanner planner(filter, size(), std::min(rerank, ef), ef, costs);
    auto found = detail::search_by_plan(
        planner, k,
        [&](detail::FilterPlanner& plan) {
          account();
          const std::size_t width = plan.width();
          walk.start(query, width, *state, options.limit);
          ++state->stats.walks;
          const std::size_t judged = state->stats.hops + detail::FilterPlanner::probed_hops;
          do {
            walk.absorb(*state);
            if (state->stats.hops == judged) {
              const auto near =
                  detail::near_share(state->beam, detail::FilterPlanner::probed_hops, width, admits_group);
              if (!plan.goes_on(near)) return near;
            }
          } while (walk.expand(*state));
          return detail::near_share(state->beam, width, plan.wanted(), admits_group);
        },
        [&] {
          account();
          std::vector<Row> seeds;
          if (equal_.empty()) seeds = detail::some_admitted(filter, size(), seeds_looked_at);  // else maybe not linked
          walk.run_two_hops(query, planner.two_hop_width(), options.limit, admits_group, std::move(seeds),
                            2 * params_.graph.m, *state);
          ++state->stats.walks;
          ++state->stats.two_hop_walks;
        },
        [&] { return rescore(score_exact, k, rerank, admits, *state); }, [&] { return state->stats.stopped; },
        [&] {
          account();
          if (filter.count(size()).value_or(size()) <= 8 * rerank) {  // encoding the query takes as long
            return detail::scan_admitted(filter, size(), k, {.limit = options.limit, .stats = &took}, score_exact);
          }
          return detail::scan_codes(walk, query, k, rerank, filter, size(), options.limit, *state, score_exact);
        });
    account();
    if (options.stats != nullptr) *options.stats += took;
    return found;
  }

  Params params_;
  detail::RescoredRows<Scalar> rows_;
  detail::CodeTable codes_;
  detail::PackedGraph graph_;
  detail::EqualRows equal_;
  std::unique_ptr<detail::ScratchPool<detail::WalkState>> states_;
};

template <EmbeddingScalar Scalar>
void QuantizedHnswIndex<Scalar>::build_graph(const EmbeddingView<Scalar>& rows, const BuildOptions& options) {
  constexpr const char* who = "QuantizedHnswIndex::build";
  const HnswParams& hnsw = params_.graph;
  const bool refines = params_.refine == Refine::once;
  const bool drops = params_.rows == Rows::drop;
  const std::size_t coded_rows = (drops ? 2 : 1) * rows.size();
  const std::size_t total = coded_rows + (refines ? 2 : 1) * rows.size();
  {
    const Progress coding = detail::stage(options.progress, 0, coded_rows, total);
    ProgressMeter meter(coding, coded_rows, who);
    codes_ = detail::CodeTable(rows, hnsw.metric, params_.split, options.executor, &meter);
    if (drops) rows_.reduce(rows, codes_, options.executor, meter);
  }
  const detail::Lifting<Scalar> lifting(rows, hnsw.metric, hnsw.lift);
  const std::vector<Row> first = detail::first_equal_rows(rows, options.executor);
  equal_ = detail::EqualRows(first);
  const Progress linking = detail::stage(options.progress, coded_rows, total, total);
  ProgressMeter meter(linking, total - coded_rows, who);
  const detail::CodedRows coded(codes_, lifting.coordinates(), options.executor, product_terms(rows, options.executor));
  graph_ = detail::GraphBuilder(coded, first, graph_params(), options.executor, meter).run();
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
/// @cond
extern template void QuantizedHnswIndex<float>::build_graph(const EmbeddingView<float>& rows,
                                                            const BuildOptions& options);
/// @endcond
#endif

}  // namespace pefa
