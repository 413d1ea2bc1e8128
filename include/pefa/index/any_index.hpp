// pefa: any index of the library behind one type, chosen by name when it is built and by an archive's metadata when it
// is opened. A retriever over it is compiled once, whatever it searches.
#pragma once

#include <Eigen/Core>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/share.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/ef_for_recall.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/flat_index_archive.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "pefa/index/index_choice.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/index/partitioned_index.hpp"
#include "pefa/index/partitioned_index_archive.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "pefa/index/sample_queries.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// How an AnyIndex is built. Its target_recall is met for points between rows; build() and LiveRetriever, which have
/// training queries, meet it for those.
struct AnyIndexParams {
  IndexSpec index{};                      ///< which index
  Metric metric = Metric::inner_product;  ///< what a score means
  Rows rows = Rows::copy;                 ///< of all but hnsw, which keeps rows in its graph
};

/// What an index of the library is, as a value; a host's own is `custom`.
template <class Index>
[[nodiscard]] IndexSpec spec_of_index(const Index& index) {
  if constexpr (requires {
                  { index.spec() } -> std::same_as<IndexSpec>;
                }) {
    return index.spec();
  } else if constexpr (std::same_as<Index, HnswIndex>) {
    return {IndexKind::hnsw, index.params().m, index.params().ef_construction, index.params().ef_search};
  } else if constexpr (requires {
                         index.params().graph;
                         index.params().rerank;
                       }) {
    const HnswParams& graph = index.params().graph;
    return {IndexKind::quantized,  graph.m,
            graph.ef_construction, graph.ef_search,
            index.params().rerank, detail::exact_rows_of(index.params().rows)};
  } else if constexpr (requires {
                         { index.params() } -> std::convertible_to<PartitionedParams>;
                       }) {
    IndexSpec spec{.kind = IndexKind::partitioned};
    spec.ef_search = index.params().ef_search;
    spec.rerank = index.params().rerank;
    spec.exact_rows = detail::exact_rows_of(index.params().rows);
    return spec;
  } else if constexpr (requires {
                         { index.params() } -> std::convertible_to<FlatParams>;
                       }) {
    return {IndexKind::flat};
  } else {
    return {IndexKind::custom};
  }
}

/// A FlatIndex, HnswIndex, QuantizedHnswIndex or PartitionedIndex over rows of any element type; the same answers as
/// theirs, to the bit, for one virtual call a search.
class AnyIndex {
 public:
  /// What build() takes.
  using Params = AnyIndexParams;

  /// @throws ValueError  an index of kind `custom`, and what the index itself throws
  template <EmbeddingScalar Scalar>
  [[nodiscard]] static AnyIndex build(const EmbeddingView<Scalar>& rows, const Params& params = {},
                                      const BuildOptions& options = {});

  /// The same, taking a store over instead of copying it; `params.rows` does not matter.
  template <EmbeddingScalar Scalar>
  [[nodiscard]] static AnyIndex build(EmbeddingStore<Scalar>&& store, const Params& params = {},
                                      const BuildOptions& options = {});

  /// Adds the index to an archive as the index itself does, so that either type opens it.
  void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// Whatever index of the library the archive holds under this prefix, in place. A template, so that only who calls it
  /// compiles every index there is.
  /// @throws FormatError  another, or a damaged one
  template <class = void>
  [[nodiscard]] static AnyIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  /// The k best rows, best first, ties by ascending row. @throws  as AnnIndex says
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    return held_->search(query, k, options);
  }
  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& options = {},
                                                                const AnyExecutor& executor = {}) const {
    return held_->search_batch(queries, k, options, executor);
  }
  /// The k best of the rows that a filter admits. @throws  as FilteringIndex says
  [[nodiscard]] std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const IndexSearchOptions& options = {}) const {
    return held_->search_filtered(query, k, filter, options);
  }
  /// The same for many under one filter. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_filtered_batch(const EmbeddingView<float>& queries,
                                                                         std::size_t k, const RowFilter& filter,
                                                                         const IndexSearchOptions& options = {},
                                                                         const AnyExecutor& executor = {}) const {
    return held_->search_filtered_batch(queries, k, filter, options, executor);
  }
  /// The exact score of one row. @throws ShapeError  a query of another dim, a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    float score = 0.0f;
    held_->score_rows(query, {&row, 1}, {&score, 1});
    return score;
  }
  /// The same of several rows. @param scores  as many as rows
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    held_->score_rows(query, rows, scores);
  }
  /// One row as floats. @param out  dim floats  @throws ShapeError  a row past the end, another size
  void read_row(Row row, std::span<float> out) const { held_->read_row(row, out); }
  /// How many rows.
  [[nodiscard]] std::size_t size() const { return held_->size(); }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const { return held_->dim(); }
  /// What a score means.
  [[nodiscard]] Metric metric() const { return held_->metric(); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const { return held_->memory_bytes(); }
  /// Which index it is.
  [[nodiscard]] IndexSpec spec() const {
    IndexSpec spec = held_->spec();
    spec.target_recall = static_cast<float>(choice_.target_recall);
    return spec;
  }
  /// Why it is so.
  [[nodiscard]] const IndexChoice& choice() const noexcept { return choice_; }

  /// Takes the ef_search that finds this share of the exact best k; see ef_for_recall(). Not while somebody searches.
  /// @param queries  as the index is asked with them [n_queries x dim]; none: points between three rows
  /// @throws ShapeError, ValueError  as ef_for_recall()  @throws Cancelled
  void meet_target_recall(float target, const EmbeddingView<float>& queries, std::size_t k,
                          const BuildOptions& options = {});

 private:
  class Interface {
   public:
    Interface() = default;
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;
    virtual ~Interface() = default;
    [[nodiscard]] virtual std::vector<Neighbor> search(QueryView, std::size_t, const IndexSearchOptions&) const = 0;
    [[nodiscard]] virtual std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>&, std::size_t,
                                                                          const IndexSearchOptions&,
                                                                          const AnyExecutor&) const = 0;
    [[nodiscard]] virtual std::vector<Neighbor> search_filtered(QueryView, std::size_t, const RowFilter&,
                                                                const IndexSearchOptions&) const = 0;
    [[nodiscard]] virtual std::vector<std::vector<Neighbor>> search_filtered_batch(const EmbeddingView<float>&,
                                                                                   std::size_t, const RowFilter&,
                                                                                   const IndexSearchOptions&,
                                                                                   const AnyExecutor&) const = 0;
    virtual void score_rows(QueryView, std::span<const Row>, std::span<float>) const = 0;
    virtual void read_row(Row, std::span<float>) const = 0;
    [[nodiscard]] virtual std::size_t size() const = 0;
    [[nodiscard]] virtual std::size_t dim() const = 0;
    [[nodiscard]] virtual Metric metric() const = 0;
    [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
    [[nodiscard]] virtual IndexSpec spec() const = 0;
    virtual void set_ef_search(std::size_t) = 0;
    virtual void save(io::ArchiveWriter& writer, const std::string& prefix) const = 0;
  };

  template <class Index>
  class Model final : public Interface {
   public:
    explicit Model(Index index) : index_(std::move(index)) {}
    std::vector<Neighbor> search(QueryView query, std::size_t k, const IndexSearchOptions& options) const override {
      return index_.search(query, k, options);
    }
    std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                    const IndexSearchOptions& options,
                                                    const AnyExecutor& executor) const override {
      return pefa::search_batch(index_, queries, k, options, executor);
    }
    std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                          const IndexSearchOptions& options) const override {
      return pefa::search_filtered(index_, query, k, filter, options);
    }
    std::vector<std::vector<Neighbor>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                             const RowFilter& filter, const IndexSearchOptions& options,
                                                             const AnyExecutor& executor) const override {
      return pefa::search_filtered_batch(index_, queries, k, filter, options, executor);
    }
    void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const override {
      index_.score_rows(query, rows, scores);
    }
    void read_row(Row row, std::span<float> out) const override { index_.read_row(row, out); }
    std::size_t size() const override { return index_.size(); }
    std::size_t dim() const override { return index_.dim(); }
    Metric metric() const override { return index_.metric(); }
    std::size_t memory_bytes() const override { return sizeof(*this) + index_.memory_bytes(); }
    IndexSpec spec() const override { return spec_of_index(index_); }
    void set_ef_search(std::size_t ef) override {
      if constexpr (requires { index_.set_ef_search(ef); }) index_.set_ef_search(ef);
    }
    void save(io::ArchiveWriter& writer, const std::string& prefix) const override { index_.save(writer, prefix); }

   private:
    Index index_;
  };

  explicit AnyIndex(std::unique_ptr<Interface> held) : held_(std::move(held)) {}

  template <class Index>
  [[nodiscard]] static AnyIndex hold(Index index) {
    return AnyIndex(std::make_unique<Model<Index>>(std::move(index)));
  }

  /// Calls make(Scalar{}) for the element type of that name. @return  whether there is one
  template <class Make>
  [[nodiscard]] static bool with_scalar(const std::string& scalar, const Make& make) {
    const auto try_one = [&](auto value) {
      if (scalar != scalar_name<decltype(value)>()) return false;
      make(value);
      return true;
    };
    return try_one(float{}) || try_one(double{}) || try_one(Eigen::half{}) || try_one(Eigen::bfloat16{}) ||
           try_one(std::int8_t{});
  }

  /// @param rows  a view, or a store to take over
  template <EmbeddingScalar Scalar, class RowsOrStore>
  [[nodiscard]] static AnyIndex build_of(RowsOrStore&& rows, const Params& params, const BuildOptions& options);

  /// The same of an index that has a name and no target.
  template <EmbeddingScalar Scalar, class RowsOrStore>
  [[nodiscard]] static AnyIndex build_named(RowsOrStore&& rows, const Params& params, const BuildOptions& options);

  std::unique_ptr<Interface> held_;
  IndexChoice choice_;
};

template <EmbeddingScalar Scalar>
AnyIndex AnyIndex::build(const EmbeddingView<Scalar>& rows, const Params& params, const BuildOptions& options) {
  return build_of<Scalar>(rows, params, options);
}

template <EmbeddingScalar Scalar>
AnyIndex AnyIndex::build(EmbeddingStore<Scalar>&& store, const Params& params, const BuildOptions& options) {
  return build_of<Scalar>(std::move(store), params, options);
}

template <class>
AnyIndex AnyIndex::open(const io::ArchiveReader& reader, const std::string& prefix) {
  const std::string kind = reader.metadata().text(prefix + "index");
  const std::string scalar = reader.metadata().text(prefix + "scalar");
  std::unique_ptr<Interface> held;
  if (kind == "hnsw") held = hold(HnswIndex::open(reader, prefix)).held_;
  const bool is_kind = kind == "flat" || kind == "quantized_hnsw" || kind == "partitioned";
  const bool is_known = held || (is_kind && with_scalar(scalar, [&](auto value) {
                                   using Scalar = decltype(value);
                                   if (kind == "flat") {
                                     held = hold(FlatIndex<Scalar>::open(reader, prefix)).held_;
                                   } else if (kind == "partitioned") {
                                     held = hold(PartitionedIndex<Scalar>::open(reader, prefix)).held_;
                                   } else {
                                     held = hold(QuantizedHnswIndex<Scalar>::open(reader, prefix)).held_;
                                   }
                                 }));
  if (!is_known) {
    detail::fail<FormatError>(reader.name(), ": '", prefix, "' is a ", kind, " index of ", scalar,
                              ", which this pefa does not know");
  }
  AnyIndex opened(std::move(held));
  detail::for_each_share(opened.choice_, prefix, [&](const std::string& key, double& share) {
    if (reader.metadata().values().contains(key)) share = reader.metadata().real(key, 0.0, 1.0);
  });
  return opened;
}

inline void AnyIndex::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  held_->save(writer, prefix);
  detail::for_each_share(choice_, prefix, [&](const std::string& key, double share) {
    if (share > 0.0) writer.metadata().add(key, share);
  });
}

inline void AnyIndex::meet_target_recall(float target, const EmbeddingView<float>& queries, std::size_t k,
                                         const BuildOptions& options) {
  constexpr std::size_t drawn_queries = 256;
  detail::require_share(target, "target_recall", "AnyIndex::meet_target_recall");
  choice_.target_recall = static_cast<double>(target);
  if (spec().kind == IndexKind::flat) {
    choice_.measured_recall = 1.0;
    return;
  }
  detail::AlignedVector<float> drawn;
  if (queries.empty()) {
    drawn =
        detail::points_between_rows(drawn_queries, size(), dim(), 1.0f / 3.0f, 2, 1, [&](std::size_t i, float* out) {
          read_row(static_cast<Row>(i), {out, dim()});
        });
  }
  const EmbeddingView<float> asked =
      queries.empty() ? EmbeddingView<float>(drawn.data(), drawn_queries, dim()) : queries;
  const MeasuredEf measured = ef_for_recall(*this, asked, k, static_cast<double>(target), options);
  held_->set_ef_search(measured.ef);
  choice_.measured_recall = measured.recall;
}

template <EmbeddingScalar Scalar, class RowsOrStore>
AnyIndex AnyIndex::build_of(RowsOrStore&& rows, const Params& params, const BuildOptions& options) {
  const float target = params.index.target_recall;
  detail::require_share(target, "target_recall", "AnyIndex::build");  // before anything is built
  const EmbeddingView<Scalar> view(rows);
  const detail::BuildParts<2> parts(options, {view.size(), target > 0.0f ? view.size() / 16 + 1 : 0});
  const detail::ChosenIndex chosen = detail::choose_index(view, params.metric, params.index, parts[0]);
  AnyIndex built =
      build_named<Scalar>(std::forward<RowsOrStore>(rows), {chosen.spec, params.metric, params.rows}, parts[0]);
  built.choice_ = chosen.choice;
  if (target > 0.0f) built.meet_target_recall(target, {}, 100, parts[1]);
  return built;
}

template <EmbeddingScalar Scalar, class RowsOrStore>
AnyIndex AnyIndex::build_named(RowsOrStore&& rows, const Params& params, const BuildOptions& options) {
  const EmbeddingView<Scalar> view(rows);
  const IndexSpec& spec = params.index;
  const HnswParams graph{
      .m = spec.m, .ef_construction = spec.ef_construction, .ef_search = spec.ef_search, .metric = params.metric};
  if (spec.exact_rows == ExactRows::drop && spec.kind != IndexKind::quantized && spec.kind != IndexKind::partitioned) {
    detail::fail<ValueError>("AnyIndex::build: exact_rows is drop, which a quantized or partitioned index can, not ",
                             name(spec.kind));
  }
  const Rows rows_kept = spec.exact_rows == ExactRows::drop ? Rows::drop : params.rows;
  switch (spec.kind) {
    case IndexKind::flat:
      return hold(FlatIndex<Scalar>::build(std::forward<RowsOrStore>(rows),
                                           {.metric = params.metric, .rows = params.rows}, options));
    case IndexKind::hnsw: return hold(HnswIndex::build(view, graph, options));
    case IndexKind::quantized:
      return hold(QuantizedHnswIndex<Scalar>::build(
          std::forward<RowsOrStore>(rows), {.graph = graph, .rows = rows_kept, .rerank = spec.rerank}, options));
    case IndexKind::partitioned:
      return hold(PartitionedIndex<Scalar>::build(
          std::forward<RowsOrStore>(rows),
          {.metric = params.metric, .rows = rows_kept, .ef_search = spec.ef_search, .rerank = spec.rerank}, options));
    case IndexKind::automatic:
    case IndexKind::custom: break;
  }
  detail::fail<ValueError>("AnyIndex::build: an index of kind ", name(spec.kind), " cannot be built by name");
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
// pefa::compiled is linked: these are there already. What is defined in a class would be compiled all the same.
/// @cond
extern template AnyIndex AnyIndex::build<float>(const EmbeddingView<float>& rows, const AnyIndexParams& params,
                                                const BuildOptions& options);
extern template AnyIndex AnyIndex::build<float>(EmbeddingStore<float>&& store, const AnyIndexParams& params,
                                                const BuildOptions& options);
extern template AnyIndex AnyIndex::open<void>(const io::ArchiveReader& reader, const std::string& prefix);
/// @endcond
#endif

}  // namespace pefa
