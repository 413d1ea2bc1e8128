// pefa: the text of the extreme-classification repository (Bhatia et al., XMLRepository): a header line
// "points features labels", then one point a line, "l1,l2 f:v f:v", every index counted from 0.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/relevance/labelled_points.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

namespace detail {

inline void write_xmc_file(const std::filesystem::path& path, const RelevanceMatrix& labels,
                           const FeatureMatrix* features, const StopCheck& stop) {
  OutputFile file(path, stop);
  file.stream() << labels.rows() << ' ' << (features != nullptr ? features->cols() : 0) << ' ' << labels.cols() << '\n';
  write_points(file.stream(), path, labels, features, IndexBase::zero, IndexBase::zero);
  file.commit();
}

}  // namespace detail

/// Reads points: Y [points x labels] and, where they are to be kept, the features [points x features].
///
/// A point without labels starts with a blank; one with neither labels nor features is a blank line. A label that a
/// point has twice counts once.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a bad header, a line that is not a point, an index out of range, a feature that a point has
/// twice, a value that is not finite, or another number of points than the header's; names the line
[[nodiscard]] inline LabelledPoints read_xmc(const std::filesystem::path& path,
                                             PointFeatures features = PointFeatures::skip) {
  detail::LineReader lines(path);
  if (!lines.next_line())
    pefa::detail::fail<FormatError>(lines.name(), ": is empty, expected points, features and labels");
  const std::vector<std::string_view> header = detail::split_blank(lines.line());
  if (header.size() != 3) {
    lines.refuse("has ", header.size(), " fields, expected a header of 3: points, features, labels");
  }
  const std::size_t n_points = lines.parse_count(header[0], "number of points", detail::most_points);
  const std::size_t n_features = lines.parse_count(header[1], "number of features", detail::most_points);
  const std::size_t n_labels = lines.parse_count(header[2], "number of labels", detail::most_points);

  detail::PointCollector points(lines, {.n_labels = n_labels, .n_features = n_features, .features = features});
  while (lines.next_line()) {
    if (points.n_points() < n_points) {
      points.add();
    } else if (!lines.blank()) {
      lines.refuse("is one point more than the ", n_points, " of the header");
    }
  }
  if (points.n_points() < n_points) {
    pefa::detail::fail<FormatError>(lines.name(), ": ends after ", points.n_points(), " points, its header says ",
                                    n_points);
  }
  return points.finish(n_labels, n_features);
}

/// Writes Y as points without features, or with them. [labels.rows() x n_features]
///
/// @throws ValueError  a weight other than 1, or a feature that is not finite  @throws ShapeError  features with
/// another number of rows  @throws IoError  the file cannot be written
/// @throws Cancelled  `stop` said so
inline void write_xmc(const std::filesystem::path& path, const RelevanceMatrix& labels, const StopCheck& stop = {}) {
  detail::write_xmc_file(path, labels, nullptr, stop);
}
/// The same, with features. @param features  [labels.rows() x n_features]
inline void write_xmc(const std::filesystem::path& path, const RelevanceMatrix& labels, const FeatureMatrix& features,
                      const StopCheck& stop = {}) {
  detail::write_xmc_file(path, labels, &features, stop);
}

}  // namespace pefa::io
