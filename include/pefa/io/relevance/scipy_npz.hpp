// pefa: SciPy's sparse matrices as scipy.sparse.save_npz writes them: a ZIP archive of .npy arrays, in the formats CSR,
// CSC and COO, stored or deflated.
//
// Needs libzip (zip.h, -lzip), so pefa.hpp does not include it. The arrays stream through buffers of a few kilobytes
// each; nothing the size of an array is inflated into memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/zip_archive.hpp"
#include "pefa/io/vectors/npy_array_header.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// What reading an .npz file may take.
struct NpzLimits {
  std::uint64_t inflated_bytes = std::uint64_t{4} << 30;  ///< of all its arrays together; more is a FormatError
};

/// How the arrays of an .npz file lie in it: as they are, or by DEFLATE.
enum class NpzCompression { stored, deflated };

namespace detail {

/// An array of an archive, element by element, converted to Value: std::int64_t or double.
template <class Value>
class NpyStream {
 public:
  NpyStream(ZipReader& archive, const char* member) : member_(archive.open(member)) {
    std::string start(npy_prefix_bytes, '\0');
    if (member_.size() < start.size()) refuse("is ", member_.size(), " bytes long, expected a .npy file");
    member_.read(start.data(), start.size());
    const std::size_t offset = npy_data_offset(start, member_.name());
    constexpr std::size_t most_header = 1 << 16;
    if (offset < start.size() || offset > member_.size() || offset > most_header) {
      refuse("has a .npy header of ", offset, " bytes, expected ", start.size(), " to ",
             std::min<std::uint64_t>(most_header, member_.size()));
    }
    start.resize(offset);
    member_.read(start.data() + npy_prefix_bytes, offset - npy_prefix_bytes);
    header_ = parse_npy_array_header(start, member_.size(), member_.name());
  }

  [[nodiscard]] const std::string& name() const noexcept { return member_.name(); }
  [[nodiscard]] const NpyArrayHeader& header() const noexcept { return header_; }
  [[nodiscard]] std::size_t count() const noexcept { return header_.count; }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(member_.name(), ": ", parts...);
  }

  void require_vector() const {
    if (header_.shape.size() != 1) refuse("has ", header_.shape.size(), " dimensions, expected 1");
  }

  /// The next element; there are count() of them.
  [[nodiscard]] Value next() {
    if (at_ == filled_) fill();
    ++taken_;
    return values_[at_++];
  }
  /// The number of the element that next() gave last.
  [[nodiscard]] std::size_t position() const noexcept { return taken_ - 1; }

  void finish() { member_.finish(); }

  /// All of it, as it is.
  [[nodiscard]] std::string bytes() {
    std::string all(header_.data_bytes(), '\0');
    member_.read(all.data(), all.size());
    return all;
  }

 private:
  static constexpr std::size_t chunk = 1024;

  void fill() {
    const std::size_t count = std::min(chunk, header_.count - taken_);
    std::array<char, 8 * chunk> raw;
    member_.read(raw.data(), count * header_.element.size);
    convert(raw.data(), count);
    filled_ = count;
    at_ = 0;
  }

  void convert(const char* raw, std::size_t count) {
    const auto [kind, size] = header_.element;
    if (kind == 'f' && size == 4) return convert_from<float>(raw, count);
    if (kind == 'f' && size == 8) return convert_from<double>(raw, count);
    if (kind == 'i' && size == 1) return convert_from<std::int8_t>(raw, count);
    if (kind == 'i' && size == 2) return convert_from<std::int16_t>(raw, count);
    if (kind == 'i' && size == 4) return convert_from<std::int32_t>(raw, count);
    if (kind == 'i' && size == 8) return convert_from<std::int64_t>(raw, count);
    if (kind == 'u' && size == 2) return convert_from<std::uint16_t>(raw, count);
    if (kind == 'u' && size == 4) return convert_from<std::uint32_t>(raw, count);
    if (kind == 'u' && size == 8) return convert_from<std::uint64_t>(raw, count);
    if ((kind == 'u' || kind == 'b') && size == 1) return convert_from<std::uint8_t>(raw, count);
    refuse("has elements of type ", io::name(header_.element), ", expected integers, bools, float32 or float64");
  }

  template <class From>
  void convert_from(const char* raw, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      From value;
      std::memcpy(&value, raw + i * sizeof value, sizeof value);
      values_[i] = static_cast<Value>(value);
    }
  }

  ZipMember member_;
  NpyArrayHeader header_;
  std::array<Value, chunk> values_;
  std::size_t filled_ = 0;
  std::size_t at_ = 0;
  std::size_t taken_ = 0;
};

/// Row and column numbers, row starts, and the shape: int32 or int64, as SciPy has them.
class NpyIndices : public NpyStream<std::int64_t> {
 public:
  NpyIndices(ZipReader& archive, const char* member) : NpyStream(archive, member) {
    require_vector();
    if (header().element.kind != 'i' || header().element.size < 4) {
      refuse("has elements of type ", io::name(header().element), ", expected i4 or i8");
    }
  }

  void require_count(std::size_t expected, const char* what) const {
    if (count() != expected) refuse("has ", count(), " elements, expected ", expected, ", ", what);
  }

  /// The next element, which must lie in [least, limit).
  [[nodiscard]] std::size_t next_in(std::size_t least, std::size_t limit) {
    const std::int64_t value = next();
    if (value < 0 || static_cast<std::size_t>(value) < least || static_cast<std::size_t>(value) >= limit) {
      refuse("element ", position(), " is ", value, ", expected at least ", least, " and below ", limit);
    }
    return static_cast<std::size_t>(value);
  }
};

/// The entries' values as weights.
class NpyWeights : public NpyStream<double> {
 public:
  explicit NpyWeights(ZipReader& archive) : NpyStream(archive, "data.npy") {
    require_vector();
    const NpyElement& element = header().element;
    if (element.kind == 'S' || element.kind == 'U' || element == NpyElement{'f', 2}) {
      refuse("has elements of type ", io::name(element), ", expected integers, bools, float32 or float64");
    }
    if (count() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) - 1) {
      refuse("has ", count(), " elements, expected fewer than 2^31 - 1");
    }
  }

  [[nodiscard]] float next_weight() {
    const double value = next();
    if (!(value >= 0.0 && value <= static_cast<double>(std::numeric_limits<float>::max()))) {
      refuse("element ", position(), " is ", value, ", expected finite and >= 0");
    }
    return static_cast<float>(value);
  }
};

/// One SciPy matrix while it is read.
class NpzMatrixReader {
 public:
  NpzMatrixReader(const std::filesystem::path& path, const NpzLimits& limits) : archive_(path, limits.inflated_bytes) {}

  [[nodiscard]] RelevanceMatrix read(DuplicatePolicy duplicates) {
    const std::string format = read_format();
    read_shape();
    if (format == "csr") {
      read_compressed(rows_, cols_, [](Row outer, Row inner) { return std::pair(QueryId(outer), PassageId(inner)); });
    } else if (format == "csc") {
      require_plausible_rows();
      read_compressed(cols_, rows_, [](Row outer, Row inner) { return std::pair(QueryId(inner), PassageId(outer)); });
    } else if (format == "coo") {
      require_plausible_rows();
      read_coordinates();
    } else {
      pefa::detail::fail<FormatError>(archive_.name(), ": is a matrix in format '", format,
                                      "', expected csr, csc or coo; save it with matrix.tocsr()");
    }
    return RelevanceMatrix::from_pairs(pairs_, rows_, cols_, duplicates);
  }

 private:
  [[nodiscard]] std::string read_format() {
    NpyStream<std::int64_t> array(archive_, "format.npy");
    const bool text = array.header().element.kind == 'S' || array.header().element.kind == 'U';
    if (!text || array.count() != 1) array.refuse("is not the name of a sparse format");
    std::string format = array.bytes();
    array.finish();
    std::erase(format, '\0');  // padding, and what UTF-32 adds to these letters
    return format;
  }

  void read_shape() {
    NpyIndices shape(archive_, "shape.npy");
    shape.require_count(2, "rows and columns");
    constexpr auto limit = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
    rows_ = shape.next_in(0, limit);
    cols_ = shape.next_in(0, limit);
    shape.finish();
  }

  /// CSC and COO have no array as long as the matrix has rows, which the result has: a small file may claim many. What
  /// a deflated CSR file of this length could hold is allowed, and a few megabytes always.
  void require_plausible_rows() const {
    constexpr std::uint64_t always = std::uint64_t{1} << 24;
    const std::uint64_t most = std::max(always, archive_.file_size() * 258);  // 1,032 to 1, 4 bytes a row
    if (rows_ > most) {
      pefa::detail::fail<FormatError>(archive_.name(), ": claims ", rows_, " rows in ", archive_.file_size(),
                                      " bytes, expected at most ", most);
    }
  }

  /// Starts of `n_outer` rows (CSR) or columns (CSC), and the other index of each entry.
  template <class MakeIds>
  void read_compressed(std::size_t n_outer, std::size_t n_inner, const MakeIds& make_ids) {
    NpyIndices starts(archive_, "indptr.npy");
    NpyIndices inner(archive_, "indices.npy");
    NpyWeights weights(archive_);
    starts.require_count(n_outer + 1, "one more than shape.npy says there are to start");
    inner.require_count(weights.count(), "as data.npy has");
    reserve(weights.count());
    (void)starts.next_in(0, 1);
    for (std::size_t outer = 0; outer < n_outer; ++outer) {
      const std::size_t end = starts.next_in(pairs_.size(), weights.count() + 1);
      while (pairs_.size() < end) {
        const auto [query, passage] = make_ids(static_cast<Row>(outer), static_cast<Row>(inner.next_in(0, n_inner)));
        pairs_.push_back({query, passage, weights.next_weight()});
      }
    }
    if (pairs_.size() != weights.count()) {
      starts.refuse("ends at entry ", pairs_.size(), ", expected ", weights.count(), ", as data.npy has");
    }
    starts.finish();
    inner.finish();
    weights.finish();
  }

  void read_coordinates() {
    NpyIndices rows(archive_, "row.npy");
    NpyIndices cols(archive_, "col.npy");
    NpyWeights weights(archive_);
    rows.require_count(weights.count(), "as data.npy has");
    cols.require_count(weights.count(), "as data.npy has");
    reserve(weights.count());
    while (pairs_.size() < weights.count()) {
      const QueryId query(static_cast<Row>(rows.next_in(0, rows_)));
      const PassageId passage(static_cast<Row>(cols.next_in(0, cols_)));
      pairs_.push_back({query, passage, weights.next_weight()});
    }
    rows.finish();
    cols.finish();
    weights.finish();
  }

  /// The count is a claim until the entries have come: a pair a byte of the file is taken on trust.
  void reserve(std::size_t count) { pairs_.reserve(std::min<std::uint64_t>(count, archive_.file_size())); }

  ZipReader archive_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::vector<RelevancePair> pairs_;
};

}  // namespace detail

/// Reads a matrix that scipy.sparse.save_npz wrote into Y [rows x columns], its values as weights.
///
/// Indices are int32 or int64; values bool, integers of any width, float32 or float64, converted to float32.
///
/// @param duplicates  what several entries of one place come to; SciPy adds them up
/// @throws IoError  the file cannot be read
/// @throws FormatError  no such archive, another sparse format, arrays that disagree, an index out of range, a value
/// that is negative or not finite, a damaged member, or more inflated bytes than `limits` allows; names the member and
/// its element
[[nodiscard]] inline RelevanceMatrix read_scipy_npz(const std::filesystem::path& path,
                                                    DuplicatePolicy duplicates = DuplicatePolicy::sum,
                                                    const NpzLimits& limits = {}) {
  return detail::NpzMatrixReader(path, limits).read(duplicates);
}

/// Writes Y as a CSR matrix of float32 that scipy.sparse.load_npz reads. The same Y gives the same bytes.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_scipy_npz(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                            NpzCompression compression = NpzCompression::deflated, const StopCheck& stop = {}) {
  const auto bytes_of = [](const auto* values, std::size_t count) {
    return std::string_view(reinterpret_cast<const char*>(values), count * sizeof *values);
  };
  const std::size_t entries = relevance.pair_count();
  const std::array shape = {static_cast<std::int64_t>(relevance.rows()), static_cast<std::int64_t>(relevance.cols())};
  const std::string headers[] = {npy_array_header("<i4", {entries}), npy_array_header("<i4", {relevance.rows() + 1}),
                                 npy_array_header("|S3", {}), npy_array_header("<i8", {2}),
                                 npy_array_header("<f4", {entries})};
  detail::ZipWriter archive(path, stop);
  const bool deflate = compression == NpzCompression::deflated;
  archive.add("indices.npy", headers[0], bytes_of(relevance.sparse().innerIndexPtr(), entries), deflate);
  archive.add("indptr.npy", headers[1], bytes_of(relevance.sparse().outerIndexPtr(), relevance.rows() + 1), deflate);
  archive.add("format.npy", headers[2], "csr", deflate);
  archive.add("shape.npy", headers[3], bytes_of(shape.data(), shape.size()), deflate);
  archive.add("data.npy", headers[4], bytes_of(relevance.sparse().valuePtr(), entries), deflate);
  archive.commit();
}

}  // namespace pefa::io
