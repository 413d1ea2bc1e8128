// pefa: multi-vector PEFA-XS: a passage is what it says and the few things it is asked for, one vector each; one index.
//
// Between XS, which averages all the training queries of a passage into one direction, and XL, which keeps every one.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <ostream>
#include <utility>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/query_centroids.hpp"
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
struct PefaXsMultiParams {
  CentroidParams centroids{};
  IndexParams index{};
};

/// Multi-vector PEFA-XS: f(q̂, p_j) = λ·⟨q̂, p_j⟩ + (1 − λ)·(μ·⟨q̂, C_j⟩ + (1 − μ)·max_m ⟨q̂, c_jm⟩) over the centroids
/// of passage j.
///
/// The maximum commutes with what is added to it, so f = max_m ⟨q̂, p̃_jm⟩ and one index over all the p̃_jm serves it:
/// it is asked for more than k vectors, until k different passages are among them. Exact where the index is.
///
/// @tparam Scalar  element type of P and Q
/// @tparam Index   any AnnIndex over float rows
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index>
class PefaXsMulti {
 public:
  using Params = PefaXsMultiParams<typename Index::Params>;

  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages]
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  a parameter out of range, an empty input, a row that is not finite, or zero, an index that is
  ///                     not over inner product
  /// @throws Cancelled   the progress callback said stop
  [[nodiscard]] static PefaXsMulti build(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                         const RelevanceMatrix& relevance, const Params& params = {},
                                         const BuildOptions& options = {}) {
    const std::size_t n = passages.size();
    const BuildOptions folding{options.executor, detail::scaled_stage(options.progress, 0, n, 2 * n)};
    PassageVectors folded = fold_query_centroids(passages, queries, relevance, params.centroids, folding);
    const BuildOptions indexing{options.executor, detail::scaled_stage(options.progress, n, 2 * n, 2 * n)};
    const Folding how{params.centroids, queries.size(), relevance.pair_count()};
    return PefaXsMulti(detail::build_index<Index>(std::move(folded.vectors), params.index, indexing),
                       std::move(folded.passage), how);
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
  [[nodiscard]] static PefaXsMulti open(const io::ArchiveReader& reader) requires ArchivableIndex<Index> {
    detail::require_retriever(reader, "xs_multi");
    const Folding how{open_centroids(reader), detail::read_count(reader, "training_queries", 1),
                      detail::read_count(reader, "pairs", 1)};
    return detail::from_archive(reader, [&] {
      Index index = Index::open(reader, "passages.");
      std::vector<PassageId> passage = open_passages(reader, index.size());
      return detail::require_passage_count(PefaXsMulti(std::move(index), std::move(passage), how), reader);
    });
  }

  /// @throws IoError  the file cannot be read  @throws FormatError  as above, or it is no archive
  [[nodiscard]] static PefaXsMulti open(const std::filesystem::path& path) requires ArchivableIndex<Index> {
    return open(io::ArchiveReader::open(path));
  }

  /// @throws ShapeError, ValueError  a query of another dim or that is not finite; k = 0; another λ than the built one
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    require_built_lambda(options);
    for (std::size_t rows = first_rows(k);; rows = more_rows(rows, k)) {
      const std::vector<Neighbor> found = index_.search(query, rows, detail::passage_options(options));
      std::vector<Hit> hits = distinct(found, k);
      if (is_complete(hits, k, found, rows)) return hits;
    }
  }

  /// @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    require_built_lambda(options);
    std::vector<std::vector<Hit>> results(queries.size());
    std::vector<std::size_t> open(queries.size());  // the queries that do not have k passages yet
    std::iota(open.begin(), open.end(), std::size_t{0});
    EmbeddingView<float> asked = queries;
    RowMajorMatrix gathered;
    for (std::size_t rows = first_rows(k); !open.empty(); rows = more_rows(rows, k)) {
      const auto found = pefa::search_batch(index_, asked, rows, detail::passage_options(options), executor);
      std::vector<std::size_t> still_open;
      for (std::size_t i = 0; i < open.size(); ++i) {
        results[open[i]] = distinct(found[i], k);
        if (!is_complete(results[open[i]], k, found[i], rows)) still_open.push_back(open[i]);
      }
      open = std::move(still_open);
      gathered.resize(static_cast<Eigen::Index>(open.size()), static_cast<Eigen::Index>(queries.dim()));
      for (std::size_t i = 0; i < open.size(); ++i) {
        queries.decode(open[i], gathered.row(static_cast<Eigen::Index>(i)).data());
      }
      asked = EmbeddingView<float>(gathered);
    }
    return results;
  }

  [[nodiscard]] std::size_t passage_count() const noexcept { return passage_count_; }
  [[nodiscard]] std::size_t dim() const { return index_.dim(); }
  /// How many vectors are indexed: passage_count() to passage_count() · max_centroids.
  [[nodiscard]] std::size_t vector_count() const { return index_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const {
    return index_.memory_bytes() + passage_.capacity() * sizeof(PassageId);
  }
  [[nodiscard]] float lambda() const noexcept { return how_.centroids.lambda; }
  [[nodiscard]] const CentroidParams& centroids() const noexcept { return how_.centroids; }
  [[nodiscard]] const Index& index() const noexcept { return index_; }
  /// Whose vector each row of the index is, ascending. [vector_count]
  [[nodiscard]] const std::vector<PassageId>& passages() const noexcept { return passage_; }

 private:
  /// What was folded in, and how.
  struct Folding {
    CentroidParams centroids;
    std::size_t training_queries;
    std::size_t pairs;
  };

  PefaXsMulti(Index index, std::vector<PassageId> passage, const Folding& how)
      : index_(std::move(index)), passage_(std::move(passage)), how_(how) {
    detail::require_inner_product(index_, "PefaXsMulti::build");
    passage_count_ = std::size_t{passage_.back().row()} + 1;
    std::size_t run = 0;
    for (std::size_t v = 0; v < passage_.size(); ++v) {
      run = v > 0 && passage_[v] == passage_[v - 1] ? run + 1 : 1;
      most_vectors_ = std::max(most_vectors_, run);
    }
  }

  [[nodiscard]] io::ArchiveWriter archive(const SaveOptions& options) const {
    io::ArchiveWriter writer = detail::begin_archive(*this, "xs_multi", options);
    const CentroidParams& centroids = how_.centroids;
    writer.metadata().add("lambda", centroids.lambda);
    detail::add_enum(writer, "cold", centroids.cold, detail::cold_names);
    detail::add_enum(writer, "norm", centroids.norm, detail::norm_names);
    detail::add_count(writer, "max_centroids", centroids.max_centroids);
    detail::add_count(writer, "queries_per_centroid", centroids.queries_per_centroid);
    writer.metadata().add("shrinkage", centroids.shrinkage);
    writer.metadata().add("centroid_seed", static_cast<std::int64_t>(centroids.seed));  // any 64 bits
    writer.metadata().add("training_queries", how_.training_queries);
    writer.metadata().add("pairs", how_.pairs);
    std::vector<std::uint32_t> passages;
    passages.reserve(passage_.size());
    for (const PassageId passage : passage_) passages.push_back(passage.row());
    writer.add("passage_of_vector", std::move(passages));
    index_.save(writer, "passages.");
    return writer;
  }

  [[nodiscard]] static CentroidParams open_centroids(const io::ArchiveReader& reader) {
    return {.lambda = detail::read_lambda(reader),
            .max_centroids = detail::read_count(reader, "max_centroids", 1),
            .queries_per_centroid = detail::read_count(reader, "queries_per_centroid", 1),
            .shrinkage = static_cast<float>(reader.metadata().real("shrinkage", 0.0, 1.0)),
            .cold = detail::read_enum(reader, "cold", detail::cold_names),
            .norm = detail::read_enum(reader, "norm", detail::norm_names),
            .seed = static_cast<std::uint64_t>(reader.metadata().integer("centroid_seed"))};
  }

  /// Whose vector each row is: every passage from 0 on has one or more, one after the other.
  [[nodiscard]] static std::vector<PassageId> open_passages(const io::ArchiveReader& reader, std::size_t vectors) {
    const auto rows = reader.section<std::uint32_t>("passage_of_vector", vectors);
    std::vector<PassageId> passages;
    passages.reserve(rows.size());
    for (std::size_t v = 0; v < rows.size(); ++v) {
      if (v == 0 ? rows[0] != 0 : rows[v] - rows[v - 1] > 1) {  // unsigned: a step back is a large one
        detail::fail<FormatError>(reader.name(), ": section 'passage_of_vector': element ", v, " is ", rows[v],
                                  ", expected passages from 0 on, none left out");
      }
      passages.push_back(PassageId(rows[v]));
    }
    return passages;
  }

  void require_built_lambda(const SearchOptions& options) const {
    if (options.lambda && *options.lambda != how_.centroids.lambda) {
      detail::fail<ValueError>("PefaXsMulti::search: lambda is ", *options.lambda, ", but ", how_.centroids.lambda,
                               " is folded into the index; build another, or use PefaXl to change it per call");
    }
  }

  /// So many rows hold k passages whatever their order is, or are all there are.
  [[nodiscard]] std::size_t enough_rows(std::size_t k) const {
    const std::size_t size = index_.size();
    return k - 1 < size / most_vectors_ ? std::min(size, (k - 1) * most_vectors_ + 1) : size;
  }
  [[nodiscard]] std::size_t first_rows(std::size_t k) const {
    if (k == 0) return 0;  // the index's to refuse
    const std::size_t enough = enough_rows(k);
    return k > enough / first_factor ? enough : first_factor * k;
  }
  [[nodiscard]] std::size_t more_rows(std::size_t rows, std::size_t k) const {
    const std::size_t enough = enough_rows(k);
    return rows > enough / growth_factor ? enough : growth_factor * rows;
  }

  [[nodiscard]] bool is_complete(const std::vector<Hit>& hits, std::size_t k, const std::vector<Neighbor>& found,
                                 std::size_t rows) const {
    return hits.size() == k || found.size() < rows || rows == enough_rows(k);
  }

  /// The first k passages among the vectors found: as those are sorted, each with its best score.
  [[nodiscard]] std::vector<Hit> distinct(const std::vector<Neighbor>& found, std::size_t k) const {
    std::vector<std::pair<Row, std::size_t>> seen;  // passage and position
    seen.reserve(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) seen.emplace_back(passage_[found[i].row].row(), i);
    std::sort(seen.begin(), seen.end());
    const auto end =
        std::unique(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
    std::vector<std::size_t> positions;
    for (auto it = seen.begin(); it != end; ++it) positions.push_back(it->second);
    std::sort(positions.begin(), positions.end());
    positions.resize(std::min(k, positions.size()));
    std::vector<Hit> hits;
    hits.reserve(positions.size());
    for (const std::size_t i : positions) hits.push_back({passage_[found[i].row], found[i].score});
    return hits;
  }

  static constexpr std::size_t first_factor = 4;
  static constexpr std::size_t growth_factor = 4;

  Index index_;
  std::vector<PassageId> passage_;
  Folding how_;
  std::size_t passage_count_ = 0;
  std::size_t most_vectors_ = 1;
};

static_assert(Retriever<PefaXsMulti<>>);

}  // namespace pefa
