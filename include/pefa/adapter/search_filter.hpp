// pefa: what a filtered search of a retriever admits: passages, and for PEFA-XL training queries as well.
#pragma once

#include <array>
#include <concepts>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/row_filter.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa {

/// PEFA-XL: which training queries vote in a search that is filtered by passage.
enum class FilteredNeighbors {
  with_admitted,  ///< the k nearest that have an admitted passage: with few admitted, too, k of them vote; a passage's
                  ///< score may depend on the filter
  all             ///< the k nearest of all, whose votes for other passages are dropped: a passage scores as without a
                  ///< filter, and where few are admitted hardly any vote is left
};
/// Their names.
template <>
inline constexpr std::array enum_names<FilteredNeighbors>{"with_admitted", "all"};

/// What a filtered search admits: made from a PassageSet, or from a predicate on PassageId, both borrowed for the call.
struct SearchFilter {
  PassageFilter passages{};        ///< which passages may be returned; all, where nothing is said
  QueryFilter training_queries{};  ///< PEFA-XL: which training queries may vote: a tenant's, the last month's
  FilteredNeighbors neighbors = FilteredNeighbors::with_admitted;  ///< PEFA-XL: which of those do

  /// Admits everything.
  SearchFilter() = default;
  /// Admits these passages, and the votes of these training queries.
  template <class Passages>
    requires(std::convertible_to<const Passages&, PassageFilter> && !std::same_as<Passages, SearchFilter>)
  SearchFilter(const Passages& admitted, QueryFilter voters = {},  // NOLINT(google-explicit-constructor)
               FilteredNeighbors who = FilteredNeighbors::with_admitted)
  noexcept : passages(admitted), training_queries(voters), neighbors(who) {}

  /// Whether it changes nothing.
  [[nodiscard]] bool admits_all() const noexcept {
    return passages.rows().admits_all() && training_queries.rows().admits_all();
  }
};

}  // namespace pefa
