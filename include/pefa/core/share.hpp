// pefa: the check of a parameter that is a share of something.
#pragma once

#include <concepts>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"

namespace pefa::detail {

/// @param field  what the value is of: "lambda"  @throws ValueError  it is not from 0 to 1
template <std::floating_point Real>
void require_share(Real value, const char* field, const char* who) {
  if (is_finite(value) && value >= Real{0} && value <= Real{1}) return;  // -ffast-math takes a NaN for in order
  fail<ValueError>(who, ": ", field, " is ", value, ", expected 0 to 1");
}

}  // namespace pefa::detail
