// pefa: what a graph index does about rows of unequal length under inner product.
//
// Inner product is no metric, and a graph over it links everything to the longest rows. One more coordinate,
// e_j = sqrt(R² − ‖x_j‖²) with R the longest length, puts all rows on a sphere, where product and distance order alike;
// a query has 0 there, so its products stay what they were (Bachrach et al., RecSys 2014).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// Whether a graph over inner product is built on lifted rows.
///
/// Measured on PEFA-XS vectors of WordNet (117,659 x 512) the lift found more at wide beams (ann_recall@100 at ef =
/// 600: 0.9955 against 0.9947 at λ = 0.5) and less at narrow ones (ef = 150: 0.9525 against 0.9680), so it is not the
/// default.
enum class Lift {
  never,       ///< as hnswlib does
  when_uneven  ///< where the lengths of the rows differ by more than a thousandth
};
/// Their names.
template <>
inline constexpr std::array enum_names<Lift>{"never", "when_uneven"};

namespace detail {

/// The lifting coordinates of rows, where they are to be lifted.
template <class Scalar>
class Lifting {
 public:
  Lifting(const EmbeddingView<Scalar>& rows, Metric metric, Lift lift) {
    if (metric != Metric::inner_product || lift == Lift::never) return;
    std::vector<double> squares(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) squares[i] = squared_norm(rows, i);
    const auto [shortest, longest] = std::minmax_element(squares.begin(), squares.end());
    if (std::sqrt(*shortest) >= 0.999 * std::sqrt(*longest)) return;
    coordinates_.resize(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      coordinates_[i] = static_cast<float>(std::sqrt(*longest - squares[i]));
  }

  [[nodiscard]] bool active() const noexcept { return !coordinates_.empty(); }
  /// All of them; none where rows are not lifted.
  [[nodiscard]] std::span<const float> coordinates() const noexcept { return coordinates_; }
  /// e_j, or 0 where rows are not lifted.
  [[nodiscard]] float coordinate(std::size_t row) const noexcept { return active() ? coordinates_[row] : 0.0f; }

 private:
  std::vector<float> coordinates_;
};

}  // namespace detail
}  // namespace pefa
