#include "pefa/core/share.hpp"

#include <limits>

#include "catch.hpp"

using namespace pefa;
using pefa::detail::require_share;

TEST_CASE("require_share: 0 to 1, what is refused as it was given") {
  for (const float share : {0.0f, 0.5f, 1.0f}) REQUIRE_NOTHROW(require_share(share, "lambda", "here"));
  REQUIRE_ERROR(ValueError, "here: lambda is 1.1, expected 0 to 1", require_share(1.1f, "lambda", "here"));
  REQUIRE_ERROR(ValueError, "here: target_recall is -0.25, expected 0 to 1",
                require_share(-0.25, "target_recall", "here"));
  REQUIRE_ERROR(ValueError, "lambda is nan", require_share(std::numeric_limits<float>::quiet_NaN(), "lambda", "here"));
}
