// pefa: LIBSVM's multilabel text: one point a line, "l1,l2 f:v f:v", without a header.
//
// The format does not say whether labels count from 0 or from 1, nor how many there are: the caller does.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/relevance/labelled_points.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// What a LIBSVM file leaves open.
struct LibsvmLayout {
  IndexBase label_base = IndexBase::zero;        ///< what labels count from
  IndexBase feature_base = IndexBase::one;       ///< LIBSVM's own; scikit-learn also writes files that count from 0
  std::optional<std::size_t> n_labels{};         ///< empty: one more than the largest label in the file
  std::optional<std::size_t> n_features{};       ///< so for features
  PointFeatures features = PointFeatures::skip;  ///< whether they are kept
};

/// Reads points: Y [lines x n_labels] and, where they are to be kept, the features [lines x n_features].
///
/// Every line is a point: one without labels starts with a blank or with its first feature, and a blank line is one
/// with neither. A label that a point has twice counts once.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not a point, an index out of range, a feature that a point has twice, a value
/// that is not finite, or a file without lines; names the line
[[nodiscard]] inline LabelledPoints read_libsvm(const std::filesystem::path& path, const LibsvmLayout& layout = {}) {
  detail::LineReader lines(path);
  detail::PointCollector points(lines, {.label_base = layout.label_base,
                                        .feature_base = layout.feature_base,
                                        .n_labels = layout.n_labels.value_or(detail::most_points),
                                        .n_features = layout.n_features.value_or(detail::most_points),
                                        .features = layout.features});
  while (lines.next_line()) points.add();
  if (points.n_points() == 0) pefa::detail::fail<FormatError>(lines.name(), ": has no points, expected one a line");
  return points.finish(layout.n_labels.value_or(points.n_labels_seen()),
                       layout.n_features.value_or(points.n_features_seen()));
}

/// Writes Y as points without features, or with them. [labels.rows() x n_features]
///
/// A query without labels or features is an empty line, which read_libsvm() takes for a point and scikit-learn passes
/// over. @param layout  only its bases are used
/// @throws ValueError  a weight other than 1, or a feature that is not finite  @throws ShapeError  features with
/// another number of rows  @throws IoError  the file cannot be written
/// @throws Cancelled  `stop` said so
inline void write_libsvm(const std::filesystem::path& path, const RelevanceMatrix& labels,
                         const LibsvmLayout& layout = {}, const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  detail::write_points(file.stream(), path, labels, nullptr, layout.label_base, layout.feature_base);
  file.commit();
}
/// The same, with features. @param features  [labels.rows() x n_features]
inline void write_libsvm(const std::filesystem::path& path, const RelevanceMatrix& labels,
                         const FeatureMatrix& features, const LibsvmLayout& layout = {}, const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  detail::write_points(file.stream(), path, labels, &features, layout.label_base, layout.feature_base);
  file.commit();
}

}  // namespace pefa::io
