// Any of the library's retrievers behind one type, chosen by names on a command line.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "data_files.hpp"
#include "pefa/pefa.hpp"

namespace pefa::cli {

/// What to build, as the command line says it.
struct Method {
  std::string name = "erm";  ///< erm, xs or xl
  float lambda = 0.5f;
  std::size_t neighbors = 32;
  std::string gate = "mean";  ///< mean, sum or softmax
  float temperature = 0.05f;
  std::string cold = "paper";  ///< paper or erm
  std::string index = "hnsw";  ///< flat, hnsw or quantized
  std::size_t m = 32;
  std::size_t ef_construction = 500;
  std::size_t ef_search = 300;

  /// "XL softmax": as a table names it.
  [[nodiscard]] std::string label() const;
};

/// A retriever whose type was chosen at run time; satisfies pefa::Retriever.
class AnyRetriever {
 public:
  template <Retriever R>
  explicit AnyRetriever(R retriever) : held_(std::make_shared<Model<R>>(std::move(retriever))) {}

  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return held_->search(query, k, options);
  }
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    return held_->search_batch(queries, k, options, executor);
  }
  [[nodiscard]] std::size_t passage_count() const { return held_->passage_count(); }
  [[nodiscard]] std::size_t dim() const { return held_->dim(); }
  [[nodiscard]] std::size_t memory_bytes() const { return held_->memory_bytes(); }

 private:
  struct Interface {
    Interface() = default;
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;
    virtual ~Interface() = default;
    virtual std::vector<Hit> search(QueryView, std::size_t, const SearchOptions&) const = 0;
    virtual std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>&, std::size_t, const SearchOptions&,
                                                       const AnyExecutor&) const = 0;
    virtual std::size_t passage_count() const = 0;
    virtual std::size_t dim() const = 0;
    virtual std::size_t memory_bytes() const = 0;
  };

  template <class R>
  struct Model final : Interface {
    explicit Model(R r) : retriever(std::move(r)) {}
    std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options) const override {
      return retriever.search(query, k, options);
    }
    std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                               const SearchOptions& options,
                                               const AnyExecutor& executor) const override {
      return retriever.search_batch(queries, k, options, executor);
    }
    std::size_t passage_count() const override { return retriever.passage_count(); }
    std::size_t dim() const override { return retriever.dim(); }
    std::size_t memory_bytes() const override { return retriever.memory_bytes(); }
    R retriever;
  };

  std::shared_ptr<const Interface> held_;
};

static_assert(Retriever<AnyRetriever>);

/// Builds what `method` names over the training data.
[[nodiscard]] AnyRetriever build(const Method& method, const TrainingData& data, const BuildOptions& options);

}  // namespace pefa::cli
