// pefa: what the row of one new or changed passage is made of.
#pragma once

#include <span>

#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// A passage and the training queries it has a pair with.
struct PassageEvidence {
  std::span<const float> passage;    ///< p_j
  EmbeddingView<float> queries{};    ///< q_i, in ascending order of i
  std::span<const float> weights{};  ///< Y_ij of each
};

}  // namespace pefa
