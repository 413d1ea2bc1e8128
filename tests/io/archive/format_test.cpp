#include "pefa/io/archive/format.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <string>

#include "catch.hpp"

using namespace pefa;
using io::ArchiveElement;
using io::element_type;
using io::ElementType;

namespace {

struct Record {
  std::uint32_t row;
};
enum class Kind : std::uint8_t { one };

template <class T>
bool is_stored_as(ElementType type) {
  return element_type<T>() == type && io::size_of(type) == sizeof(T);
}

}  // namespace

static_assert(!ArchiveElement<bool> && !ArchiveElement<Record> && !ArchiveElement<Kind> && !ArchiveElement<float*>);
static_assert(!ArchiveElement<long double> && !ArchiveElement<std::string> && !ArchiveElement<const float>);

TEST_CASE("element_type: every number has a type of its own, of its own size") {
  REQUIRE(is_stored_as<std::int8_t>(ElementType::int8));
  REQUIRE(is_stored_as<std::uint8_t>(ElementType::uint8));
  REQUIRE(is_stored_as<std::int16_t>(ElementType::int16));
  REQUIRE(is_stored_as<std::uint16_t>(ElementType::uint16));
  REQUIRE(is_stored_as<std::int32_t>(ElementType::int32));
  REQUIRE(is_stored_as<std::uint32_t>(ElementType::uint32));
  REQUIRE(is_stored_as<std::int64_t>(ElementType::int64));
  REQUIRE(is_stored_as<std::uint64_t>(ElementType::uint64));
  REQUIRE(is_stored_as<Eigen::half>(ElementType::float16));
  REQUIRE(is_stored_as<Eigen::bfloat16>(ElementType::bfloat16));
  REQUIRE(is_stored_as<float>(ElementType::float32));
  REQUIRE(is_stored_as<double>(ElementType::float64));
}

TEST_CASE("element_type: characters and bytes are uint8, and every integer goes by its width") {
  REQUIRE(is_stored_as<char>(ElementType::uint8));
  REQUIRE(is_stored_as<std::byte>(ElementType::uint8));
  REQUIRE(is_stored_as<long long>(ElementType::int64));
  REQUIRE(is_stored_as<unsigned long long>(ElementType::uint64));
  REQUIRE(is_stored_as<char16_t>(ElementType::uint16));
}

TEST_CASE("ElementType: every type has a name, and a value that is none has no size") {
  for (std::uint32_t value = 1; value <= 12; ++value) {
    REQUIRE(std::string(io::name(ElementType{value})) != "unknown");
    REQUIRE(io::size_of(ElementType{value}) > 0);
  }
  for (const std::uint32_t value : {0U, 13U, 0xFFFFFFFFU}) {
    REQUIRE(std::string(io::name(ElementType{value})) == "unknown");
    REQUIRE(io::size_of(ElementType{value}) == 0);
  }
}

TEST_CASE("is_archive_key: letters, digits and . _ - / in 1 to 48 characters") {
  using io::detail::is_archive_key;
  REQUIRE(is_archive_key("a"));
  REQUIRE(is_archive_key("passages/graph.level-1_Links09"));
  REQUIRE(is_archive_key(std::string(48, 'z')));
  for (const std::string& key : {std::string(), std::string(49, 'z'), std::string("a b"), std::string("a\0", 2),
                                 std::string("\n"), std::string("λ"), std::string("a:b")}) {
    REQUIRE_FALSE(is_archive_key(key));
  }
}
