// pefa: how a PartitionTable is made of rows: centres, lists, codes, and what beam widths mean there.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_turn_fit.hpp"
#include "pefa/index/partition_centers.hpp"
#include "pefa/index/partition_table.hpp"
#include "pefa/index/probe_table.hpp"
#include "pefa/index/sample_queries.hpp"
#include "pefa/index/wanted_rows.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// What a PartitionTable is built by.
struct PartitionShape {
  std::size_t lists = 0;   ///< 0: one and a half times the root of the rows
  std::size_t copies = 1;  ///< lists a row goes to, 1 or 2
  std::size_t width = 3;   ///< coordinates of a 4-bit code
  float along = 3.0f;      ///< what an error along the row weighs more than one across
  std::uint64_t seed = 0;
};

/// One build.
template <class Scalar>
class PartitionBuilder {
 public:
  /// @param meter  counts every row twice
  [[nodiscard]] static PartitionTable build(const EmbeddingView<Scalar>& rows, Metric metric,
                                            const PartitionShape& shape, const AnyExecutor& executor,
                                            ProgressMeter& meter) {
    PartitionBuilder builder(rows, metric, shape, executor, meter);
    builder.place_centers();
    builder.fit_turn();
    builder.train_codes();
    builder.encode();
    builder.measure_probes();
    return std::move(builder.table_);
  }

  [[nodiscard]] static std::size_t lists_for(std::size_t size) noexcept {
    const double wanted = 1.5 * std::sqrt(static_cast<double>(size));
    return std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 1, std::max<std::size_t>(1, size / 16));
  }

 private:
  PartitionBuilder(const EmbeddingView<Scalar>& rows, Metric metric, const PartitionShape& shape,
                   const AnyExecutor& executor, ProgressMeter& meter)
      : unit_(unit_of(rows)),
        rows_(rows, 1.0f / unit_),
        shape_(shape),
        executor_(executor),
        meter_(meter),
        poll_([&meter] { meter.poll(); }),
        table_(rows.size(), rows.dim(), metric) {
    table_.unit_ = unit_;
    table_.copies_ = shape.copies;
    if (shape_.lists == 0) shape_.lists = lists_for(rows.size());
    shape_.lists = std::min(shape_.lists, rows.size());
    if (shape_.lists == 1) table_.copies_ = 1;
    // So many 4-bit codes at most, one of them for a lift.
    shape_.width = std::max(shape_.width, (rows.dim() + simd::most_nibbles - 2) / (simd::most_nibbles - 1));
  }

  [[nodiscard]] static float unit_of(const EmbeddingView<Scalar>& rows) {
    std::vector<float> values(rows.dim());
    float largest = 0.0f;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows.decode(i, values.data());
      for (const float x : values) largest = std::max(largest, std::abs(x));
    }
    return ordinary_unit(largest);
  }

  void place_centers() {
    const std::size_t dim = table_.dim_;
    const std::size_t lists = shape_.lists;
    centers_ = PartitionCenters::train(rows_, {.lists = lists, .sample = sample_per_list * lists, .seed = shape_.seed},
                                       executor_, poll_);
    assigned_ = PartitionCenters::assign(rows_, centers_, lists, table_.copies_, executor_,
                                         [&](std::size_t n) { meter_.add(n); });
    members_.resize(lists);
    for (std::size_t i = 0; i < table_.size_; ++i) {
      members_[assigned_[i].first].push_back(static_cast<Row>(i));
      if (table_.copies_ > 1) members_[assigned_[i].second].push_back(static_cast<Row>(i));
    }
    if (table_.is_l2_) {
      table_.center_lifts_.assign(lists, 0.0f);
      executor_.run(lists, [&](std::size_t l) {
        std::vector<float> x(dim);
        double sum = 0.0;
        for (const Row row : members_[l]) {
          rows_.decode(row, x.data());
          sum += double{lift_of(x.data())};
        }
        if (!members_[l].empty()) {
          table_.center_lifts_[l] = static_cast<float>(sum / static_cast<double>(members_[l].size()));
        }
      });
    }
  }

  /// The standard deviation of each coordinate of some residuals.
  [[nodiscard]] std::vector<float> spread_of(const std::vector<float>& residuals) const {
    const std::size_t dim = table_.dim_;
    const std::size_t count = residuals.size() / dim;
    std::vector<double> squares(dim, 0.0);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t d = 0; d < dim; ++d) {
        squares[d] += double{residuals[i * dim + d]} * double{residuals[i * dim + d]};
      }
    }
    const double most = *std::max_element(squares.begin(), squares.end());
    std::vector<float> spread(dim, 1.0f);
    for (std::size_t d = 0; d < dim && most > 0.0; ++d) {
      // Not below a hundredth of the largest, so that rows outside the sample still have codes.
      spread[d] = static_cast<float>(std::sqrt(std::max(squares[d], 1e-4 * most) / static_cast<double>(count)));
    }
    return spread;
  }

  /// Residuals of rows at even steps tell how vectors are turned; the centres are.
  void fit_turn() {
    const std::size_t dim = table_.dim_;
    const std::size_t lists = shape_.lists;
    std::vector<float> residuals(trained() * dim);
    executor_.run(trained(), [&](std::size_t i) {
      float* residual = residuals.data() + i * dim;
      rows_.decode(trained(i), residual);
      const float* center = centers_.data() + assigned_[trained(i)].first * dim;
      for (std::size_t d = 0; d < dim; ++d) residual[d] -= center[d];
    });
    table_.spread_ = spread_of(residuals);
    fit_.emplace(residuals, dim, shape_.width, executor_, poll_);
    table_.turn_ = fit_->turn();
    table_.centers_.resize(lists * dim);
    table_.center_scales_.resize(lists);
    table_.numbers_.resize(lists);
    turned_centers_.resize(lists * dim);
    AlignedVector<float> scratch;
    for (std::size_t l = 0; l < lists; ++l) {
      table_.numbers_[l] = static_cast<Row>(l);
      float* turned = turned_centers_.data() + l * dim;
      fit_->turn_rows(centers_.data() + l * dim, 1, turned, scratch);
      std::int8_t* codes = table_.centers_.data() + l * dim;
      const float scale = encode_row(turned, dim, codes);
      table_.center_scales_[l] = scale;
      for (std::size_t d = 0; d < dim; ++d) turned[d] = static_cast<float>(codes[d]) * scale;
      table_.turn_.turn_back(turned, centers_.data() + l * dim);
    }
  }

  /// How many rows codes are trained on.
  [[nodiscard]] std::size_t trained() const noexcept { return std::min(table_.size_, most_trained); }
  /// The number of one of them.
  [[nodiscard]] Row trained(std::size_t i) const noexcept { return static_cast<Row>(i * table_.size_ / trained()); }

  /// −‖x‖²/2.
  [[nodiscard]] float lift_of(const float* x) const {
    double squares = 0.0;
    for (std::size_t d = 0; d < table_.dim_; ++d) squares += double{x[d]} * double{x[d]};
    return static_cast<float>(-squares / 2.0);
  }

  /// Some rows, as they are and turned.
  class TurnedRows {
   public:
    explicit TurnedRows(const PartitionBuilder& builder)
        : builder_(builder),
          dim_(builder.table_.dim_),
          rows_(CenterPanels::row_block * dim_),
          turned_(CenterPanels::row_block * dim_) {}

    void clear() { count_ = 0; }
    void add(Row row) { builder_.rows_.decode(row, rows_.data() + count_++ * dim_); }
    void turn() { builder_.fit_->turn_rows(rows_.data(), count_, turned_.data(), scratch_); }
    [[nodiscard]] const float* row(std::size_t i) const noexcept { return rows_.data() + i * dim_; }
    [[nodiscard]] const float* turned(std::size_t i) const noexcept { return turned_.data() + i * dim_; }

   private:
    const PartitionBuilder& builder_;
    std::size_t dim_;
    std::size_t count_ = 0;
    AlignedVector<float> rows_;
    AlignedVector<float> turned_;
    AlignedVector<float> scratch_;
  };

  /// The spread of residuals and the centres of their codes, from rows at even steps.
  void train_codes() {
    const std::size_t dim = table_.dim_;
    const std::size_t count = trained();
    std::vector<float> residuals(count * dim);
    std::vector<float> lifts(table_.is_l2_ ? count : 0);
    for_each_block(executor_, count, CenterPanels::row_block, [&](std::size_t begin, std::size_t end) {
      TurnedRows block(*this);
      for (std::size_t i = begin; i < end; ++i) block.add(trained(i));
      block.turn();
      for (std::size_t i = begin; i < end; ++i) {
        const std::uint32_t list = assigned_[trained(i)].first;
        const float* x = block.turned(i - begin);
        for (std::size_t d = 0; d < dim; ++d) residuals[i * dim + d] = x[d] - turned_centers_[list * dim + d];
        if (table_.is_l2_) lifts[i] = lift_of(block.row(i - begin)) - table_.center_lifts_[list];
      }
    });
    table_.turned_spread_ = spread_of(residuals);
    meter_.poll();
    table_.product_ = ProductCodes(dim, shape_.width, residuals, table_.turned_spread_, lifts, executor_);
    meter_.poll();
  }

  void encode() {
    table_.lists_ = PartitionLists(members_, table_.product_.quads());
    table_.codes_ = MemoryBlock<std::int8_t>(table_.size_ * table_.code_bytes());
    table_.code_scales_ = MemoryBlock<float>(table_.size_);
    table_.list_of_ = MemoryBlock<std::uint32_t>(table_.size_);
    std::transform(assigned_.begin(), assigned_.end(), table_.list_of_.mutable_data(),
                   [](const Assignment& assigned) { return assigned.first; });
    if (table_.is_l2_) table_.lifts_ = MemoryBlock<float>(table_.size_);
    executor_.run(shape_.lists, [&](std::size_t l) {
      TurnedRows block(*this);
      RowScratch scratch{std::vector<float>(table_.dim_), std::vector<float>(table_.dim_),
                         std::vector<std::uint8_t>(table_.product_.codes())};
      std::size_t own = 0;
      for (std::size_t begin = 0; begin < members_[l].size(); begin += CenterPanels::row_block) {
        const std::size_t end = std::min(members_[l].size(), begin + CenterPanels::row_block);
        block.clear();
        for (std::size_t place = begin; place < end; ++place) block.add(members_[l][place]);
        block.turn();
        for (std::size_t place = begin; place < end; ++place) {
          own += encode_row_of(l, place, block.row(place - begin), block.turned(place - begin), scratch) ? 1U : 0U;
        }
      }
      meter_.add(own);
    });
    table_.product_.finish();
  }

  /// What encoding a row needs; reused.
  struct RowScratch {
    std::vector<float> residual;
    std::vector<float> direction;
    std::vector<std::uint8_t> codes;
  };

  /// Writes the codes of the row at a place of a list. @return  whether it is the list where its int8 codes are of
  bool encode_row_of(std::size_t l, std::size_t place, const float* x, const float* turned, RowScratch& scratch) {
    const std::size_t dim = table_.dim_;
    const Row row = members_[l][place];
    const float lift = table_.is_l2_ ? lift_of(x) - table_.center_lifts_[l] : 0.0f;
    auto& [residual, direction, codes] = scratch;
    std::copy_n(turned, dim, direction.begin());
    double squares = 0.0;
    for (std::size_t d = 0; d < dim; ++d) {
      residual[d] = turned[d] - turned_centers_[l * dim + d];
      squares += double{turned[d]} * double{turned[d]};
    }
    const float to_direction = squares > 0.0 ? static_cast<float>(1.0 / std::sqrt(squares)) : 0.0f;
    for (float& value : direction) value *= to_direction;
    table_.product_.encode(residual.data(), direction.data(), shape_.along, lift, codes.data());
    table_.lists_.write(l, place, codes.data(), codes.size());
    if (assigned_[row].first != l) return false;
    for (std::size_t d = 0; d < dim; ++d) residual[d] = (x[d] - centers_[l * dim + d]) / table_.spread_[d];
    table_.code_scales_.mutable_data()[row] =
        encode_row(residual.data(), dim, table_.codes_.mutable_data() + row * table_.code_bytes());
    if (table_.is_l2_) table_.lifts_.mutable_data()[row] = lift;
    return true;
  }

  /// Queries between some rows each. @param mix  the share of the first; the others, `others` of them, share the rest
  [[nodiscard]] AlignedVector<float> sample_queries(std::size_t count, float mix, std::size_t others) const {
    return points_between_rows(count, table_.size_, table_.dim_, mix, others, shape_.seed + 1,
                               [&](std::size_t i, float* out) { rows_.decode(i, out); });
  }

  /// The exact best rows of each query.
  [[nodiscard]] std::vector<std::vector<Neighbor>> best_rows(const AlignedVector<float>& queries, std::size_t count,
                                                             std::size_t k) const {
    const CenterPanels panels(queries.data(), count, table_.dim_);
    std::vector<TopK> best(count, TopK(k));
    std::mutex mutex;
    for_each_product(
        rows_, table_.size_, [](std::size_t i) { return i; }, panels, executor_,
        [&](std::size_t begin, std::size_t end, const float* values, const float* products) {
          std::vector<float> lifts(end - begin, 0.0f);
          for (std::size_t i = begin; table_.is_l2_ && i < end; ++i) {
            const float* x = values + (i - begin) * table_.dim_;
            for (std::size_t d = 0; d < table_.dim_; ++d) lifts[i - begin] -= 0.5f * x[d] * x[d];
          }
          meter_.poll();
          const std::lock_guard lock(mutex);
          for (std::size_t q = 0; q < count; ++q) {
            for (std::size_t i = begin; i < end; ++i) {
              best[q].push({static_cast<Row>(i), products[(i - begin) * panels.stride() + q] + lifts[i - begin]});
            }
          }
        });
    std::vector<std::vector<Neighbor>> found;
    for (TopK& each : best) found.push_back(each.take());
    return found;
  }

  /// What queries need that look like no row, those near one, and those between three.
  void measure_probes() {
    std::vector<ProbeTable::Point> points = measure_probes(0.6f, 1);
    for (const auto& [mix, others] : {std::pair{0.9f, std::size_t{1}}, std::pair{1.0f / 3.0f, std::size_t{2}}}) {
      const std::vector<ProbeTable::Point> more = measure_probes(mix, others);
      for (std::size_t i = 0; i < points.size(); ++i) {
        points[i].lists = std::max(points[i].lists, more[i].lists);
        points[i].candidates = std::max(points[i].candidates, more[i].candidates);
      }
    }
    table_.probes_ = ProbeTable(std::move(points));
  }

  [[nodiscard]] std::vector<ProbeTable::Point> measure_probes(float mix, std::size_t others) const {
    const std::size_t count = std::clamp<std::size_t>(table_.size_ / 8, 1, most_measured);
    const AlignedVector<float> queries = sample_queries(count, mix, others);
    const auto exact = best_rows(queries, count, std::min<std::size_t>(100, table_.size_));
    std::vector<std::vector<std::uint32_t>> ranks(count);  // of the list where each is found first
    const auto start = [&](std::size_t q, std::size_t lists, PartitionSearch& search) {
      std::vector<float> query(queries.data() + q * table_.dim_, queries.data() + (q + 1) * table_.dim_);
      for (float& x : query) x *= unit_;
      table_.start(query, {lists, table_.copies_ * table_.size_}, search);
      search.probed.resize(lists);
    };
    executor_.run(count, [&](std::size_t q) {
      PartitionSearch search;
      start(q, shape_.lists, search);
      std::vector<std::uint32_t> rank(shape_.lists);
      for (std::uint32_t i = 0; i < shape_.lists; ++i) rank[search.probed[i].row] = i;
      for (const Neighbor& each : exact[q]) {
        const std::uint32_t first = rank[assigned_[each.row].first];
        ranks[q].push_back(table_.copies_ > 1 ? std::min(first, rank[assigned_[each.row].second]) : first);
      }
    });
    std::vector<std::uint32_t> all;
    for (const auto& each : ranks) all.insert(all.end(), each.begin(), each.end());
    std::sort(all.begin(), all.end());
    std::vector<ProbeTable::Point> points;
    for (const std::uint32_t ef : ProbeTable::widths) {
      const std::size_t lists = quantile(all, 0.6 * ProbeTable::allowed_miss(ef)) + 1;
      points.push_back({ef, static_cast<std::uint32_t>(lists), 0});  // never fewer than of the width before
    }
    std::vector<std::vector<std::uint32_t>> places(points.size() * count);  // among the candidates, of exact rows
    executor_.run(count, [&](std::size_t q) {
      meter_.poll();
      PartitionSearch search;
      start(q, points.back().lists, search);
      const WantedRows wanted(exact[q]);
      std::size_t scanned = 0;
      for (std::size_t i = 0; i < points.size(); ++i) {
        for (; scanned < points[i].lists; ++scanned) table_.scan(search.probed[scanned].row, search);
        places[i * count + q] = wanted.places_in(search.best);
      }
    });
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::vector<std::uint32_t> found;
      for (std::size_t q = 0; q < count; ++q) {
        found.insert(found.end(), places[i * count + q].begin(), places[i * count + q].end());
      }
      std::sort(found.begin(), found.end());
      const std::size_t candidates =
          found.empty() ? 1 : quantile(found, 0.4 * ProbeTable::allowed_miss(points[i].ef)) + 1;
      points[i].candidates =
          std::max(static_cast<std::uint32_t>(candidates), i == 0 ? std::uint32_t{1} : points[i - 1].candidates);
    }
    return points;
  }

  /// What all but that share are at most. @param sorted  not empty
  [[nodiscard]] static std::size_t quantile(const std::vector<std::uint32_t>& sorted, double share) {
    const auto above = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
    return sorted[sorted.size() - 1 - std::min(above, sorted.size() - 1)];
  }

  static constexpr std::size_t sample_per_list = 64;
  static constexpr std::size_t most_trained = 8192;
  static constexpr std::size_t most_measured = 128;  // queries of a kind

  float unit_;
  ScaledRows<Scalar> rows_;
  PartitionShape shape_;
  AnyExecutor executor_;
  ProgressMeter& meter_;
  Poll poll_;
  PartitionTable table_;
  AlignedVector<float> centers_;  // of k-means; then what the table's stand for
  AlignedVector<float> turned_centers_;
  std::vector<Assignment> assigned_;
  std::vector<std::vector<Row>> members_;
  std::optional<CodeTurnFit<Scalar>> fit_;
};

}  // namespace pefa::detail
