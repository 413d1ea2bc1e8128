#include "pefa/io/file/wrong_format.hpp"

#include <string>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::WrongFormat;
using io::detail::naming_wrong_format;

TEST_CASE("naming_wrong_format: a file that could not be read is named by what it is") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("x.fvecs", "\x93NUMPY....");
  const auto refuse = []() -> int { throw FormatError("row 0 is truncated"); };
  REQUIRE_ERROR(WrongFormat, "x.fvecs: it is a .npy file, not .fvecs", naming_wrong_format(path, "fvecs", refuse));
  REQUIRE_ERROR(FormatError, "row 0 is truncated", naming_wrong_format(path, "npy", refuse));
  REQUIRE_ERROR(FormatError, "row 0 is truncated",
                naming_wrong_format(directory.write("y.fvecs", "text"), "fvecs", refuse));
  REQUIRE_ERROR(FormatError, "row 0 is truncated", naming_wrong_format(directory / "absent", "fvecs", refuse));
  const auto zip = directory.write("z", "PK\x03\x04");
  REQUIRE_ERROR(FormatError, "row 0 is truncated", naming_wrong_format(zip, "npz", refuse));
  REQUIRE_ERROR(WrongFormat, "z: it is a .zip or .npz file, not .tsv", naming_wrong_format(zip, "tsv", refuse));
}

TEST_CASE("naming_wrong_format: what reads well, and other errors, pass through") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("x.fvecs", "\x93NUMPY....");
  REQUIRE(naming_wrong_format(path, "fvecs", [] { return 7; }) == 7);
  const auto refuse = []() -> int { throw IoError("cannot be read"); };
  REQUIRE_ERROR(IoError, "cannot be read", naming_wrong_format(path, "fvecs", refuse));
}
