// pefa: the element types embeddings come in, and how each becomes a float.
#pragma once

#include <concepts>
#include <cstdint>

// Named, not included: who holds such rows includes <Eigen/Core>, who serves float rows does without.
namespace Eigen {
struct half;
struct bfloat16;
}  // namespace Eigen

namespace pefa {

/// What a row of embeddings may be made of: float, double, Eigen::half, Eigen::bfloat16, or int8 codes with a scale a
/// row.
template <class T>
concept EmbeddingScalar = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, Eigen::half> ||
    std::same_as<T, Eigen::bfloat16> || std::same_as<T, std::int8_t>;

/// Rows of this type mean scale · code, with one scale a row.
template <class T>
inline constexpr bool has_row_scales = std::same_as<T, std::int8_t>;

/// The name of a type: "float32".
template <EmbeddingScalar T>
[[nodiscard]] constexpr const char* scalar_name() noexcept {
  if constexpr (std::same_as<T, float>) return "float32";
  if constexpr (std::same_as<T, double>) return "float64";
  if constexpr (std::same_as<T, Eigen::half>) return "float16";
  if constexpr (std::same_as<T, Eigen::bfloat16>) return "bfloat16";
  return "int8";
}

}  // namespace pefa
