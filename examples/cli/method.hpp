// Which retriever, with which parameters: as the command line, a tune.json or an archive says it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "data_files.hpp"
#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/retriever.hpp"

namespace CLI {
class App;
}

namespace pefa::io {
class ArchiveMetadata;
}

namespace pefa::cli {

/// What to build.
struct Method {
  std::string name = "erm";  ///< erm, xs, xl or xs-multi
  float lambda = 0.5f;
  std::size_t neighbors = 32;
  std::string gate = "mean";  ///< mean, sum or softmax
  float temperature = 0.05f;
  std::string similarity = "inner_product";  ///< of XL's query side: inner_product, cosine or l2
  float knn_scale = 1.0f;
  std::size_t passage_candidates = 0;
  std::string missing_erm_score = "exact";  ///< exact or zero
  std::optional<float> fold{};              ///< XL: λ of the PEFA-XS vectors on its plain side; none: P itself
  std::optional<float> condense{};          ///< XL: the cosine from which training queries are merged; none: all stay
  std::string cold = "erm";                 ///< of XS, and of XL's fold: paper, erm or borrowed
  std::string norm = "unit";                ///< of pseudo-embeddings: unit or passage
  std::size_t max_centroids = 8;
  std::size_t queries_per_centroid = 1;  // this and the next as CentroidParams has them, which tune() scores
  float shrinkage = 0.25f;
  std::string index = "hnsw";  ///< flat, hnsw or quantized
  std::size_t m = 32;
  std::size_t ef_construction = 500;
  std::size_t ef_search = 300;

  /// Whether XL's plain side is PEFA-XS; at λ = 1 that is the plain model.
  [[nodiscard]] bool is_folded() const { return name == "xl" && fold && *fold < 1.0f; }
  /// "PEFA-XL softmax": as a table names it.
  [[nodiscard]] std::string label() const;
  [[nodiscard]] Training training() const { return name == "erm" ? Training::unused : Training::used; }
};

/// The policy that --cold names.
[[nodiscard]] inline ColdPassage cold_policy(const std::string& name) {
  if (name == "borrowed") return ColdPassage::borrowed;
  return name == "erm" ? ColdPassage::erm : ColdPassage::paper;
}

/// The parameters that matter to this method; null for the others.
[[nodiscard]] nlohmann::ordered_json to_json(const Method& method);

/// Adds --neighbors, --temperature, --fold, --condense, --cold and the rarer parameters of the adapters.
void add_adapter_options(CLI::App& command, Method& method);
/// Adds --index, --m, --ef-construction and --ef-search.
void add_index_options(CLI::App& command, Method& method);

/// A method named on the command line, or by the tune.json that `pefa tune --json` wrote.
class MethodOptions {
 public:
  /// Adds --method, --tuned and all parameters.
  void add_options(CLI::App& command);

  /// @throws CLI::RequiredError  neither --method nor --tuned
  /// @throws CLI::ValidationError  --fold or --condense with a method other than xl
  /// @throws pefa::Error  the tune.json cannot be read
  [[nodiscard]] Method method() const;

 private:
  Method method_;
  bool method_given_ = false;
  std::filesystem::path tuned_;
};

/// The pick of a tune.json over the defaults of `base`. @throws IoError, FormatError
[[nodiscard]] Method read_tuned(const std::filesystem::path& path, Method base);

/// What an archive's metadata say. @throws FormatError  a name that this command does not know
[[nodiscard]] Method method_of(const io::ArchiveMetadata& metadata);

/// Arguments of each search: --ef, --query-ef, --rerank, and for archives --lambda and --neighbors.
class SearchArguments {
 public:
  void add_options(CLI::App& command);
  /// Adds --lambda and --neighbors, too.
  void add_archive_options(CLI::App& command);

  /// @throws ValueError  an argument that means nothing to this method or its index
  [[nodiscard]] SearchOptions options(const Method& method, const std::string& archive) const;

 private:
  std::size_t ef_ = 0;
  std::size_t query_ef_ = 0;
  std::size_t rerank_ = 0;
  std::size_t neighbors_ = 0;
  float lambda_ = -1.0f;
};

}  // namespace pefa::cli
