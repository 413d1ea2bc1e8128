// pefa: the sparse matrices of the big-ann-benchmarks (.csr): int64 rows, columns, entries; int64 row starts
// [rows + 1]; int32 columns [entries]; float32 weights [entries]; all little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <ostream>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/mapped_file.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

namespace detail {

/// The parts of a .csr file in memory whose header has been checked against the file's size.
class CsrParts {
 public:
  CsrParts(const std::byte* bytes, std::size_t size, std::string_view name) : bytes_(bytes), name_(name) {
    static_assert(std::endian::native == std::endian::little,
                  "pefa reads little-endian files on little-endian machines");
    if (size < header_bytes) {
      refuse("is ", size, " bytes long, expected a header of ", header_bytes, ": rows, columns, entries");
    }
    rows_ = extent(0, "rows");
    cols_ = extent(8, "columns");
    entries_ = extent(16, "entries");
    columns_begin_ = header_bytes + 8 * (rows_ + 1);
    weights_begin_ = columns_begin_ + 4 * entries_;
    const std::size_t expected = weights_begin_ + 4 * entries_;
    if (size != expected) {
      refuse("is ", size, " bytes long, expected ", expected, " for the ", rows_, " rows and ", entries_,
             " entries of its header");
    }
  }

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t cols() const noexcept { return cols_; }
  [[nodiscard]] std::size_t entries() const noexcept { return entries_; }

  /// Where a row's entries end: not before `begin`, where they start.
  [[nodiscard]] std::size_t row_end(std::size_t row, std::size_t begin) const {
    const std::size_t at = header_bytes + 8 * (row + 1);
    const auto end = load<std::int64_t>(at);
    if (end < 0 || static_cast<std::size_t>(end) < begin || static_cast<std::size_t>(end) > entries_) {
      refuse("row ", row, " ends at entry ", end, " (byte ", at, "), expected ", begin, " to ", entries_);
    }
    return static_cast<std::size_t>(end);
  }

  void require_rows_to_cover_entries() const {
    const auto first = load<std::int64_t>(header_bytes);
    if (first != 0) refuse("row 0 starts at entry ", first, " (byte ", header_bytes, "), expected 0");
    const auto last = load<std::int64_t>(columns_begin_ - 8);
    if (last < 0 || static_cast<std::size_t>(last) != entries_) {
      refuse("the last row ends at entry ", last, " (byte ", columns_begin_ - 8, "), expected ", entries_);
    }
  }

  [[nodiscard]] PassageId column(std::size_t entry) const {
    const std::size_t at = columns_begin_ + 4 * entry;
    const auto column = load<std::int32_t>(at);
    if (column < 0 || static_cast<std::size_t>(column) >= cols_) {
      refuse("entry ", entry, " is in column ", column, " (byte ", at, "), expected 0 or more and below ", cols_);
    }
    return PassageId(static_cast<Row>(column));
  }

  [[nodiscard]] float weight(std::size_t entry) const {
    const std::size_t at = weights_begin_ + 4 * entry;
    const auto weight = load<float>(at);
    if (!(weight >= 0.0f && weight <= std::numeric_limits<float>::max())) {
      refuse("entry ", entry, " has weight ", weight, " (byte ", at, "), expected finite and >= 0");
    }
    return weight;
  }

 private:
  static constexpr std::size_t header_bytes = 24;

  template <class Value>
  [[nodiscard]] Value load(std::size_t at) const noexcept {
    Value value;
    std::memcpy(&value, bytes_ + at, sizeof value);
    return value;
  }

  /// Small enough for a RelevanceMatrix, so that sizes made of three such numbers do not overflow.
  [[nodiscard]] std::size_t extent(std::size_t at, const char* what) const {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - 1;
    const auto value = load<std::int64_t>(at);
    if (value < 0 || value > most) refuse("has ", value, " ", what, " (byte ", at, "), expected 0 to ", most);
    return static_cast<std::size_t>(value);
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(name_, ": ", parts...);
  }

  const std::byte* bytes_;
  std::string_view name_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::size_t entries_ = 0;
  std::size_t columns_begin_ = 0;
  std::size_t weights_begin_ = 0;
};

/// Reads a whole file in memory. @param name  its name, for messages
[[nodiscard]] inline RelevanceMatrix parse_sparse_csr(const std::byte* bytes, std::size_t size, std::string_view name,
                                                      DuplicatePolicy duplicates) {
  const CsrParts parts(bytes, size, name);
  parts.require_rows_to_cover_entries();
  std::vector<RelevancePair> pairs;
  pairs.reserve(parts.entries());
  for (std::size_t row = 0; row < parts.rows(); ++row) {
    const std::size_t end = parts.row_end(row, pairs.size());
    while (pairs.size() < end) {
      const std::size_t entry = pairs.size();
      pairs.push_back({QueryId(static_cast<Row>(row)), parts.column(entry), parts.weight(entry)});
    }
  }
  return RelevanceMatrix::from_pairs(pairs, parts.rows(), parts.cols(), duplicates);
}

}  // namespace detail

/// Reads Y [rows x columns]; the columns of a row may come in any order.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  another length than the header says, rows that overlap or leave entries out, a column out of
/// range, a weight that is negative or not finite; names the byte
[[nodiscard]] inline RelevanceMatrix read_sparse_csr(const std::filesystem::path& path,
                                                     DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  const MappedFile file(path);
  return detail::parse_sparse_csr(file.data(), file.size(), path.string(), duplicates);
}

/// Writes Y, which read_sparse_csr() brings back exactly.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_sparse_csr(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                             const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  const auto put = [&out = file.stream()](const auto* values, std::size_t count) {
    out.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof *values));
  };
  const std::int64_t header[] = {static_cast<std::int64_t>(relevance.rows()),
                                 static_cast<std::int64_t>(relevance.cols()),
                                 static_cast<std::int64_t>(relevance.pair_count())};
  put(header, 3);
  for (std::size_t row = 0; row <= relevance.rows(); ++row) {
    const std::int64_t start = relevance.sparse().outerIndexPtr()[row];
    put(&start, 1);
  }
  put(relevance.sparse().innerIndexPtr(), relevance.pair_count());
  put(relevance.sparse().valuePtr(), relevance.pair_count());
  file.commit();
}

}  // namespace pefa::io
