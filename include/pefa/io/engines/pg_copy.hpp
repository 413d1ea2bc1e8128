// pefa: PostgreSQL's binary COPY and the binary form of pgvector's types: how vectors go into a table without being
// printed, and how they come back. Bytes alone: who sends them is somebody else.
//
// Layouts: PostgreSQL's documentation of COPY, "Binary Format"; pgvector's vector_send and halfvec_send; jsonb_recv.
#pragma once

#include <Eigen/Core>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "pefa/core/error.hpp"
#include "pefa/io/file/big_endian.hpp"

namespace pefa::io {

/// pgvector's element types: float32, or half in half the bytes.
enum class PgVectorType { vector, halfvec };

namespace detail {

/// Bytes of an element.
[[nodiscard]] constexpr std::size_t element_bytes(PgVectorType type) noexcept {
  return type == PgVectorType::vector ? 4 : 2;
}

}  // namespace detail

/// Appends a vector as the server sends and takes it: its dim, 0, its elements.
/// @throws ShapeError  more elements than pgvector takes (16,000)
/// @throws ValueError  an element that a half cannot hold
inline void append_pg_vector(std::string& out, std::span<const float> vector, PgVectorType type) {
  constexpr std::size_t most = 16'000;  // pgvector's own limit of vector and halfvec
  if (vector.size() > most) {
    pefa::detail::fail<ShapeError>("append_pg_vector: ", vector.size(), " elements, expected at most ", most);
  }
  detail::append_big_endian(out, static_cast<std::uint16_t>(vector.size()));
  detail::append_big_endian(out, std::uint16_t{0});
  for (const float x : vector) {
    if (type == PgVectorType::vector) {
      detail::append_big_endian(out, std::bit_cast<std::uint32_t>(x));
      continue;
    }
    const Eigen::half half(x);
    if (!Eigen::numext::isfinite(half)) {
      pefa::detail::fail<ValueError>("append_pg_vector: ", x, " is out of the range of halfvec, expected vector");
    }
    detail::append_big_endian(out, Eigen::numext::bit_cast<std::uint16_t>(half));
  }
}

/// Reads a vector that the server sent. @param out  as long as the vector
/// @throws FormatError  other bytes than those of a vector of out.size() elements
inline void read_pg_vector(std::string_view bytes, PgVectorType type, std::span<float> out) {
  const std::size_t element = detail::element_bytes(type);
  const std::size_t dim = bytes.size() < 4 ? 0 : detail::read_big_endian<std::uint16_t>(bytes.data());
  if (bytes.size() != 4 + element * out.size() || dim != out.size()) {
    pefa::detail::fail<FormatError>("read_pg_vector: ", bytes.size(), " bytes of dim ", dim, ", expected ",
                                    4 + element * out.size(), " of dim ", out.size());
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char* from = bytes.data() + 4 + element * i;
    out[i] =
        type == PgVectorType::vector
            ? std::bit_cast<float>(detail::read_big_endian<std::uint32_t>(from))
            : static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(detail::read_big_endian<std::uint16_t>(from)));
  }
}

/// Appends rows of a binary COPY to a string, which its owner may empty between two rows.
class PgCopy {
 public:
  /// Borrows the string, and appends what such a stream starts with.
  explicit PgCopy(std::string& out) : out_(out) {
    static constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);
    out_ += signature;
    detail::append_big_endian(out_, std::uint32_t{0});  // flags
    detail::append_big_endian(out_, std::uint32_t{0});  // no extension of the header
  }

  /// Starts a row of `fields` fields, which follow.
  void row(std::uint16_t fields) { detail::append_big_endian(out_, fields); }

  /// An integer.
  void integer(std::int32_t value) {
    detail::append_big_endian(out_, std::uint32_t{4});
    detail::append_big_endian(out_, static_cast<std::uint32_t>(value));
  }
  /// A bigint.
  void bigint(std::int64_t value) {
    detail::append_big_endian(out_, std::uint32_t{8});
    detail::append_big_endian(out_, static_cast<std::uint64_t>(value));
  }
  /// A real.
  void real(float value) {
    detail::append_big_endian(out_, std::uint32_t{4});
    detail::append_big_endian(out_, std::bit_cast<std::uint32_t>(value));
  }
  /// A text, in the encoding of the database.
  void text(std::string_view value) {
    detail::append_big_endian(out_, static_cast<std::uint32_t>(value.size()));
    out_ += value;
  }
  /// A jsonb, of JSON as text.
  void jsonb(std::string_view value) {
    detail::append_big_endian(out_, static_cast<std::uint32_t>(value.size() + 1));
    out_ += '\1';  // the version of the form
    out_ += value;
  }
  /// A vector or a halfvec. @throws  as append_pg_vector()
  void vector(std::span<const float> value, PgVectorType type = PgVectorType::vector) {
    const std::size_t element = detail::element_bytes(type);
    detail::append_big_endian(out_, static_cast<std::uint32_t>(4 + element * value.size()));
    append_pg_vector(out_, value, type);
  }

  /// Ends the stream.
  void end() { detail::append_big_endian(out_, std::uint16_t{0xFFFF}); }

 private:
  std::string& out_;
};

}  // namespace pefa::io
