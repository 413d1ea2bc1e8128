// pefa: why a passage has its score, as values; explain.hpp finds out.
#pragma once

#include <optional>
#include <vector>

#include "pefa/core/ids.hpp"

namespace pefa {

/// One training query's say on a passage.
struct Voter {
  QueryId query;              ///< q_i, by its row in Q
  float similarity = 0.0f;    ///< s(q̂, q_i)
  float weight = 0.0f;        ///< w_i, the gate's
  float relevance = 0.0f;     ///< Y_ij
  float contribution = 0.0f;  ///< what it adds to the score, λ included
};

/// The parts of one score.
struct Explanation {
  float score = 0.0f;           ///< of the passage: what search() ranks by
  std::optional<float> erm{};   ///< λ·⟨q̂, p_j⟩; empty where it is folded into one vector with the rest
  std::optional<float> knn{};   ///< (1 − λ)·f_kNN(q̂, p_j); empty as above
  std::vector<Voter> voters{};  ///< PEFA-XL: the neighbours that point to the passage, the loudest first
};

}  // namespace pefa
