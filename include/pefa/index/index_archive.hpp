// pefa: what the indexes share in saving themselves to an archive and opening in place: the metadata that says what an
// index is, its rows, and the checks of what a file claims.
//
// An index's sections and metadata have keys under a prefix ("passages."), so that an archive holds several indexes.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/equal_rows.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/scalar.hpp"

namespace pefa::detail {

/// Adds an enum's value by its name. @throws ValueError  it is none of those that have one
template <NamedEnum E>
void add_named(io::ArchiveWriter& writer, std::string key, E value) {
  if (static_cast<std::size_t>(value) >= enum_names<E>.size()) {
    fail<ValueError>("saving: '", key, "' has value ", static_cast<long>(value), ", which has no name");
  }
  writer.metadata().add(std::move(key), name(value));
}

/// @throws FormatError  the archive has another name there
template <NamedEnum E>
[[nodiscard]] E read_named(const io::ArchiveReader& reader, const std::string& key) {
  const std::string text = reader.metadata().text(key);
  const std::optional<E> value = parse_enum<E>(text);
  if (!value) {
    fail<FormatError>(reader.name(), ": metadata '", key, "' is '", text, "', expected one of: ", list_names<E>());
  }
  return *value;
}

/// A number of things; what an archive's integers do not hold, "all" by its size, becomes the largest they do.
inline void add_count(io::ArchiveWriter& writer, std::string key, std::size_t value) {
  constexpr auto largest = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
  writer.metadata().add(std::move(key), value < largest ? value : largest);
}

/// A number of things that is at least `least`.
[[nodiscard]] inline std::size_t read_count(const io::ArchiveReader& reader, const std::string& key, std::int64_t least,
                                            std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
  return static_cast<std::size_t>(reader.metadata().integer(key, least, most));
}

/// A real number within the range of float.
[[nodiscard]] inline float read_float(const io::ArchiveReader& reader, const std::string& key) {
  constexpr auto largest = static_cast<double>(std::numeric_limits<float>::max());
  return static_cast<float>(reader.metadata().real(key, -largest, largest));
}

/// What every index says about itself. @param kind  "flat"  @param scalar  of its rows, as scalar_name() has it
template <class Index>
void describe_index(io::ArchiveWriter& writer, const std::string& prefix, const Index& index, const char* kind,
                    const char* scalar) {
  writer.metadata().add(prefix + "index", kind);
  writer.metadata().add(prefix + "scalar", scalar);
  add_named(writer, prefix + "metric", index.metric());
  writer.metadata().add(prefix + "size", index.size());
  writer.metadata().add(prefix + "dim", index.dim());
}

/// The other half: whether the archive holds that kind of index, and its shape.
struct IndexDescription {
  Metric metric;
  std::size_t size;  ///< at least 1
  std::size_t dim;   ///< at least 1; nothing may be allocated by it before a section of that many elements is there

  /// @param most  rows that such an index can have
  [[nodiscard]] static IndexDescription open(const io::ArchiveReader& reader, const std::string& prefix,
                                             const char* kind, const char* scalar,
                                             std::int64_t most = std::numeric_limits<Row>::max()) {
    const std::string kind_there = reader.metadata().text(prefix + "index");
    const std::string scalar_there = reader.metadata().text(prefix + "scalar");
    if (kind_there != kind || scalar_there != scalar) {
      fail<FormatError>(reader.name(), ": '", prefix, "' is a ", kind_there, " index of ", scalar_there,
                        ", asked to open it as ", kind, " of ", scalar);
    }
    return {read_named<Metric>(reader, prefix + "metric"), read_count(reader, prefix + "size", 1, most),
            read_count(reader, prefix + "dim", 1, std::numeric_limits<std::int32_t>::max())};
  }
};

/// Adds rows as they are, in one packed array, and for int8 their scales.
template <class Scalar>
void save_rows(io::ArchiveWriter& writer, const std::string& prefix, const EmbeddingView<Scalar>& rows) {
  const std::size_t count = rows.size() * rows.dim();
  if (rows.stride() == rows.dim()) {
    writer.add(prefix + "rows", std::span<const Scalar>(rows.data(), count));
  } else {
    writer.add_produced<Scalar>(prefix + "rows", count, [rows](const io::ArchiveWriter::Put<Scalar>& put) {
      for (std::size_t i = 0; i < rows.size(); ++i) put({rows.row(i), rows.dim()});
    });
  }
  if constexpr (has_row_scales<Scalar>) {
    writer.add(prefix + "scales", std::span<const float>(rows.scales(), rows.size()));
  }
}

/// @throws FormatError  a value that is not finite
inline void require_finite(const io::ArchiveReader& reader, const std::string& key, std::span<const float> values) {
  if (!all_finite(values)) fail<FormatError>(reader.name(), ": section '", key, "' has a NaN or infinite element");
}

/// Floats of a section, checked, as a vector of their own.
[[nodiscard]] inline std::vector<float> read_floats(const io::ArchiveReader& reader, const std::string& key,
                                                    std::size_t count) {
  const auto values = reader.section<float>(key, count);
  require_finite(reader, key, values);
  return {values.begin(), values.end()};
}

/// The rows in place. Their values are not looked at, only that they are there; scales are finite.
template <class Scalar>
[[nodiscard]] EmbeddingView<Scalar> open_rows(const io::ArchiveReader& reader, const std::string& prefix,
                                              const IndexDescription& shape) {
  const auto rows = reader.section<Scalar>(prefix + "rows", std::uint64_t{shape.size} * shape.dim);
  const float* scales = nullptr;
  if constexpr (has_row_scales<Scalar>) {
    const auto values = reader.section<float>(prefix + "scales", shape.size);
    require_finite(reader, prefix + "scales", values);
    scales = values.data();
  }
  return {rows.data(), shape.size, shape.dim, scales};
}

/// The groups of equal rows, as a graph marks them. @param first  (row): the row whose links stand for this one's too
/// @throws FormatError  one that has no links of its own either
template <class First>
[[nodiscard]] EqualRows open_equal_rows(const io::ArchiveReader& reader, const std::string& prefix, std::size_t size,
                                        const First& first) {
  std::vector<Row> firsts;
  for (std::size_t row = 0; row < size; ++row) {
    const auto to = static_cast<std::size_t>(first(row));
    if (to == row) continue;
    if (static_cast<std::size_t>(first(to)) != to) {
      fail<FormatError>(reader.name(), ": '", prefix, "': row ", row, " equals row ", to,
                        ", which has no links of its own either");
    }
    if (firsts.empty()) {
      firsts.resize(size);
      std::iota(firsts.begin(), firsts.end(), Row{0});
    }
    firsts[row] = static_cast<Row>(to);
  }
  return EqualRows(firsts);
}

/// A section of numbers below `limit`. @throws FormatError  one that is not, naming it
inline void require_below(const io::ArchiveReader& reader, const std::string& key,
                          std::span<const std::uint32_t> values, std::size_t limit) {
  std::uint32_t largest = 0;
  for (const std::uint32_t value : values) largest = value > largest ? value : largest;
  if (largest < limit || values.empty()) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < limit) continue;
    fail<FormatError>(reader.name(), ": section '", key, "': element ", i, " is ", values[i], ", expected below ",
                      limit);
  }
}

}  // namespace pefa::detail
