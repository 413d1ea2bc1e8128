// pefa: pairs whose passage or training query is not known yet. It knows nothing of which ids are: it is told what a
// pair waits for, and asked when an id comes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pefa/live/event.hpp"

namespace pefa::live::detail {

/// Which of its two ids a pair waits for.
enum class WaitsFor { passage, query };

/// Pairs by the id that they wait for. Not for concurrent use.
class WaitingPairs {
 public:
  /// How many pairs.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// All of them, in an order that they alone decide.
  [[nodiscard]] std::vector<AddPair> pairs() const {
    std::vector<AddPair> all;
    for (const auto* waiting : {&for_passage_, &for_query_}) {
      for (const auto& [id, pairs] : *waiting) all.insert(all.end(), pairs.begin(), pairs.end());
    }
    return all;
  }

  /// Lets a pair wait for one of its ids.
  void add(const AddPair& pair, WaitsFor missing) {
    (missing == WaitsFor::passage ? for_passage_[pair.passage] : for_query_[pair.query]).push_back(pair);
    if (missing == WaitsFor::query) ++known_passages_[pair.passage];
    ++size_;
  }

  /// Lets the pairs of a passage, which wait for their training queries, wait for it again: it is gone. So the pairs of
  /// one passage and one query wait in one place, in the order in which they came.
  void wait_for_passage(const std::string& passage) {
    if (known_passages_.erase(passage) == 0) return;
    std::vector<AddPair>& waiting = for_passage_[passage];
    for (auto it = for_query_.begin(); it != for_query_.end();) {
      std::vector<AddPair>& pairs = it->second;
      const auto gone = std::stable_partition(pairs.begin(), pairs.end(),
                                              [&](const AddPair& pair) { return pair.passage != passage; });
      waiting.insert(waiting.end(), gone, pairs.end());
      pairs.erase(gone, pairs.end());
      it = pairs.empty() ? for_query_.erase(it) : std::next(it);
    }
  }

  /// Takes out those that wait for an id, in the order in which they came.
  [[nodiscard]] std::vector<AddPair> take(WaitsFor missing, const std::string& id) {
    PairsOfId& waiting = missing == WaitsFor::passage ? for_passage_ : for_query_;
    const auto found = waiting.find(id);
    if (found == waiting.end()) return {};
    std::vector<AddPair> pairs = std::move(found->second);
    waiting.erase(found);
    size_ -= pairs.size();
    if (missing == WaitsFor::query) {
      for (const AddPair& pair : pairs) let_go(pair);
    }
    return pairs;
  }

  /// Drops those that a predicate holds for. @return  whether there were any
  template <class Predicate>
  bool drop(const Predicate& predicate) {
    const std::size_t before = size_;
    for (PairsOfId* waiting : {&for_passage_, &for_query_}) {
      for (auto it = waiting->begin(); it != waiting->end();) {
        size_ -= std::erase_if(it->second, [&](const AddPair& pair) {
          if (!predicate(pair)) return false;
          if (waiting == &for_query_) let_go(pair);
          return true;
        });
        it = it->second.empty() ? waiting->erase(it) : std::next(it);
      }
    }
    return size_ != before;
  }

 private:
  using PairsOfId = std::map<std::string, std::vector<AddPair>>;

  /// Counts a pair out that waited for its training query.
  void let_go(const AddPair& pair) {
    const auto known = known_passages_.find(pair.passage);
    if (--known->second == 0) known_passages_.erase(known);
  }

  PairsOfId for_passage_;
  PairsOfId for_query_;
  std::unordered_map<std::string, std::size_t> known_passages_;  ///< how many pairs of each are in for_query_
  std::size_t size_ = 0;
};

}  // namespace pefa::live::detail
