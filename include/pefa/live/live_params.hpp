// pefa: how a live retriever is made, as values, and how a base keeps them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/share.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/simd/code_kernels.hpp"

namespace pefa::live {

/// What a base that was just built must do before it may serve.
struct MergeGuards {
  double min_ann_recall = 0.8;  ///< the share of the exact top 10 that its passage index finds at least, 0 to 1
  /// How much less Recall@10 it may have on recent training queries than the base before, each asked as if it had never
  /// come; 1: it is not asked.
  double max_recall_loss = 1.0;
  std::size_t recent_queries = 200;  ///< those, with a pair, that came last; at least 1

  /// Whether all members are equal.
  friend bool operator==(const MergeGuards&, const MergeGuards&) = default;
};

/// How a live retriever is made.
struct LiveParams {
  std::size_t dim = 0;            ///< of every vector; at least 1
  RetrieverSpec spec{};           ///< erm, xs or xl, not condensed; cold passages as they are or as the paper has them
  CountingParams counting{};      ///< how events are counted
  double merge_share = 0.1;       ///< a merge is due when so many of the rows changed, 0 to 1,
  std::size_t merge_rows = 2000;  ///< and at least so many
  MergeGuards guards{};           ///< of every merge that is not told others

  /// Whether all members are equal.
  friend bool operator==(const LiveParams&, const LiveParams&) = default;
};

namespace detail {

/// Calls field(name, value) for every number and choice of an index.
template <class Spec, class Field>
void for_each_field(Spec& spec, const std::string& prefix,
                    const Field& field) requires std::same_as<std::remove_const_t<Spec>, IndexSpec> {
  field(prefix + "kind", spec.kind);
  field(prefix + "m", spec.m);
  field(prefix + "ef_construction", spec.ef_construction);
  field(prefix + "ef_search", spec.ef_search);
  field(prefix + "rerank", spec.rerank);
  field(prefix + "exact_rows", spec.exact_rows);
  field(prefix + "target_recall", spec.target_recall);
}

/// The same of all parameters.
template <class Params, class Field>
void for_each_field(Params& params, const Field& field) {
  field("dim", params.dim);
  field("merge_share", params.merge_share);
  field("merge_rows", params.merge_rows);
  field("min_ann_recall", params.guards.min_ann_recall);
  field("max_recall_loss", params.guards.max_recall_loss);
  field("recent_queries", params.guards.recent_queries);

  auto& counting = params.counting;
  field("counting.duplicates", counting.duplicates);
  field("counting.weighting", counting.weighting);
  field("counting.unknown", counting.unknown);
  field("counting.max_parked", counting.max_parked);
  field("counting.max_queries", counting.max_queries);
  field("counting.retire", counting.retire);
  field("counting.half_life", counting.half_life);

  auto& spec = params.spec;
  field("spec.method", spec.method);
  field("spec.lambda", spec.lambda);
  for_each_field(spec.index, "spec.index.", field);
  field("spec.neighbors", spec.neighbors);
  field("spec.gate.kind", spec.gate.kind);
  field("spec.gate.temperature", spec.gate.temperature);
  field("spec.gate.bandwidth", spec.gate.bandwidth);
  field("spec.gate.ridge", spec.gate.ridge);
  field("spec.similarity", spec.similarity);
  field("spec.knn_scale", spec.knn_scale);
  field("spec.passage_candidates", spec.passage_candidates);
  field("spec.missing_erm_score", spec.missing_erm_score);
  field("spec.fold", spec.fold);
  for_each_field(spec.query_index, "spec.query_index.", field);
  field("spec.cold", spec.cold);
  field("spec.norm", spec.norm);
  field("spec.rule", spec.rule);
  field("spec.least_squares.shrinkage", spec.least_squares.shrinkage);
  field("spec.least_squares.passages_as_queries", spec.least_squares.passages_as_queries);
  field("spec.balance", spec.balance);
  field("spec.whitened", spec.whitened);
  field("spec.whitening.scatter", spec.whitening.scatter);
  field("spec.whitening.shrinkage", spec.whitening.shrinkage);
  field("spec.whitening.rank", spec.whitening.rank);
  field("spec.hubness", spec.hubness);
}

/// Adds them to an archive's metadata.
inline void add_params(io::ArchiveWriter& writer, const LiveParams& params) {
  for_each_field(params, [&](const std::string& key, const auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_enum_v<Value>) {
      pefa::detail::add_named(writer, key, value);
    } else if constexpr (std::is_integral_v<Value>) {
      pefa::detail::add_count(writer, key, value);
    } else {
      writer.metadata().add(key, value);
    }
  });
}

/// Whether a base written before there was such a field may lack it: it then has its default.
[[nodiscard]] inline bool is_later_field(const std::string& key) {
  return key == "max_recall_loss" || key == "recent_queries" || key == "counting.retire" ||
         key.ends_with("index.target_recall");
}

/// What add_params() added. @throws FormatError  it did not
[[nodiscard]] inline LiveParams read_params(const io::ArchiveReader& reader) {
  LiveParams params;
  for_each_field(params, [&](const std::string& key, auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    const io::ArchiveMetadata& metadata = reader.metadata();
    if (is_later_field(key) && !metadata.values().contains(key)) return;
    if constexpr (std::is_enum_v<Value>) {
      value = pefa::detail::read_named<Value>(reader, key);
    } else if constexpr (std::is_integral_v<Value>) {
      value = metadata.count(key, std::numeric_limits<Value>::max());
    } else {
      constexpr auto largest = static_cast<double>(std::numeric_limits<Value>::max());
      value = static_cast<Value>(metadata.real(key, -largest, largest));
    }
  });
  return params;
}

/// @throws ValueError  a share out of range, or recent_queries is 0
inline void require_guards(const MergeGuards& guards, const char* who) {
  pefa::detail::require_share(guards.min_ann_recall, "min_ann_recall", who);
  pefa::detail::require_share(guards.max_recall_loss, "max_recall_loss", who);
  if (guards.recent_queries == 0) pefa::detail::fail<ValueError>(who, ": recent_queries is 0, expected at least 1");
}

/// @throws ShapeError  dim is 0  @throws ValueError  a spec that a live retriever cannot be, a share out of range
inline void require_live_params(const LiveParams& params, const char* who) {
  if (params.dim == 0) pefa::detail::fail<ShapeError>(who, ": dim is 0, expected at least 1");
  if (params.dim > simd::code_dim_limit) {
    pefa::detail::fail<ShapeError>(who, ": dim is ", params.dim, ", expected at most ", simd::code_dim_limit);
  }
  require_live_spec(params.spec, who);
  pefa::detail::require_share(params.merge_share, "merge_share", who);
  require_guards(params.guards, who);
  pefa::detail::require_share(params.spec.lambda, "lambda", who);
  pefa::detail::require_share(params.spec.fold, "fold", who);
  pefa::detail::require_share(params.spec.index.target_recall, "target_recall", who);
  pefa::detail::require_share(params.spec.query_index.target_recall, "target_recall", who);
  for_each_field(params, [&](const std::string& key, const auto& value) {
    if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(value)>>) {
      if (!pefa::detail::is_finite(value))
        pefa::detail::fail<ValueError>(who, ": ", key, " is ", value, ", expected a finite number");
    }
  });
  const double retire = params.counting.retire;
  if (!(retire >= 0.0 && retire < 1.0)) {
    pefa::detail::fail<ValueError>(who, ": retire is ", retire, ", expected at least 0 and below 1");
  }
  if (!(params.counting.half_life >= 0.0)) {
    pefa::detail::fail<ValueError>(who, ": half_life is ", params.counting.half_life, ", expected at least 0");
  }
}

}  // namespace detail
}  // namespace pefa::live
