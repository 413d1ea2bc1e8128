// Including pefa/pefa.hpp compiles no index, fit or retriever: a specialisation of what is compiled already is an
// error. What an inline function that is no template calls is compiled in every file that sees it, whether or not it is
// used.
#include "pefa/pefa.hpp"

namespace pefa {

template <>
FlatIndex<float> FlatIndex<float>::build(const EmbeddingView<float>& rows, const FlatParams& params,
                                         const BuildOptions& options);
template <>
HnswIndex HnswIndex::build(const EmbeddingView<float>& rows, const HnswParams& params, const BuildOptions& options);
template <>
QuantizedHnswIndex<float> QuantizedHnswIndex<float>::build(const EmbeddingView<float>& rows,
                                                           const QuantizedHnswParams& params,
                                                           const BuildOptions& options);
template <>
PartitionedIndex<float> PartitionedIndex<float>::build(const EmbeddingView<float>& rows,
                                                       const PartitionedParams& params, const BuildOptions& options);
template <>
std::vector<Neighbor> QuantizedHnswIndex<float>::search(QueryView query, std::size_t k,
                                                        const IndexSearchOptions& options) const;
template <>
std::vector<Neighbor> PartitionedIndex<float>::search(QueryView query, std::size_t k,
                                                      const IndexSearchOptions& options) const;

// pefa::compiled declares these itself, which says that they are not compiled here.
#if !defined(PEFA_COMPILED)
template <>
AnyRetriever open<void>(const std::string& path, Verify verify);
template <>
LeastSquares LeastSquares::of_second_moment<Eigen::MatrixXd>(const Eigen::MatrixXd& a, const LeastSquaresParams& params,
                                                             const AnyExecutor& executor);
template <>
Whitening Whitening::of_scatter<Eigen::MatrixXd>(const Eigen::MatrixXd& scatter, const WhiteningParams& params,
                                                 const AnyExecutor& executor);
template <>
Balance Balance::of_moments<Eigen::MatrixXd>(const Eigen::MatrixXd& queries, const Eigen::MatrixXd& rows,
                                             const Eigen::VectorXd& mean, const BalanceParams& params,
                                             const AnyExecutor& executor);
#endif

}  // namespace pefa
