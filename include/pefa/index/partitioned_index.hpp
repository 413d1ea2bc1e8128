// pefa: an index of lists: rows near one of a few hundred centres each, in codes of 4 bits that a search scans list by
// list, the best of them scored again on 8 bits a coordinate, and exactly where the rows are kept.
//
// Where a graph walks from row to row, a search here reads its lists from end to end: it is built faster, and its codes
// can stand for the rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/filtered_scan.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/index/indexed_rows.hpp"
#include "pefa/index/partition_builder.hpp"
#include "pefa/index/partition_table.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// Whether a row stands in a second list, for queries that pass its first by.
enum class Spill {
  never,
  once  ///< in the list that best makes up for the first (Sun et al., NeurIPS 2023); half the codes again
};
/// Their names.
template <>
inline constexpr std::array enum_names<Spill>{"never", "once"};

/// How a PartitionedIndex is built.
struct PartitionedParams {
  Metric metric = Metric::inner_product;  ///< what a score means
  Rows rows = Rows::copy;                 ///< the exact rows: the index's own copy, the caller's, or none
  std::size_t lists = 0;                  ///< up to 16,384; 0: one and a half times the square root of the rows
  std::size_t code_width =
      3;  ///< coordinates a 4-bit code stands for, 1 to 64; more where a row would have over 1023 codes
  Spill spill = Spill::never;   ///< whether rows stand in two lists
  std::size_t ef_search = 300;  ///< ef of searches that name none, at least 1
  std::size_t rerank = 0;  ///< candidates rescored exactly by a search that names none; 0: k + k/4, at least k + 16
  std::uint64_t seed = 0;  ///< of the first centres
};

/// Lists of 4-bit product codes under k-means centres, rescored on int8 codes, and on the rows where they are kept.
///
/// `ef` means what it means to a graph: how wide a search looks, and so what it misses; build() measures on a sample
/// how many lists and candidates that takes. The index is the same to the bit for any number of threads. `search` is
/// safe from any number of threads.
///
/// Without rows (Rows::drop) scores are those of the int8 codes: on WordNet's unit rows and queries of 512 dimensions
/// 1.6e-4 off on average, 2e-3 at most.
///
/// @tparam Scalar  element type of the rows
template <EmbeddingScalar Scalar = float>
class PartitionedIndex {
 public:
  /// What build() takes.
  using Params = PartitionedParams;

  /// O(size · lists · dim) time, and as much for a dozen rounds over a sample of 64 rows a list.
  /// @throws ValueError  parameters out of range, no rows, or a row that is not finite
  /// @throws ShapeError  a dim above 100,000  @throws Cancelled
  [[nodiscard]] static PartitionedIndex build(const EmbeddingView<Scalar>& rows, const Params& params = {},
                                              const BuildOptions& options = {}) {
    require_build(rows, params);
    PartitionedIndex index(params);
    index.rows_.keep(rows, params.rows);
    index.build_table(rows, options);
    return index;
  }

  /// The same, taking a store over instead of copying it; it is let go with Rows::drop.
  [[nodiscard]] static PartitionedIndex build(EmbeddingStore<Scalar>&& store, const Params& params = {},
                                              const BuildOptions& options = {}) {
    require_build(store.view(), params);
    PartitionedIndex index(params);
    EmbeddingStore<Scalar> taken = std::move(store);
    index.build_table(taken.view(), options);
    if (params.rows != Rows::drop) index.rows_.own(std::move(taken));
    return index;
  }

  /// Adds the index, and the rows where it has them, to an archive; it must live, unchanged, until that is written.
  /// Defined in partitioned_index_archive.hpp.
  void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The index in place: rows and codes stay in the archive. Every row number is read once, to check it. Defined in
  /// partitioned_index_archive.hpp.
  /// @throws FormatError  the archive holds no such index under this prefix, or a damaged one
  [[nodiscard]] static PartitionedIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  /// Takes over rows and codes; the other may only be destroyed or assigned to.
  PartitionedIndex(PartitionedIndex&&) noexcept = default;
  /// As above.
  PartitionedIndex& operator=(PartitionedIndex&&) noexcept = default;

  /// The k best rows of the lists it probes, best first, ties by ascending row. @throws  as AnnIndex says
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "PartitionedIndex::search");
    const auto state = take_state();
    k = std::min(k, size());
    table_.start(query, table_.probe_of(ef_of(k, options), k), *state);
    for (std::size_t i = 0; i < state->probed.size(); ++i) {
      if (options.limit.exists() && state->stats.distances >= k && options.limit.reached()) {
        state->stats.stopped = true;
        break;
      }
      if (i + 1 < state->probed.size()) table_.prefetch(state->probed[i + 1].row);
      table_.scan(state->probed[i].row, *state);
    }
    return finish(query, k, options, *state);
  }

  /// Queries that probe the same list scan it one after the other, while it is in the cache. The results are those of
  /// search(). @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& options = {},
                                                                const AnyExecutor& executor = {}) const {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      detail::require_query({queries.row(i), queries.dim()}, k, dim(), "PartitionedIndex::search_batch");
    }
    std::vector<std::vector<Neighbor>> results(queries.size());
    detail::BatchStats stats(options.stats, (queries.size() + batch_block - 1) / batch_block);
    for_each_block(executor, queries.size(), batch_block, [&](std::size_t begin, std::size_t end) {
      IndexSearchOptions mine = options;
      mine.stats = stats.part(begin / batch_block);
      search_block(queries.slice(begin, end), std::min(k, size()), mine, results.data() + begin);
    });
    stats.add_up();
    return results;
  }

  /// The k best of the rows that a filter admits: the lists near the query are scanned, more of them the fewer are
  /// admitted, and where those hold too few, or a hundredth of the rows are admitted at most, each admitted row is
  /// scored. @throws  as FilteringIndex says
  [[nodiscard]] std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "PartitionedIndex::search_filtered");
    filter.require_universe(size(), "PartitionedIndex::search_filtered");
    if (filter.admits_all()) return search(query, k, options);
    k = std::min(k, size());
    const std::size_t admitted = filter.count(size()).value_or(std::max<std::size_t>(1, size() / 2));
    if (admitted == 0) return {};
    if (admitted > size() / 100 && admitted > 2 * k) {
      auto found = scan_lists(query, k, filter, admitted, options);
      if (found) return *std::move(found);
    }
    return detail::scan_admitted(filter, size(), k, options, [&](std::span<const Row> rows, std::span<float> scores) {
      score_rows(query, rows, scores);
    });
  }

  /// The score of one row: exact where rows are kept, else of its codes. @throws ShapeError  a query of another dim, a
  /// row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    float score = 0.0f;
    score_rows(query, {&row, 1}, {&score, 1});
    return score;
  }

  /// The same of several rows. @param scores  as many as rows
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    detail::require_rows_to_score(query, dim(), rows, size(), scores.size(), "PartitionedIndex::score_rows");
    if (!rows_.empty()) {
      rows_.score(query.data(), rows, scores.data());
      return;
    }
    const auto state = take_state();
    table_.weigh(query, *state);
    table_.score_in_units(rows, *state, scores.data());
    const float squares = squares_of(query);
    for (float& score : scores) score = table_.to_score(score, *state, squares);
  }

  /// One row as floats: as it was, or as its codes have it where rows are not kept. @param out  dim floats
  /// @throws ShapeError  a row past the end, another size
  void read_row(Row row, std::span<float> out) const {
    detail::require_row_to_read(row, size(), out.size(), dim(), "PartitionedIndex::read_row");
    if (rows_.empty()) {
      table_.decode(row, out.data());
    } else {
      rows_.view().decode(row, out.data());
    }
  }

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const noexcept { return table_.dim(); }
  /// What a score means.
  [[nodiscard]] Metric metric() const noexcept { return params_.metric; }
  /// What it was built with, the number of lists and the width of codes as they came to be.
  [[nodiscard]] const Params& params() const noexcept { return params_; }
  /// Another ef_search. Not while somebody searches. @throws ValueError  it is 0
  void set_ef_search(std::size_t ef) {
    detail::require_ef_search(ef, "PartitionedIndex::set_ef_search");
    params_.ef_search = ef;
  }
  /// The exact rows; none where they are not kept.
  [[nodiscard]] const EmbeddingView<Scalar>& rows() const noexcept { return rows_.view(); }
  /// How many lists a search of that ef probes. @param ef  0: the index's own default
  [[nodiscard]] std::size_t lists_probed(std::size_t ef = 0) const noexcept {
    return table_.probe_of(ef == 0 ? params_.ef_search : ef, 1).lists;
  }
  /// What beam widths mean, as build() measured it.
  [[nodiscard]] std::span<const ProbePoint> probe_points() const noexcept { return table_.probes().points(); }
  /// Bytes on the heap, the index's own rows included; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return table_.memory_bytes() + rows_.memory_bytes() + sizeof(detail::ScratchPool<detail::PartitionSearch>);
  }

 private:
  static constexpr std::size_t batch_block = 32;  // queries a thread takes at a time
  static constexpr std::size_t most_width = 64;

  explicit PartitionedIndex(const Params& params)
      : params_(params),
        rows_(params.metric),
        states_(std::make_unique<detail::ScratchPool<detail::PartitionSearch>>()) {}

  static void require_build(const EmbeddingView<Scalar>& rows, const Params& params) {
    constexpr const char* who = "PartitionedIndex::build";
    if (params.lists > detail::most_lists) {
      detail::fail<ValueError>(who, ": lists is ", params.lists, ", expected at most ", detail::most_lists);
    }
    if (params.code_width == 0 || params.code_width > most_width) {
      detail::fail<ValueError>(who, ": code_width is ", params.code_width, ", expected 1 to ", most_width);
    }
    detail::require_ef_search(params.ef_search, who);
    if (rows.empty()) detail::fail<ValueError>(who, ": no rows, expected at least 1");
    if (rows.size() >= detail::PartitionLists::none) {
      detail::fail<ShapeError>(who, ": ", rows.size(), " rows, expected below ", detail::PartitionLists::none);
    }
    if (rows.dim() > simd::code_dim_limit) {
      detail::fail<ShapeError>(who, ": rows have dim ", rows.dim(), ", expected at most ", simd::code_dim_limit);
    }
    require_valid_rows(rows, RowCheck::finite, who);
  }

  void build_table(const EmbeddingView<Scalar>& rows, const BuildOptions& options);

  /// The best admitted rows of so many lists that they hold k of them if the filter has nothing to do with the query.
  /// @return  nothing where they hold fewer candidates than a search without a filter rescores
  [[nodiscard]] std::optional<std::vector<Neighbor>> scan_lists(QueryView query, std::size_t k, const RowFilter& filter,
                                                                std::size_t admitted,
                                                                const IndexSearchOptions& options) const {
    constexpr std::size_t spare = 3;  // times the rank that the last of the k best has among all rows
    const auto state = take_state();
    const std::size_t ef = ef_of(k, options);
    const std::size_t wide =
        std::max(ef, static_cast<std::size_t>(static_cast<double>(spare * k) * static_cast<double>(size()) /
                                              static_cast<double>(admitted)));
    detail::Probe probe = table_.probe_of(std::min(wide, size()), k);
    probe.candidates = table_.probe_of(ef, k).candidates;
    table_.start(query, probe, *state);
    ++state->stats.walks;
    detail::with_admission(filter, [&](const auto& admits) {
      for (const Neighbor& list : state->probed) {
        if (options.limit.exists() && state->stats.distances >= k && options.limit.reached()) {
          state->stats.stopped = true;
          break;
        }
        table_.scan(list.row, *state, admits);
      }
    });
    if (!state->stats.stopped && state->best.size() < std::min(probe.candidates, admitted)) {
      if (options.stats != nullptr) *options.stats += state->stats;
      return std::nullopt;
    }
    return finish(query, k, options, *state);
  }

  /// Some queries on one thread, list by list.
  void search_block(const EmbeddingView<float>& queries, std::size_t k, const IndexSearchOptions& options,
                    std::vector<Neighbor>* results) const {
    if (options.limit.reached()) {
      if (options.stats != nullptr) options.stats->stopped = true;
      return;
    }
    std::vector<typename detail::ScratchPool<detail::PartitionSearch>::Lease> states;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> probes;  // list, query
    const detail::Probe probe = table_.probe_of(ef_of(k, options), k);
    for (std::uint32_t q = 0; q < queries.size(); ++q) {
      states.push_back(take_state());
      table_.start({queries.row(q), queries.dim()}, probe, *states[q]);
      for (const Neighbor& list : states[q]->probed) probes.emplace_back(list.row, q);
    }
    std::sort(probes.begin(), probes.end());
    bool stopped = false;
    for (std::size_t i = 0; i < probes.size() && !stopped; ++i) {
      if (i % queries.size() == 0 && options.limit.exists()) stopped = options.limit.reached();
      if (!stopped) table_.scan(probes[i].first, *states[probes[i].second]);
    }
    for (std::size_t q = 0; q < queries.size(); ++q) {
      states[q]->stats.stopped = stopped;
      results[q] = finish({queries.row(q), queries.dim()}, k, options, *states[q]);
    }
  }

  /// The best k of the candidates.
  [[nodiscard]] std::vector<Neighbor> finish(QueryView query, std::size_t k, const IndexSearchOptions& options,
                                             detail::PartitionSearch& state) const {
    table_.rescore(state);
    std::vector<Neighbor> found;
    keep_best(state.best, rerank_of(k, options));
    if (rows_.empty()) {
      const float squares = squares_of(query);
      table_.score_again(state);
      for (Neighbor& each : state.best) each.score = table_.to_score(each.score, state, squares);
      keep_best(state.best, k);
      found = state.best;
    } else {
      state.rows.resize(state.best.size());
      state.scores.resize(state.best.size());
      for (std::size_t i = 0; i < state.best.size(); ++i) state.rows[i] = state.best[i].row;
      rows_.score(query.data(), state.rows, state.scores.data());
      state.stats.reranked += state.best.size();
      found.resize(state.best.size());
      for (std::size_t i = 0; i < found.size(); ++i) found[i] = {state.rows[i], state.scores[i]};
      keep_best(found, k);
    }
    if (options.stats != nullptr) *options.stats += state.stats;
    return found;
  }

  /// ‖q‖² where the metric asks for it.
  [[nodiscard]] float squares_of(QueryView query) const noexcept {
    if (metric() != Metric::l2) return 0.0f;
    return simd::dot_kernel<float>()(query.data(), query.data(), dim(), 1.0f);
  }

  [[nodiscard]] auto take_state() const {
    return states_->take([] { return std::make_unique<detail::PartitionSearch>(); });
  }

  [[nodiscard]] std::size_t ef_of(std::size_t k, const IndexSearchOptions& options) const noexcept {
    return std::max(options.ef == 0 ? params_.ef_search : options.ef, k);
  }

  [[nodiscard]] std::size_t rerank_of(std::size_t k, const IndexSearchOptions& options) const noexcept {
    if (options.rerank != 0) return std::max(options.rerank, k);
    if (params_.rerank != 0) return std::max(params_.rerank, k);
    return k + std::max<std::size_t>(k / 4, 16);
  }

  Params params_;
  detail::IndexedRows<Scalar> rows_;  // none where they are dropped
  detail::PartitionTable table_;
  std::unique_ptr<detail::ScratchPool<detail::PartitionSearch>> states_;
};

template <EmbeddingScalar Scalar>
void PartitionedIndex<Scalar>::build_table(const EmbeddingView<Scalar>& rows, const BuildOptions& options) {
  ProgressMeter meter(options.progress, 2 * rows.size(), "PartitionedIndex::build");
  table_ =
      detail::PartitionBuilder<Scalar>::build(rows, params_.metric,
                                              {.lists = params_.lists,
                                               .copies = params_.spill == Spill::once ? std::size_t{2} : std::size_t{1},
                                               .width = params_.code_width,
                                               .seed = params_.seed},
                                              options.executor, meter);
  params_.lists = table_.list_count();
  params_.code_width = table_.code_width();
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
/// @cond
extern template void PartitionedIndex<float>::build_table(const EmbeddingView<float>& rows,
                                                          const BuildOptions& options);
/// @endcond
#endif

}  // namespace pefa
