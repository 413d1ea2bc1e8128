// pefa: any retriever behind one type: method, index, gate and element type are chosen at run time, or known to the
// archive that is opened. Declarations alone: any_retriever_impl.hpp defines what they promise.
//
// What is declared here as a template on nothing (`class = void`) is compiled by who calls it and has its definition in
// sight (pefa/pefa.hpp), and otherwise comes from the library pefa::compiled or from the one source of the host that
// includes pefa/serve_impl.hpp.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "pefa/adapter/explanation.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/save_options.hpp"
#include "pefa/adapter/search_filter.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_set.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa {

class RelevanceMatrix;

/// A hit by the id that the host knows the passage by: text, or a 64-bit number.
template <class Id = std::string>
struct IdHit {
  Id id{};             ///< as id_of() tells it
  float score = 0.0f;  ///< higher is better

  /// Whether id and score are equal.
  friend bool operator==(const IdHit&, const IdHit&) = default;
};

namespace detail {

/// What AnyRetriever asks of what it holds; RetrieverModel (any_retriever_impl.hpp) makes one of each type.
class RetrieverInterface {
 public:
  RetrieverInterface() = default;
  RetrieverInterface(const RetrieverInterface&) = delete;
  RetrieverInterface& operator=(const RetrieverInterface&) = delete;
  virtual ~RetrieverInterface() = default;

  [[nodiscard]] virtual std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::size_t search_into(QueryView query, std::span<Hit> hits, const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                   const SearchOptions&, const AnyExecutor&) const = 0;
  [[nodiscard]] virtual std::vector<Hit> exact_search(QueryView query, std::size_t k, const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter&,
                                                         const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries,
                                                                            std::size_t k, const SearchFilter&,
                                                                            const SearchOptions&,
                                                                            const AnyExecutor&) const = 0;
  [[nodiscard]] virtual std::vector<Hit> exact_search_filtered(QueryView query, std::size_t k, const SearchFilter&,
                                                               const SearchOptions&) const = 0;
  [[nodiscard]] virtual Explanation explain(QueryView query, PassageId passage, const SearchOptions&) const = 0;
  [[nodiscard]] virtual std::size_t passage_count() const = 0;
  [[nodiscard]] virtual std::size_t query_count() const = 0;
  [[nodiscard]] virtual std::size_t dim() const = 0;
  [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
  [[nodiscard]] virtual const RetrieverSpec& spec() const = 0;
  virtual void save(const std::string& path, const SaveOptions& options) const = 0;
  virtual void save(std::ostream& out, const SaveOptions& options) const = 0;
};

/// A table of external ids, without its own header.
class IdTable {
 public:
  IdTable() = default;
  IdTable(const IdTable&) = delete;
  IdTable& operator=(const IdTable&) = delete;
  virtual ~IdTable() = default;

  [[nodiscard]] virtual std::string_view id(Row row) const = 0;
  [[nodiscard]] virtual std::optional<Row> find(std::string_view id) const = 0;
  [[nodiscard]] virtual const io::ExternalIds& table() const = 0;
  [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
};

/// The element type of a store, a view or a row-major Eigen matrix.
template <class R>
struct ScalarOf {
  using type = typename R::Scalar;
};
template <class R>
  requires requires {
    typename R::scalar_type;
  }
struct ScalarOf<R> {
  using type = typename R::scalar_type;
};
template <class R>
using scalar_of = typename ScalarOf<std::remove_cvref_t<R>>::type;

}  // namespace detail

/// A retriever of any kind; satisfies Retriever. Copies share what they hold, which never changes: searching is safe
/// from any number of threads.
class AnyRetriever {
 public:
  /// Holds a typed retriever: one of the library's over any index, or a host's own class that satisfies Retriever. What
  /// that cannot do (save, explain, exact_search) throws Error and says so. Defined in any_retriever_impl.hpp.
  template <class R>
    requires(!std::same_as<R, AnyRetriever>)
  explicit AnyRetriever(R retriever);

  /// Holds what is behind the interface already: for open() and build().
  AnyRetriever(std::shared_ptr<const detail::RetrieverInterface> held, std::shared_ptr<const detail::IdTable> ids)
      : held_(std::move(held)), ids_(std::move(ids)) {}

  /// The best k, best first, ties by ascending row.
  /// @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0; an option out of range
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return held_->search(query, k, options);
  }

  /// The best hits.size(), into the caller's buffer; returns how many. @throws  as above
  std::size_t search(QueryView query, std::span<Hit> hits, const SearchOptions& options = {}) const {
    return held_->search_into(query, hits, options);
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    return held_->search_batch(queries, k, options, executor);
  }

  /// The best k of the passages that a filter admits: a PassageSet, a predicate on PassageId, or for PEFA-XL a
  /// SearchFilter that says more. @throws  as FilteringRetriever says  @throws Error  what it holds cannot filter
  [[nodiscard]] std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                 const SearchOptions& options = {}) const {
    return held_->search_filtered(query, k, filter, options);
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                    const SearchFilter& filter,
                                                                    const SearchOptions& options = {},
                                                                    const AnyExecutor& executor = {}) const {
    return held_->search_filtered_batch(queries, k, filter, options, executor);
  }

  /// What search_filtered() would find if its indexes were exact: every row is looked at.
  [[nodiscard]] std::vector<Hit> exact_search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                       const SearchOptions& options = {}) const {
    return held_->exact_search_filtered(query, k, filter, options);
  }

  /// The passages of these ids as a set, for a filter; its complement is "all but these". Each id as often as it likes.
  /// @throws ValueError  there is no table, or an id is not in it
  [[nodiscard]] PassageSet passages_of(std::span<const std::string> ids) const {
    std::vector<PassageId> passages;
    passages.reserve(ids.size());
    for (const std::string& id : ids) {
      const std::optional<PassageId> passage = find(id);
      if (!passage) detail::fail<ValueError>("AnyRetriever::passages_of: no passage has the id '", id, "'");
      passages.push_back(*passage);
    }
    return PassageSet::of(passages, passage_count());
  }

  /// The best k by the ids that the host knows passages by; by their row numbers where there is no table.
  /// @tparam Id  std::string, or std::int64_t where every id found is a decimal number
  /// @throws ValueError  std::int64_t, and an id is no such number; and as search()
  template <class Id = std::string>
  [[nodiscard]] std::vector<IdHit<Id>> search_ids(QueryView query, std::size_t k,
                                                  const SearchOptions& options = {}) const {
    return with_ids_of<Id>(search(query, k, options));
  }

  /// The same of the passages that a filter admits. @throws  as search_ids() and search_filtered()
  template <class Id = std::string>
  [[nodiscard]] std::vector<IdHit<Id>> search_ids_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                           const SearchOptions& options = {}) const {
    return with_ids_of<Id>(search_filtered(query, k, filter, options));
  }

  /// What search() would find if its indexes were exact: every row is looked at.
  [[nodiscard]] std::vector<Hit> exact_search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return held_->exact_search(query, k, options);
  }

  /// The parts of a passage's score, and which training queries voted for it.
  /// @throws ShapeError  a passage past the end; and as search()
  [[nodiscard]] Explanation explain(QueryView query, PassageId passage, const SearchOptions& options = {}) const {
    return held_->explain(query, passage, options);
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const { return held_->passage_count(); }
  /// How many training queries it looks up; 0 where it looks up none.
  [[nodiscard]] std::size_t query_count() const { return held_->query_count(); }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return held_->dim(); }
  /// Bytes on the heap, ids and tags included; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const {
    return held_->memory_bytes() + (ids_ ? ids_->memory_bytes() : 0) + (tags_ ? tags_->memory_bytes() : 0) +
           (query_tags_ ? query_tags_->memory_bytes() : 0);
  }

  /// What it is, as build() would be told: indexes that were `automatic` are what they became.
  [[nodiscard]] const RetrieverSpec& spec() const { return held_->spec(); }

  /// Whether it has a table of ids.
  [[nodiscard]] bool has_ids() const noexcept { return ids_ != nullptr; }

  /// The id of a passage, its row number where there is no table. @throws ShapeError  a passage past the end
  template <class Id = std::string>
  [[nodiscard]] Id id_of(PassageId passage) const {
    static_assert(std::same_as<Id, std::string> || std::same_as<Id, std::int64_t>, "ids are text or 64-bit numbers");
    if (passage.row() >= passage_count()) {
      detail::fail<ShapeError>("AnyRetriever::id_of: passage ", passage.row(), ", expected below ", passage_count());
    }
    if constexpr (std::same_as<Id, std::string>) {
      return ids_ ? std::string(ids_->id(passage.row())) : std::to_string(passage.row());
    } else {
      return ids_ ? number_of(passage.row()) : std::int64_t{passage.row()};
    }
  }

  /// The passage of that id, if there is one. @throws ValueError  there is no table
  [[nodiscard]] std::optional<PassageId> find(std::string_view id) const {
    if (!ids_) detail::fail<ValueError>("AnyRetriever::find: it has no ids; give them with with_ids()");
    const std::optional<Row> row = ids_->find(id);
    return row ? std::optional(PassageId(*row)) : std::nullopt;
  }

  /// The same retriever with a table of ids, which save() then writes. @param ids  io::ExternalIds, one a passage
  /// @throws ShapeError  another number of ids than of passages
  template <class Ids>
  [[nodiscard]] AnyRetriever with_ids(Ids ids) const;

  /// The table of its ids; nullptr where it has none.
  [[nodiscard]] const io::ExternalIds* ids() const { return ids_ ? &ids_->table() : nullptr; }

  /// The same retriever with tags of its passages, which save() then writes.
  /// @throws ShapeError  they are for another number of rows than there are passages
  [[nodiscard]] AnyRetriever with_tags(TagTable tags) const {
    if (tags.size() != passage_count()) {
      detail::fail<ShapeError>("AnyRetriever::with_tags: tags for ", tags.size(), " rows, expected ", passage_count(),
                               ", one a passage");
    }
    AnyRetriever tagged = *this;
    tagged.tags_ = std::make_shared<const TagTable>(std::move(tags));
    return tagged;
  }

  /// The same with tags of the training queries that PEFA-XL looks up.
  /// @throws ShapeError  they are for another number of rows than there are training queries, as where those are
  /// condensed, or folded into the passages
  [[nodiscard]] AnyRetriever with_query_tags(TagTable tags) const {
    if (tags.size() != query_count()) {
      detail::fail<ShapeError>("AnyRetriever::with_query_tags: tags for ", tags.size(), " rows, but it looks up ",
                               query_count(), " training queries");
    }
    AnyRetriever tagged = *this;
    tagged.query_tags_ = std::make_shared<const TagTable>(std::move(tags));
    return tagged;
  }

  /// The tags of its passages; nullptr where it has none.
  [[nodiscard]] const TagTable* tags() const noexcept { return tags_.get(); }
  /// The tags of its training queries; nullptr where it has none.
  [[nodiscard]] const TagTable* query_tags() const noexcept { return query_tags_.get(); }

  /// The passages whose tags a condition holds for, to search among: "lang=en & price<=20 & !(seller=7)".
  /// tag_expression.hpp says how conditions are written, rows_where() what they mean.
  /// @throws ValueError  the retriever has no tags, or the condition is malformed, of an unknown key or of the wrong
  /// type; names the column
  template <class = void>
  [[nodiscard]] PassageSet where(std::string_view condition) const;

  /// The training queries whose tags a condition holds for. @throws ValueError  as above
  template <class = void>
  [[nodiscard]] QuerySet queries_where(std::string_view condition) const;

  /// Saves it to a file, durably and with its ids and tags: on an error, or where the process dies, an older archive of
  /// that name stays as it was.
  /// @throws IoError  @throws Cancelled  @throws Error  what it holds cannot be saved
  void save(const std::string& path, const SaveOptions& options = {}) const {
    held_->save(path, with_what_it_has(options));
  }

  /// The same to a binary stream.
  void save(std::ostream& out, const SaveOptions& options = {}) const { held_->save(out, with_what_it_has(options)); }

 private:
  [[nodiscard]] SaveOptions with_what_it_has(SaveOptions options) const {
    if (options.passage_ids == nullptr) options.passage_ids = ids();
    if (options.passage_tags == nullptr) options.passage_tags = tags();
    if (options.query_tags == nullptr) options.query_tags = query_tags();
    return options;
  }

  template <class Id>
  [[nodiscard]] std::vector<IdHit<Id>> with_ids_of(const std::vector<Hit>& hits) const {
    std::vector<IdHit<Id>> found;
    found.reserve(hits.size());
    for (const Hit& hit : hits) found.push_back({id_of<Id>(hit.passage), hit.score});
    return found;
  }

  [[nodiscard]] std::int64_t number_of(Row row) const {
    const std::string_view text = ids_->id(row);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
      detail::fail<ValueError>("AnyRetriever: the id of passage ", row, " is '", text,
                               "', expected a decimal number of 64 bits; ask for ids as std::string");
    }
    return number;
  }

  std::shared_ptr<const detail::RetrieverInterface> held_;
  std::shared_ptr<const detail::IdTable> ids_;
  std::shared_ptr<const TagTable> tags_;
  std::shared_ptr<const TagTable> query_tags_;
};

/// Opens whatever save() or `pefa build` wrote, in place and with its ids.
/// @param path  a std::filesystem::path, too
/// @throws IoError  the file cannot be read  @throws FormatError  it is no archive of a retriever, of parts that this
/// pefa does not know, or damaged
template <class = void>
[[nodiscard]] AnyRetriever open(const std::string& path, Verify verify = Verify::directory);

/// The same of an archive that is open: in memory, from a stream.
template <class = void>
[[nodiscard]] AnyRetriever open(const io::ArchiveReader& reader);

namespace detail {

/// build() for one element type.
template <EmbeddingScalar Scalar>
[[nodiscard]] AnyRetriever build_any(const RetrieverSpec& spec, EmbeddingSource<Scalar> passages,
                                     EmbeddingSource<Scalar> queries, const RelevanceMatrix* relevance,
                                     const BuildOptions& options, Rows rows);

}  // namespace detail

/// Builds what a spec says: tune()'s pick, a spec read from JSON, RetrieverSpec{} for the defaults.
///
/// Passages and queries are stores, views or row-major matrices of one element type; stores passed by && are taken
/// over. `pefa::compiled` holds this for float rows; other element types need pefa/pefa.hpp.
///
/// @param passages   P [n_passages x dim]
/// @param queries    Q [n_train_queries x dim]
/// @param relevance  Y [n_train_queries x n_passages]
/// @param rows       whether indexes, all but hnsw, copy rows that are not taken over; borrowed ones must outlive it
/// @throws ShapeError, ValueError  as the typed retrievers' build; a field of the spec out of range
/// @throws Cancelled  the progress callback said stop
template <class P, class Q>
[[nodiscard]] AnyRetriever build(const RetrieverSpec& spec, P&& passages, Q&& queries, const RelevanceMatrix& relevance,
                                 const BuildOptions& options = {}, Rows rows = Rows::copy) {
  using Scalar = detail::scalar_of<P>;
  static_assert(std::same_as<Scalar, detail::scalar_of<Q>>, "passages and queries are of one element type");
  return detail::build_any<Scalar>(spec, std::forward<P>(passages), std::forward<Q>(queries), &relevance, options,
                                   rows);
}

/// The same for the plain model, which has no training queries. @throws ValueError  the spec's method is another
template <class P>
[[nodiscard]] AnyRetriever build(const RetrieverSpec& spec, P&& passages, const BuildOptions& options = {},
                                 Rows rows = Rows::copy) {
  using Scalar = detail::scalar_of<P>;
  return detail::build_any<Scalar>(spec, std::forward<P>(passages), EmbeddingView<Scalar>(), nullptr, options, rows);
}

}  // namespace pefa
