// pefa: what pefa/serve.hpp declares, compiled, and the indexes and adapters behind it that a host may name: include it
// in exactly one source of a program that does not link pefa::compiled (which has that source). Together they break no
// rule of one definition.
#pragma once

#include <string>
#include <string_view>

#include "pefa/adapter/any_adapters.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/adapter/balance.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/whitening.hpp"
#include "pefa/core/linear_algebra.hpp"
#include "pefa/index/partitioned_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa {

/// @cond
template void detail::find_eigenpairs<Eigen::MatrixXd>(const Eigen::MatrixXd& matrix, double* values, double* vectors);
template Balance Balance::of_moments<Eigen::MatrixXd>(const Eigen::MatrixXd& queries, const Eigen::MatrixXd& rows,
                                                      const Eigen::VectorXd& mean, const BalanceParams& params,
                                                      const AnyExecutor& executor);
template LeastSquares LeastSquares::of_second_moment<Eigen::MatrixXd>(const Eigen::MatrixXd& a,
                                                                      const LeastSquaresParams& params,
                                                                      const AnyExecutor& executor);
template Whitening Whitening::of_scatter<Eigen::MatrixXd>(const Eigen::MatrixXd& scatter, const WhiteningParams& params,
                                                          const AnyExecutor& executor);
template Whitening Whitening::leading_of<Eigen::MatrixXd>(const Eigen::MatrixXd& moment) const;
template void QuantizedHnswIndex<float>::build_graph(const EmbeddingView<float>& rows, const BuildOptions& options);
template void PartitionedIndex<float>::build_table(const EmbeddingView<float>& rows, const BuildOptions& options);
template AnyIndex AnyIndex::build<float>(const EmbeddingView<float>& rows, const AnyIndexParams& params,
                                         const BuildOptions& options);
template AnyIndex AnyIndex::build<float>(EmbeddingStore<float>&& store, const AnyIndexParams& params,
                                         const BuildOptions& options);
template AnyIndex AnyIndex::open<void>(const io::ArchiveReader& reader, const std::string& prefix);
template PefaXsOverAny<> PefaXsOverAny<>::build(EmbeddingSource<float> passages, EmbeddingSource<float> queries,
                                                const RelevanceMatrix& relevance, const PefaXsOverAny<>::Params& params,
                                                const BuildOptions& options);
template PefaXlOverAny<> PefaXlOverAny<>::build(EmbeddingSource<float> passages, EmbeddingSource<float> queries,
                                                RelevanceMatrix relevance, const PefaXlOverAny<>::Params& params,
                                                const BuildOptions& options);
template AnyRetriever open<void>(const std::string& path, Verify verify);
template AnyRetriever open<void>(const io::ArchiveReader& reader);
template AnyRetriever AnyRetriever::with_ids<io::ExternalIds>(io::ExternalIds ids) const;
template PassageSet AnyRetriever::where<void>(std::string_view condition) const;
template QuerySet AnyRetriever::queries_where<void>(std::string_view condition) const;
template AnyRetriever detail::build_any<float>(const RetrieverSpec& spec, EmbeddingSource<float> passages,
                                               EmbeddingSource<float> queries, const RelevanceMatrix* relevance,
                                               const BuildOptions& options, Rows rows);
/// @endcond

}  // namespace pefa
