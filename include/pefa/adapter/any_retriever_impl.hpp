// pefa: what any_retriever.hpp declares: holding a typed retriever, opening any archive, building by a spec.
//
// The library's own retrievers are held over AnyIndex, so that four types serve every index and element type.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/adapter/any_adapters.hpp"
#include "pefa/adapter/any_retriever.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/exact_search.hpp"
#include "pefa/adapter/explain.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/adapter/spec_of.hpp"
#include "pefa/adapter/spec_params.hpp"
#include "pefa/adapter/target_recall.hpp"
#include "pefa/core/share.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/io/archive/id_table.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/tag_section.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "pefa/store/row_set.hpp"
#include "pefa/store/tag_condition.hpp"

namespace pefa {
namespace detail {

/// A typed retriever behind the interface.
template <class R>
class RetrieverModel final : public RetrieverInterface {
  static_assert(Retriever<R>, "AnyRetriever holds what satisfies pefa::Retriever");

 public:
  RetrieverModel(R retriever, const RetrieverSpec& spec) : retriever_(std::move(retriever)), spec_(spec) {}

  std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options) const override {
    return retriever_.search(query, k, options);
  }
  std::size_t search_into(QueryView query, std::span<Hit> hits, const SearchOptions& options) const override {
    if constexpr (requires {
                    { retriever_.search(query, hits, options) } -> std::same_as<std::size_t>;
                  }) {
      return retriever_.search(query, hits, options);
    } else {
      const std::vector<Hit> found = retriever_.search(query, hits.size(), options);
      std::copy(found.begin(), found.end(), hits.begin());
      return found.size();
    }
  }
  std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                             const SearchOptions& options, const AnyExecutor& executor) const override {
    return retriever_.search_batch(queries, k, options, executor);
  }
  std::vector<Hit> exact_search(QueryView query, std::size_t k, const SearchOptions& options) const override {
    if constexpr (requires { pefa::exact_search(retriever_, query, k, options); }) {
      return pefa::exact_search(retriever_, query, k, options);
    } else {
      refuse("exact_search");
    }
  }
  std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                   const SearchOptions& options) const override {
    if constexpr (FilteringRetriever<R>) {
      return retriever_.search_filtered(query, k, filter, options);
    } else {
      refuse_filter();
    }
  }
  std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                      const SearchFilter& filter, const SearchOptions& options,
                                                      const AnyExecutor& executor) const override {
    if constexpr (FilteringRetriever<R>) {
      return retriever_.search_filtered_batch(queries, k, filter, options, executor);
    } else {
      refuse_filter();
    }
  }
  std::vector<Hit> exact_search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                         const SearchOptions& options) const override {
    if constexpr (requires { pefa::exact_search_filtered(retriever_, query, k, filter, options); }) {
      return pefa::exact_search_filtered(retriever_, query, k, filter, options);
    } else {
      refuse("exact_search_filtered");
    }
  }
  Explanation explain(QueryView query, PassageId passage, const SearchOptions& options) const override {
    if constexpr (requires { pefa::explain(retriever_, query, passage, options); }) {
      return pefa::explain(retriever_, query, passage, options);
    } else {
      refuse("explain");
    }
  }
  std::size_t passage_count() const override { return retriever_.passage_count(); }
  std::size_t query_count() const override { return looked_up_queries(retriever_); }
  std::size_t dim() const override { return retriever_.dim(); }
  std::size_t memory_bytes() const override { return sizeof(*this) + retriever_.memory_bytes(); }
  const RetrieverSpec& spec() const override { return spec_; }

  void save(const std::string& path, const SaveOptions& options) const override { save_to(path, options); }
  void save(std::ostream& out, const SaveOptions& options) const override { save_to(out, options); }

 private:
  template <class Target>
  void save_to(Target& target, const SaveOptions& options) const {
    if constexpr (requires { retriever_.save(target, options); }) {
      retriever_.save(target, options);
    } else {
      refuse("save");
    }
  }
  [[noreturn]] static void refuse(const char* what) {
    fail<Error>("AnyRetriever::", what, ": the retriever it holds, a type of the host's own, has no ", what);
  }

  [[noreturn]] static void refuse_filter() {
    fail<Error>(
        "AnyRetriever::search_filtered: the retriever it holds cannot filter: a type of the host's own without ",
        "search_filtered, or over an index that can neither filter nor score its rows");
  }

  R retriever_;
  RetrieverSpec spec_;
};

/// ExternalIds behind the interface.
class HeldIds final : public IdTable {
 public:
  explicit HeldIds(io::ExternalIds ids) : ids_(std::move(ids)) {}
  std::string_view id(Row row) const override { return ids_[row]; }
  std::optional<Row> find(std::string_view id) const override { return ids_.find(id); }
  const io::ExternalIds& table() const override { return ids_; }
  std::size_t memory_bytes() const override { return ids_.memory_bytes(); }

 private:
  io::ExternalIds ids_;
};

template <class R>
[[nodiscard]] RetrieverSpec spec_or_custom(const R& retriever) {
  if constexpr (requires { pefa::spec_of(retriever); }) {
    return pefa::spec_of(retriever);
  } else {
    return {.index = {.kind = IndexKind::custom}, .query_index = {.kind = IndexKind::custom}};
  }
}

/// What can be checked of a spec without data; the rest is for who builds from it.
/// @throws ValueError  names the field, what was expected and what came
inline void require_spec(const RetrieverSpec& spec, const char* who) {
  require_share(spec.lambda, "lambda", who);
  require_share(spec.fold, "fold", who);
  require_share(spec.condense, "condense", who);
  require_share(spec.shrinkage, "shrinkage", who);
  require_share(spec.index.target_recall, "target_recall", who);
  require_share(spec.query_index.target_recall, "target_recall", who);
  if (spec.index.kind == IndexKind::custom || spec.query_index.kind == IndexKind::custom) {
    fail<ValueError>(
        who, ": an index of kind custom is a host's own; expected automatic, flat, hnsw, quantized or partitioned");
  }
}

/// The spec with what its indexes became, and what was whitened.
template <class R>
[[nodiscard]] AnyRetriever hold_built(R retriever, RetrieverSpec spec) {
  const RetrieverSpec built = spec_of(retriever);
  spec.index = built.index;
  spec.query_index = built.query_index;
  if (spec.method != Method::erm) spec.whitened = built.whitened;  // XS looks up no training queries
  if (built.whitened != Whitened::none) spec.whitening.scatter = built.whitening.scatter;
  spec.hubness = built.hubness;
  return AnyRetriever(std::make_shared<const RetrieverModel<R>>(std::move(retriever), spec), nullptr);
}

template <EmbeddingScalar Scalar>
AnyRetriever build_any(const RetrieverSpec& asked, EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries,
                       const RelevanceMatrix* relevance, const BuildOptions& options, Rows rows) {
  require_spec(asked, "build");
  const RetrieverSpec spec = with_balance(asked, passages.view().size(), passages.view().dim());
  const auto built = [&](const auto& build) {
    return hold_built(build_to_target(spec, queries.view(), options, build), spec);
  };
  if (spec.method != Method::erm && relevance == nullptr) {
    fail<ValueError>("build: the method is ", name(spec.method), ", which learns from training queries and their ",
                     "relevance, expected both");
  }
  switch (spec.method) {
    case Method::erm:
      return built([&](const RetrieverSpec& how, const BuildOptions& part) {
        const AnyIndexParams index{.index = how.index, .rows = rows};
        return ErmRetriever<Scalar, AnyIndex>::build(std::move(passages), {.index = index}, part);
      });
    case Method::xs:
      return built([&](const RetrieverSpec& how, const BuildOptions& part) {
        return PefaXsOverAny<Scalar>::build(std::move(passages), std::move(queries), *relevance, xs_params(how, rows),
                                            part);
      });
    case Method::xs_multi:
      return built([&](const RetrieverSpec& how, const BuildOptions& part) {
        return PefaXsMulti<Scalar, AnyIndex>::build(std::move(passages), std::move(queries), *relevance,
                                                    xs_multi_params(how, rows), part);
      });
    case Method::xl: break;
  }
  return built([&](const RetrieverSpec& how, const BuildOptions& part) {
    return PefaXlOverAny<Scalar>::build(std::move(passages), std::move(queries), RelevanceMatrix(*relevance),
                                        xl_params(how, rows), part);
  });
}

}  // namespace detail

template <class R>
  requires(!std::same_as<R, AnyRetriever>)
AnyRetriever::AnyRetriever(R retriever) {
  const RetrieverSpec spec = detail::spec_or_custom(retriever);
  held_ = std::make_shared<const detail::RetrieverModel<R>>(std::move(retriever), spec);
}

template <class Ids>
AnyRetriever AnyRetriever::with_ids(Ids ids) const {
  if (ids.size() != passage_count()) {
    detail::fail<ShapeError>("AnyRetriever::with_ids: ", ids.size(), " ids for ", passage_count(),
                             " passages, expected one each");
  }
  AnyRetriever named = *this;
  named.ids_ = std::make_shared<const detail::HeldIds>(std::move(ids));
  return named;
}

template <class T>
PassageSet AnyRetriever::where(std::string_view condition) const {
  if (!tags_) detail::fail<ValueError>("AnyRetriever::where: it has no tags; give them with with_tags()");
  return PassageSet(rows_where(*tags_, condition));
}

template <class T>
QuerySet AnyRetriever::queries_where(std::string_view condition) const {
  if (!query_tags_) {
    detail::fail<ValueError>("AnyRetriever::queries_where: it has no tags of training queries; give them with ",
                             "with_query_tags()");
  }
  return QuerySet(rows_where(*query_tags_, condition));
}

template <class T>
AnyRetriever open(const io::ArchiveReader& reader) {
  const std::string kind = reader.metadata().text("retriever");
  const auto held = [&](auto retriever) {
    const RetrieverSpec spec = spec_of(retriever);
    AnyRetriever any(std::make_shared<const detail::RetrieverModel<decltype(retriever)>>(std::move(retriever), spec),
                     nullptr);
    if (auto ids = io::read_passage_ids(reader)) any = any.with_ids(*std::move(ids));
    if (auto tags = io::read_tags(reader, detail::passage_tags_prefix, any.passage_count())) {
      any = any.with_tags(*std::move(tags));
    }
    if (auto tags = io::read_tags(reader, detail::query_tags_prefix, any.query_count())) {
      any = any.with_query_tags(*std::move(tags));
    }
    return any;
  };
  if (kind == "erm") return held(ErmRetriever<float, AnyIndex>::open(reader));
  if (kind == "xs") return held(PefaXsOverAny<>::open(reader));
  if (kind == "xs_multi") return held(PefaXsMulti<float, AnyIndex>::open(reader));
  if (kind == "xl") return held(PefaXlOverAny<>::open(reader));
  detail::fail<FormatError>(reader.name(), ": holds a retriever '", kind,
                            "', this pefa knows erm, xs, xl and xs_multi");
}

template <class T>
AnyRetriever open(const std::string& path, Verify verify) {
  const io::ArchiveReader reader = io::ArchiveReader::open(path);
  if (verify == Verify::full) reader.verify();
  return open<T>(reader);
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
// pefa::compiled is linked: these are there already.
/// @cond
extern template AnyRetriever open<void>(const std::string& path, Verify verify);
extern template AnyRetriever open<void>(const io::ArchiveReader& reader);
extern template AnyRetriever AnyRetriever::with_ids<io::ExternalIds>(io::ExternalIds ids) const;
extern template PassageSet AnyRetriever::where<void>(std::string_view condition) const;
extern template QuerySet AnyRetriever::queries_where<void>(std::string_view condition) const;
extern template AnyRetriever detail::build_any<float>(const RetrieverSpec& spec, EmbeddingSource<float> passages,
                                                      EmbeddingSource<float> queries, const RelevanceMatrix* relevance,
                                                      const BuildOptions& options, Rows rows);
/// @endcond
#endif

}  // namespace pefa
