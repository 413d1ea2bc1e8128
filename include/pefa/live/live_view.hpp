// pefa: what a search of a live retriever sees: everything as it was after some batch, whatever is written meanwhile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/adapter/any_retriever.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/live/live_delta.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_search.hpp"
#include "pefa/live/live_state.hpp"
#include "pefa/live/persistent_array.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa::live {

/// Which passages a search may return, by the host's ids and tags. Asked from the searching thread.
using PassagePredicate = std::function<bool(std::string_view id, std::string_view tags)>;

/// Passages by row, chosen once and asked often; rows are an epoch's, and so is the set.
struct EpochPassages {
  std::uint64_t epoch = 0;  ///< of the view that chose them
  PassageSet passages{};    ///< over the rows there were then; later ones are not in it
};

namespace detail {

/// What a view shows; immutable.
struct LiveSnapshot {
  std::shared_ptr<const LiveEpoch> epoch;
  std::size_t dim = 0;
  PersistentArray<LiveState::Passage> passages;
  PersistentArray<LiveState::Query> queries;
  Row passage_rows = 0;
  PersistentRowSet hidden_passages;  // rows of the epoch's indexes
  PersistentRowSet hidden_queries;
  LiveDelta passage_delta;
  LiveDelta query_delta;
  LiveCounts counts;
  std::uint64_t sequence = 0;  // batches applied
  std::string cursor;
};

}  // namespace detail

/// A live retriever as it was at one moment. Cheap to copy; searching is const and safe from any number of threads, and
/// neither waits for a writer or a merge nor sees half a batch.
class LiveView {
 public:
  /// For LiveRetriever.
  explicit LiveView(std::shared_ptr<const detail::LiveSnapshot> shown) : shown_(std::move(shown)) {}

  /// The best k passages by the host's ids, best first; equal scores in the order of arrival. None where there are no
  /// passages.
  /// @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0; λ outside [0, 1], or
  /// another than PEFA-XS has folded in
  [[nodiscard]] std::vector<IdHit<>> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return named(hits(
        query, k, false, [](Row) { return true; }, options));
  }

  /// The same among the passages that a predicate admits. PEFA-XL then asks the nearest training queries that have an
  /// admitted passage.
  [[nodiscard]] std::vector<IdHit<>> search_filtered(QueryView query, std::size_t k, const PassagePredicate& admits,
                                                     const SearchOptions& options = {}) const {
    const auto is_admitted = [&](Row row) {
      const auto& passage = shown_->passages[row];
      return passage != nullptr && admits(passage->id, passage->tags);
    };
    return named(hits(query, k, true, is_admitted, options));
  }

  /// The same among passages of a set. @throws ValueError  the set is of another epoch
  [[nodiscard]] std::vector<IdHit<>> search_filtered(QueryView query, std::size_t k, const EpochPassages& among,
                                                     const SearchOptions& options = {}) const {
    if (among.epoch != epoch()) {
      pefa::detail::fail<ValueError>("LiveView::search_filtered: the passages are rows of epoch ", among.epoch,
                                     ", this is epoch ", epoch(), "; choose them again");
    }
    const RowSet& rows = among.passages.rows();
    return named(hits(
        query, k, true, [&](Row row) { return row < rows.universe() && rows.contains(row); }, options));
  }

  /// The passages that a predicate admits, as rows. O(passages).
  [[nodiscard]] EpochPassages passages_where(const PassagePredicate& admits) const {
    return {epoch(), PassageSet(RowSet::where(shown_->passage_rows, [&](Row row) {
              const auto& passage = shown_->passages[row];
              return passage != nullptr && admits(passage->id, passage->tags);
            }))};
  }

  /// Calls visit(id, owner) for every training query, in the order in which they came. O(training queries).
  void for_each_query(const std::function<void(std::string_view id, std::string_view owner)>& visit) const {
    shown_->queries.for_each([&](std::size_t, const auto& query) {
      if (query != nullptr) visit(query->id, query->owner);
    });
  }

  /// The best k passages for a training query as if it had never come: it has no vote, and its passages have their rows
  /// without it. The fits know it. @param query  a row of shown().queries that is there
  [[nodiscard]] std::vector<Hit> search_as_new(Row query, std::size_t k) const {
    const detail::LiveQuery& record = *shown_->queries[query];
    const QueryView vector(record.vector.get(), dim());
    std::vector<Hit> found = hits(
        vector, k + record.passages.size(), false, [](Row) { return true; }, {}, query);  // so many may fall behind
    if (fits().folds()) {
      for (Hit& hit : found) {
        const Row passage = hit.passage.row();
        if (record.has(passage, record.find(passage)))
          hit.score -= lambda_of({}) * folded_share(vector, passage, query);
      }
      std::sort(found.begin(), found.end(), [](const Hit& a, const Hit& b) {
        return a.score > b.score || (a.score == b.score && a.passage < b.passage);
      });
    }
    if (found.size() > k) found.resize(k);
    return found;
  }

  /// The number of the base that it goes on from: in a folder 1 before any merge, more after each, and that of the
  /// older base after a rollback; in memory alone, how many merges there were.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return shown_->epoch->number(); }
  /// How many batches it shows.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return shown_->sequence; }
  /// Where the source stood after the last of them; see Batch.
  [[nodiscard]] const std::string& cursor() const noexcept { return shown_->cursor; }
  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const noexcept { return shown_->counts.passages; }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const noexcept { return shown_->dim; }

  /// What it is made of; for merges and tests.
  [[nodiscard]] const detail::LiveSnapshot& shown() const noexcept { return *shown_; }

 private:
  [[nodiscard]] const detail::LiveEpoch& fits() const noexcept { return *shown_->epoch; }

  [[nodiscard]] std::vector<IdHit<>> named(const std::vector<Hit>& found) const {
    std::vector<IdHit<>> hits;
    hits.reserve(found.size());
    for (const Hit& hit : found) hits.push_back({shown_->passages[hit.passage.row()]->id, hit.score});
    return hits;
  }

  [[nodiscard]] detail::LiveSide passage_side() const noexcept {
    return {fits().passage_index(), &shown_->hidden_passages, &shown_->passage_delta};
  }
  [[nodiscard]] detail::LiveSide query_side() const noexcept {
    return {fits().query_index(), &shown_->hidden_queries, &shown_->query_delta,
            fits().voting().similarity == KnnSimilarity::l2 ? Metric::l2 : Metric::inner_product};
  }

  [[nodiscard]] float lambda_of(const SearchOptions& options) const {
    if (fits().votes()) {
      const float lambda = options.lambda.value_or(fits().spec().lambda);
      pefa::detail::require_lambda(lambda, "LiveView::search");
      return lambda;
    }
    if (fits().spec().method == Method::xs) {
      pefa::detail::require_folded_lambda(options, fits().spec().lambda, "LiveView::search");
    }
    return 1.0f;  // nothing is blended
  }

  /// @param silent  a training query that does not vote
  template <class Admits>
  [[nodiscard]] std::vector<Hit> hits(QueryView query, std::size_t k, bool is_filtered, const Admits& admits,
                                      const SearchOptions& options, std::optional<Row> silent = std::nullopt) const {
    const float lambda = lambda_of(options);
    pefa::detail::require_query(query, k, dim(), "LiveView::search");
    pefa::detail::require_direction(query, "LiveView::search");
    const auto lease = fits().take_scratch();
    detail::LiveScratch& scratch = *lease;
    fits().ask(query, scratch.asked);
    const std::size_t wanted = std::min(k, passage_count());
    if (wanted == 0) return {};
    if (lambda == 1.0f) {
      return pefa::detail::to_hits(passages(scratch.asked, wanted, is_filtered, admits, options));
    }
    vote(is_filtered, admits, options, silent, scratch);
    const auto& voting = fits().voting();
    const std::size_t offered =
        erm_candidates(k, scratch.votes, passage_count(), voting.passage_candidates, voting.missing_erm_score);
    const auto erm = passages(scratch.asked, std::min(offered, passage_count()), is_filtered, admits, options);
    const pefa::detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    scratch.blender.start(
        erm, scratch.votes, voting.missing_erm_score,
        [&](std::span<const Row> rows, std::span<float> scores) { score_passages(rows, scores, scratch); });
    std::vector<Hit> best(wanted);
    best.resize(scratch.blender.rank(lambda, best));
    return best;
  }

  /// The best passages of the ERM side.
  template <class Admits>
  [[nodiscard]] std::vector<Neighbor> passages(const pefa::detail::AskedQuery& asked, std::size_t k, bool is_filtered,
                                               const Admits& admits, const SearchOptions& options) const {
    const pefa::detail::StopWatch watch(options, &SearchStats::passage_microseconds);
    auto found =
        passage_side().search(asked.passages.view, k, is_filtered, admits, pefa::detail::passage_options(options));
    pefa::detail::add_offset(found, asked.passages.offset);
    return found;
  }

  /// Exact scores of the ERM side.
  void score_passages(std::span<const Row> rows, std::span<float> scores, detail::LiveScratch& scratch) const {
    const detail::LiveSide side = passage_side();
    const auto& asked = scratch.asked.passages;
    scratch.indexed.clear();
    scratch.indexed_places.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (const float* row = shown_->passage_delta.find(rows[i])) {
        scores[i] = side.score(asked.view, row);
      } else {
        scratch.indexed.push_back(rows[i]);
        scratch.indexed_places.push_back(i);
      }
    }
    if (!scratch.indexed.empty()) {
      scratch.indexed_scores.resize(scratch.indexed.size());
      side.index->score_rows(asked.view, scratch.indexed, scratch.indexed_scores);
    }
    for (std::size_t i = 0; i < scratch.indexed.size(); ++i) {
      scores[scratch.indexed_places[i]] = scratch.indexed_scores[i];
    }
    for (float& score : scores) score += asked.offset;
  }

  /// What a training query adds to the ERM score of one of its passages for the vector `asked`.
  [[nodiscard]] float folded_share(QueryView asked, Row passage, Row query) const {
    const auto lease = fits().take_scratch();
    detail::LiveScratch& scratch = *lease;
    fits().ask(asked, scratch.asked);
    float score = 0.0f;
    score_passages({&passage, 1}, {&score, 1}, scratch);
    const detail::LivePassage& record = *shown_->passages[passage];
    std::vector<float> vectors;
    std::vector<float> weights;
    for (const Row other : record.queries) {
      if (other == query) continue;
      const detail::LiveQuery& voter = *shown_->queries[other];
      vectors.insert(vectors.end(), voter.vector.get(), voter.vector.get() + dim());
      weights.push_back(voter.weights[voter.find(passage)]);
    }
    const std::vector<float> row =
        fits().passage_row({{record.vector.get(), dim()}, EmbeddingView<float>(vectors, dim()), weights});
    return score - passage_side().score(scratch.asked.passages.view, row.data()) - scratch.asked.passages.offset;
  }

  /// Leaves f_kNN of the admitted passages in scratch.votes.
  template <class Admits>
  void vote(bool is_filtered, const Admits& admits, const SearchOptions& options, std::optional<Row> silent,
            detail::LiveScratch& scratch) const {
    const auto& voting = fits().voting();
    const std::size_t k = options.neighbors == 0 ? voting.neighbors : options.neighbors;
    const auto has_admitted = [&](Row row) {
      const auto& passages = shown_->queries[row]->passages;
      return std::any_of(passages.begin(), passages.end(),
                         [&](std::int32_t passage) { return admits(static_cast<Row>(passage)); });
    };
    std::vector<Neighbor> nearest;
    {
      const pefa::detail::StopWatch watch(options, &SearchStats::query_microseconds);
      nearest = is_filtered ? query_side().search(scratch.asked.queries, k, true, has_admitted,
                                                  pefa::detail::query_options(options))
                            : query_side().search(
                                  scratch.asked.queries, k + (silent ? 1 : 0), false, [](Row) { return true; },
                                  pefa::detail::query_options(options));
    }
    if (silent) {
      std::erase_if(nearest, [&](const Neighbor& neighbor) { return neighbor.row == *silent; });
      if (nearest.size() > k) nearest.pop_back();
    }
    const pefa::detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    weigh_neighbors(nearest, scratch);
    scratch.ballot.gather(nearest.size(), [&](std::size_t i) { return shown_->queries[nearest[i].row]->entries(); });
    scratch.ballot.count(scratch.voters.strengths, scratch.votes);
    if (is_filtered) scratch.votes.keep(admits);
  }

  /// Weighs neighbours, which the gate knows by their place.
  void weigh_neighbors(const std::vector<Neighbor>& nearest, detail::LiveScratch& scratch) const {
    const std::size_t dim = scratch.asked.similar.size();
    const std::span<const float> frozen = fits().hubness();
    scratch.numbered.clear();
    scratch.hubness.clear();
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      scratch.numbered.push_back({static_cast<Row>(i), nearest[i].score});
      if (frozen.empty()) continue;
      const float* row = shown_->query_delta.find(nearest[i].row);
      scratch.hubness.push_back(row != nullptr ? -row[dim] : frozen[nearest[i].row]);
    }
    const auto& voting = fits().voting();
    weigh(
        std::span<const Neighbor>(scratch.numbered),
        KnnScale(voting.similarity, voting.knn_scale, scratch.asked.similar), scratch.hubness, voting.gate, dim,
        [&](Row place, std::span<float> out) { read_query(nearest[place].row, out, scratch.vectors.row); },
        scratch.vectors, scratch.voters);
  }

  /// A training query without its hubness. @param row  where the whole row is read to
  void read_query(Row query, std::span<float> out, std::vector<float>& row) const {
    if (const float* values = shown_->query_delta.find(query)) {
      std::copy_n(values, out.size(), out.begin());
      return;
    }
    const AnyIndex& index = *fits().query_index();
    row.resize(index.dim());
    index.read_row(query, row);
    std::copy_n(row.begin(), out.size(), out.begin());
  }

  std::shared_ptr<const detail::LiveSnapshot> shown_;
};

}  // namespace pefa::live
