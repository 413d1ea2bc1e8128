// pefa: row numbers with a type, and what a search returns.
//
// A PassageId and a QueryId are both row numbers, of different matrices; mixing them up compiles in most libraries and
// not in this one. An index knows neither: it returns Neighbor, the row of whatever it was built on.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>

namespace pefa {

/// The type of a row number everywhere: up to 4,294,967,295 rows a store.
using Row = std::uint32_t;

/// A row number that belongs to one kind of rows; made and read only explicitly.
template <class Tag>
class Id {
 public:
  /// Row 0.
  constexpr Id() noexcept = default;
  /// The id of a row.
  constexpr explicit Id(Row row) noexcept : row_(row) {}

  /// The row number.
  [[nodiscard]] constexpr Row row() const noexcept { return row_; }

  /// By row number.
  friend constexpr auto operator<=>(Id, Id) noexcept = default;

 private:
  Row row_ = 0;
};

/// Writes the row number. Who prints includes `<ostream>`; a template, so that nobody else needs it.
template <class Character, class Tag>
std::basic_ostream<Character>& operator<<(std::basic_ostream<Character>& out, Id<Tag> id) {
  return out << id.row();
}

/// A row of the passage embeddings P.
using PassageId = Id<struct PassageTag>;
/// A row of the (training or test) query embeddings Q.
using QueryId = Id<struct QueryTag>;

/// One result of an index: a row and its similarity, higher is better.
struct Neighbor {
  Row row = 0;         ///< in the index
  float score = 0.0f;  ///< by the metric of the index

  /// Whether row and score are equal.
  friend bool operator==(const Neighbor&, const Neighbor&) = default;
};

/// One result of a retriever: a passage and its score, higher is better.
struct Hit {
  PassageId passage;   ///< by its row in P
  float score = 0.0f;  ///< higher is better

  /// Whether passage and score are equal.
  friend bool operator==(const Hit&, const Hit&) = default;
};

/// The order of results everywhere: higher scores first, equal scores by ascending row. An object and no function, as
/// algorithms call a pointer to a function without inlining it: selections took twice the time.
struct RanksBefore {
  /// Whether a comes before b.
  [[nodiscard]] constexpr bool operator()(const Neighbor& a, const Neighbor& b) const noexcept {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  }
};
/// The same, to call or to pass to an algorithm.
inline constexpr RanksBefore ranks_before{};

}  // namespace pefa

/// @cond
template <class Tag>
struct std::hash<pefa::Id<Tag>> {
  [[nodiscard]] std::size_t operator()(pefa::Id<Tag> id) const noexcept { return std::hash<pefa::Row>{}(id.row()); }
};
/// @endcond
