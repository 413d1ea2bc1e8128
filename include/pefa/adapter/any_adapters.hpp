// pefa: PEFA-XS and PEFA-XL over indexes and gates that are chosen at run time, which pefa::compiled has ready.
#pragma once

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/index/any_index.hpp"

namespace pefa {

/// PEFA-XS over an index that is chosen at run time.
template <EmbeddingScalar Scalar = float>
using PefaXsOverAny = PefaXs<Scalar, AnyIndex>;

/// PEFA-XL over indexes and a gate that are chosen at run time.
template <EmbeddingScalar Scalar = float>
using PefaXlOverAny = PefaXl<Scalar, AnyIndex, AnyIndex, AnyGate>;

#if defined(PEFA_COMPILED) && PEFA_COMPILED
// pefa::compiled is linked: these are there already.
/// @cond
extern template PefaXsOverAny<> PefaXsOverAny<>::build(EmbeddingSource<float> passages, EmbeddingSource<float> queries,
                                                       const RelevanceMatrix& relevance,
                                                       const PefaXsOverAny<>::Params& params,
                                                       const BuildOptions& options);
extern template PefaXlOverAny<> PefaXlOverAny<>::build(EmbeddingSource<float> passages, EmbeddingSource<float> queries,
                                                       RelevanceMatrix relevance, const PefaXlOverAny<>::Params& params,
                                                       const BuildOptions& options);
/// @endcond
#endif

}  // namespace pefa
