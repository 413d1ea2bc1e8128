#include "pefa/core/error.hpp"

#include <cstdint>
#include <limits>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "catch.hpp"
#include "pefa/core/ids.hpp"

using namespace pefa;

static_assert(std::is_base_of_v<std::runtime_error, Error>);
static_assert(std::is_base_of_v<Error, ShapeError> && std::is_base_of_v<Error, ValueError> &&
              std::is_base_of_v<Error, FormatError> && std::is_base_of_v<Error, IoError> &&
              std::is_base_of_v<Error, Cancelled>);
static_assert(!std::is_base_of_v<ShapeError, ValueError> && !std::is_base_of_v<FormatError, IoError>);

namespace {

/// Groups digits, as the locales of many hosts do.
struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("error: every kind is caught as pefa::Error with its message") {
  const auto message_of = [](const auto& throw_one) {
    try {
      throw_one();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  REQUIRE(message_of([] { detail::fail<ShapeError>("shape ", 1); }) == "shape 1");
  REQUIRE(message_of([] { detail::fail<ValueError>("value ", -2.5); }) == "value -2.5");
  REQUIRE(message_of([] { detail::fail<FormatError>("format ", 'c'); }) == "format c");
  REQUIRE(message_of([] { detail::fail<IoError>("io ", std::string("s")); }) == "io s");
  REQUIRE(message_of([] { detail::fail<Cancelled>("cancelled"); }) == "cancelled");
}

TEST_CASE("error: fail throws exactly the type asked for") {
  REQUIRE_ERROR(ValueError, "k is 0", detail::fail<ValueError>("k is ", 0));
  REQUIRE_ERROR(IoError, "gone", detail::fail<IoError>("gone"));
}

TEST_CASE("error: a message is the same under a host's locale") {
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  const std::string message = detail::join_message("relevance has ", 10003, " rows, lambda is ", 1.5);
  std::locale::global(before);
  REQUIRE(message == "relevance has 10003 rows, lambda is 1.5");
}

TEST_CASE("error: numbers are written as a stream in the C locale writes them") {
  const auto same = [](const auto... numbers) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    (out << ... << numbers);
    REQUIRE(detail::join_message(numbers...) == out.str());
  };
  using Signed = std::numeric_limits<std::int64_t>;
  using Unsigned = std::numeric_limits<std::uint64_t>;
  same(Signed::min(), ' ', Signed::max(), ' ', Unsigned::max(), ' ', std::int16_t{-7}, ' ', 0U, ' ', true);
  same(0.1, ' ', 0.1f, ' ', 100.0, ' ', 123456.0, ' ', 1234567.0, ' ', 1e-5, ' ', 1e300, ' ', -0.0, ' ', 5e-324);
  using Real = std::numeric_limits<double>;
  same(Real::infinity(), ' ', -Real::infinity(), ' ', Real::quiet_NaN());
  same(PassageId(7), ' ', QueryId(0));
}

TEST_CASE("error: a message has fifteen parts at most, and text between them may be empty") {
  REQUIRE_ERROR(ValueError, "1 2,3 4,5 6,7 8",
                detail::fail<ValueError>(1, ' ', 2, ",", 3, " ", 4, std::string(","), 5, " ", 6, ",", 7, " ", 8));
  REQUIRE_ERROR(ValueError, "a", detail::fail<ValueError>("", std::string(), "a", ""));
}
