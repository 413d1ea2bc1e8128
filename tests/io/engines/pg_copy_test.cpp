#include "pefa/io/engines/pg_copy.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using io::PgVectorType;

namespace {

/// A string of bytes that may be 0.
template <std::size_t N>
std::string bytes(const char (&text)[N]) {
  return {text, N - 1};
}

std::string sent(const std::vector<float>& vector, PgVectorType type) {
  std::string out;
  io::append_pg_vector(out, vector, type);
  return out;
}

}  // namespace

TEST_CASE("PgCopy: the bytes that PostgreSQL's documentation lists") {
  std::string out;
  io::PgCopy copy(out);
  REQUIRE(out == bytes("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"));
  out.clear();
  copy.row(3);
  copy.bigint(-2);
  copy.text("p7");
  copy.vector(std::vector<float>{1.0f, -2.0f});
  REQUIRE(out == bytes("\0\3"
                       "\0\0\0\10\377\377\377\377\377\377\377\376"
                       "\0\0\0\2p7"
                       "\0\0\0\14\0\2\0\0\x3F\x80\0\0\xC0\0\0\0"));
  out.clear();
  copy.row(2);
  copy.real(0.5f);
  copy.vector(std::vector<float>{1.0f}, PgVectorType::halfvec);
  REQUIRE(out == bytes("\0\2\0\0\0\4\x3F\0\0\0\0\0\0\6\0\1\0\0\x3C\0"));
  out.clear();
  copy.end();
  REQUIRE(out == bytes("\377\377"));
}

TEST_CASE("read_pg_vector: brings back what append_pg_vector wrote") {
  const std::vector<float> vector = {0.1f, -3.0e38f, 1.0e-40f, 0.0f, 65504.0f};
  std::vector<float> back(vector.size());
  io::read_pg_vector(sent(vector, PgVectorType::vector), PgVectorType::vector, back);
  REQUIRE(back == vector);
  const std::vector<float> halves = {0.5f, -1.75f, 65504.0f};
  back.resize(halves.size());
  io::read_pg_vector(sent(halves, PgVectorType::halfvec), PgVectorType::halfvec, back);
  REQUIRE(back == halves);
}

TEST_CASE("read_pg_vector: other bytes than those of such a vector are refused") {
  std::vector<float> back(2);
  const std::string good = sent({1.0f, 2.0f}, PgVectorType::vector);
  for (std::size_t size = 0; size < good.size(); ++size) {
    REQUIRE_ERROR(FormatError, "expected 12 of dim 2",
                  (io::read_pg_vector(std::string_view(good).substr(0, size), PgVectorType::vector, back), 0));
  }
  REQUIRE_ERROR(FormatError, "16 bytes of dim 3",
                (io::read_pg_vector(sent({1.0f, 2.0f, 3.0f}, PgVectorType::vector), PgVectorType::vector, back), 0));
  std::string wrong = good;
  wrong[1] = 3;
  REQUIRE_ERROR(FormatError, "12 bytes of dim 3", (io::read_pg_vector(wrong, PgVectorType::vector, back), 0));
}

TEST_CASE("append_pg_vector: what the server's types cannot hold is refused") {
  REQUIRE_ERROR(ShapeError, "16001 elements, expected at most 16000",
                sent(std::vector<float>(16001), PgVectorType::vector));
  REQUIRE_ERROR(ValueError, "out of the range of halfvec", sent({70000.0f}, PgVectorType::halfvec));
  REQUIRE_ERROR(ValueError, "out of the range of halfvec",
                sent({std::numeric_limits<float>::infinity()}, PgVectorType::halfvec));
}
