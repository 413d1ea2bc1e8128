// pefa: the centres of a partitioned index: k-means on a sample by panels of matrix products, and which lists a row
// goes to.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/principal_axes.hpp"
#include "pefa/simd/score_panels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Rows as floats in a unit of their own, so that no square of an element leaves the range of float.
template <class Scalar>
class ScaledRows {
 public:
  /// @param to_unit  a power of two
  ScaledRows(const EmbeddingView<Scalar>& rows, float to_unit) : rows_(rows), to_unit_(to_unit) {}

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t dim() const noexcept { return rows_.dim(); }
  /// @param out  dim floats
  void decode(std::size_t row, float* out) const noexcept {
    rows_.decode(row, out);
    if (to_unit_ == 1.0f) return;
    for (std::size_t d = 0; d < dim(); ++d) out[d] *= to_unit_;
  }

 private:
  EmbeddingView<Scalar> rows_;
  float to_unit_;
};

/// The two lists a row goes to.
struct Assignment {
  std::uint32_t first;
  std::uint32_t second;  ///< equal to the first where there is one list
};

/// Centres in panels, for products of rows with all of them.
class CenterPanels {
 public:
  static constexpr std::size_t row_block = 64;  // rows multiplied at a time

  /// @param centers  [count x dim], row-major
  CenterPanels(const float* centers, std::size_t count, std::size_t dim)
      : count_(count),
        dim_(dim),
        stride_((count + simd::score_panel_width - 1) / simd::score_panel_width * simd::score_panel_width),
        panels_(stride_ * dim, 0.0f),
        halves_(count) {
    for (std::size_t first = 0; first < count; first += simd::score_panel_width) {
      simd::detail::transpose(centers + first * dim, std::min(simd::score_panel_width, count - first), dim,
                              panels_.data() + first * dim, simd::score_panel_width);
    }
    for (std::size_t c = 0; c < count; ++c) {
      double squares = 0.0;
      for (std::size_t d = 0; d < dim; ++d) squares += double{centers[c * dim + d]} * double{centers[c * dim + d]};
      halves_[c] = static_cast<float>(squares / 2.0);
    }
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
  /// ‖c‖²/2 of every centre.
  [[nodiscard]] const std::vector<float>& halves() const noexcept { return halves_; }

  /// products[i·stride + c] = ⟨row i, centre c⟩. @param transposed  [dim x n], n <= row_block
  void multiply(const float* transposed, std::size_t n, float* products) const {
    const simd::detail::ScoreKernel kernel = simd::detail::score_kernel(simd::level());
    for (std::size_t t = 0; t < dim_; t += simd::detail::score_steps) {
      const std::size_t steps = std::min(simd::detail::score_steps, dim_ - t);
      for (std::size_t first = 0; first < stride_; first += simd::score_panel_width) {
        kernel(transposed + t * n, n, panels_.data() + first * dim_ + t * simd::score_panel_width, steps,
               products + first, stride_, n, t == 0);
      }
    }
  }

 private:
  std::size_t count_;
  std::size_t dim_;
  std::size_t stride_;
  AlignedVector<float> panels_;
  std::vector<float> halves_;
};

/// Calls on_block(begin, end, values, products) for rows row_of(begin), …: `values` are they as floats, [n x dim],
/// `products` theirs with the centres, [n x panels.stride()].
template <class Scalar, class RowOf, class OnBlock>
void for_each_product(const ScaledRows<Scalar>& rows, std::size_t n, const RowOf& row_of, const CenterPanels& panels,
                      const AnyExecutor& executor, const OnBlock& on_block) {
  constexpr std::size_t at_once = 16;  // blocks a thread takes, so that its buffers are made once for them
  for_each_block(executor, n, at_once * CenterPanels::row_block, [&](std::size_t first, std::size_t last) {
    const std::size_t dim = rows.dim();
    AlignedVector<float> values(CenterPanels::row_block * dim);
    AlignedVector<float> transposed(CenterPanels::row_block * dim);
    AlignedVector<float> products(CenterPanels::row_block * panels.stride());
    for (std::size_t begin = first; begin < last; begin += CenterPanels::row_block) {
      const std::size_t end = std::min(last, begin + CenterPanels::row_block);
      for (std::size_t i = begin; i < end; ++i) rows.decode(row_of(i), values.data() + (i - begin) * dim);
      simd::detail::transpose(values.data(), end - begin, dim, transposed.data(), end - begin);
      panels.multiply(transposed.data(), end - begin, products.data());
      on_block(begin, end, values.data(), products.data());
    }
  });
}

/// k-means (Lloyd).
///
/// Centres are means, as ⟨q, mean⟩ is the mean score of a list. The same for any number of threads.
class PartitionCenters {
 public:
  struct Params {
    std::size_t lists = 0;  ///< at least 1
    std::size_t sample = 0;
    std::size_t iterations = 10;
    std::uint64_t seed = 0;
  };

  template <class Scalar>
  [[nodiscard]] static AlignedVector<float> train(const ScaledRows<Scalar>& rows, const Params& params,
                                                  const AnyExecutor& executor, const Poll& poll) {
    const std::vector<Row> sample = sample_of(rows.size(), std::max(params.sample, params.lists), params.seed);
    const std::size_t dim = rows.dim();
    AlignedVector<float> centers(params.lists * dim, 0.0f);
    for (std::size_t c = 0; c < params.lists; ++c) rows.decode(sample[c % sample.size()], centers.data() + c * dim);
    std::vector<std::uint32_t> list(sample.size());
    for (std::size_t iteration = 0; iteration < params.iterations; ++iteration) {
      ask(poll);
      const CenterPanels panels(centers.data(), params.lists, dim);
      for_each_product(
          rows, sample.size(), [&](std::size_t i) { return sample[i]; }, panels, executor,
          [&](std::size_t begin, std::size_t end, const float*, const float* products) {
            for (std::size_t i = begin; i < end; ++i) {
              list[i] = nearest(products + (i - begin) * panels.stride(), panels.halves(), params.lists);
            }
          });
      move_centers(rows, sample, list, params.lists, executor, centers);
    }
    return centers;
  }

  /// For every row the nearest centre, and, of two copies, the one that best makes up for what the first leaves in the
  /// direction of its residual r: the least ‖x − c‖² + ⟨r, x − c⟩²/‖r‖² (Sun et al., NeurIPS 2023).
  /// @param copies   1 or 2; of one, both centres are the nearest
  /// @param on_rows  (count): called as rows are done
  template <class Scalar, class OnRows>
  [[nodiscard]] static std::vector<Assignment> assign(const ScaledRows<Scalar>& rows,
                                                      const AlignedVector<float>& centers, std::size_t lists,
                                                      std::size_t copies, const AnyExecutor& executor,
                                                      const OnRows& on_rows) {
    const std::size_t dim = rows.dim();
    const CenterPanels panels(centers.data(), lists, dim);
    const std::vector<float> grams = copies > 1 ? gram_matrix(centers, lists, dim, executor) : std::vector<float>();
    std::vector<Assignment> assigned(rows.size());
    for_each_product(
        rows, rows.size(), [](std::size_t i) { return i; }, panels, executor,
        [&](std::size_t begin, std::size_t end, const float* values, const float* products) {
          for (std::size_t i = begin; i < end; ++i) {
            const float* of = products + (i - begin) * panels.stride();
            const std::uint32_t first = nearest(of, panels.halves(), lists);
            assigned[i] = {first, first};
            if (copies == 1) continue;
            const float* x = values + (i - begin) * dim;
            float squares = 0.0f;
            for (std::size_t d = 0; d < dim; ++d) squares += x[d] * x[d];
            assigned[i].second = second_list(of, squares, panels.halves(), grams, lists, first);
          }
          on_rows(end - begin);
        });
    return assigned;
  }

 private:
  /// Distinct rows in the order they were drawn; all of them where there are no more.
  [[nodiscard]] static std::vector<Row> sample_of(std::size_t size, std::size_t count, std::uint64_t seed) {
    std::vector<Row> rows(size);
    std::iota(rows.begin(), rows.end(), Row{0});
    count = std::min(count, size);
    std::mt19937_64 random(seed);
    for (std::size_t i = 0; i < count; ++i) std::swap(rows[i], rows[i + random() % (size - i)]);
    rows.resize(count);
    return rows;
  }

  /// Each centre to the mean of its rows. One without any takes a row of the longest list.
  template <class Scalar>
  static void move_centers(const ScaledRows<Scalar>& rows, const std::vector<Row>& sample,
                           const std::vector<std::uint32_t>& list, std::size_t lists, const AnyExecutor& executor,
                           AlignedVector<float>& centers) {
    const std::size_t dim = rows.dim();
    std::vector<std::vector<Row>> members(lists);
    for (std::size_t i = 0; i < sample.size(); ++i) members[list[i]].push_back(sample[i]);
    executor.run(lists, [&](std::size_t c) {
      if (members[c].empty()) return;
      std::vector<float> value(dim);
      std::vector<double> sum(dim, 0.0);
      for (const Row row : members[c]) {
        rows.decode(row, value.data());
        for (std::size_t d = 0; d < dim; ++d) sum[d] += double{value[d]};
      }
      for (std::size_t d = 0; d < dim; ++d) {
        centers[c * dim + d] = static_cast<float>(sum[d] / static_cast<double>(members[c].size()));
      }
    });
    for (std::size_t c = 0; c < lists; ++c) {
      if (!members[c].empty()) continue;
      auto& longest = *std::max_element(members.begin(), members.end(),
                                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
      if (longest.size() < 2) break;
      rows.decode(longest.back(), centers.data() + c * dim);
      longest.pop_back();
    }
  }

  [[nodiscard]] static std::vector<float> gram_matrix(const AlignedVector<float>& centers, std::size_t lists,
                                                      std::size_t dim, const AnyExecutor& executor) {
    std::vector<float> grams(lists * lists);
    const CenterPanels panels(centers.data(), lists, dim);
    const ScaledRows<float> rows(EmbeddingView<float>(centers.data(), lists, dim), 1.0f);
    for_each_product(
        rows, lists, [](std::size_t i) { return i; }, panels, executor,
        [&](std::size_t begin, std::size_t end, const float*, const float* products) {
          for (std::size_t i = begin; i < end; ++i) {
            std::copy_n(products + (i - begin) * panels.stride(), lists, grams.data() + i * lists);
          }
        });
    return grams;
  }

  /// The centre of the least ‖x − c‖². @param products  ⟨x, c⟩  @param halves  ‖c‖²/2
  [[nodiscard]] static std::uint32_t nearest(const float* products, const std::vector<float>& halves,
                                             std::size_t lists) {
    std::uint32_t best = 0;
    for (std::uint32_t c = 1; c < lists; ++c) {
      if (products[c] - halves[c] > products[best] - halves[best]) best = c;
    }
    return best;
  }

  /// @param squares  ‖x‖²  @param grams  ⟨c, c'⟩  @param first  the nearest
  [[nodiscard]] static std::uint32_t second_list(const float* products, float squares, const std::vector<float>& halves,
                                                 const std::vector<float>& grams, std::size_t lists,
                                                 std::uint32_t first) {
    const float residual = squares - 2.0f * (products[first] - halves[first]);  // ‖r‖²
    const float along = squares - products[first];                              // ⟨r, x⟩
    const float inverse = residual > 0.0f ? 1.0f / residual : 0.0f;
    std::uint32_t second = first;
    float least = std::numeric_limits<float>::infinity();
    for (std::uint32_t c = 0; c < lists; ++c) {
      const float apart = along - products[c] + grams[first * lists + c];  // ⟨r, x − c⟩
      const float cost = squares - 2.0f * (products[c] - halves[c]) + apart * apart * inverse;
      if (c != first && cost < least) {
        least = cost;
        second = c;
      }
    }
    return second;
  }
};

}  // namespace pefa::detail
