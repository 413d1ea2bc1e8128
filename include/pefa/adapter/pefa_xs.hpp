// pefa: PEFA-XS: the training queries folded into the passage vectors; one index, the plain model's own latency.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <utility>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

template <class IndexParams>
struct PefaXsParams {
  float lambda = 0.5f;  ///< λ: the weight of the plain model, 0 to 1; folded in at build, so it cannot change per call
  ColdPassage cold = ColdPassage::erm;
  PseudoNorm norm = PseudoNorm::unit;
  IndexParams index{};
};

/// PEFA-XS: f(q̂, p_j) = ⟨q̂, p̃_j⟩ with p̃_j = λ·p_j + (1 − λ)·Π(Qᵀ Y_:,j) (WSDM 2024, section 4); PseudoNorm
/// is about passages that are not of unit length.
///
/// @tparam Scalar  element type of P and Q
/// @tparam Index   any AnnIndex over float rows
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index>
class PefaXs {
 public:
  using Params = PefaXsParams<typename Index::Params>;

  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages]
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  λ outside [0, 1], an empty input, a row that is not finite, or zero, an index that is not over
  ///                     inner product
  /// @throws Cancelled   the progress callback said stop
  /// O(pairs · dim) and the building of one index; beside it, p̃ (4 · n_passages · dim bytes) while building.
  [[nodiscard]] static PefaXs build(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                    const RelevanceMatrix& relevance, const Params& params = {},
                                    const BuildOptions& options = {}) {
    detail::require_lambda(params.lambda, "PefaXs::build");
    detail::require_training_data(passages, queries, relevance, "PefaXs::build");
    const std::size_t n = passages.size();
    const BuildOptions folding{options.executor, detail::scaled_stage(options.progress, 0, n, 2 * n)};
    const BuildOptions indexing{options.executor, detail::stage(options.progress, n, 2 * n)};
    auto folded =
        detail::fold_checked(passages, queries, relevance, {params.lambda, params.cold, params.norm}, folding);
    const Folding how{params.lambda, params.cold, params.norm, queries.size(), relevance.pair_count()};
    return PefaXs(detail::build_index<Index>(std::move(folded), params.index, indexing), how);
  }

  /// Saves the retriever to a file, durably: on an error, or where the process dies, an older archive of that name
  /// stays as it was. Over indexes that are ArchivableIndex.
  /// @throws IoError  @throws Cancelled  @throws ShapeError  another number of ids than of passages
  void save(const std::filesystem::path& path, const SaveOptions& options = {}) const requires ArchivableIndex<Index> {
    archive(options).save(path, options.progress);
  }

  /// The same to a binary stream.
  void save(std::ostream& out, const SaveOptions& options = {}) const requires ArchivableIndex<Index> {
    archive(options).write(out, options.progress);
  }

  /// Opens what save() wrote, in place: the retriever keeps what the reader holds, and does not need the reader.
  /// @throws FormatError  the archive holds another retriever or index, or a damaged one
  [[nodiscard]] static PefaXs open(const io::ArchiveReader& reader) requires ArchivableIndex<Index> {
    detail::require_retriever(reader, "xs");
    const Folding how{detail::read_lambda(reader), detail::read_enum(reader, "cold", detail::cold_names),
                      detail::read_enum(reader, "norm", detail::norm_names),
                      detail::read_count(reader, "training_queries", 1), detail::read_count(reader, "pairs", 1)};
    return detail::from_archive(
        reader, [&] { return detail::require_passage_count(PefaXs(Index::open(reader, "passages."), how), reader); });
  }

  /// @throws IoError  the file cannot be read  @throws FormatError  as above, or it is no archive
  [[nodiscard]] static PefaXs open(const std::filesystem::path& path) requires ArchivableIndex<Index> {
    return open(io::ArchiveReader::open(path));
  }

  /// @throws ShapeError, ValueError  a query of another dim or that is not finite; k = 0; another λ than the built one
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    require_built_lambda(options);
    return detail::to_hits(index_.search(query, k, detail::passage_options(options)));
  }

  /// @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    require_built_lambda(options);
    return detail::to_hits(pefa::search_batch(index_, queries, k, detail::passage_options(options), executor));
  }

  [[nodiscard]] std::size_t passage_count() const { return index_.size(); }
  [[nodiscard]] std::size_t dim() const { return index_.dim(); }
  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_bytes(); }
  [[nodiscard]] float lambda() const noexcept { return how_.lambda; }
  [[nodiscard]] ColdPassage cold() const noexcept { return how_.cold; }
  [[nodiscard]] PseudoNorm norm() const noexcept { return how_.norm; }
  [[nodiscard]] const Index& index() const noexcept { return index_; }

 private:
  /// What was folded in, and how.
  struct Folding {
    float lambda;
    ColdPassage cold;
    PseudoNorm norm;
    std::size_t training_queries;
    std::size_t pairs;
  };

  PefaXs(Index index, const Folding& how) : index_(std::move(index)), how_(how) {
    detail::require_inner_product(index_, "PefaXs::build");
  }

  [[nodiscard]] io::ArchiveWriter archive(const SaveOptions& options) const {
    io::ArchiveWriter writer = detail::begin_archive(*this, "xs", options);
    writer.metadata().add("lambda", how_.lambda);
    detail::add_enum(writer, "cold", how_.cold, detail::cold_names);
    detail::add_enum(writer, "norm", how_.norm, detail::norm_names);
    writer.metadata().add("training_queries", how_.training_queries);
    writer.metadata().add("pairs", how_.pairs);
    index_.save(writer, "passages.");
    return writer;
  }

  void require_built_lambda(const SearchOptions& options) const {
    if (options.lambda && *options.lambda != how_.lambda) {
      detail::fail<ValueError>("PefaXs::search: lambda is ", *options.lambda, ", but ", how_.lambda,
                               " is folded into the index; build another, or use PefaXl to change it per call");
    }
  }

  Index index_;
  Folding how_;
};

static_assert(Retriever<PefaXs<>>);

}  // namespace pefa
