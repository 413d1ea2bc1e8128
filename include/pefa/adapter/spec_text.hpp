// pefa: a RetrieverSpec in words, for tables and messages.
#pragma once

#include <string>

#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/error.hpp"

namespace pefa {
namespace detail {

/// The gate in words: "softmax(0.05)".
[[nodiscard]] inline std::string describe(const GateSpec& gate) {
  return gate.kind == GateKind::softmax ? join_message("softmax(", gate.temperature, ")") : name(gate.kind);
}

[[nodiscard]] inline const char* describe(ColdPassage cold) noexcept {
  switch (cold) {
    case ColdPassage::paper: return ", cold passages as in the paper";
    case ColdPassage::erm: return "";
    case ColdPassage::borrowed: return ", cold passages borrow";
  }
  return "";
}

}  // namespace detail

/// A setting in words: "PEFA-XL, softmax(0.05), k = 32, lambda = 0.1".
[[nodiscard]] inline std::string describe(const RetrieverSpec& spec) {
  using detail::join_message;
  const std::string end = join_message(", lambda = ", spec.lambda);
  switch (spec.method) {
    case Method::erm: return "ERM";
    case Method::xs: return "PEFA-XS" + end + detail::describe(spec.cold);
    case Method::xs_multi:
      return join_message("PEFA-XS multi, at most ", spec.max_centroids, " vectors", end, detail::describe(spec.cold));
    case Method::xl: break;
  }
  const std::string over = spec.fold < 1.0f ? join_message(" over PEFA-XS(", spec.fold, ")") : "";
  const std::string merged = spec.condense > 0.0f ? join_message(", queries merged at ", spec.condense) : "";
  return join_message("PEFA-XL", over, merged, ", ", detail::describe(spec.gate), ", k = ", spec.neighbors, end);
}

}  // namespace pefa
