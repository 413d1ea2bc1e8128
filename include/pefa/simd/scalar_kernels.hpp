// pefa: the kernels in plain C++: the reference that the tests hold the others to, and what an unknown CPU runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace pefa::simd {

/// What a kernel sums over the coordinates.
enum class Sum {
  product,            ///< a·b
  squared_difference  ///< (a − b)²
};

namespace detail {

template <class Scalar>
inline constexpr bool is_coded = std::is_same_v<Scalar, std::int8_t>;

/// The type a sum is held in: double for double rows, float for all others.
template <class Scalar>
using Accumulator = std::conditional_t<std::is_same_v<Scalar, double>, double, float>;

/// A product needs the scale once, at the end; a difference needs it on every coordinate.
template <Sum sum, class Scalar>
inline constexpr bool scales_each = is_coded<Scalar>&& sum == Sum::squared_difference;

template <Sum sum, class Scalar>
[[nodiscard]] constexpr float scaled(float total, float scale) noexcept {
  if constexpr (is_coded<Scalar> && sum == Sum::product) return total * scale;
  return total;
}

/// The sum without a product's scale: the whole of a scalar kernel, and the tail of the others. Out of line, so that a
/// batch and a single call run the very same instructions.
template <Sum sum, class A, class B>
[[nodiscard, gnu::noinline]] Accumulator<B> scalar_sum(const A* a, const B* b, std::size_t dim, float scale) noexcept {
  using Real = Accumulator<B>;
  constexpr std::size_t lanes = 8;  // independent sums, so that the compiler may use what vectors it has
  Real totals[lanes] = {};
  const auto term = [&](std::size_t at) {
    const Real x = static_cast<Real>(a[at]);
    Real y = static_cast<Real>(b[at]);
    if constexpr (scales_each<sum, B>) y *= static_cast<Real>(scale);
    if constexpr (sum == Sum::product) return x * y;
    return (x - y) * (x - y);
  };
  std::size_t i = 0;
  for (; i + lanes <= dim; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) totals[lane] += term(i + lane);
  }
  for (; i < dim; ++i) totals[0] += term(i);
  return ((totals[0] + totals[1]) + (totals[2] + totals[3])) + ((totals[4] + totals[5]) + (totals[6] + totals[7]));
}

template <Sum sum, class A, class B>
[[nodiscard]] float scalar_kernel(const A* a, const B* b, std::size_t dim, float scale) noexcept {
  return scaled<sum, B>(static_cast<float>(scalar_sum<sum>(a, b, dim, scale)), scale);
}

[[nodiscard]] inline std::int32_t scalar_int8_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * static_cast<std::int32_t>(b[i]);
  return sum;
}

}  // namespace detail
}  // namespace pefa::simd
