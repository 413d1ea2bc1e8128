// pefa: a set of rows: which passages a search may return, or which training queries have a vote.
//
// Immutable, so copies share their memory and reading is safe from any number of threads. What a search does with a set
// is row_filter.hpp's business and the indexes'.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"

namespace pefa {

/// How a RowSet is held: whichever takes the least memory.
enum class RowSetForm {
  listed,  ///< its rows, ascending
  dense,   ///< a bit for every row there is
  all_but  ///< the rows that are not in it, ascending
};
/// Their names.
template <>
inline constexpr std::array enum_names<RowSetForm>{"listed", "dense", "all_but"};

/// Rows [begin, end).
struct RowRange {
  Row begin = 0;  ///< the first
  Row end = 0;    ///< one past the last, at least begin
};

/// A subset of the rows 0 … universe() − 1, whose size is known.
///
/// Up to a thirty-second of the rows, or all but so many, are listed; else there is a bit a row. Two sets of the same
/// rows are equal however they were made.
class RowSet {
 public:
  /// No rows of none.
  RowSet() = default;

  /// No rows. @param universe  rows there are; at most 2^32 − 1
  [[nodiscard]] static RowSet none(std::size_t universe) { return RowSet(RowSetForm::listed, {}, checked(universe)); }

  /// Every row.
  [[nodiscard]] static RowSet all(std::size_t universe) { return ~none(universe); }

  /// Some rows, in any order, each as often as it likes. O(rows), and a sort where there are few.
  /// @throws ShapeError  a row past the universe
  [[nodiscard]] static RowSet of(std::span<const Row> rows, std::size_t universe) {
    for (const Row row : rows) {
      if (row >= universe) detail::fail<ShapeError>("RowSet::of: row ", row, ", expected below ", universe);
    }
    if (is_few(rows.size(), checked(universe))) {
      std::vector<Row> listed(rows.begin(), rows.end());
      std::sort(listed.begin(), listed.end());
      listed.erase(std::unique(listed.begin(), listed.end()), listed.end());
      return of_listed(RowSetForm::listed, std::move(listed), universe);
    }
    std::vector<std::uint64_t> words(words_of(universe));
    for (const Row row : rows) words[row / 64] |= bit(row);
    return of_words(std::move(words), universe);
  }

  /// The rows of some ranges, which may overlap. @throws ShapeError  a range that ends before it begins or past the
  /// universe
  [[nodiscard]] static RowSet of_ranges(std::span<const RowRange> ranges, std::size_t universe) {
    std::vector<std::uint64_t> words(words_of(checked(universe)));
    for (const RowRange& range : ranges) {
      if (range.begin > range.end || range.end > universe) {
        detail::fail<ShapeError>("RowSet::of_ranges: rows ", range.begin, " to ", range.end,
                                 ", expected ascending and at most ", universe);
      }
      for (std::size_t row = range.begin; row < range.end;) {
        const std::size_t count = std::min<std::size_t>(64 - row % 64, range.end - row);
        words[row / 64] |= (~std::uint64_t{0} >> (64 - count)) << (row % 64);
        row += count;
      }
    }
    return of_words(std::move(words), universe);
  }

  /// The rows whose bits are 1, the lowest bit of the first word being row 0's: for who collects a set row by row.
  /// @param words  ⌈universe / 64⌉ of them; bits past the universe do not count  @throws ShapeError  another number
  [[nodiscard]] static RowSet of_words(std::vector<std::uint64_t> words, std::size_t universe) {
    if (words.size() != words_of(checked(universe))) {
      detail::fail<ShapeError>("RowSet::of_words: ", words.size(), " words for ", universe, " rows, expected ",
                               words_of(universe));
    }
    if (universe % 64 != 0) words.back() &= ~std::uint64_t{0} >> (64 - universe % 64);
    std::size_t size = 0;
    for (const std::uint64_t word : words) size += static_cast<std::size_t>(std::popcount(word));
    if (form_of(size, universe) != RowSetForm::dense) {
      const bool listed = form_of(size, universe) == RowSetForm::listed;
      std::vector<Row> rows;
      rows.reserve(listed ? size : universe - size);
      for_each_bit(words, listed ? 0 : ~std::uint64_t{0}, universe, [&](Row row) { rows.push_back(row); });
      return RowSet(form_of(size, universe), std::move(rows), universe);
    }
    RowSet set;
    const auto kept = std::make_shared<const std::vector<std::uint64_t>>(std::move(words));
    set.words_ = *kept;
    set.owner_ = kept;
    set.form_ = RowSetForm::dense;
    set.universe_ = universe;
    set.size_ = size;
    return set;
  }

  /// The rows that a predicate holds for; it is asked once of each, in ascending order.
  template <std::predicate<Row> Predicate>
  [[nodiscard]] static RowSet where(std::size_t universe, const Predicate& predicate) {
    std::vector<std::uint64_t> words(words_of(checked(universe)));
    for (std::size_t row = 0; row < universe; ++row) {
      if (predicate(static_cast<Row>(row))) words[row / 64] |= bit(row);
    }
    return of_words(std::move(words), universe);
  }

  /// How many rows there are to be in it or not.
  [[nodiscard]] std::size_t universe() const noexcept { return universe_; }
  /// How many rows are in it.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Whether none is.
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// How it is held.
  [[nodiscard]] RowSetForm form() const noexcept { return form_; }

  /// Whether a row, below the universe, is in it. O(1) where it is dense, else a binary search of what is listed.
  [[nodiscard]] bool contains(Row row) const noexcept {
    assert(row < universe_);
    if (form_ == RowSetForm::dense) return (words_[row / 64] & bit(row)) != 0;
    return std::binary_search(listed_.begin(), listed_.end(), row) == (form_ == RowSetForm::listed);
  }

  /// Calls visit(row) for every row in it, in ascending order.
  template <std::invocable<Row> Visit>
  void for_each(const Visit& visit) const {
    if (form_ == RowSetForm::listed) {
      for (const Row row : listed_) visit(row);
    } else if (form_ == RowSetForm::dense) {
      for_each_bit(words_, 0, universe_, visit);
    } else {
      std::size_t row = 0;
      for (const Row left_out : listed_) {
        for (; row < left_out; ++row) visit(static_cast<Row>(row));
        ++row;
      }
      for (; row < universe_; ++row) visit(static_cast<Row>(row));
    }
  }

  /// Its rows in ascending order.
  [[nodiscard]] std::vector<Row> rows() const {
    std::vector<Row> rows;
    rows.reserve(size_);
    for_each([&](Row row) { rows.push_back(row); });
    return rows;
  }

  /// What is listed: the rows in it, or those that are not; nothing where it is dense.
  [[nodiscard]] std::span<const Row> listed() const noexcept { return listed_; }
  /// The bits of a dense set, as of_words() takes them; else nothing.
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return words_; }
  /// Bytes that it is held in; copies share them.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return listed_.size_bytes() + words_.size_bytes(); }

  /// All rows but those in it.
  [[nodiscard]] RowSet operator~() const {
    RowSet others = *this;
    if (form_ == RowSetForm::dense) {
      std::vector<std::uint64_t> words(words_.begin(), words_.end());
      for (std::uint64_t& word : words) word = ~word;
      return of_words(std::move(words), universe_);
    }
    others.form_ = form_ == RowSetForm::listed ? RowSetForm::all_but : RowSetForm::listed;
    others.size_ = universe_ - size_;
    return universe_ == 0 ? *this : others;
  }

  /// The rows in `a` that are not in `b`. O(what they are held in), times a logarithm where one is listed.
  /// @throws ShapeError  sets of different universes; so do the operators below
  friend RowSet operator-(const RowSet& a, const RowSet& b) {
    if (a.universe_ != b.universe_) {
      detail::fail<ShapeError>("RowSet: sets of ", a.universe_, " and ", b.universe_, " rows, expected one universe");
    }
    if (a.form_ == RowSetForm::listed) return a.listed_where([&](Row row) { return !b.contains(row); });
    if (b.form_ == RowSetForm::all_but) return b.listed_where([&](Row row) { return a.contains(row); });
    if (a.form_ == RowSetForm::all_but && b.form_ == RowSetForm::listed) {
      std::vector<Row> left_out;
      left_out.reserve(a.listed_.size() + b.listed_.size());
      std::set_union(a.listed_.begin(), a.listed_.end(), b.listed_.begin(), b.listed_.end(),
                     std::back_inserter(left_out));
      return of_listed(RowSetForm::all_but, std::move(left_out), a.universe_);
    }
    std::vector<std::uint64_t> words = a.as_words();
    if (b.form_ == RowSetForm::dense) {
      for (std::size_t i = 0; i < words.size(); ++i) words[i] &= ~b.words_[i];
    } else {
      for (const Row row : b.listed_) words[row / 64] &= ~bit(row);
    }
    return of_words(std::move(words), a.universe_);
  }

  /// The rows in both.
  friend RowSet operator&(const RowSet& a, const RowSet& b) { return b.form_ == RowSetForm::listed ? b - ~a : a - ~b; }
  /// The rows in either.
  friend RowSet operator|(const RowSet& a, const RowSet& b) { return ~(~a - b); }

  /// Whether both have the same rows, of the same universe.
  friend bool operator==(const RowSet& a, const RowSet& b) noexcept {
    return a.universe_ == b.universe_ && a.form_ == b.form_ && std::ranges::equal(a.listed_, b.listed_) &&
           std::ranges::equal(a.words_, b.words_);
  }

  /// The set over memory that is another's, an archive's perhaps. Nothing is copied where the form is the one that such
  /// a set has. Checking what is there is the caller's: rows ascending and below the universe, no bit past it.
  /// @param owner  keeps the elements where they are
  [[nodiscard]] static RowSet over(RowSetForm form, std::span<const Row> listed, std::span<const std::uint64_t> words,
                                   std::size_t universe, std::shared_ptr<const void> owner) {
    RowSet set;
    set.owner_ = std::move(owner);
    set.form_ = form;
    set.universe_ = checked(universe);
    set.listed_ = listed;
    set.words_ = words;
    if (form == RowSetForm::listed) set.size_ = listed.size();
    if (form == RowSetForm::all_but) set.size_ = universe - listed.size();
    for (const std::uint64_t word : words) set.size_ += static_cast<std::size_t>(std::popcount(word));
    return form == form_of(set.size_, universe) ? set : set.renewed();
  }

  /// Words that hold a bit for each of so many rows.
  [[nodiscard]] static constexpr std::size_t words_of(std::size_t universe) noexcept { return (universe + 63) / 64; }

 private:
  static constexpr std::size_t most_rows = 0xFFFF'FFFF;  // each has a Row, and so has their number

  RowSet(RowSetForm form, std::vector<Row> listed, std::size_t universe) : universe_(universe), form_(form) {
    const auto kept = std::make_shared<const std::vector<Row>>(std::move(listed));
    listed_ = *kept;
    owner_ = kept;
    size_ = form == RowSetForm::listed ? listed_.size() : universe - listed_.size();
  }

  [[nodiscard]] static constexpr std::uint64_t bit(std::size_t row) noexcept { return std::uint64_t{1} << (row % 64); }

  [[nodiscard]] static std::size_t checked(std::size_t universe) {
    if (universe > most_rows) detail::fail<ShapeError>("RowSet: ", universe, " rows, expected at most ", most_rows);
    return universe;
  }

  /// Whether a list of so many rows is no longer than a bit a row.
  [[nodiscard]] static bool is_few(std::size_t count, std::size_t universe) noexcept { return count <= universe / 32; }

  [[nodiscard]] static RowSetForm form_of(std::size_t size, std::size_t universe) noexcept {
    if (size == 0 || is_few(size, universe)) return RowSetForm::listed;
    return size == universe || is_few(universe - size, universe) ? RowSetForm::all_but : RowSetForm::dense;
  }

  /// Calls visit(row) for every bit of words ^ flip that is 1.
  template <class Words, class Visit>
  static void for_each_bit(const Words& words, std::uint64_t flip, std::size_t universe, const Visit& visit) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::uint64_t word = words[i] ^ flip;
      if (i + 1 == words.size() && universe % 64 != 0) word &= ~std::uint64_t{0} >> (64 - universe % 64);
      for (; word != 0; word &= word - 1)
        visit(static_cast<Row>(i * 64 + static_cast<unsigned>(std::countr_zero(word))));
    }
  }

  /// From rows that are ascending, each once. @param form  listed or all_but
  [[nodiscard]] static RowSet of_listed(RowSetForm form, std::vector<Row> rows, std::size_t universe) {
    RowSet set(form, std::move(rows), universe);
    return set.form_ == form_of(set.size_, universe) ? set : set.renewed();
  }

  /// The same set in the form that it should have.
  [[nodiscard]] RowSet renewed() const { return of_words(as_words(), universe_); }

  [[nodiscard]] std::vector<std::uint64_t> as_words() const {
    if (form_ == RowSetForm::dense) return {words_.begin(), words_.end()};
    const std::uint64_t flip = form_ == RowSetForm::listed ? 0 : ~std::uint64_t{0};
    std::vector<std::uint64_t> words(words_of(universe_), flip);
    for (const Row row : listed_) words[row / 64] ^= bit(row);
    return words;
  }

  /// The listed rows that a predicate holds for, as a set.
  template <class Predicate>
  [[nodiscard]] RowSet listed_where(const Predicate& predicate) const {
    std::vector<Row> rows;
    std::copy_if(listed_.begin(), listed_.end(), std::back_inserter(rows), predicate);
    return of_listed(RowSetForm::listed, std::move(rows), universe_);
  }

  std::span<const Row> listed_;
  std::span<const std::uint64_t> words_;
  std::shared_ptr<const void> owner_;  // of either
  std::size_t universe_ = 0;
  std::size_t size_ = 0;
  RowSetForm form_ = RowSetForm::listed;
};

/// A RowSet of one kind of rows: PassageSet and QuerySet never convert into each other, as their ids do not.
template <class IdType>
class IdSet {
 public:
  /// Nothing of nothing.
  IdSet() = default;
  /// The set of these rows' ids.
  explicit IdSet(RowSet rows) : rows_(std::move(rows)) {}

  /// Some ids, in any order. @throws ShapeError  one past the universe
  [[nodiscard]] static IdSet of(std::span<const IdType> ids, std::size_t universe) {
    std::vector<Row> rows(ids.size());
    std::transform(ids.begin(), ids.end(), rows.begin(), [](IdType id) { return id.row(); });
    return IdSet(RowSet::of(rows, universe));
  }

  /// The row numbers.
  [[nodiscard]] const RowSet& rows() const noexcept { return rows_; }
  /// How many there are to be in it or not.
  [[nodiscard]] std::size_t universe() const noexcept { return rows_.universe(); }
  /// How many are in it.
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  /// Whether none is.
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  /// Whether an id, below the universe, is in it.
  [[nodiscard]] bool contains(IdType id) const noexcept { return rows_.contains(id.row()); }

  /// All but those in it.
  [[nodiscard]] IdSet operator~() const { return IdSet(~rows_); }
  /// Those in `a` and not in `b`. @throws ShapeError  sets of different universes, as below
  friend IdSet operator-(const IdSet& a, const IdSet& b) { return IdSet(a.rows_ - b.rows_); }
  /// Those in both.
  friend IdSet operator&(const IdSet& a, const IdSet& b) { return IdSet(a.rows_ & b.rows_); }
  /// Those in either.
  friend IdSet operator|(const IdSet& a, const IdSet& b) { return IdSet(a.rows_ | b.rows_); }
  /// Whether both have the same ids, of the same universe.
  friend bool operator==(const IdSet& a, const IdSet& b) noexcept { return a.rows_ == b.rows_; }

 private:
  RowSet rows_;
};

/// The passages that a search may return: in stock, this tenant's, not seen yet.
using PassageSet = IdSet<PassageId>;
/// The training queries that have a vote.
using QuerySet = IdSet<QueryId>;

}  // namespace pefa
