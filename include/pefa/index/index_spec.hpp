// pefa: which index, with which parameters, as a value; and who owns the rows of one.
#pragma once

#include <array>
#include <cstddef>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"

namespace pefa {

/// The indexes of the library, and a host's own.
enum class IndexKind {
  automatic,    ///< chosen when it is built: flat up to IndexSpec::flat_rows rows; above it quantized, or partitioned
                ///< where a graph over some of the rows finds too little, or rows are dropped
  flat,         ///< FlatIndex: exact
  hnsw,         ///< HnswIndex: hnswlib's graph over float rows
  quantized,    ///< QuantizedHnswIndex: an HNSW graph of our own on int8 codes, rescored exactly where rows are kept
  partitioned,  ///< PartitionedIndex: lists of 4-bit codes, rescored on 8 bits, and exactly where rows are kept
  custom        ///< a host's own: it can be told, not built by name
};
/// The names of IndexKind.
template <>
inline constexpr std::array enum_names<IndexKind>{"automatic", "flat", "hnsw", "quantized", "partitioned", "custom"};

/// Whether an index keeps the rows that it was built of.
enum class ExactRows {
  keep,  ///< scores are exact
  drop   ///< quantized and partitioned alone: scores are those of codes, of 12 bits a coordinate and 8
};
/// Their names.
template <>
inline constexpr std::array enum_names<ExactRows>{"keep", "drop"};

/// Which index, with which parameters; the defaults are the paper's (section 5.1).
struct IndexSpec {
  /// Up to so many rows an exact search is about as fast as a graph's, and needs no building.
  static constexpr std::size_t flat_rows = 10'000;

  IndexKind kind = IndexKind::automatic;   ///< which index
  std::size_t m = 32;                      ///< M of HNSW, 2 to 1024
  std::size_t ef_construction = 500;       ///< efConstruction, 1 to 100,000
  std::size_t ef_search = 300;             ///< efSearch of searches that name none, at least 1
  std::size_t rerank = 0;                  ///< candidates of codes rescored; 0: the index's own default
  ExactRows exact_rows = ExactRows::keep;  ///< quantized, partitioned: whether it keeps the rows
  float target_recall = 0.0f;              ///< above 0: the build measures which ef_search finds this share of the
                                           ///< exact best 100, and takes that; see ef_for_recall()

  /// Whether all fields are equal.
  friend bool operator==(const IndexSpec&, const IndexSpec&) = default;
};

/// Who owns the rows an index reads.
enum class Rows {
  copy,    ///< the index keeps its own
  borrow,  ///< the index reads the caller's, which must outlive it and not change
  drop     ///< nobody: the index answers by codes alone, as QuantizedHnswIndex and PartitionedIndex can
};

namespace detail {

/// @throws ValueError  ef_search is 0
inline void require_ef_search(std::size_t ef, const char* who) {
  if (ef == 0) fail<ValueError>(who, ": ef_search is 0, expected at least 1");
}

/// What an index does with its rows, as a spec has it.
[[nodiscard]] constexpr ExactRows exact_rows_of(Rows rows) noexcept {
  return rows == Rows::drop ? ExactRows::drop : ExactRows::keep;
}

/// What an index that scores on its rows asks of Rows. @param who  "FlatIndex::build"
inline void require_kept(Rows rows, const char* who) {
  if (rows == Rows::drop)
    fail<ValueError>(who, ": rows is drop, expected copy or borrow: its scores are the rows' own");
}

}  // namespace detail
}  // namespace pefa
