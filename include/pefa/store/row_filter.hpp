// pefa: what a search is given to tell the rows it may return: a set, or a host's predicate. Borrowed for the call.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa {

/// Which rows are admitted. Copies refer to the same set or predicate, which must outlive the search.
class RowFilter {
 public:
  /// Admits every row.
  RowFilter() = default;

  /// Admits the rows of a set, which must be over as many rows as what is searched.
  RowFilter(const RowSet& set) noexcept : set_(&set) {}  // NOLINT(google-explicit-constructor): a set is a filter

  /// Admits the rows that a predicate holds for. It must answer alike for the length of a call, from any thread.
  template <std::predicate<Row> Predicate>
    requires std::is_object_v<Predicate> RowFilter(const Predicate& predicate)
  noexcept  // NOLINT(google-explicit-constructor): a predicate is a filter
      : predicate_(&predicate), ask_([](const void* asked, Row row) {
          return static_cast<bool>((*static_cast<const Predicate*>(asked))(row));
        }) {}

  /// The same of a predicate on an id of rows of one kind.
  template <class IdType, class Predicate>
  [[nodiscard]] static RowFilter on_ids(const Predicate& predicate) noexcept {
    RowFilter filter;
    filter.predicate_ = &predicate;
    filter.ask_ = [](const void* asked, Row row) {
      return static_cast<bool>((*static_cast<const Predicate*>(asked))(IdType(row)));
    };
    return filter;
  }

  /// Whether a row may be returned. @param row  below what is searched
  [[nodiscard]] bool admits(Row row) const {
    if (set_ != nullptr) return set_->contains(row);
    return ask_ == nullptr || ask_(predicate_, row);
  }

  /// Whether no row is asked about.
  [[nodiscard]] bool admits_all() const noexcept {
    return ask_ == nullptr && (set_ == nullptr || set_->size() == set_->universe());
  }
  /// The set; nullptr where there is none.
  [[nodiscard]] const RowSet* set() const noexcept { return set_; }
  /// How many of so many rows are admitted, where that is known without asking about each.
  [[nodiscard]] std::optional<std::size_t> count(std::size_t rows) const noexcept {
    if (set_ != nullptr) return set_->size();
    return ask_ == nullptr ? std::optional(rows) : std::nullopt;
  }

  /// The admitted ones of so many rows, as a set: the set itself, or what a predicate says of each row.
  [[nodiscard]] RowSet to_set(std::size_t rows) const {
    if (set_ != nullptr) return *set_;
    return ask_ == nullptr ? RowSet::all(rows) : RowSet::where(rows, [this](Row row) { return admits(row); });
  }

  /// @param who  "FlatIndex::search_filtered"  @param things  "rows"
  /// @throws ShapeError  a set over another number of rows
  void require_universe(std::size_t rows, const char* who, const char* things = "rows") const {
    if (set_ == nullptr || set_->universe() == rows) return;
    detail::fail<ShapeError>(who, ": the filter is a set of ", set_->universe(), " ", things, ", expected ", rows);
  }

 private:
  const RowSet* set_ = nullptr;
  const void* predicate_ = nullptr;
  bool (*ask_)(const void* predicate, Row row) = nullptr;
};

namespace detail {

/// Admits every row: the policy of a search without a filter, which costs nothing.
struct AdmitsAll {
  constexpr bool operator()(Row /*row*/) const noexcept { return true; }
};

/// Calls use(admits) with the fastest test of a row that the filter allows, as a type of its own.
template <class Use>
decltype(auto) with_admission(const RowFilter& filter, const Use& use) {
  const RowSet* set = filter.set();
  if (set != nullptr && set->form() == RowSetForm::dense) {
    return use([words = set->words().data()](Row row) { return ((words[row / 64] >> (row % 64)) & 1U) != 0; });
  }
  return use([&filter](Row row) { return filter.admits(row); });
}

/// Some admitted rows, spread over all there are: where a walk may start. At most `most`.
[[nodiscard]] inline std::vector<Row> some_admitted(const RowFilter& filter, std::size_t size, std::size_t most) {
  constexpr std::size_t looked_at = 256;  // rows after each starting point
  std::vector<Row> rows;
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t begin = i * size / most;
    const std::size_t end = std::min(begin + looked_at, (i + 1) * size / most);
    for (std::size_t row = begin; row < end; ++row) {
      if (!filter.admits(static_cast<Row>(row))) continue;
      rows.push_back(static_cast<Row>(row));
      break;
    }
  }
  return rows;
}

}  // namespace detail

/// A RowFilter of one kind of rows, made of a set of them or a predicate on their ids.
template <class IdType>
class IdFilter {
 public:
  /// Admits all.
  IdFilter() = default;
  /// Admits a set's.
  IdFilter(const IdSet<IdType>& set) noexcept  // NOLINT(google-explicit-constructor): a set is a filter
      : rows_(set.rows()) {}
  /// Admits what a predicate on ids holds for. It must answer alike for the length of a call, from any thread.
  template <std::predicate<IdType> Predicate>
    requires std::is_object_v<Predicate> IdFilter(const Predicate& predicate)
  noexcept  // NOLINT(google-explicit-constructor): a predicate is a filter
      : rows_(RowFilter::on_ids<IdType>(predicate)) {}
  /// Admits the ids of these rows.
  explicit IdFilter(const RowFilter& rows) noexcept : rows_(rows) {}

  /// By row numbers.
  [[nodiscard]] const RowFilter& rows() const noexcept { return rows_; }
  /// Whether this one is admitted.
  [[nodiscard]] bool admits(IdType id) const { return rows_.admits(id.row()); }

 private:
  RowFilter rows_;
};

/// Which passages a search may return.
using PassageFilter = IdFilter<PassageId>;
/// Which training queries have a vote.
using QueryFilter = IdFilter<QueryId>;

}  // namespace pefa
