#include "data_files.hpp"

#include <CLI/CLI.hpp>

namespace pefa::cli {
namespace {

/// TSV pairs, or TREC qrels where the name says so.
RelevanceMatrix read_relevance(const std::filesystem::path& path, std::size_t n_queries, std::size_t n_passages) {
  if (path.extension() == ".qrels") return io::read_qrels(path, n_queries, n_passages);
  return io::read_pairs(path, n_queries, n_passages);
}

void require_same_dim(const std::filesystem::path& path, const EmbeddingStore<float>& queries,
                      const std::filesystem::path& passages_path, const EmbeddingStore<float>& passages) {
  if (queries.dim() != passages.dim()) {
    throw ShapeError(path.string() + ": queries have dim " + std::to_string(queries.dim()) + ", passages in " +
                     passages_path.string() + " have dim " + std::to_string(passages.dim()) +
                     "; encode both with the same model");
  }
}

}  // namespace

void DataFiles::add_options(CLI::App& command) {
  command.add_option("--passages", passages_, "passage vectors, .npy [n x dim]")->required();
  command.add_option("--train-queries", train_queries_, "training query vectors, .npy")->required();
  command
      .add_option("--train-relevance", train_relevance_,
                  "training pairs: query<TAB>passage[<TAB>weight], rows from 0; or TREC qrels (*.qrels)")
      ->required();
  command.add_option("--test-queries", test_queries_, "test query vectors, .npy")->required();
  command.add_option("--test-relevance", test_relevance_, "test pairs, as --train-relevance")->required();
  command.add_flag("--normalize", unit_, "divide every vector by its length (inner product becomes cosine)");
}

TrainingData DataFiles::read_training() const {
  auto passages = io::read_npy<float>(passages_, normalize());
  auto queries = io::read_npy<float>(train_queries_, normalize());
  require_same_dim(train_queries_, queries, passages_, passages);
  auto relevance = read_relevance(train_relevance_, queries.size(), passages.size());
  return {std::move(passages), std::move(queries), std::move(relevance)};
}

TestData DataFiles::read_test(const EmbeddingStore<float>& passages) const {
  auto queries = io::read_npy<float>(test_queries_, normalize());
  require_same_dim(test_queries_, queries, passages_, passages);
  auto truth = read_relevance(test_relevance_, queries.size(), passages.size());
  return {std::move(queries), std::move(truth)};
}

}  // namespace pefa::cli
