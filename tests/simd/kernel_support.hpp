// What the tests of the kernels share: the families this CPU runs, values to sum, a reference in double, and arrays
// that end where their memory ends.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <vector>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#include <unistd.h>
#define PEFA_GUARD_PAGES 1
#else
#define PEFA_GUARD_PAGES 0
#endif

#include "pefa/simd/cpu.hpp"
#include "pefa/simd/scalar_kernels.hpp"

namespace pefa::test {

/// The families this CPU runs, the scalar one first; cpu_test says which are left out.
inline std::vector<simd::Level> levels_here() {
  std::vector<simd::Level> levels;
  std::copy_if(simd::all_levels.begin(), simd::all_levels.end(), std::back_inserter(levels), simd::runs);
  return levels;
}

inline std::vector<std::size_t> dims() {
  std::vector<std::size_t> all;
  for (std::size_t dim = 1; dim <= 130; ++dim) all.push_back(dim);
  all.insert(all.end(), {384, 512, 768, 1000, 1536});
  return all;
}

enum class Magnitude {
  ordinary,  ///< 0.5 to 1.5, so that an element that is left out or counted twice shows
  large,     ///< products within reach of the largest float
  tiny       ///< subnormal elements of rows, and products
};

template <class Scalar>
Scalar draw(std::mt19937& random, Magnitude magnitude = Magnitude::ordinary) {
  if constexpr (std::is_same_v<Scalar, std::int8_t>) {
    return static_cast<std::int8_t>(static_cast<int>(random() % 256) - 128);
  } else {
    std::uniform_real_distribution<float> ordinary(0.5f, 1.5f);
    constexpr bool is_half = std::is_same_v<Scalar, Eigen::half>;
    float value = ordinary(random);
    if (magnitude == Magnitude::large) value = std::ldexp(value, is_half ? 14 : 56);
    if (magnitude == Magnitude::tiny) value = std::ldexp(value, is_half ? -18 : -128);
    return static_cast<Scalar>(random() % 2 == 0 ? value : -value);
  }
}

template <class Scalar>
std::vector<Scalar> draw_many(std::size_t n, std::mt19937& random, Magnitude magnitude = Magnitude::ordinary) {
  std::vector<Scalar> values(n);
  for (Scalar& value : values) value = draw<Scalar>(random, magnitude);
  return values;
}

/// A float that goes with rows of that magnitude; a query of subnormals would leave no product to see.
inline float draw_query(std::mt19937& random, Magnitude magnitude) {
  return magnitude == Magnitude::tiny ? std::ldexp(draw<float>(random), -10) : draw<float>(random, magnitude);
}

/// An int8 scale that brings codes to that magnitude.
inline float scale_of(Magnitude magnitude) {
  return magnitude == Magnitude::large ? 0x1p49f : magnitude == Magnitude::tiny ? 0x1p-135f : 0.013f;
}

struct Reference {
  double value = 0.0;      ///< the sum in double
  double magnitude = 0.0;  ///< Σ|a·b|, or Σ(|a| + |b|)²: what rounding errors are relative to

  /// Every kernel sums in 8 lanes or more, so a term passes through at most dim / 8 additions, a tail and the sum of
  /// the lanes; 20 covers both and the few roundings of the term itself. Each rounds by half an ulp, 2^-24 of a partial
  /// sum that Σ|terms| bounds, or 2^-150 below the normal numbers. A term that is missing would be 1 / dim of it.
  [[nodiscard]] double bound(std::size_t dim) const {
    const double n = static_cast<double>(dim);
    return (n / 8.0 + 20.0) * 0x1p-24 * magnitude + 4.0 * n * 0x1p-150;
  }
};

template <class Scalar>
double to_double(Scalar value) {
  if constexpr (std::is_same_v<Scalar, double>) return value;
  return static_cast<double>(static_cast<float>(value));
}

template <simd::Sum sum, class A, class B>
Reference reference(const A* a, const B* b, std::size_t dim, float scale) {
  Reference total;
  for (std::size_t i = 0; i < dim; ++i) {
    const double x = to_double(a[i]);
    const double y = to_double(b[i]) * (std::is_same_v<B, std::int8_t> ? static_cast<double>(scale) : 1.0);
    total.value += sum == simd::Sum::product ? x * y : (x - y) * (x - y);
    total.magnitude += sum == simd::Sum::product ? std::abs(x * y) : std::pow(std::abs(x) + std::abs(y), 2);
  }
  return total;
}

inline bool same_bits(float a, float b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

/// `n` elements at the very end of a page, before one that may not be read.
template <class Scalar>
class AtPageEnd {
 public:
  explicit AtPageEnd(const std::vector<Scalar>& values) : bytes_(values.size() * sizeof(Scalar)) {
#if PEFA_GUARD_PAGES
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t readable = (bytes_ + page - 1) / page * page;
    length_ = readable + page;
    memory_ = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::runtime_error("mmap failed");
    char* guard = static_cast<char*>(memory_) + readable;
    if (mprotect(guard, page, PROT_NONE) != 0) throw std::runtime_error("mprotect failed");
    if (bytes_ > 0) std::memcpy(guard - bytes_, values.data(), bytes_);  // no elements may lie at no address
    data_ = reinterpret_cast<const Scalar*>(guard - bytes_);
#else
    copy_ = values;
    data_ = copy_.data();
#endif
  }
  AtPageEnd(const AtPageEnd&) = delete;
  AtPageEnd& operator=(const AtPageEnd&) = delete;
  ~AtPageEnd() {
#if PEFA_GUARD_PAGES
    munmap(memory_, length_);
#endif
  }

  [[nodiscard]] const Scalar* data() const {
    return data_;
  }

 private:
  std::size_t bytes_;
  const Scalar* data_ = nullptr;
#if PEFA_GUARD_PAGES
  void* memory_ = nullptr;
  std::size_t length_ = 0;
#else
  std::vector<Scalar> copy_;
#endif
};

}  // namespace pefa::test
