#include "pefa/core/error.hpp"

#include <locale>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "catch.hpp"

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
