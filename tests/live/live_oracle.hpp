// What a live retriever must answer, the slow way: maps by id, dense rows in double, every score from the equations.
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/whitening.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "support.hpp"

namespace pefa::test {

/// P, Q, Y and the fits of the last merge.
class LiveOracle {
 public:
  using Vector = Eigen::VectorXd;
  struct Scored {
    std::string id;
    double score;
  };

  LiveOracle(const RetrieverSpec& spec, const live::CountingParams& counting) : spec_(spec), counting_(counting) {}

  void apply(const live::Event& event) {
    std::visit(
        [this](const auto& item) {
          time_ = std::max(time_, item.time);
          on(item);
        },
        event);
  }

  /// Fits to what is there, as a merge does.
  void fit() {
    has_forgotten_ = false;
    whitening_.reset();
    least_squares_.reset();
    frozen_r_.clear();
    frozen_queries_.clear();
    const double factor = counting_.half_life > 0.0 && has_merged_
                              ? std::exp2(-static_cast<double>(time_ - landmark_) / counting_.half_life)
                              : 1.0;
    has_merged_ = true;
    landmark_ = time_;
    for (auto& [pair, total] : totals_) total *= factor;
    const auto y = weights();
    std::vector<std::string> passage_ids;
    for (const auto& [id, passage] : passages_) passage_ids.push_back(id);
    std::vector<std::string> query_ids;
    for (const auto& [id, query] : queries_) {
      if (std::any_of(y.begin(), y.end(), [&, key = id](const auto& entry) { return entry.first.first == key; })) {
        query_ids.push_back(id);
      }
    }
    is_fitted_ = spec_.method != Method::erm && !query_ids.empty();
    if (!is_fitted_) return;
    RowMajorMatrix p(static_cast<Eigen::Index>(passage_ids.size()), dim());
    RowMajorMatrix q(static_cast<Eigen::Index>(query_ids.size()), dim());
    for (std::size_t j = 0; j < passage_ids.size(); ++j) {
      p.row(static_cast<Eigen::Index>(j)) = passages_.at(passage_ids[j]).cast<float>();
    }
    for (std::size_t i = 0; i < query_ids.size(); ++i) {
      q.row(static_cast<Eigen::Index>(i)) = queries_.at(query_ids[i]).vector.cast<float>();
    }
    std::vector<RelevancePair> pairs;
    for (std::size_t i = 0; i < query_ids.size(); ++i) {
      for (std::size_t j = 0; j < passage_ids.size(); ++j) {
        const auto found = y.find({query_ids[i], passage_ids[j]});
        if (found == y.end()) continue;
        pairs.push_back(
            {QueryId(static_cast<Row>(i)), PassageId(static_cast<Row>(j)), static_cast<float>(found->second)});
      }
    }
    const auto relevance = RelevanceMatrix::from_pairs(pairs, query_ids.size(), passage_ids.size());
    const bool is_xl = spec_.method == Method::xl;
    if (spec_.whitened == Whitened::all || (is_xl && spec_.whitened == Whitened::queries)) {
      whitening_ = Whitening::fit(EmbeddingView<float>(q), relevance, spec_.whitening);
    }
    if (spec_.rule == FoldRule::least_squares && fold_lambda() < 1.0) {
      for (Eigen::Index j = 0; j < p.rows() && whitens_all(); ++j) {
        p.row(j) = whiten(p.row(j).cast<double>()).cast<float>();
      }
      RowMajorMatrix own = q;
      for (Eigen::Index i = 0; i < q.rows() && whitens_all(); ++i) {
        own.row(i) = whiten(q.row(i).cast<double>()).cast<float>();
      }
      least_squares_ = LeastSquares::fit(EmbeddingView<float>(p), EmbeddingView<float>(own), spec_.least_squares);
      inverse_ = least_squares_->inverse();
    }
    if (!is_xl || spec_.hubness == 0.0f) return;
    for (const std::string& id : query_ids) frozen_queries_.push_back(similar(queries_.at(id).vector));
    double sum = 0.0;
    for (std::size_t i = 0; i < query_ids.size(); ++i) {
      frozen_r_[query_ids[i]] = hubness(frozen_queries_[i], i);
      sum += frozen_r_[query_ids[i]];
    }
    mean_r_ = sum / static_cast<double>(query_ids.size());
  }

  /// All passages, best first. Nothing where the nearest training queries are a matter of rounding.
  [[nodiscard]] std::optional<std::vector<Scored>> answer(const Vector& query) const {
    const auto y = weights();
    const Vector asked = whitens_all() ? whiten(query) : query;
    std::map<std::string, double> votes;
    const bool is_xl = spec_.method == Method::xl;
    if (is_xl) {
      struct Near {
        double ranked_by, similarity;
        std::string id;
      };
      std::vector<Near> nearest;
      const Vector mine = similar(query);
      for (const auto& [id, entry] : queries_) {
        if (std::none_of(y.begin(), y.end(), [&, key = id](const auto& pair) { return pair.first.first == key; })) {
          continue;
        }
        const Vector other = similar(entry.vector);
        const double s = mine.dot(other);
        double offset = 0.0;
        if (!frozen_queries_.empty()) {
          const auto frozen = frozen_r_.find(id);
          const double r = frozen != frozen_r_.end() ? frozen->second : hubness(other, frozen_queries_.size());
          offset = static_cast<double>(spec_.hubness) * (r - mean_r_);
        }
        nearest.push_back({s - offset, s, id});
      }
      std::sort(nearest.begin(), nearest.end(), [](const Near& a, const Near& b) { return a.ranked_by > b.ranked_by; });
      const std::size_t k = std::min(spec_.neighbors, nearest.size());
      if (k < nearest.size() && nearest[k - 1].ranked_by - nearest[k].ranked_by < 1e-5) return std::nullopt;
      nearest.resize(k);
      std::vector<float> seen(k);
      std::vector<float> gated(k);
      for (std::size_t i = 0; i < k; ++i) seen[i] = static_cast<float>(nearest[i].ranked_by);
      if (k > 0) {
        GateScratch scratch;
        make_gate(spec_.gate)(seen, {}, 0, gated, scratch);
      }
      for (std::size_t i = 0; i < k; ++i) {
        for (const auto& [pair, weight] : y) {
          if (pair.first == nearest[i].id) {
            votes[pair.second] += static_cast<double>(gated[i]) * nearest[i].similarity * weight;
          }
        }
      }
    }
    std::vector<Scored> scored;
    const auto lambda = static_cast<double>(spec_.lambda);
    for (const auto& [id, passage] : passages_) {
      const double erm = asked.dot(row_of(id, passage, y));
      const auto vote = votes.find(id);
      const double knn = vote == votes.end() ? 0.0 : vote->second;
      scored.push_back({id, is_xl ? lambda * erm + (1.0 - lambda) * knn : erm});
    }
    std::sort(scored.begin(), scored.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
    return scored;
  }

  [[nodiscard]] std::size_t passages() const { return passages_.size(); }
  [[nodiscard]] std::size_t queries() const { return queries_.size(); }
  [[nodiscard]] std::size_t pairs() const { return totals_.size(); }
  [[nodiscard]] std::size_t parked() const { return parked_.size(); }
  /// Whether something was forgotten since the last merge.
  [[nodiscard]] bool has_forgotten() const { return has_forgotten_; }

 private:
  struct Query {
    Vector vector;
    std::string owner;
  };
  using Pair = std::pair<std::string, std::string>;

  [[nodiscard]] Eigen::Index dim() const { return passages_.begin()->second.size(); }
  [[nodiscard]] bool whitens_all() const { return whitening_ && spec_.whitened == Whitened::all; }
  [[nodiscard]] double fold_lambda() const {
    if (spec_.method == Method::erm) return 1.0;
    return static_cast<double>(spec_.method == Method::xs ? spec_.lambda : spec_.fold);
  }

  [[nodiscard]] Vector whiten(const Vector& x) const {
    const Eigen::VectorXf from = x.cast<float>();
    Eigen::VectorXf to(static_cast<Eigen::Index>(whitening_->rank()));
    whitening_->apply({from.data(), static_cast<std::size_t>(from.size())},
                      {to.data(), static_cast<std::size_t>(to.size())});
    return to.cast<double>();
  }
  /// As training queries are compared.
  [[nodiscard]] Vector similar(const Vector& x) const { return whitening_ ? whiten(x) : x; }

  /// The mean similarity to the 10 nearest of the merge's training queries. @param self  left out
  [[nodiscard]] double hubness(const Vector& query, std::size_t self) const {
    std::vector<double> similarities;
    for (std::size_t i = 0; i < frozen_queries_.size(); ++i) {
      if (i != self) similarities.push_back(frozen_queries_[i].dot(query));
    }
    std::sort(similarities.begin(), similarities.end(), std::greater<>());
    similarities.resize(std::min<std::size_t>(10, similarities.size()));
    double sum = 0.0;
    for (const double s : similarities) sum += s;
    return similarities.empty() ? 0.0 : sum / static_cast<double>(similarities.size());
  }

  /// Y by ids.
  [[nodiscard]] std::map<Pair, double> weights() const {
    std::map<std::string, double> sums;
    for (const auto& [pair, total] : totals_) sums[pair.first] += total;
    std::map<Pair, double> y;
    for (const auto& [pair, total] : totals_) {
      switch (counting_.weighting) {
        case live::Weighting::total: y[pair] = total; break;
        case live::Weighting::binary: y[pair] = 1.0; break;
        case live::Weighting::log1p: y[pair] = std::log1p(total); break;
        case live::Weighting::row_normalized: y[pair] = total / sums[pair.first]; break;
      }
    }
    return y;
  }

  [[nodiscard]] Vector row_of(const std::string& id, const Vector& passage, const std::map<Pair, double>& y) const {
    const Vector p = whitens_all() ? whiten(passage) : passage;
    const double lambda = fold_lambda();
    if (lambda == 1.0) return p;
    Vector sum = Vector::Zero(p.size());
    bool is_cold = true;
    for (const auto& [pair, weight] : y) {
      if (pair.second != id) continue;
      const Vector& q = queries_.at(pair.first).vector;
      sum += weight * (whitens_all() ? whiten(q) : q);
      is_cold = false;
    }
    if (least_squares_) {
      if (spec_.least_squares.passages_as_queries > 0.0f) {
        sum += static_cast<double>(spec_.least_squares.passages_as_queries) * p;
        is_cold = false;
      }
      sum = inverse_ * sum;
    }
    if (is_cold) return spec_.cold == ColdPassage::erm ? p : Vector(lambda * p);
    return lambda * p + (1.0 - lambda) * sum.normalized();
  }

  [[nodiscard]] static Vector vector_of(const std::vector<float>& values) {
    return Eigen::Map<const Eigen::VectorXf>(values.data(), static_cast<Eigen::Index>(values.size())).cast<double>();
  }

  void on(const live::UpsertPassage& event) {
    passages_[event.id] = vector_of(event.vector);
    unpark();
  }
  void on(const live::RemovePassage& event) {
    passages_.erase(event.id);
    std::erase_if(totals_, [&](const auto& entry) { return entry.first.second == event.id; });
  }
  void on(const live::UpsertQuery& event) {
    queries_[event.id] = {vector_of(event.vector), event.owner};
    frozen_r_.erase(event.id);
    unpark();
  }
  void on(const live::AddPair& event) {
    if (!passages_.contains(event.passage) || !queries_.contains(event.query)) {
      if (counting_.unknown == live::UnknownIds::park) parked_.push_back(event);
      return;
    }
    double& total = totals_[{event.query, event.passage}];
    switch (counting_.duplicates) {
      case DuplicatePolicy::sum: total += static_cast<double>(event.weight); break;
      case DuplicatePolicy::max: total = std::max(total, static_cast<double>(event.weight)); break;
      case DuplicatePolicy::last: total = static_cast<double>(event.weight); break;
    }
  }
  void on(const live::RetractPair& event) {
    totals_.erase({event.query, event.passage});
    std::erase_if(parked_,
                  [&](const auto& pair) { return pair.query == event.query && pair.passage == event.passage; });
  }
  void on(const live::ForgetQuery& event) {
    has_forgotten_ = true;
    on(live::RetireQuery{event.id});
    std::erase_if(parked_, [&](const auto& pair) { return pair.query == event.id; });
  }
  void on(const live::RetireQuery& event) {
    queries_.erase(event.id);
    frozen_r_.erase(event.id);
    std::erase_if(totals_, [&](const auto& entry) { return entry.first.first == event.id; });
  }
  void on(const live::ForgetOwner& event) {
    has_forgotten_ = true;
    std::vector<std::string> ids;
    for (const auto& [id, query] : queries_) {
      if (query.owner == event.owner) ids.push_back(id);
    }
    for (const std::string& id : ids) on(live::ForgetQuery{id});
  }
  void unpark() {
    std::vector<live::AddPair> waiting;
    waiting.swap(parked_);
    for (const live::AddPair& pair : waiting) on(pair);
  }

  RetrieverSpec spec_;
  live::CountingParams counting_;
  std::map<std::string, Vector> passages_;
  std::map<std::string, Query> queries_;
  std::map<Pair, double> totals_;
  std::vector<live::AddPair> parked_;
  std::int64_t time_ = 0;
  std::int64_t landmark_ = 0;
  bool has_merged_ = false;
  bool is_fitted_ = false;
  bool has_forgotten_ = false;
  std::optional<Whitening> whitening_;
  std::optional<LeastSquares> least_squares_;
  Eigen::MatrixXd inverse_;
  std::vector<Vector> frozen_queries_;
  std::map<std::string, double> frozen_r_;
  double mean_r_ = 0.0;
};

}  // namespace pefa::test
