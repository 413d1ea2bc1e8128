// pefa: what the vector formats share: rows of numbers between a file's bytes and a store, a buffer at a time.
//
// A format's reader finds where the rows lie and checks it against the file's size; from there on all formats are read,
// mapped and written alike. Bytes in a file are aligned to nothing, so reading copies them through a small buffer.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::io::detail {

static_assert(std::endian::native == std::endian::little, "pefa reads little-endian files on little-endian machines");

/// What a vector file's elements may be: what a store holds, or unsigned bytes.
template <class T>
concept FileElement = EmbeddingScalar<T> || std::same_as<T, std::uint8_t>;

/// Where a file's rows lie; the reader that made this has checked that they are all in the file.
struct FileRows {
  const std::byte* first = nullptr;   ///< row 0's first element
  std::size_t size = 0;               ///< rows, at least 1
  std::size_t dim = 0;                ///< elements a row, at least 1
  std::size_t stride = 0;             ///< bytes from one row's first element to the next one's
  const std::byte* scales = nullptr;  ///< int8 only: a float32 a row; without them the codes are the numbers
};

/// Row numbers are 32 bits wide. @throws ShapeError  more rows than that
inline void require_row_numbers(std::size_t rows, const std::string& file) {
  if (rows > std::numeric_limits<Row>::max()) {
    pefa::detail::fail<ShapeError>(file, ": has ", rows, " rows, expected at most ", std::numeric_limits<Row>::max());
  }
}

/// Names the first of `rows` that a store of `Scalar` does not take; `first` is the number in the file of rows' first.
template <EmbeddingScalar Scalar, EmbeddingScalar Source>
void refuse_first_bad_row(const EmbeddingView<Source>& rows, std::size_t first, Normalize normalize,
                          const std::string& file) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double norm = pefa::detail::squared_norm(rows, i);
    const auto refuse = [&](const auto&... parts) {
      pefa::detail::fail<ValueError>(file, ": row ", first + i, parts...);
    };
    if (!pefa::detail::is_finite(norm)) refuse(" has a NaN or infinite element");
    if (norm == 0.0) refuse(" is a zero vector, which has no direction to search by");
    try {
      (void)EmbeddingStore<Scalar>::from(rows.slice(i, i + 1), normalize);
    } catch (const ValueError&) {
      refuse(" is outside the range of ", scalar_name<Scalar>());
    }
  }
}

/// Copies a file's rows into a store, checked and converted as every ingestion does.
///
/// @throws ValueError  a row that is not finite, or zero, in the file or as `Scalar`; the message has its number
/// @throws ShapeError  more rows than row numbers
/// Memory beyond the result: a buffer of 256 Ki elements, or one row where that is longer.
template <EmbeddingScalar Scalar, FileElement Element>
[[nodiscard]] EmbeddingStore<Scalar> copy_rows(const FileRows& from, Normalize normalize, const std::string& file) {
  using Held = std::conditional_t<EmbeddingScalar<Element>, Element, float>;
  constexpr std::size_t buffer_elements = std::size_t{1} << 18;
  require_row_numbers(from.size, file);

  EmbeddingStore<Scalar> store(from.dim);
  store.reserve(from.size);
  const std::size_t at_once = std::min(from.size, std::max<std::size_t>(1, buffer_elements / from.dim));
  pefa::detail::AlignedVector<Held> buffer(at_once * from.dim);
  std::vector<float> scales(has_row_scales<Held> ? at_once : 0, 1.0f);
  for (std::size_t begin = 0; begin < from.size; begin += at_once) {
    const std::size_t count = std::min(at_once, from.size - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const std::byte* row = from.first + (begin + i) * from.stride;
      Held* out = buffer.data() + i * from.dim;
      if constexpr (EmbeddingScalar<Element>) {
        std::memcpy(static_cast<void*>(out), row, from.dim * sizeof(Element));
      } else {
        std::transform(row, row + from.dim, out,
                       [](std::byte b) { return static_cast<float>(std::to_integer<int>(b)); });
      }
    }
    if (has_row_scales<Held> && from.scales != nullptr) {
      std::memcpy(scales.data(), from.scales + begin * sizeof(float), count * sizeof(float));
    }
    const EmbeddingView<Held> rows(buffer.data(), count, from.dim, scales.data());
    try {
      store.append(rows, normalize);
    } catch (const ValueError&) {  // counts from the buffer's first row
      refuse_first_bad_row<Scalar>(rows, begin, normalize, file);
      throw;
    }
  }
  return store;
}

/// A file's rows in place.
/// @throws FormatError  elements or scales that are not aligned in memory  @throws ShapeError  too many rows
template <EmbeddingScalar Scalar>
[[nodiscard]] EmbeddingView<Scalar> map_rows(const FileRows& rows, const std::string& file) {
  require_row_numbers(rows.size, file);
  const auto aligned = [](const std::byte* address, std::size_t alignment) {
    return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
  };
  if (!aligned(rows.first, alignof(Scalar)) || rows.stride % sizeof(Scalar) != 0) {
    pefa::detail::fail<FormatError>(file, ": its elements do not start at multiples of their size, so they cannot be ",
                                    "mapped as ", scalar_name<Scalar>(), "; reading copies them");
  }
  if (!aligned(rows.scales, alignof(float))) {
    pefa::detail::fail<FormatError>(file, ": its row scales do not start at a multiple of ", sizeof(float),
                                    ", so they cannot be mapped; reading copies them");
  }
  return {reinterpret_cast<const Scalar*>(rows.first), rows.size, rows.dim, rows.stride / sizeof(Scalar),
          reinterpret_cast<const float*>(rows.scales)};
}

/// The value as a file's element: rounded to the nearest for float16, unchanged or refused for the others.
/// @throws ValueError  names the row and the element
template <FileElement Element>
[[nodiscard]] Element encode(float value, std::size_t row, std::size_t element, const std::string& file) {
  const auto refuse = [&](const auto&... expected) {
    pefa::detail::fail<ValueError>(file, ": row ", row, ", element ", element, " is ", value, ", expected ",
                                   expected...);
  };
  if constexpr (std::integral<Element>) {
    constexpr int least = std::numeric_limits<Element>::min();
    constexpr int most = std::numeric_limits<Element>::max();
    if (!(value >= static_cast<float>(least) && value <= static_cast<float>(most)) || value != std::trunc(value)) {
      refuse("an integer from ", least, " to ", most);
    }
    return static_cast<Element>(value);
  } else {
    const auto encoded = static_cast<Element>(value);
    if (!pefa::detail::is_finite(static_cast<float>(encoded))) refuse("a finite ", scalar_name<Element>());
    return encoded;
  }
}

/// Writes rows as `Element`s, each after `prefix`, a row's own header in formats that have one.
/// @throws ValueError  a value that `Element` cannot hold
template <FileElement Element, EmbeddingScalar Scalar>
void write_rows(std::ostream& out, const EmbeddingView<Scalar>& rows, std::string_view prefix,
                const std::string& file) {
  std::vector<float> values(rows.dim());
  std::vector<Element> encoded(rows.dim());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows.decode(i, values.data());
    for (std::size_t d = 0; d < rows.dim(); ++d) encoded[d] = encode<Element>(values[d], i, d, file);
    out.write(prefix.data(), static_cast<std::streamsize>(prefix.size()));
    out.write(reinterpret_cast<const char*>(encoded.data()),
              static_cast<std::streamsize>(encoded.size() * sizeof(Element)));
  }
}

}  // namespace pefa::io::detail
