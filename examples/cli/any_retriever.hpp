// Any of the library's retrievers behind one type, chosen by names on a command line or in an archive.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "data_files.hpp"
#include "method.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/ids/external_ids.hpp"

namespace pefa::cli {

/// What a command asks of a retriever; retriever_model.hpp makes one of each type.
class RetrieverInterface {
 public:
  RetrieverInterface() = default;
  RetrieverInterface(const RetrieverInterface&) = delete;
  RetrieverInterface& operator=(const RetrieverInterface&) = delete;
  virtual ~RetrieverInterface() = default;

  [[nodiscard]] virtual std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                   const SearchOptions&, const AnyExecutor&) const = 0;
  [[nodiscard]] virtual std::vector<Hit> exact_search(QueryView query, std::size_t k, const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::size_t passage_count() const = 0;
  [[nodiscard]] virtual std::size_t dim() const = 0;
  [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
  virtual void save(const std::filesystem::path& path, const SaveOptions& options) const = 0;
};

/// A retriever whose type was chosen at run time; satisfies pefa::Retriever. Copies share it.
class AnyRetriever {
 public:
  explicit AnyRetriever(std::shared_ptr<const RetrieverInterface> held) : held_(std::move(held)) {}

  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return held_->search(query, k, options);
  }
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    return held_->search_batch(queries, k, options, executor);
  }
  /// What search() would find if its index were exact: every row is looked at.
  [[nodiscard]] std::vector<Hit> exact_search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return held_->exact_search(query, k, options);
  }
  [[nodiscard]] std::size_t passage_count() const { return held_->passage_count(); }
  [[nodiscard]] std::size_t dim() const { return held_->dim(); }
  [[nodiscard]] std::size_t memory_bytes() const { return held_->memory_bytes(); }

  /// Writes the archive, whole or not at all.
  void save(const std::filesystem::path& path, const SaveOptions& options) const { held_->save(path, options); }

  /// Keeps what its indexes borrow, where nobody else does.
  void keep(std::shared_ptr<const void> borrowed) { borrowed_ = std::move(borrowed); }

 private:
  std::shared_ptr<const void> borrowed_;
  std::shared_ptr<const RetrieverInterface> held_;
};

static_assert(Retriever<AnyRetriever>);

/// Builds what `method` names. Indexes may borrow the passages and queries, which must outlive the result.
[[nodiscard]] AnyRetriever build(const Method& method, const TrainingView& data, const BuildOptions& options);

/// An archive that is open.
struct OpenArchive {
  io::ArchiveReader reader;
  Method method;  ///< as its metadata say
  AnyRetriever retriever;
  std::optional<io::ExternalIds> passage_ids;

  /// What serving it takes: the mapped file, and what opening it put on the heap.
  [[nodiscard]] std::size_t index_bytes() const {
    return static_cast<std::size_t>(reader.byte_size()) + retriever.memory_bytes();
  }
  [[nodiscard]] PassageSide passage_side() const {
    return {reader.name(), retriever.passage_count(), retriever.dim(), passage_ids ? &*passage_ids : nullptr};
  }
};

/// @throws pefa::Error  it cannot be read, or holds what this command was not built for
[[nodiscard]] OpenArchive open_archive(const std::filesystem::path& path);

}  // namespace pefa::cli
