// pefa: what tune() tries of the parts that are fitted in closed form (least squares, a whitened space, hubness, local
// regression), and how settings share what is fitted.
#pragma once

#include <cstddef>
#include <vector>

#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"

namespace pefa {

/// Values of the fitted parts, tried coarse to fine: see tune(). The first of each list is where the search starts, and
/// the others are tried around the best of what came before.
struct FittedGrid {
  /// α of least squares; empty leaves least squares out.
  std::vector<float> solve_shrinkages{0.1f, 0.03f, 0.3f, 1.0f};
  std::vector<float> passages_as_queries{0.3f, 0.0f, 1.0f};  ///< b of least squares
  /// Of the whitened space; empty leaves it out.
  std::vector<Scatter> scatters{Scatter::within, Scatter::total, Scatter::both};
  std::vector<float> whitening_shrinkages{0.3f, 1.0f, 0.1f};  ///< α of the whitened space
  std::vector<float> hubness{0.5f, 0.0f, 1.0f};               ///< β of XL in the whitened space
  /// Of XL; `local` in the whitened space alone. The first two are those that spaces are compared by.
  std::vector<GateSpec> gates{
      {GateKind::softmax, 0.05f}, {.kind = GateKind::local, .ridge = 0.3f}, {GateKind::softmax, 0.02f},
      {GateKind::softmax, 0.1f},  {.kind = GateKind::local, .ridge = 0.1f}, {.kind = GateKind::local, .ridge = 1.0f}};
  std::vector<std::size_t> neighbors{32, 8, 16, 64, 128};            ///< k of XL; `local` goes up to 64
  std::vector<float> lambdas{0.35f, 0.1f, 0.2f, 0.5f, 0.65f, 0.8f};  ///< λ of XL
  std::vector<float> folds{0.15f, 0.0f, 0.05f, 0.3f, 0.5f};          ///< λ of the fold under XL, and of XS

  /// Nothing of it: the grid is then the lists of TuneOptions alone.
  [[nodiscard]] static FittedGrid none() {
    FittedGrid grid;
    grid.solve_shrinkages.clear();
    grid.scatters.clear();
    return grid;
  }

  /// Whether there is nothing to try.
  [[nodiscard]] bool empty() const noexcept { return solve_shrinkages.empty() && scatters.empty(); }
};

namespace detail {

/// The largest k of the local regression gate in tune().
inline constexpr std::size_t most_local_neighbors = 64;

/// Whether the training queries are looked up in the same space.
[[nodiscard]] inline bool is_same_space(const RetrieverSpec& a, const RetrieverSpec& b) {
  const bool is_raw = a.whitened == Whitened::none;
  return is_raw == (b.whitened == Whitened::none) && (is_raw || a.whitening == b.whitening);
}

/// Whether the same training queries are near.
[[nodiscard]] inline bool is_same_neighbourhood(const RetrieverSpec& a, const RetrieverSpec& b) {
  return is_same_space(a, b) && a.hubness == b.hubness;
}

/// Whether the plain sides are folded from the same P and C; with what λ is another matter.
[[nodiscard]] inline bool is_same_base(const RetrieverSpec& a, const RetrieverSpec& b) {
  const bool in_space = a.whitened == Whitened::all;
  if (in_space != (b.whitened == Whitened::all) || (in_space && a.whitening != b.whitening)) return false;
  if (a.rule != b.rule || a.cold != b.cold) return false;
  return a.rule == FoldRule::correlation || a.least_squares == b.least_squares;
}

}  // namespace detail
}  // namespace pefa
