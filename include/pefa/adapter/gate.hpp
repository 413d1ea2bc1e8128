// pefa: the gates of PEFA-XL: how much each of the k nearest training queries of q̂ is listened to, D(q̂, Q)_ii = w_i.
//
// A gate is a policy: any class that fills the weights from the similarities (Gate), or from those and the vectors of
// the neighbours (NeighborGate). Three of the first kind are here; write a fourth the same way.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <variant>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/local_regression.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"

namespace pefa {

/// gate(similarities, weights): similarities ⟨q̂, q_i⟩ of the found neighbours, best first; as many weights to fill,
/// each finite and >= 0. Neither is ever empty.
template <class G>
concept Gate = std::copyable<G> &&
    requires(const G& gate, std::span<const float> similarities, std::span<float> weights) {
  { gate(similarities, weights) } -> std::same_as<void>;
};

/// gate(similarities, vectors, dim, weights, scratch): sees how the neighbours lie to each other, too. Weights are
/// finite and may be negative; they are votes as they stand, without the factor s_i: f_kNN = Σ w_i·Y_ij. `vectors` are
/// q_i as the query index holds them, `dim` floats each; `scratch` is the caller's, for whoever needs it.
template <class G>
concept NeighborGate = std::copyable<G> &&
    requires(const G& gate, std::span<const float> similarities, std::span<const float* const> vectors, std::size_t dim,
             std::span<float> weights, GateScratch& scratch) {
  { gate(similarities, vectors, dim, weights, scratch) } -> std::same_as<void>;
};

/// What PEFA-XL takes.
template <class G>
concept VoteGate = Gate<G> || NeighborGate<G>;

/// w_i = 1/k: the paper's (equation 7); for binary Y it keeps f_kNN within the range of ⟨q̂, q⟩.
struct MeanGate {
  /// Fills in the weights; similarities count for nothing.
  void operator()(std::span<const float> /*similarities*/, std::span<float> weights) const {
    const float weight = 1.0f / static_cast<float>(weights.size());
    for (float& w : weights) w = weight;
  }
};

/// w_i = 1: as in the authors' TriviaQA runs; the more of the neighbours agree, the more they outweigh the plain model.
struct SumGate {
  /// Fills in the weights; similarities count for nothing.
  void operator()(std::span<const float> /*similarities*/, std::span<float> weights) const {
    for (float& w : weights) w = 1.0f;
  }
};

/// w_i = exp(⟨q̂, q_i⟩ / τ) / Σ over the neighbours: near queries speak louder, and k matters less.
class SoftmaxGate {
 public:
  /// @param temperature  τ, finite and > 0; small τ listens to the nearest only, large τ is the mean. 0.05 suits
  /// cosines
  /// @throws ValueError  τ out of range
  explicit SoftmaxGate(float temperature = 0.05f) : temperature_(temperature) {
    if (!(detail::is_finite(temperature) && temperature > 0.0f)) {
      detail::fail<ValueError>("SoftmaxGate: temperature is ", temperature, ", expected finite and above 0");
    }
  }

  /// Fills in the weights. @param similarities  as many, best first; at least one
  void operator()(std::span<const float> similarities, std::span<float> weights) const {
    float sum = 0.0f;
    for (std::size_t i = 0; i < weights.size(); ++i) {  // the first is the largest: no exponent is above 0
      weights[i] = std::exp((similarities[i] - similarities[0]) / temperature_);
      sum += weights[i];
    }
    for (float& w : weights) w /= sum;
  }

  /// τ, above 0.
  [[nodiscard]] float temperature() const noexcept { return temperature_; }

 private:
  float temperature_;
};

/// One of the library's gates, chosen at run time. Whether it is a NeighborGate is known then: needs_vectors().
class AnyGate {
 public:
  /// Holds a MeanGate.
  AnyGate() = default;
  /// Holds a MeanGate.
  AnyGate(MeanGate gate) : gate_(gate) {}  // NOLINT(google-explicit-constructor): a gate is one
  /// Holds a SumGate.
  AnyGate(SumGate gate) : gate_(gate) {}  // NOLINT(google-explicit-constructor)
  /// Holds a SoftmaxGate.
  AnyGate(SoftmaxGate gate) : gate_(gate) {}  // NOLINT(google-explicit-constructor)
  /// Holds a LocalRegressionGate.
  AnyGate(LocalRegressionGate gate) : gate_(gate) {}  // NOLINT(google-explicit-constructor)

  /// Whether the gate it holds is a NeighborGate.
  [[nodiscard]] bool needs_vectors() const noexcept { return std::holds_alternative<LocalRegressionGate>(gate_); }

  /// Fills in the weights by the gate it holds. @throws ValueError  that needs the neighbours' vectors
  void operator()(std::span<const float> similarities, std::span<float> weights) const {
    std::visit(
        [&](const auto& gate) {
          if constexpr (Gate<std::remove_cvref_t<decltype(gate)>>) {
            gate(similarities, weights);
          } else {
            detail::fail<ValueError>("AnyGate: the local gate needs the vectors of the neighbours");
          }
        },
        gate_);
  }

  /// The same with what a NeighborGate sees; where needs_vectors() is false, `vectors` may be empty.
  void operator()(std::span<const float> similarities, std::span<const float* const> vectors, std::size_t dim,
                  std::span<float> weights, GateScratch& scratch) const {
    std::visit(
        [&](const auto& gate) {
          if constexpr (Gate<std::remove_cvref_t<decltype(gate)>>) {
            gate(similarities, weights);
          } else {
            gate(similarities, vectors, dim, weights, scratch);
          }
        },
        gate_);
  }

  /// Calls `visitor` with the gate that was chosen.
  template <class Visitor>
  void visit(const Visitor& visitor) const {
    std::visit(visitor, gate_);
  }

 private:
  std::variant<MeanGate, SumGate, SoftmaxGate, LocalRegressionGate> gate_;
};

/// Whether a gate weighs by the vectors of the neighbours.
template <VoteGate G>
[[nodiscard]] bool needs_vectors(const G& gate) noexcept {
  if constexpr (requires {
                  { gate.needs_vectors() } -> std::same_as<bool>;
                }) {
    return gate.needs_vectors();
  } else {
    return NeighborGate<G>;
  }
}

/// The gate that a value names. @throws ValueError  softmax with τ out of range, local with h or γ out of range
[[nodiscard]] inline AnyGate make_gate(const GateSpec& spec) {
  if (spec.kind == GateKind::softmax) return SoftmaxGate(spec.temperature);
  if (spec.kind == GateKind::local) {
    return LocalRegressionGate({.bandwidth = spec.bandwidth, .ridge = spec.ridge});
  }
  if (spec.kind == GateKind::sum) return SumGate{};
  return MeanGate{};
}

/// The value that names a gate of the library.
[[nodiscard]] inline GateSpec spec_of(MeanGate /*gate*/) {
  return {GateKind::mean};
}
/// The same of a SumGate.
[[nodiscard]] inline GateSpec spec_of(SumGate /*gate*/) {
  return {GateKind::sum};
}
/// The same of a SoftmaxGate, with its τ.
[[nodiscard]] inline GateSpec spec_of(const SoftmaxGate& gate) {
  return {GateKind::softmax, gate.temperature()};
}
/// The same of a LocalRegressionGate, with its h and γ.
[[nodiscard]] inline GateSpec spec_of(const LocalRegressionGate& gate) {
  return {.kind = GateKind::local, .bandwidth = gate.params().bandwidth, .ridge = gate.params().ridge};
}
/// The same of the gate it holds.
[[nodiscard]] inline GateSpec spec_of(const AnyGate& gate) {
  GateSpec spec;
  gate.visit([&](const auto& held) { spec = spec_of(held); });
  return spec;
}

static_assert(Gate<MeanGate> && Gate<SumGate> && Gate<SoftmaxGate> && NeighborGate<LocalRegressionGate>);
static_assert(NeighborGate<AnyGate>);

}  // namespace pefa
