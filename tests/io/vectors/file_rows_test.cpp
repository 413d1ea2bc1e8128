#include "pefa/io/vectors/file_rows.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::detail::FileRows;

namespace {

template <class Element>
const std::byte* bytes(const std::vector<Element>& elements) {
  return reinterpret_cast<const std::byte*>(elements.data());
}

template <class Element>
FileRows packed(const std::vector<Element>& elements, std::size_t dim) {
  return {bytes(elements), elements.size() / dim, dim, dim * sizeof(Element)};
}

template <class Element>
std::string written_rows(const EmbeddingView<float>& rows, std::string_view prefix = {}) {
  std::ostringstream out;
  io::detail::write_rows<Element>(out, rows, prefix, "x");
  return out.str();
}

}  // namespace

TEST_CASE("copy_rows: rows a stride apart and at any address come out as they are") {
  const RowMajorMatrix matrix = test::random_matrix(9, 5, 1);
  constexpr std::size_t stride = 5 * sizeof(float) + 3;
  std::vector<char> file(1 + 9 * stride);
  for (Eigen::Index i = 0; i < 9; ++i) {
    std::memcpy(file.data() + 1 + static_cast<std::size_t>(i) * stride, matrix.row(i).data(), 5 * sizeof(float));
  }
  const FileRows rows{bytes(file) + 1, 9, 5, stride};
  const auto store = io::detail::copy_rows<float, float>(rows, Normalize::none, "x");
  REQUIRE(std::memcmp(store.row(0), matrix.data(), 45 * sizeof(float)) == 0);
}

TEST_CASE("copy_rows: more rows than the buffer holds, and rows longer than it") {
  for (const std::size_t dim : {std::size_t{100'000}, std::size_t{300'000}}) {
    std::vector<std::uint8_t> elements(7 * dim);
    for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<std::uint8_t>(i * 31 % 251);
    const auto store = io::detail::copy_rows<float, std::uint8_t>(packed(elements, dim), Normalize::none, "x");
    bool same = store.size() == 7;
    for (std::size_t i = 0; i < elements.size(); ++i) same &= store.row(0)[i] == static_cast<float>(elements[i]);
    REQUIRE(same);

    std::fill_n(elements.begin() + static_cast<std::ptrdiff_t>(5 * dim), dim, std::uint8_t{0});
    REQUIRE_ERROR(ValueError, "x: row 5 is a zero vector, which has no direction",
                  io::detail::copy_rows<float, std::uint8_t>(packed(elements, dim), Normalize::none, "x"));
  }
}

TEST_CASE("copy_rows: int8 codes count as they are, or times their scales") {
  const std::vector<std::int8_t> codes = {1, -2, 127, -128};
  const std::vector<float> scales = {0.5f, 2.0f};
  FileRows rows = packed(codes, 2);
  const auto plain = io::detail::copy_rows<std::int8_t, std::int8_t>(rows, Normalize::none, "x");
  REQUIRE(std::memcmp(plain.row(0), codes.data(), 4) == 0);
  REQUIRE(plain.view().scale(0) == 1.0f);
  REQUIRE(io::detail::copy_rows<float, std::int8_t>(rows, Normalize::none, "x").row(1)[1] == -128.0f);

  rows.scales = bytes(scales);
  const auto scaled = io::detail::copy_rows<std::int8_t, std::int8_t>(rows, Normalize::none, "x");
  REQUIRE(scaled.view().scale(1) == 2.0f);
  REQUIRE(io::detail::copy_rows<float, std::int8_t>(rows, Normalize::none, "x").row(1)[1] == -256.0f);
}

TEST_CASE("copy_rows: Normalize::unit makes unit rows") {
  const std::vector<std::uint8_t> elements = {3, 4};
  const auto store = io::detail::copy_rows<float, std::uint8_t>(packed(elements, 2), Normalize::unit, "x");
  REQUIRE(store.row(0)[0] == Approx(0.6));
  REQUIRE(store.row(0)[1] == Approx(0.8));
}

TEST_CASE("copy_rows: a row that no store takes is named by its number in the file") {
  std::vector<double> elements = {1.0, 2.0, 3.0, 4.0, std::numeric_limits<double>::infinity(), 6.0};
  const auto read = [&]<class Scalar>(Scalar) {
    return io::detail::copy_rows<Scalar, double>(packed(elements, 2), Normalize::none, "x");
  };
  REQUIRE_ERROR(ValueError, "x: row 2 has a NaN or infinite element", read(double{}));
  elements[4] = 1e5;
  REQUIRE_ERROR(ValueError, "x: row 2 is outside the range of float16", read(Eigen::half()));
  REQUIRE_NOTHROW(read(float{}));
  elements = {1e5, 2.0, 3.0, 4.0, std::numeric_limits<double>::infinity(), 6.0};  // as unit vectors, row 0 is fine
  REQUIRE_ERROR(ValueError, "x: row 2 has a NaN or infinite element",
                io::detail::copy_rows<Eigen::half, double>(packed(elements, 2), Normalize::unit, "x"));
  elements[0] = 1.0;
  elements[4] = elements[5] = 1e-30;
  REQUIRE_ERROR(ValueError, "x: row 2 is outside the range of float16", read(Eigen::half()));
  elements[4] = elements[5] = 0.0;
  REQUIRE_ERROR(ValueError, "x: row 2 is a zero vector", read(float{}));
}

TEST_CASE("copy_rows, map_rows: more rows than row numbers are refused before memory is taken") {
  if constexpr (sizeof(std::size_t) > 4) {
    const std::vector<float> one = {1.0f};
    FileRows rows = packed(one, 1);
    rows.size = std::size_t{1} << 32;
    REQUIRE_ERROR(ShapeError, "x: has 4294967296 rows, expected at most 4294967295",
                  io::detail::copy_rows<float, float>(rows, Normalize::none, "x"));
    REQUIRE_ERROR(ShapeError, "x: has 4294967296 rows", io::detail::map_rows<float>(rows, "x"));
  }
}

TEST_CASE("map_rows: in place, and only where elements and scales are aligned") {
  const std::vector<float> elements(16, 1.0f);
  const FileRows rows{bytes(elements), 3, 2, 3 * sizeof(float)};
  const auto view = io::detail::map_rows<float>(rows, "x");
  REQUIRE(view.data() == elements.data());
  REQUIRE(view.stride() == 3);

  const FileRows odd_start{bytes(elements) + 2, 3, 2, 12};
  const FileRows odd_stride{bytes(elements), 3, 2, 10};
  for (const FileRows& odd : {odd_start, odd_stride}) {
    REQUIRE_ERROR(FormatError,
                  "x: its elements do not start at multiples of their size, so they cannot be mapped as "
                  "float32",
                  io::detail::map_rows<float>(odd, "x"));
    REQUIRE_NOTHROW(io::detail::map_rows<Eigen::half>(odd, "x"));
  }
  const FileRows odd_scales{bytes(elements), 3, 2, 2, bytes(elements) + 1};
  REQUIRE_ERROR(FormatError, "x: its row scales do not start at a multiple of 4",
                io::detail::map_rows<std::int8_t>(odd_scales, "x"));
}

TEST_CASE("write_rows: each row after its prefix, strided rows packed") {
  const std::vector<float> elements = {1.0f, 2.0f, 99.0f, 3.0f, 4.0f, 99.0f};
  const EmbeddingView<float> rows(elements.data(), 2, 2, 3, nullptr);
  REQUIRE(written_rows<std::uint8_t>(rows, "ab") ==
          "ab\x01\x02"
          "ab\x03\x04");
}

TEST_CASE("write_rows: what the element type cannot hold is refused by row and element") {
  const auto refused = [](const std::string& text, float value, auto element) {
    const std::vector<float> elements = {1.0f, 1.0f, 1.0f, value};
    REQUIRE_ERROR(ValueError, "x: row 1, element 1 is " + text,
                  written_rows<decltype(element)>(EmbeddingView<float>(elements, 2)));
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float value : {-1.0f, 256.0f, 0.5f, 1e30f, -1e30f, nan}) {
    refused(detail::join_message(value, ", expected an integer from 0 to 255"), value, std::uint8_t{});
  }
  for (const float value : {-129.0f, 128.0f, -0.5f, nan}) {
    refused(detail::join_message(value, ", expected an integer from -128 to 127"), value, std::int8_t{});
  }
  refused("65520, expected a finite float16", 65520.0f, Eigen::half());
  refused("nan, expected a finite float16", nan, Eigen::half());
  refused("nan, expected a finite float32", nan, float{});
  REQUIRE(written_rows<std::uint8_t>(EmbeddingView<float>(std::vector<float>{0.0f, 255.0f}, 2)) ==
          std::string("\0\xFF", 2));
  REQUIRE(written_rows<std::int8_t>(EmbeddingView<float>(std::vector<float>{-128.0f, 127.0f}, 2)) == "\x80\x7F");
}
