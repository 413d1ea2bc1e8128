// pefa: P, Q and Y by the host's ids, as they are after all events so far; what the writer of a live retriever keeps.
// It knows nothing of fits and indexes: it says which rows changed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_waiting.hpp"
#include "pefa/live/persistent_array.hpp"

namespace pefa::live::detail {

/// P, Q and Y. Rows are numbers in the order of arrival that are never used again; an event is applied or refused by
/// what came before it alone, so the same events make the same state. One writer; records are shared with snapshots.
class LiveState {
 public:
  using Passage = std::shared_ptr<const LivePassage>;
  using Query = std::shared_ptr<const LiveQuery>;

  /// Nothing yet. @param dim  of vectors
  LiveState(std::size_t dim, const CountingParams& params) : dim_(dim), params_(params) {}

  /// Applies one event, which complaint() has no word for. The host's ids are looked up in the state as it is.
  [[nodiscard]] ItemResult apply(const Event& event) {
    return std::visit(
        [this](const auto& item) {
          time_ = std::max(time_, item.time);
          return on(item);
        },
        event);
  }

  /// Puts in a passage as a base has it, without telling of a change.
  void load(LivePassage passage) {
    passage_rows_.emplace(passage.id, n_passages_);
    passages_.edit(n_passages_++) = std::make_shared<const LivePassage>(std::move(passage));
    ++counts_.passages;
  }

  /// The same of a training query, whose passages are loaded before. Y is made of the totals, and the passages learn of
  /// it. @throws FormatError  pairs of passages that are not there, or out of order
  void load(LiveQuery query) {
    const Row row = n_queries_++;
    std::int64_t before = -1;
    for (std::size_t i = 0; i < query.passages.size(); ++i) {
      const std::int32_t passage = query.passages[i];
      if (passage <= before || static_cast<Row>(passage) >= n_passages_ || !(query.totals[i] > 0.0)) {
        pefa::detail::fail<FormatError>("LiveState: training query ", row, " has passage ", passage, " after ", before,
                                        ", expected ascending, below ", n_passages_, ", each with a weight above 0");
      }
      before = passage;
      open_passage(static_cast<Row>(passage)).queries.push_back(row);
      counts_.weight += query.totals[i];
    }
    reweigh(query, params_.weighting);
    counts_.pairs += query.passages.size();
    query_rows_.emplace(query.id, row);
    if (!query.owner.empty()) owners_[query.owner].insert(row);
    ++counts_.queries;
    if (!query.passages.empty()) serve(query, 1);
    queries_.edit(row) = std::make_shared<const LiveQuery>(std::move(query));
  }

  /// A pair that waits, as a base has it.
  void load(const AddPair& parked) { park(parked); }

  /// The rows that changed since the last call. Records that searches may see from now on are not written to again.
  [[nodiscard]] LiveChanges take_changes() {
    LiveChanges changes = std::move(changes_);
    changes_ = {};
    for (const Row row : weighed_anew_) {
      if (queries_[row] == nullptr) continue;
      LiveQuery& query = open_query(row);
      reweigh(query, params_.weighting);
      if (params_.weighting != Weighting::row_normalized) continue;
      changes.voted.insert(changes.voted.end(), query.passages.begin(), query.passages.end());
    }
    weighed_anew_.clear();
    for (std::vector<Row>* rows : {&changes.moved, &changes.voted, &changes.queries}) {
      std::sort(rows->begin(), rows->end());
      rows->erase(std::unique(rows->begin(), rows->end()), rows->end());
    }
    open_passages_.clear();
    open_queries_.clear();
    return changes;
  }

  /// Records by row; null where a row is gone.
  [[nodiscard]] PersistentArray<Passage>& passages() noexcept { return passages_; }
  /// The same of training queries.
  [[nodiscard]] PersistentArray<Query>& queries() noexcept { return queries_; }
  /// One past the last passage row.
  [[nodiscard]] Row passage_rows() const noexcept { return n_passages_; }
  /// Elements of a vector.
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  /// What it holds.
  [[nodiscard]] const LiveCounts& counts() const noexcept { return counts_; }
  /// The latest time of an event that came.
  [[nodiscard]] std::int64_t time() const noexcept { return time_; }
  /// Sets that time, as a base has it.
  void set_time(std::int64_t time) noexcept { time_ = time; }

  /// Pairs that wait for an id.
  [[nodiscard]] const WaitingPairs& waiting() const noexcept { return waiting_; }

 private:
  using Rows = std::unordered_map<std::string, Row>;

  static constexpr double shortest = 1e-12;  // of vectors
  static constexpr double longest = 1e12;

  [[nodiscard]] static ItemResult refused(std::string_view reason) {
    return {ItemStatus::refused, std::string(reason)};
  }
  [[nodiscard]] static ItemResult unchanged() { return {ItemStatus::unchanged, {}}; }

  [[nodiscard]] static std::optional<Row> find(const Rows& rows, const std::string& id) {
    const auto found = rows.find(id);
    return found == rows.end() ? std::nullopt : std::optional(found->second);
  }

  [[nodiscard]] std::optional<ItemResult> wrong_vector(std::span<const float> vector) const {
    if (vector.size() != dim_) {
      return refused(pefa::detail::join_message("its vector has dim ", vector.size(), ", expected ", dim_));
    }
    double squares = 0.0;
    for (const float x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
    if (!(squares > 0.0)) return refused("its vector is zero, which has no direction to search by");
    // What the fits make of longer or shorter ones may leave the range of float, here or when the log is replayed.
    if (!(squares >= shortest * shortest && squares <= longest * longest)) {
      return refused(pefa::detail::join_message("its vector has length ", std::sqrt(squares), ", expected ", shortest,
                                                " to ", longest));
    }
    return std::nullopt;
  }

  /// The record of a passage, for this batch's writes.
  [[nodiscard]] LivePassage& open_passage(Row row) {
    std::shared_ptr<LivePassage>& open = open_passages_[row];
    if (open == nullptr) {
      open = std::make_shared<LivePassage>(*passages_[row]);
      passages_.edit(row) = open;
    }
    return *open;
  }
  [[nodiscard]] LiveQuery& open_query(Row row) {
    std::shared_ptr<LiveQuery>& open = open_queries_[row];
    if (open == nullptr) {
      open = std::make_shared<LiveQuery>(*queries_[row]);
      queries_.edit(row) = open;
    }
    return *open;
  }

  /// Counts a training query that is served from now on (+1), or no longer (−1).
  void serve(const LiveQuery& query, int sign) {
    double squares = 0.0;
    for (std::size_t d = 0; d < dim_; ++d) {
      const auto x = static_cast<double>(query.vector.get()[d]);
      squares += x * x;
    }
    counts_.squares += sign > 0 ? squares : -squares;
    counts_.served += sign > 0 ? std::size_t{1} : ~std::size_t{0};
  }

  /// Y_ij anew, once the batch is through, where a total changed. @param passage  whose total it was
  void weigh_anew(Row query, Row passage) {
    weighed_anew_.insert(query);
    changes_.voted.push_back(passage);
  }

  [[nodiscard]] ItemResult on(const UpsertPassage& event) {
    if (auto wrong = wrong_vector(event.vector)) return *std::move(wrong);
    Row row = 0;
    if (const auto known = find(passage_rows_, event.id)) {
      row = *known;
      LivePassage& passage = open_passage(row);
      passage.vector = share_vector(event.vector);
      passage.tags = event.tags;
    } else {
      if (n_passages_ == std::numeric_limits<std::int32_t>::max()) return refused("there are 2^31 passages already");
      row = n_passages_++;
      auto passage = std::make_shared<LivePassage>(LivePassage{event.id, event.tags, share_vector(event.vector), {}});
      open_passages_[row] = passage;
      passages_.edit(row) = std::move(passage);
      passage_rows_.emplace(event.id, row);
      ++counts_.passages;
      retry(WaitsFor::passage, event.id);
    }
    changes_.moved.push_back(row);
    return {};
  }

  [[nodiscard]] ItemResult on(const RemovePassage& event) {
    const auto row = find(passage_rows_, event.id);
    if (!row) return unchanged();
    waiting_.wait_for_passage(event.id);
    const Passage passage = passages_[*row];
    for (const Row query : std::vector<Row>(passage->queries)) drop_pair(query, *row);
    passage_rows_.erase(event.id);
    open_passages_.erase(*row);
    passages_.edit(*row) = nullptr;
    --counts_.passages;
    changes_.moved.push_back(*row);
    return {};
  }

  [[nodiscard]] ItemResult on(const UpsertQuery& event) {
    if (auto wrong = wrong_vector(event.vector)) return *std::move(wrong);
    Row row = 0;
    if (const auto known = find(query_rows_, event.id)) {
      row = *known;
      LiveQuery& query = open_query(row);
      const bool is_served = !query.passages.empty();
      if (is_served) serve(query, -1);
      query.vector = share_vector(event.vector);
      if (is_served) serve(query, 1);
      if (query.owner != event.owner) {
        disown(query.owner, row);
        query.owner = event.owner;
        if (!event.owner.empty()) owners_[event.owner].insert(row);
      }
      for (const std::int32_t passage : query.passages) changes_.voted.push_back(static_cast<Row>(passage));
    } else {
      if (counts_.queries >= params_.max_queries || n_queries_ == std::numeric_limits<std::int32_t>::max()) {
        return refused(pefa::detail::join_message("there are ", counts_.queries, " training queries already"));
      }
      row = n_queries_++;
      auto query = std::make_shared<LiveQuery>();
      query->id = event.id;
      query->owner = event.owner;
      query->vector = share_vector(event.vector);
      open_queries_[row] = query;
      queries_.edit(row) = std::move(query);
      query_rows_.emplace(event.id, row);
      if (!event.owner.empty()) owners_[event.owner].insert(row);
      ++counts_.queries;
      retry(WaitsFor::query, event.id);
    }
    changes_.queries.push_back(row);
    return {};
  }

  [[nodiscard]] ItemResult on(const AddPair& event) {
    const auto passage = find(passage_rows_, event.passage);
    const auto query = find(query_rows_, event.query);
    if (!passage || !query) {
      auto what = pefa::detail::join_message(!passage ? "passage '" : "training query '",
                                             !passage ? event.passage : event.query, "' is not known");
      if (params_.unknown == UnknownIds::refuse) return refused(what);
      if (waiting_.size() >= params_.max_parked) {
        return refused(pefa::detail::join_message(what, ", and ", waiting_.size(), " pairs wait already"));
      }
      park(event);
      return {ItemStatus::parked, std::move(what)};
    }
    LiveQuery& record = open_query(*query);
    const std::size_t at = record.find(*passage);
    const bool is_known = record.has(*passage, at);
    const auto weight = static_cast<double>(event.weight);
    double total = weight;
    if (is_known && params_.duplicates == DuplicatePolicy::sum) total += record.totals[at];
    if (is_known && params_.duplicates == DuplicatePolicy::max) total = std::max(total, record.totals[at]);
    if (!pefa::detail::is_finite(static_cast<float>(total))) {
      return refused("the weights of this pair add up to more than a float holds");
    }
    const auto place = static_cast<std::ptrdiff_t>(at);
    if (!is_known) {
      if (record.passages.empty()) {
        serve(record, 1);
        changes_.queries.push_back(*query);
      }
      record.passages.insert(record.passages.begin() + place, static_cast<std::int32_t>(*passage));
      record.totals.insert(record.totals.begin() + place, 0.0);
      std::vector<Row>& queries = open_passage(*passage).queries;
      queries.insert(std::lower_bound(queries.begin(), queries.end(), *query), *query);
      ++counts_.pairs;
    }
    counts_.weight += total - record.totals[at];
    counts_.changed_weight += std::abs(total - record.totals[at]);
    record.totals[at] = total;
    if (is_known && params_.weighting == Weighting::binary) return {};
    weigh_anew(*query, *passage);
    return {};
  }

  [[nodiscard]] ItemResult on(const RetractPair& event) {
    const bool was_parked =
        waiting_.drop([&](const AddPair& pair) { return pair.query == event.query && pair.passage == event.passage; });
    const auto passage = find(passage_rows_, event.passage);
    const auto query = find(query_rows_, event.query);
    if (!passage || !query || !queries_[*query]->has(*passage, queries_[*query]->find(*passage))) {
      return was_parked ? ItemResult{} : unchanged();
    }
    drop_pair(*query, *passage);
    return {};
  }

  [[nodiscard]] ItemResult on(const ForgetQuery& event) {
    ++counts_.forgotten;  // unknown ones too: files may hold what was retired, retracted or refused
    const bool was_parked = waiting_.drop([&](const AddPair& pair) { return pair.query == event.id; });
    const auto row = find(query_rows_, event.id);
    if (!row) return was_parked ? ItemResult{} : unchanged();
    disown(queries_[*row]->owner, *row);
    take_out(*row);
    return {};
  }

  /// Pairs that wait go on waiting: the training query may come again.
  [[nodiscard]] ItemResult on(const RetireQuery& event) {
    const auto row = find(query_rows_, event.id);
    if (!row) return unchanged();
    disown(queries_[*row]->owner, *row);
    take_out(*row);
    return {};
  }

  [[nodiscard]] ItemResult on(const ForgetOwner& event) {
    ++counts_.forgotten;
    const auto owned = owners_.find(event.owner);
    if (owned == owners_.end()) return unchanged();
    std::unordered_set<std::string> ids;
    std::vector<Row> rows(owned->second.begin(), owned->second.end());
    std::sort(rows.begin(), rows.end());
    owners_.erase(owned);
    for (const Row row : rows) {
      ids.insert(queries_[row]->id);
      take_out(row);
    }
    (void)waiting_.drop([&](const AddPair& pair) { return ids.contains(pair.query); });
    return {};
  }

  /// Takes a training query out, but for its owner's list.
  void take_out(Row row) {
    const Query query = queries_[row];
    const std::vector<std::int32_t> passages = query->passages;
    for (const std::int32_t passage : passages) drop_pair(row, static_cast<Row>(passage));
    query_rows_.erase(query->id);
    open_queries_.erase(row);
    queries_.edit(row) = nullptr;
    --counts_.queries;
    changes_.queries.push_back(row);
  }

  void disown(const std::string& owner, Row row) {
    const auto owned = owners_.find(owner);
    if (owned == owners_.end()) return;
    owned->second.erase(row);
    if (owned->second.empty()) owners_.erase(owned);
  }

  /// Takes out a pair that is there.
  void drop_pair(Row query, Row passage) {
    LiveQuery& record = open_query(query);
    const auto at = static_cast<std::ptrdiff_t>(record.find(passage));
    const double total = record.totals[static_cast<std::size_t>(at)];
    record.passages.erase(record.passages.begin() + at);
    record.totals.erase(record.totals.begin() + at);
    std::vector<Row>& queries = open_passage(passage).queries;
    queries.erase(std::lower_bound(queries.begin(), queries.end(), query));
    --counts_.pairs;
    counts_.weight -= total;
    counts_.changed_weight += total;
    weigh_anew(query, passage);
    if (!record.passages.empty()) return;
    serve(record, -1);
    changes_.queries.push_back(query);
  }

  /// Lets a pair wait: for its passage, and once that is known for its training query.
  void park(const AddPair& pair) {
    waiting_.add(pair, passage_rows_.contains(pair.passage) ? WaitsFor::query : WaitsFor::passage);
  }

  /// Adds the pairs that waited for an id, or lets them wait for their other one.
  void retry(WaitsFor came, const std::string& id) {
    for (const AddPair& pair : waiting_.take(came, id)) {
      if (passage_rows_.contains(pair.passage) && query_rows_.contains(pair.query)) {
        (void)on(pair);
      } else {
        park(pair);
      }
    }
  }

  std::size_t dim_;
  CountingParams params_;
  PersistentArray<Passage> passages_;
  PersistentArray<Query> queries_;
  Row n_passages_ = 0;
  Row n_queries_ = 0;
  Rows passage_rows_;
  Rows query_rows_;
  std::unordered_map<std::string, std::unordered_set<Row>> owners_;
  WaitingPairs waiting_;
  LiveChanges changes_;
  std::unordered_set<Row> weighed_anew_;  // training queries whose weights wait for the end of the batch
  LiveCounts counts_;
  std::int64_t time_ = 0;
  std::unordered_map<Row, std::shared_ptr<LivePassage>> open_passages_;  // records that no search sees yet
  std::unordered_map<Row, std::shared_ptr<LiveQuery>> open_queries_;
};

}  // namespace pefa::live::detail
