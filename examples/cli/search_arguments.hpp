// The arguments of each search, as options of a command.
#pragma once

#include <cstddef>
#include <string>

#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/search_options.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// --ef, --query-ef, --rerank, and for archives --lambda and --neighbors.
class SearchArguments {
 public:
  void add_options(CLI::App& command);
  /// Adds --lambda and --neighbors, too.
  void add_archive_options(CLI::App& command);

  /// @param spec  what is searched; an `automatic` index may be any
  /// @param name  of the archive, for messages
  /// @throws ValueError  an argument that means nothing to it
  [[nodiscard]] SearchOptions options(const RetrieverSpec& spec, const std::string& name) const;

 private:
  std::size_t ef_ = 0;
  std::size_t query_ef_ = 0;
  std::size_t rerank_ = 0;
  std::size_t neighbors_ = 0;
  float lambda_ = -1.0f;
};

/// "xl over hnsw".
[[nodiscard]] std::string kind_of(const RetrieverSpec& spec);

/// The spec with what the arguments of a search change in it.
[[nodiscard]] RetrieverSpec with_arguments(RetrieverSpec spec, const SearchOptions& options);

}  // namespace pefa::cli
