// pefa: tune() compiled, which pefa::compiled holds beside what pefa/serve_impl.hpp compiles. A source of its own, as a
// host that only serves does not tune.
#pragma once

#include "pefa/eval/tune.hpp"

namespace pefa {

/// @cond
template TuneReport tune<float>(const EmbeddingView<float>& passages, const EmbeddingView<float>& queries,
                                const RelevanceMatrix& relevance, const TuneOptions& options);
/// @endcond

}  // namespace pefa
