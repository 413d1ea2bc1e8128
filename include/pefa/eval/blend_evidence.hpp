// pefa: what the validation queries find on either side of a blend: the training queries near them in some spaces, and
// the passages that some plain sides offer. Once it is collected, a setting costs little more than its votes.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/eval/fitted_grid.hpp"
#include "pefa/eval/fold_fits.hpp"
#include "pefa/eval/score_tiles.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/simd/score_panels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// The training queries near one validation query, nearest first.
struct NearQueries {
  std::vector<QueryId> queries;     ///< rows of the whole Q
  std::vector<float> ranked;        ///< s_i − β·r_i
  std::vector<float> similarities;  ///< s_i
  std::vector<float> products;      ///< ⟨q_i, q_j⟩ of the first most_local_neighbors, j <= i, row after row
};

/// What one plain side has for one validation query.
struct PlainOffers {
  std::vector<std::vector<Neighbor>> best;  ///< by λ of the fold: the passages ahead, best first
  std::vector<float> erm;                   ///< ⟨q̂, p_j⟩ of the named passages
  std::vector<float> pseudo;                ///< ⟨q̂, C_j⟩ of the same
};

/// The evidence of all validation queries, fold after fold.
template <class = void>
class BlendEvidence {
 public:
  /// Everything passed by reference must outlive it.
  /// @param folds  λ of the fold: every value that offers are made for  @param most_neighbors  the largest k
  /// @param depth  how many passages a metric looks at
  BlendEvidence(const EmbeddingView<float>& passages, const EmbeddingView<float>& queries,
                const RelevanceMatrix& relevance, const std::vector<std::vector<QueryId>>& held_out,
                std::vector<float> folds, std::size_t most_neighbors, std::size_t depth, const AnyExecutor& executor)
      : passages_(passages),
        queries_(queries),
        relevance_(relevance),
        held_out_(held_out),
        folds_(std::move(folds)),
        most_neighbors_(most_neighbors),
        depth_(depth),
        executor_(executor),
        moments_(held_out.size()) {
    std::size_t size = 0;
    for (const auto& fold : held_out) size += fold.size();
    named_.resize(size);
  }

  /// How many validation queries.
  [[nodiscard]] std::size_t size() const noexcept { return named_.size(); }

  /// Looks up what the specs ask for and is not there; what they do not ask for goes.
  /// @param near   by space and β  @param bases  by what the plain side is folded from
  /// @throws Cancelled
  void collect(const std::vector<RetrieverSpec>& near, const std::vector<RetrieverSpec>& bases, ProgressMeter& meter) {
    const std::size_t had = near_.size();
    keep(near_, near, &is_same_neighbourhood);
    const std::size_t new_near = near_.size();
    for (const RetrieverSpec& spec : near) {
      if (near_of(spec) == nullptr) near_.push_back({spec, std::vector<NearQueries>(size())});
    }
    const bool are_same_near = had == new_near && near_.size() == new_near;
    if (!are_same_near) bases_.clear();  // other neighbours name other passages
    keep(bases_, bases, &is_same_base);
    const std::size_t new_bases = bases_.size();
    for (const RetrieverSpec& spec : bases) {
      if (found(bases_, spec, &is_same_base) == nullptr) bases_.push_back({spec, std::vector<PlainOffers>(size())});
    }
    if (are_same_near && bases_.size() == new_bases) return;
    std::size_t first = 0;
    for (std::size_t f = 0; f < held_out_.size(); ++f) {
      FoldFits<> fits(passages_, queries_, relevance_, held_out_[f], moments_[f], passage_moment_, executor_);
      for (std::size_t n = new_near; n < near_.size(); ++n) {
        const bool is_first = std::none_of(near_.begin() + static_cast<std::ptrdiff_t>(new_near),
                                           near_.begin() + static_cast<std::ptrdiff_t>(n),
                                           [&](const auto& other) { return is_same_space(other.spec, near_[n].spec); });
        if (is_first) look_up(fits, held_out_[f], first, n);
        meter.poll();
      }
      if (!are_same_near) name_passages(first, held_out_[f].size());
      for (std::size_t b = new_bases; b < bases_.size(); ++b) {
        sweep(fits, held_out_[f], first, bases_[b]);
        meter.poll();
      }
      first += held_out_[f].size();
    }
  }

  /// By validation query; nullptr where it was not collected.
  [[nodiscard]] const std::vector<NearQueries>* near_of(const RetrieverSpec& spec) const {
    return found(near_, spec, &is_same_neighbourhood);
  }
  /// By validation query; a spec without a fold takes any side over raw passages.
  [[nodiscard]] const std::vector<PlainOffers>* offers_of(const RetrieverSpec& spec) const {
    const auto* same = found(bases_, spec, &is_same_base);
    if (same != nullptr || spec.method != Method::xl || spec.fold < 1.0f) return same;
    return found(bases_, spec, [](const RetrieverSpec& a, const RetrieverSpec& b) {
      return (a.whitened == Whitened::all) == (b.whitened == Whitened::all) &&
             (a.whitened != Whitened::all || a.whitening == b.whitening);
    });
  }
  /// Where offers of this λ stand among PlainOffers::best.
  [[nodiscard]] std::size_t place_of(float fold) const {
    return static_cast<std::size_t>(std::find(folds_.begin(), folds_.end(), fold) - folds_.begin());
  }
  /// The passages that the neighbours of validation query i vote for, ascending.
  [[nodiscard]] const std::vector<Row>& named(std::size_t i) const { return named_[i]; }

 private:
  template <class T>
  struct Collected {
    RetrieverSpec spec;
    std::vector<T> by_query;
  };

  template <class T, class Same>
  [[nodiscard]] static const std::vector<T>* found(const std::vector<Collected<T>>& all, const RetrieverSpec& spec,
                                                   const Same& same) {
    for (const auto& each : all) {
      if (same(each.spec, spec)) return &each.by_query;
    }
    return nullptr;
  }

  template <class T, class Same>
  static void keep(std::vector<Collected<T>>& all, const std::vector<RetrieverSpec>& wanted, const Same& same) {
    std::erase_if(all, [&](const auto& each) {
      return std::none_of(wanted.begin(), wanted.end(), [&](const auto& spec) { return same(each.spec, spec); });
    });
  }

  /// Fills in the neighbours in one space, under every β that is missing from `n` on.
  void look_up(FoldFits<>& fits, const std::vector<QueryId>& held_out, std::size_t first, std::size_t n) {
    std::vector<std::size_t> wanted;
    bool needs_hubness = false;
    for (std::size_t other = n; other < near_.size(); ++other) {
      if (!is_same_space(near_[other].spec, near_[n].spec)) continue;
      wanted.push_back(other);
      needs_hubness |= near_[other].spec.hubness > 0.0f;
    }
    const FoldSpace space = fits.space(near_[n].spec, needs_hubness);
    const std::size_t k = std::min(most_neighbors_, space.queries.size());
    for_each_block(executor_, held_out.size(), tile_queries, [&](std::size_t begin, std::size_t end) {
      const RowMajorMatrix queries = decode(held_out, begin, end, space.whitening);
      simd::QueryBlock block = block_of(queries);
      const std::size_t count = end - begin;
      std::vector<TopK> best(wanted.size() * count, TopK(k));
      std::vector<float> ranked(tile_rows);
      for_each_tile(
          block, space.queries.view(), space.queries.size(), [](std::size_t i) { return i; },
          [&](std::size_t from, const RowMajorMatrix& scores) {
            const auto width = static_cast<std::size_t>(scores.cols());
            for (std::size_t w = 0; w < wanted.size(); ++w) {
              const float beta = near_[wanted[w]].spec.hubness;
              for (std::size_t q = 0; q < count; ++q) {
                const float* row = scores.data() + q * width;
                if (beta > 0.0f) {
                  for (std::size_t i = 0; i < width; ++i) ranked[i] = row[i] - beta * space.hubness[from + i];
                  row = ranked.data();
                }
                push_scores(best[w * count + q], row, width, from);
              }
            }
          });
      for (std::size_t w = 0; w < wanted.size(); ++w) {
        const RetrieverSpec& spec = near_[wanted[w]].spec;
        for (std::size_t q = 0; q < count; ++q) {
          near_[wanted[w]].by_query[first + begin + q] =
              near_queries(best[w * count + q].take(), space, spec, fits.training());
        }
      }
    });
  }

  [[nodiscard]] static NearQueries near_queries(const std::vector<Neighbor>& nearest, const FoldSpace& space,
                                                const RetrieverSpec& spec, const std::vector<QueryId>& training) {
    NearQueries near;
    std::vector<Row> rows;
    for (const Neighbor& neighbor : nearest) {
      rows.push_back(neighbor.row);
      near.queries.push_back(training[neighbor.row]);
      near.ranked.push_back(neighbor.score);
      const float hub = spec.hubness > 0.0f ? spec.hubness * space.hubness[neighbor.row] : 0.0f;
      near.similarities.push_back(neighbor.score + hub);
    }
    if (spec.whitened == Whitened::none) return near;
    const std::size_t local = std::min(most_local_neighbors, rows.size());
    near.products.resize(local * (local + 1) / 2);
    const auto dots = simd::dot_rows_kernel<float>();
    for (std::size_t i = 0; i < local; ++i) {
      dots(space.queries.row(rows[i]), space.queries.row(0), space.queries.dim(), space.queries.dim(), rows.data(),
           i + 1, nullptr, near.products.data() + i * (i + 1) / 2);
    }
    return near;
  }

  /// Lists what the neighbours name, of all spaces together.
  void name_passages(std::size_t first, std::size_t count) {
    for_each_block(executor_, count, tile_queries, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = first + begin; i < first + end; ++i) {
        std::vector<Row>& named = named_[i];
        named.clear();
        for (const auto& near : near_) {
          for (const QueryId query : near.by_query[i].queries) {
            for (const auto passage : relevance_.passages_of(query).columns) {
              named.push_back(static_cast<Row>(passage));
            }
          }
        }
        std::sort(named.begin(), named.end());
        named.erase(std::unique(named.begin(), named.end()), named.end());
      }
    });
  }

  /// What one plain side offers the queries of a fold.
  void sweep(FoldFits<>& fits, const std::vector<QueryId>& held_out, std::size_t first, Collected<PlainOffers>& base) {
    std::optional<FoldSpace> space;
    std::optional<EmbeddingStore<float>> whitened;
    const BuildOptions building{executor_, {}};
    if (base.spec.whitened == Whitened::all) {
      space = fits.space(base.spec, false);
      whitened = space->whitening->apply(passages_, building);
    }
    const EmbeddingView<float> passages = whitened ? whitened->view() : passages_;
    const EmbeddingStore<float> pseudo =
        space ? FoldFits<>::pseudo_embeddings(passages, space->queries.view(), fits.relevance(), base.spec, building)
              : fits.pseudo_embeddings(base.spec);
    const std::optional<Whitening> raw;
    std::vector<char> keeps_plain(passages_.size(), 0);  // cold, and nothing stands for its queries
    const bool has_own = is_own_query(base.spec.rule, base.spec.least_squares);
    for (std::size_t j = 0; j < passages_.size(); ++j) {
      const bool is_cold = fits.relevance().queries_of(PassageId(static_cast<Row>(j))).size() == 0;
      keeps_plain[j] = is_cold && !has_own && base.spec.cold == ColdPassage::erm ? 1 : 0;
    }
    for_each_block(executor_, held_out.size(), tile_queries, [&](std::size_t begin, std::size_t end) {
      const RowMajorMatrix queries = decode(held_out, begin, end, space ? space->whitening : raw);
      simd::QueryBlock block = block_of(queries);
      const std::size_t count = end - begin;
      std::vector<TopK> best;
      std::vector<std::size_t> next(count, 0);  // of the named passages
      for (std::size_t q = 0; q < count; ++q) {
        const std::size_t named = named_[first + begin + q].size();
        const std::size_t offered = std::min(depth_ + votes_below_zero(first + begin + q), passages_.size());
        best.insert(best.end(), folds_.size(), TopK(offered));
        base.by_query[first + begin + q].erm.resize(named);
        base.by_query[first + begin + q].pseudo.resize(named);
      }
      RowMajorMatrix products;
      std::vector<float> blended(tile_rows);
      for_each_tile(
          block, passages, passages.size(), [](std::size_t i) { return i; },
          [&](std::size_t from, const RowMajorMatrix& erm) {
            const auto width = static_cast<std::size_t>(erm.cols());
            multiply(block, pseudo.row(from), width, products);
            for (std::size_t q = 0; q < count; ++q) {
              const float* plain = erm.data() + q * width;
              float* other = products.data() + q * width;
              for (std::size_t i = 0; i < width; ++i) {
                other[i] = keeps_plain[from + i] != 0 ? plain[i] : rankable(other[i]);
              }
              for (std::size_t f = 0; f < folds_.size(); ++f) {
                blend(folds_[f], plain, other, width, blended.data());
                push_scores(best[q * folds_.size() + f], blended.data(), width, from);
              }
              PlainOffers& offers = base.by_query[first + begin + q];
              const std::vector<Row>& named = named_[first + begin + q];
              for (std::size_t& at = next[q]; at < named.size() && named[at] < from + width; ++at) {
                offers.erm[at] = plain[named[at] - from];
                offers.pseudo[at] = other[named[at] - from];
              }
            }
          });
      for (std::size_t q = 0; q < count; ++q) {
        auto& offers = base.by_query[first + begin + q].best;
        for (std::size_t f = 0; f < folds_.size(); ++f) offers.push_back(best[q * folds_.size() + f].take());
      }
    });
  }

  /// How many passages may be voted down at most, whatever the setting: each makes room for one more.
  [[nodiscard]] std::size_t votes_below_zero(std::size_t i) const {
    std::size_t most = 0;
    for (const auto& near : near_) {
      const NearQueries& found = near.by_query[i];
      std::size_t votes = 0;
      for (std::size_t n = 0; n < found.queries.size(); ++n) {
        const bool is_local = near.spec.whitened != Whitened::none && n < most_local_neighbors;
        if (is_local || found.similarities[n] < 0.0f) votes += relevance_.passages_of(found.queries[n]).size();
      }
      most = std::max(most, votes);
    }
    return most;
  }

  [[nodiscard]] RowMajorMatrix decode(const std::vector<QueryId>& held_out, std::size_t begin, std::size_t end,
                                      const std::optional<Whitening>& whitening) const {
    RowMajorMatrix queries;
    decode_rows(
        queries_, end - begin, [&](std::size_t i) { return held_out[begin + i].row(); }, queries);
    if (!whitening) return queries;
    RowMajorMatrix whitened(queries.rows(), static_cast<Eigen::Index>(whitening->rank()));
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      whitening->apply({queries.row(q).data(), queries_.dim()}, {whitened.row(q).data(), whitening->rank()});
    }
    return whitened;
  }

 public:
  /// out = λ·plain + (1 − λ)·pseudo; a side without weight is left out, be it infinite.
  static void blend(float lambda, const float* plain, const float* pseudo, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = lambda == 1.0f   ? plain[i]
               : lambda == 0.0f ? pseudo[i]
                                : rankable(lambda * plain[i] + (1.0f - lambda) * pseudo[i]);
    }
  }

 private:
  const EmbeddingView<float>& passages_;
  const EmbeddingView<float>& queries_;
  const RelevanceMatrix& relevance_;
  const std::vector<std::vector<QueryId>>& held_out_;
  std::vector<float> folds_;
  std::size_t most_neighbors_;
  std::size_t depth_;
  AnyExecutor executor_;
  std::vector<FoldMoments> moments_;
  std::optional<Eigen::MatrixXd> passage_moment_;
  std::vector<Collected<NearQueries>> near_;
  std::vector<Collected<PlainOffers>> bases_;
  std::vector<std::vector<Row>> named_;  // by validation query
};

}  // namespace pefa::detail
