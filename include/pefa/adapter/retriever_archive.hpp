// pefa: saving retrievers to .pefa archives and opening them: once for all, with what each of them adds.
//
// An archive says in its metadata what retriever it holds: "retriever" is erm, xs, xl or xs_multi, the passage index is
// under the prefix "passages." and that of PEFA-XL's training queries under "queries.". The ids of passages are under
// "passages.ids.", tags under "passages.tags." and "queries.tags.".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pefa/adapter/archive_contents.hpp"
#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/fitted_parts_archive.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/hubness.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/id_table.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/tag_section.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa {
namespace detail {

/// Runs `make` on what an archive says; what that refuses is the archive's fault.
template <class Make>
[[nodiscard]] auto from_archive(const io::ArchiveReader& reader, const Make& make) {
  try {
    return make();
  } catch (const FormatError&) {
    throw;
  } catch (const Error& error) {
    fail<FormatError>(reader.name(), ": ", error.what());
  }
}

/// A share, 0 to 1.
[[nodiscard]] inline float read_share(const io::ArchiveReader& reader, const std::string& key) {
  return static_cast<float>(reader.metadata().real(key, 0.0, 1.0));
}

template <ArchivableGate G>
void add_gate(io::ArchiveWriter& writer, const G& gate) {
  if constexpr (std::same_as<G, AnyGate>) {
    gate.visit([&](const auto& held) { add_gate(writer, held); });
  } else {
    writer.metadata().add("gate", gate_label<G>());
    if constexpr (std::same_as<G, SoftmaxGate>) writer.metadata().add("temperature", gate.temperature());
    if constexpr (std::same_as<G, LocalRegressionGate>) {
      writer.metadata().add("bandwidth", gate.params().bandwidth);
      writer.metadata().add("ridge", gate.params().ridge);
    }
  }
}

/// The archive's gate, which G can hold: see require_label().
template <ArchivableGate G>
[[nodiscard]] G read_gate(const io::ArchiveReader& reader) {
  const std::string gate = reader.metadata().text("gate");
  if constexpr (std::constructible_from<G, MeanGate>) {
    if (gate == gate_label<MeanGate>()) return MeanGate{};
  }
  if constexpr (std::constructible_from<G, SumGate>) {
    if (gate == gate_label<SumGate>()) return SumGate{};
  }
  if constexpr (std::constructible_from<G, SoftmaxGate>) {
    if (gate == gate_label<SoftmaxGate>()) return SoftmaxGate(read_float(reader, "temperature"));
  }
  if constexpr (std::constructible_from<G, LocalRegressionGate>) {
    if (gate == gate_label<LocalRegressionGate>()) {
      return LocalRegressionGate({.bandwidth = read_float(reader, "bandwidth"), .ridge = read_float(reader, "ridge")});
    }
  }
  fail<FormatError>(reader.name(), ": metadata 'gate' is '", gate, "', expected mean, sum, softmax or local");
}

/// Adds Y, compressed by training query.
inline void add_relevance(io::ArchiveWriter& writer, const RelevanceMatrix& relevance) {
  const RelevanceMatrix::Sparse& sparse = relevance.sparse();
  const std::size_t pairs = relevance.pair_count();
  writer.metadata().add("training_queries", relevance.rows());
  writer.metadata().add("pairs", pairs);
  writer.add("relevance.starts", std::span<const std::int32_t>(sparse.outerIndexPtr(), relevance.rows() + 1));
  writer.add("relevance.passages", std::span<const std::int32_t>(sparse.innerIndexPtr(), pairs));
  writer.add("relevance.weights", std::span<const float>(sparse.valuePtr(), pairs));
}

/// Y, copied: 8 bytes a pair.
[[nodiscard]] inline RelevanceMatrix read_relevance(const io::ArchiveReader& reader, std::size_t n_queries,
                                                    std::size_t n_passages) {
  return RelevanceMatrix::from_compressed(
      reader.section<std::int32_t>("relevance.starts", std::uint64_t{n_queries} + 1),
      reader.section<std::int32_t>("relevance.passages"), reader.section<float>("relevance.weights"), n_passages);
}

template <EmbeddingScalar Scalar, class Index>
struct RetrieverFields<ErmRetriever<Scalar, Index>> {
  using R = ErmRetriever<Scalar, Index>;

  static RetrieverLabel label() { return {"erm", IndexLabelOf<Index>::get().value_or(IndexLabel{})}; }

  static void add(io::ArchiveWriter& writer, const R& erm) { erm.index_.save(writer, "passages."); }

  static R read(const io::ArchiveReader& reader) { return R(Index::open(reader, "passages.")); }
};

template <EmbeddingScalar Scalar, class Index>
struct RetrieverFields<PefaXs<Scalar, Index>> {
  using R = PefaXs<Scalar, Index>;

  static RetrieverLabel label() { return {"xs", IndexLabelOf<Index>::get().value_or(IndexLabel{})}; }

  static void add(io::ArchiveWriter& writer, const R& xs) {
    const PassageFold& fold = xs.how_.fold;
    writer.metadata().add("lambda", fold.lambda);
    add_named(writer, "cold", fold.cold);
    add_named(writer, "norm", fold.norm);
    add_rule(writer, fold.rule, fold.least_squares, xs.how_.balance);
    add_named(writer, "whitened", xs.fitted_.whitening ? Whitened::all : Whitened::none);
    add_fitted(writer, xs.fitted_);
    writer.metadata().add("training_queries", xs.how_.training_queries);
    writer.metadata().add("pairs", xs.how_.pairs);
    xs.index_.save(writer, "passages.");
  }

  static R read(const io::ArchiveReader& reader) {
    const ArchivedRule rule = read_rule(reader);
    const typename R::Folding how{{read_share(reader, "lambda"), read_named<ColdPassage>(reader, "cold"),
                                   read_named<PseudoNorm>(reader, "norm"), rule.rule, rule.params},
                                  rule.balance,
                                  read_count(reader, "training_queries", 1),
                                  read_count(reader, "pairs", 1)};
    Index index = Index::open(reader, "passages.");
    FittedParts fitted = read_fitted(reader, rule.params, read_whitened(reader) == Whitened::all, index.dim());
    return R(std::move(index), std::move(fitted), how);
  }
};

template <EmbeddingScalar Scalar, class Index>
struct RetrieverFields<PefaXsMulti<Scalar, Index>> {
  using R = PefaXsMulti<Scalar, Index>;

  static RetrieverLabel label() { return {"xs_multi", IndexLabelOf<Index>::get().value_or(IndexLabel{})}; }

  static void add(io::ArchiveWriter& writer, const R& multi) {
    const CentroidParams& centroids = multi.how_.centroids;
    writer.metadata().add("lambda", centroids.lambda);
    add_named(writer, "cold", centroids.cold);
    add_named(writer, "norm", centroids.norm);
    add_count(writer, "max_centroids", centroids.max_centroids);
    add_count(writer, "queries_per_centroid", centroids.queries_per_centroid);
    writer.metadata().add("shrinkage", centroids.shrinkage);
    add_rule(writer, centroids.rule, centroids.least_squares, multi.how_.balance);
    add_named(writer, "whitened", multi.fitted_.whitening ? Whitened::all : Whitened::none);
    add_fitted(writer, multi.fitted_);
    writer.metadata().add("centroid_seed", static_cast<std::int64_t>(centroids.seed));  // any 64 bits
    writer.metadata().add("training_queries", multi.how_.training_queries);
    writer.metadata().add("pairs", multi.how_.pairs);
    std::vector<std::uint32_t> passages;
    passages.reserve(multi.passage_.size());
    for (const PassageId passage : multi.passage_) passages.push_back(passage.row());
    writer.add("passage_of_vector", std::move(passages));
    multi.index_.save(writer, "passages.");
  }

  static R read(const io::ArchiveReader& reader) {
    const ArchivedRule rule = read_rule(reader);
    typename R::Folding how{read_centroids(reader), rule.balance, read_count(reader, "training_queries", 1),
                            read_count(reader, "pairs", 1)};
    how.centroids.rule = rule.rule;
    how.centroids.least_squares = rule.params;
    Index index = Index::open(reader, "passages.");
    std::vector<PassageId> passages = read_passages(reader, index.size());
    FittedParts fitted = read_fitted(reader, rule.params, read_whitened(reader) == Whitened::all, index.dim());
    return R(std::move(index), std::move(passages), std::move(fitted), how);
  }

 private:
  static CentroidParams read_centroids(const io::ArchiveReader& reader) {
    return {.lambda = read_share(reader, "lambda"),
            .max_centroids = read_count(reader, "max_centroids", 1),
            .queries_per_centroid = read_count(reader, "queries_per_centroid", 1),
            .shrinkage = read_share(reader, "shrinkage"),
            .cold = read_named<ColdPassage>(reader, "cold"),
            .norm = read_named<PseudoNorm>(reader, "norm"),
            .seed = static_cast<std::uint64_t>(reader.metadata().integer("centroid_seed"))};
  }

  /// Whose vector each row is: every passage from 0 on has one or more, one after the other.
  static std::vector<PassageId> read_passages(const io::ArchiveReader& reader, std::size_t vectors) {
    const auto rows = reader.section<std::uint32_t>("passage_of_vector", vectors);
    std::vector<PassageId> passages;
    passages.reserve(rows.size());
    for (std::size_t v = 0; v < rows.size(); ++v) {
      if (v == 0 ? rows[0] != 0 : rows[v] - rows[v - 1] > 1) {  // unsigned: a step back is a large one
        fail<FormatError>(reader.name(), ": section 'passage_of_vector': element ", v, " is ", rows[v],
                          ", expected passages from 0 on, none left out");
      }
      passages.push_back(PassageId(rows[v]));
    }
    return passages;
  }
};

template <EmbeddingScalar Scalar, class PassageIndex, class QueryIndex, ArchivableGate G>
struct RetrieverFields<PefaXl<Scalar, PassageIndex, QueryIndex, G>> {
  using R = PefaXl<Scalar, PassageIndex, QueryIndex, G>;

  static RetrieverLabel label() {
    return {"xl", IndexLabelOf<PassageIndex>::get().value_or(IndexLabel{}),
            IndexLabelOf<QueryIndex>::get().value_or(IndexLabel{}), gate_label<G>()};
  }

  static void add(io::ArchiveWriter& writer, const R& xl) {
    const typename R::Params& params = xl.params_;
    writer.metadata().add("lambda", params.lambda);
    add_count(writer, "neighbors", params.neighbors);
    add_gate(writer, params.gate);
    add_named(writer, "similarity", params.similarity);
    writer.metadata().add("knn_scale", params.knn_scale);
    writer.metadata().add("fold_lambda", params.fold.lambda);
    add_named(writer, "fold_cold", params.fold.cold);
    add_named(writer, "fold_norm", params.fold.norm);
    add_count(writer, "passage_candidates", params.passage_candidates);
    add_named(writer, "missing_erm_score", params.missing_erm_score);
    add_rule(writer, params.fold.rule, params.fold.least_squares, params.balance);
    add_named(writer, "whitened", params.whitened);
    add_fitted(writer, xl.fitted_);
    if (params.condense > 0.0f) writer.metadata().add("condense", params.condense);
    writer.metadata().add("hubness", params.hubness);
    if (params.hubness > 0.0f) {
      writer.metadata().add("hubness_mean", xl.hubness_.mean);
      writer.add("queries.hubness", std::span<const float>(xl.hubness_.offsets));
    }
    add_relevance(writer, xl.relevance_);
    xl.passage_index_.save(writer, "passages.");
    xl.query_index_.save(writer, "queries.");
  }

  static R read(const io::ArchiveReader& reader) {
    PassageIndex passages = PassageIndex::open(reader, "passages.");
    QueryIndex queries = QueryIndex::open(reader, "queries.");
    RelevanceMatrix relevance = read_relevance(reader, queries.size(), passages.size());
    typename R::Params params = read_params(reader);
    if constexpr (requires { params.passage_index = passages.params(); }) params.passage_index = passages.params();
    if constexpr (requires { params.query_index = queries.params(); }) params.query_index = queries.params();
    FittedParts fitted =
        read_fitted(reader, params.fold.least_squares, params.whitened == Whitened::all, passages.dim());
    HubOffsets hubness = read_hubness(reader, params.hubness, queries.size());
    require_query_rows(reader, params, fitted, passages.dim(), queries.dim());
    return R(std::move(passages), std::move(queries), std::move(relevance), {}, std::move(fitted), std::move(hubness),
             params);
  }

 private:
  static HubOffsets read_hubness(const io::ArchiveReader& reader, float beta, std::size_t n_queries) {
    if (beta == 0.0f) return {};
    const auto offsets = reader.section<float>("queries.hubness", n_queries);
    require_finite(reader, "queries.hubness", offsets);
    return {{offsets.begin(), offsets.end()}, read_float(reader, "hubness_mean")};
  }

  /// Training queries are as long as the query, whitened or not, and with hubness one element longer.
  static void require_query_rows(const io::ArchiveReader& reader, const typename R::Params& params,
                                 const FittedParts& fitted, std::size_t passage_rows, std::size_t query_rows) {
    if (params.whitened != Whitened::none && !fitted.whitening) {
      fail<FormatError>(reader.name(), ": training queries are whitened, expected a section 'whitening.map'");
    }
    const std::size_t raw = fitted.balance ? fitted.balance->dim() : passage_rows;
    if (params.whitened == Whitened::queries && fitted.whitening->dim() != raw) {
      fail<FormatError>(reader.name(), ": the whitening has dim ", fitted.whitening->dim(), ", passages have dim ",
                        raw);
    }
    const std::size_t expected =
        (params.whitened == Whitened::none ? raw : fitted.whitening->rank()) + (params.hubness > 0.0f ? 1 : 0);
    if (query_rows != expected) {
      fail<FormatError>(reader.name(), ": training queries have dim ", query_rows, ", expected ", expected,
                        " beside passages of dim ", passage_rows);
    }
  }

  /// All but those of the indexes.
  static typename R::Params read_params(const io::ArchiveReader& reader) {
    const ArchivedRule rule = read_rule(reader);
    typename R::Params params{.lambda = read_share(reader, "lambda"),
                              .neighbors = read_count(reader, "neighbors", 1),
                              .gate = read_gate<G>(reader),
                              .similarity = read_named<KnnSimilarity>(reader, "similarity"),
                              .knn_scale = read_float(reader, "knn_scale"),
                              .passage_candidates = read_count(reader, "passage_candidates", 0),
                              .missing_erm_score = read_named<MissingErmScore>(reader, "missing_erm_score"),
                              .fold = {.lambda = read_share(reader, "fold_lambda"),
                                       .cold = read_named<ColdPassage>(reader, "fold_cold"),
                                       .norm = read_named<PseudoNorm>(reader, "fold_norm"),
                                       .rule = rule.rule,
                                       .least_squares = rule.params},
                              .balance = rule.balance,
                              .whitened = read_whitened(reader)};
    if (reader.metadata().find_real("condense")) params.condense = read_share(reader, "condense");
    if (reader.metadata().find_real("hubness")) params.hubness = read_float(reader, "hubness");
    if (!(params.hubness >= 0.0f) || (params.hubness > 0.0f && params.similarity == KnnSimilarity::l2)) {
      fail<FormatError>(reader.name(), ": metadata 'hubness' is ", params.hubness,
                        ", expected at least 0, and 0 with the similarity l2");
    }
    require_knn_scale(params.knn_scale, "PefaXl::open");
    return params;
  }
};

/// Where an archive keeps the tags of passages, and those of training queries.
inline constexpr const char* passage_tags_prefix = "passages.tags.";
inline constexpr const char* query_tags_prefix = "queries.tags.";

/// Adds the tags of the passages and of the training queries that a retriever looks up.
/// @throws ShapeError  tags for another number of rows
template <class R>
void add_tags(io::ArchiveWriter& writer, const R& retriever, const SaveOptions& options) {
  const auto add = [&](const TagTable* tags, const char* prefix, std::size_t expected, const char* of) {
    if (tags == nullptr) return;
    if (tags->size() != expected) {
      fail<ShapeError>("save: tags for ", tags->size(), " rows, expected ", expected, ", one a ", of);
    }
    io::add_tags(writer, prefix, *tags);
  };
  add(options.passage_tags, passage_tags_prefix, retriever.passage_count(), "passage");
  add(options.query_tags, query_tags_prefix, looked_up_queries(retriever), "training query that is looked up");
}

/// An archive of a retriever, which must live, unchanged, until that is written.
template <class R>
[[nodiscard]] io::ArchiveWriter archive_of(const R& retriever, const SaveOptions& options) {
  io::ArchiveWriter writer;
  writer.metadata().add("retriever", RetrieverFields<R>::label().method);
  writer.metadata().add("spec_version", RetrieverSpec::version);
  writer.metadata().add("passages", retriever.passage_count());
  if (options.notes != nullptr) {
    for (const auto& note : options.notes->values()) {
      std::visit([&](const auto& value) { writer.metadata().add(note.first, value); }, note.second);
    }
  }
  if (options.passage_ids != nullptr) {
    if (options.passage_ids->size() != retriever.passage_count()) {
      fail<ShapeError>("save: ", options.passage_ids->size(), " passage ids for ", retriever.passage_count(),
                       " passages, expected one each");
    }
    io::add_ids(writer, "passages.ids.", *options.passage_ids);
  }
  add_tags(writer, retriever, options);
  RetrieverFields<R>::add(writer, retriever);
  return writer;
}

}  // namespace detail

template <class R>
template <FilePath Path>
void ArchivedRetriever<R, true>::save(const Path& path, const SaveOptions& options) const {
  detail::archive_of(static_cast<const R&>(*this), options).save(std::filesystem::path(path), options.progress);
}

template <class R>
void ArchivedRetriever<R, true>::save(std::ostream& out, const SaveOptions& options) const {
  detail::archive_of(static_cast<const R&>(*this), options).write(out, options.progress);
}

template <class R>
R ArchivedRetriever<R, true>::open(const io::ArchiveReader& reader) {
  const std::int64_t version = reader.metadata().find_integer("spec_version").value_or(RetrieverSpec::version);
  if (version < 1 || version > RetrieverSpec::version) {
    detail::fail<FormatError>(reader.name(), ": metadata 'spec_version' is ", version, ", this pefa reads 1 to ",
                              RetrieverSpec::version);
  }
  detail::require_label(reader, detail::RetrieverFields<R>::label());
  return detail::from_archive(reader, [&] {
    R retriever = detail::RetrieverFields<R>::read(reader);
    const std::int64_t passages = reader.metadata().integer("passages");
    if (passages < 0 || static_cast<std::uint64_t>(passages) != retriever.passage_count()) {
      detail::fail<FormatError>(reader.name(), ": metadata 'passages' is ", passages, ", the retriever has ",
                                retriever.passage_count());
    }
    return retriever;
  });
}

template <class R>
template <FilePath Path>
R ArchivedRetriever<R, true>::open(const Path& path, Verify verify) {
  const auto reader = io::ArchiveReader::open(std::filesystem::path(path));
  if (verify == Verify::full) reader.verify();
  return open(reader);
}

}  // namespace pefa
