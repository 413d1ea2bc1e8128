// pefa: a RetrieverSpec in words, for tables and messages.
#pragma once

#include <string>

#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/error.hpp"

namespace pefa {
namespace detail {

/// The gate in words: "softmax(0.05)", "local(0.3)", which is γ.
[[nodiscard]] inline std::string describe(const GateSpec& gate) {
  if (gate.kind == GateKind::softmax) return join_message("softmax(", gate.temperature, ")");
  if (gate.kind != GateKind::local) return name(gate.kind);
  const bool is_usual = gate.bandwidth == GateSpec{}.bandwidth;
  return is_usual ? join_message("local(", gate.ridge, ")")
                  : join_message("local(", gate.ridge, ", bandwidth ", gate.bandwidth, ")");
}

/// How C_j is made, where that is not the paper's way: ", least squares(0.1, b = 0.3)".
[[nodiscard]] inline std::string describe_rule(const RetrieverSpec& spec) {
  if (spec.rule != FoldRule::least_squares) return {};
  const float b = spec.least_squares.passages_as_queries;
  const std::string passages = b > 0.0f ? join_message(", b = ", b) : std::string();
  return join_message(", least squares(", spec.least_squares.shrinkage, passages, ")");
}

/// The whitened space: ", whitened(within, 1)".
[[nodiscard]] inline std::string describe_space(const RetrieverSpec& spec) {
  const bool is_xl = spec.method == Method::xl;
  if (spec.whitened == Whitened::none || (spec.whitened == Whitened::queries && !is_xl)) return {};
  const char* what = spec.whitened == Whitened::all ? ", whitened(" : ", whitened votes(";
  const std::string rank = spec.whitening.rank > 0 ? join_message(", rank ", spec.whitening.rank) : std::string();
  return join_message(what, name(spec.whitening.scatter), ", ", spec.whitening.shrinkage, rank, ")");
}

[[nodiscard]] inline std::string describe_balance(const RetrieverSpec& spec) {
  return spec.balance > 0 ? join_message(", balanced at rank ", spec.balance) : std::string();
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
    case Method::xs:
      return "PEFA-XS" + detail::describe_rule(spec) + detail::describe_space(spec) + detail::describe_balance(spec) +
             end + detail::describe(spec.cold);
    case Method::xs_multi:
      return join_message("PEFA-XS multi, at most ", spec.max_centroids, " vectors", detail::describe_rule(spec),
                          detail::describe_space(spec), detail::describe_balance(spec), end,
                          detail::describe(spec.cold));
    case Method::xl: break;
  }
  const bool is_folded = spec.fold < 1.0f;
  const std::string over = is_folded ? join_message(" over PEFA-XS(", spec.fold, detail::describe_rule(spec),
                                                    detail::describe_balance(spec), ")")
                                     : "";
  const std::string merged = spec.condense > 0.0f ? join_message(", queries merged at ", spec.condense) : "";
  const std::string hubness = spec.hubness > 0.0f ? join_message(", hubness ", spec.hubness) : "";
  return join_message("PEFA-XL", over, merged, detail::describe_space(spec), hubness, ", ", detail::describe(spec.gate),
                      ", k = ", spec.neighbors, end);
}

}  // namespace pefa
