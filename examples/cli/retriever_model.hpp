// The retrievers over one type of index, built and opened by name. Each of the over_*.cpp instantiates it once: this is
// where the compile time of the command goes.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "any_retriever.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/exact_search.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"

namespace pefa::cli {

template <class R>
class RetrieverModel final : public RetrieverInterface {
 public:
  explicit RetrieverModel(R retriever) : retriever_(std::move(retriever)) {}

  std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options) const override {
    return retriever_.search(query, k, options);
  }
  std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                             const SearchOptions& options, const AnyExecutor& executor) const override {
    return retriever_.search_batch(queries, k, options, executor);
  }
  std::vector<Hit> exact_search(QueryView query, std::size_t k, const SearchOptions& options) const override {
    return pefa::exact_search(retriever_, query, k, options);
  }
  std::size_t passage_count() const override { return retriever_.passage_count(); }
  std::size_t dim() const override { return retriever_.dim(); }
  std::size_t memory_bytes() const override { return retriever_.memory_bytes(); }
  void save(const std::filesystem::path& path, const SaveOptions& options) const override {
    retriever_.save(path, options);
  }

 private:
  R retriever_;
};

template <class R>
[[nodiscard]] AnyRetriever any(R retriever) {
  return AnyRetriever(std::make_shared<RetrieverModel<R>>(std::move(retriever)));
}

template <class Index>
using Xl = PefaXl<float, Index, Index, AnyGate>;

[[nodiscard]] inline AnyGate make_gate(const Method& method) {
  if (method.gate == "sum") return SumGate{};
  if (method.gate == "softmax") return SoftmaxGate(method.temperature);
  return MeanGate{};
}

[[nodiscard]] inline KnnSimilarity make_similarity(const Method& method) {
  if (method.similarity == "cosine") return KnnSimilarity::cosine;
  return method.similarity == "l2" ? KnnSimilarity::l2 : KnnSimilarity::inner_product;
}

/// The metric of an index's parameters, wherever they keep it.
template <class Params>
void set_metric(Params& params, Metric metric) {
  if constexpr (requires { params.graph; }) {
    params.graph.metric = metric;
  } else {
    params.metric = metric;
  }
}

template <class Index>
[[nodiscard]] AnyRetriever build_over(const Method& method, const TrainingView& data,
                                      const typename Index::Params& index, const BuildOptions& options) {
  const ColdPassage cold = cold_policy(method.cold);
  const auto norm = method.norm == "passage" ? PseudoNorm::passage : PseudoNorm::unit;
  if (method.name == "xs") {
    return any(PefaXs<float, Index>::build(data.passages, data.queries, data.relevance,
                                           {.lambda = method.lambda, .cold = cold, .norm = norm, .index = index},
                                           options));
  }
  if (method.name == "xs-multi") {
    return any(PefaXsMulti<float, Index>::build(data.passages, data.queries, data.relevance,
                                                {.centroids = {.lambda = method.lambda,
                                                               .max_centroids = method.max_centroids,
                                                               .queries_per_centroid = method.queries_per_centroid,
                                                               .shrinkage = method.shrinkage,
                                                               .cold = cold,
                                                               .norm = norm},
                                                 .index = index},
                                                options));
  }
  if (method.name == "xl") {
    typename Index::Params query_index = index;
    if (method.similarity == "l2") set_metric(query_index, Metric::l2);
    const bool zero = method.missing_erm_score == "zero";
    return any(Xl<Index>::build(data.passages, data.queries, data.relevance,
                                {.lambda = method.lambda,
                                 .neighbors = method.neighbors,
                                 .gate = make_gate(method),
                                 .similarity = make_similarity(method),
                                 .knn_scale = method.knn_scale,
                                 .passage_candidates = method.passage_candidates,
                                 .missing_erm_score = zero ? MissingErmScore::zero : MissingErmScore::exact,
                                 .fold = {.lambda = method.fold.value_or(1.0f), .cold = cold, .norm = norm},
                                 .passage_index = index,
                                 .query_index = query_index},
                                options));
  }
  return any(ErmRetriever<float, Index>::build(data.passages, {.index = index}, options));
}

/// @param name  Method::name of what the archive holds
template <class Index>
[[nodiscard]] AnyRetriever open_over(const std::string& name, const io::ArchiveReader& reader) {
  if (name == "xs") return any(PefaXs<float, Index>::open(reader));
  if (name == "xs-multi") return any(PefaXsMulti<float, Index>::open(reader));
  if (name == "xl") return any(Xl<Index>::open(reader));
  return any(ErmRetriever<float, Index>::open(reader));
}

}  // namespace pefa::cli
