// pefa: what the extreme-classification text and LIBSVM's multilabel text share: one point a line, "l1,l2 f:v f:v".
//
// A point is a training query, a label a passage, so the labels are Y; the features are the queries' sparse text
// features, which this library does not use but hands on. xmc_text.hpp and libsvm.hpp are the two formats.
#pragma once

#include <Eigen/SparseCore>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <ostream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// Sparse features, one row a point.
using FeatureMatrix = Eigen::SparseMatrix<float, Eigen::RowMajor, std::int32_t>;

/// What becomes of the features in a file; they are checked either way.
enum class PointFeatures { skip, keep };

/// The number that a format counts from.
enum class IndexBase : std::size_t { zero = 0, one = 1 };

/// The points of one file.
struct LabelledPoints {
  RelevanceMatrix labels;    ///< Y [n_points x n_labels], every weight 1
  FeatureMatrix features{};  ///< [n_points x n_features]; 0 x 0 where they were skipped
};

namespace detail {

/// What a RelevanceMatrix and a FeatureMatrix can count to.
inline constexpr std::size_t most_points = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) - 1;

/// Gathers points line by line.
class PointCollector {
 public:
  struct Layout {
    IndexBase label_base = IndexBase::zero;
    IndexBase feature_base = IndexBase::zero;
    std::size_t n_labels = most_points;    ///< labels are below it
    std::size_t n_features = most_points;  ///< so are features
    PointFeatures features = PointFeatures::skip;
  };

  PointCollector(const LineReader& lines, const Layout& layout) : lines_(lines), layout_(layout) {
    if (layout.n_labels > most_points || layout.n_features > most_points) {
      pefa::detail::fail<ShapeError>(lines.name(), ": asked to read ", layout.n_labels, " labels and ",
                                     layout.n_features, " features, expected at most ", most_points, " of each");
    }
  }

  /// The point on the current line.
  void add() {
    if (n_points() == most_points) lines_.refuse("is one point more than ", most_points);
    std::string_view rest = lines_.line();
    // A line that starts with a blank or a feature has no labels.
    const std::string_view first = rest.substr(0, rest.find_first_of(" \t"));
    if (!first.empty() && first.find(':') == std::string_view::npos) {
      add_labels(first);
      rest.remove_prefix(first.size());
    }
    point_.clear();
    for (std::string_view field; next_field(rest, field);) add_feature(field);
    finish_features();
    ++n_points_;
  }

  [[nodiscard]] std::size_t n_points() const noexcept { return n_points_; }
  /// One more than the largest label so far.
  [[nodiscard]] std::size_t n_labels_seen() const noexcept { return n_labels_seen_; }
  [[nodiscard]] std::size_t n_features_seen() const noexcept { return n_features_seen_; }

  [[nodiscard]] LabelledPoints finish(std::size_t n_labels, std::size_t n_features) const {
    // A label that a point has twice is relevant once.
    LabelledPoints points{RelevanceMatrix::from_pairs(labels_, n_points_, n_labels, DuplicatePolicy::last)};
    if (layout_.features == PointFeatures::skip) return points;
    points.features.resize(static_cast<Eigen::Index>(n_points_), static_cast<Eigen::Index>(n_features));
    points.features.resizeNonZeros(static_cast<Eigen::Index>(features_.size()));
    points.features.outerIndexPtr()[0] = 0;
    std::copy(ends_.begin(), ends_.end(), points.features.outerIndexPtr() + 1);
    for (std::size_t i = 0; i < features_.size(); ++i) {
      points.features.innerIndexPtr()[i] = features_[i].first;
      points.features.valuePtr()[i] = features_[i].second;
    }
    return points;
  }

 private:
  using Feature = std::pair<std::int32_t, float>;

  [[nodiscard]] static bool next_field(std::string_view& rest, std::string_view& field) {
    const std::size_t begin = rest.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return false;
    rest.remove_prefix(begin);
    field = rest.substr(0, rest.find_first_of(" \t"));
    rest.remove_prefix(field.size());
    return true;
  }

  /// An index of the file as one that counts from 0.
  [[nodiscard]] std::size_t parse_index(std::string_view field, const char* what, IndexBase base,
                                        std::size_t count) const {
    const auto first = static_cast<std::size_t>(base);
    const std::size_t index = lines_.parse_count(field, what, std::numeric_limits<std::size_t>::max() - 1);
    if (index < first) lines_.refuse(what, " is 0, expected at least 1: ", what, "s count from 1");
    if (index - first >= count) {
      lines_.refuse(what, " ", index, " is out of range, expected below ", count + first, " (", what, "s count from ",
                    first, ")");
    }
    return index - first;
  }

  void add_labels(std::string_view list) {
    for (;;) {
      const std::size_t comma = list.find(',');
      const std::size_t label = parse_index(list.substr(0, comma), "label", layout_.label_base, layout_.n_labels);
      labels_.push_back({QueryId(static_cast<Row>(n_points_)), PassageId(static_cast<Row>(label)), 1.0f});
      n_labels_seen_ = std::max(n_labels_seen_, label + 1);
      if (comma == std::string_view::npos) return;
      list.remove_prefix(comma + 1);
    }
  }

  void add_feature(std::string_view field) {
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) lines_.refuse("expected a feature:value, got '", field, "'");
    const std::size_t feature =
        parse_index(field.substr(0, colon), "feature", layout_.feature_base, layout_.n_features);
    const std::string_view text = field.substr(colon + 1);
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) lines_.refuse("expected a value, got '", field, "'");
    if (!pefa::detail::is_finite(static_cast<float>(value))) {
      lines_.refuse("'", field, "' is not a finite 32-bit value");
    }
    n_features_seen_ = std::max(n_features_seen_, feature + 1);
    point_.emplace_back(static_cast<std::int32_t>(feature), static_cast<float>(value));
  }

  void finish_features() {
    const auto before = [](const Feature& a, const Feature& b) { return a.first < b.first; };
    if (!std::is_sorted(point_.begin(), point_.end(), before)) std::sort(point_.begin(), point_.end(), before);
    for (std::size_t i = 1; i < point_.size(); ++i) {
      if (point_[i].first == point_[i - 1].first) {
        const auto base = static_cast<std::size_t>(layout_.feature_base);
        lines_.refuse("has feature ", static_cast<std::size_t>(point_[i].first) + base, " twice");
      }
    }
    if (layout_.features == PointFeatures::skip) return;
    if (features_.size() + point_.size() > most_points) lines_.refuse("brings more than ", most_points, " features");
    features_.insert(features_.end(), point_.begin(), point_.end());
    ends_.push_back(static_cast<std::int32_t>(features_.size()));
  }

  const LineReader& lines_;
  Layout layout_;
  std::size_t n_points_ = 0;
  std::size_t n_labels_seen_ = 0;
  std::size_t n_features_seen_ = 0;
  std::vector<RelevancePair> labels_;
  std::vector<Feature> features_;   // of all points
  std::vector<std::int32_t> ends_;  // of each point in features_
  std::vector<Feature> point_;      // of the current one
};

/// Writes a line a point. @param features  null: none
inline void write_points(std::ostream& out, const std::filesystem::path& path, const RelevanceMatrix& labels,
                         const FeatureMatrix* features, IndexBase label_base, IndexBase feature_base) {
  if (features != nullptr && static_cast<std::size_t>(features->rows()) != labels.rows()) {
    pefa::detail::fail<ShapeError>(path.string(), ": features have ", features->rows(), " rows, labels have ",
                                   labels.rows(), " (one row a point)");
  }
  out.precision(9);  // a float32 survives nine significant digits
  for (Row point = 0; point < labels.rows(); ++point) {
    const RelevanceMatrix::Entries entries = labels.passages_of(QueryId(point));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries.weights[i] != 1.0f) {
        pefa::detail::fail<ValueError>(path.string(), ": query row ", point, ", passage row ", entries.columns[i],
                                       " has weight ", entries.weights[i],
                                       ", expected 1: the format has labels only; see RelevanceMatrix::binary()");
      }
      if (i > 0) out << ',';
      out << static_cast<std::size_t>(entries.columns[i]) + static_cast<std::size_t>(label_base);
    }
    if (features != nullptr) {
      for (FeatureMatrix::InnerIterator feature(*features, static_cast<Eigen::Index>(point)); feature; ++feature) {
        if (!pefa::detail::is_finite(feature.value())) {
          pefa::detail::fail<ValueError>(path.string(), ": feature ", feature.col(), " of row ", point, " is ",
                                         feature.value(), ", expected a finite value");
        }
        out << ' ' << static_cast<std::size_t>(feature.col()) + static_cast<std::size_t>(feature_base) << ':'
            << feature.value();
      }
    }
    out << '\n';
  }
}

}  // namespace detail
}  // namespace pefa::io
