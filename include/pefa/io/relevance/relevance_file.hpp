// pefa: Y from and to any of its file formats, chosen by name or by the file's extension.
//
// .npz needs libzip: it is read and written where PEFA_HAS_LIBZIP is defined as 1 (link libzip, and
// define it alike in every translation unit), and refused by name elsewhere.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/wrong_format.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/relevance/beir_qrels.hpp"
#include "pefa/io/relevance/judgements.hpp"
#include "pefa/io/relevance/libsvm.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/relevance/qrels.hpp"
#include "pefa/io/relevance/sparse_csr.hpp"
#include "pefa/io/relevance/xmc_text.hpp"
#include "pefa/store/relevance_matrix.hpp"

#if defined(PEFA_HAS_LIBZIP) && PEFA_HAS_LIBZIP
#include "pefa/io/relevance/scipy_npz.hpp"
#endif

namespace pefa::io {

/// The formats of Y. The first three are lists of ids; the others are matrices that know their own shape, in which rows
/// and columns have no ids but their places.
enum class RelevanceFormat {
  tsv,    ///< pairs.hpp: query, passage, weight
  qrels,  ///< qrels.hpp: TREC's judgements
  beir,   ///< beir_qrels.hpp: BEIR's, under a header line
  npz,    ///< scipy_npz.hpp: scipy.sparse.save_npz
  csr,    ///< sparse_csr.hpp: the big-ann-benchmarks' sparse matrices
  xmc,    ///< xmc_text.hpp: the extreme-classification repository's text
  libsvm  ///< libsvm.hpp: LIBSVM's multilabel text
};

/// The name of a format: "tsv".
[[nodiscard]] constexpr const char* name(RelevanceFormat format) noexcept {
  switch (format) {
    case RelevanceFormat::tsv: return "tsv";
    case RelevanceFormat::qrels: return "qrels";
    case RelevanceFormat::beir: return "beir";
    case RelevanceFormat::npz: return "npz";
    case RelevanceFormat::csr: return "csr";
    case RelevanceFormat::xmc: return "xmc";
    case RelevanceFormat::libsvm: return "libsvm";
  }
  return "unknown";
}

namespace detail {

[[nodiscard]] inline std::optional<RelevanceFormat> find_relevance_format(std::string_view text) noexcept {
  using enum RelevanceFormat;
  for (const RelevanceFormat format : {tsv, qrels, beir, npz, csr, xmc, libsvm}) {
    if (text == name(format)) return format;
  }
  return std::nullopt;
}

inline void require_relevance_shape(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                                    std::size_t n_queries, std::size_t n_passages) {
  if (relevance.rows() != n_queries || relevance.cols() != n_passages) {
    pefa::detail::fail<ShapeError>(path.string(), ": is a ", relevance.rows(), " x ", relevance.cols(),
                                   " matrix, expected ", n_queries, " queries x ", n_passages, " passages",
                                   relevance.rows() == n_passages && relevance.cols() == n_queries
                                       ? "; it would fit the other way round: are queries and passages swapped?"
                                       : "");
  }
}

/// The first row of a passage that has a pair; 0 where none has.
[[nodiscard]] inline Row lowest_passage(const RelevanceMatrix& relevance) {
  const auto& columns = relevance.sparse();
  const std::int32_t* begin = columns.innerIndexPtr();
  const std::int32_t* end = begin + relevance.pair_count();
  return begin == end ? 0 : static_cast<Row>(*std::min_element(begin, end));
}

}  // namespace detail

/// @throws ValueError  no format has this name; lists those that there are
[[nodiscard]] inline RelevanceFormat parse_relevance_format(std::string_view text) {
  if (const auto format = detail::find_relevance_format(text)) return *format;
  pefa::detail::fail<ValueError>("relevance format '", text,
                                 "' is unknown, expected tsv, qrels, beir, npz, csr, xmc or libsvm");
}

/// The format that a file's extension names: .tsv (pairs), .qrels, .beir, .npz, .csr, .xmc, .libsvm, .svm or .svmlight.
/// @throws ValueError  another extension; lists those that there are
[[nodiscard]] inline RelevanceFormat relevance_format_of(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".svm" || extension == ".svmlight") return RelevanceFormat::libsvm;
  if (!extension.empty()) {
    if (const auto format = detail::find_relevance_format(std::string_view(extension).substr(1))) return *format;
  }
  pefa::detail::fail<ValueError>(path.string(), ": extension '", extension,
                                 "' names no relevance format, expected .tsv, .qrels, .beir, .npz, .csr, .xmc, .libsvm "
                                 "or .svm; or give the format by name");
}

/// Reads Y in a format that knows its own shape; for LIBSVM, as many passages as its largest label says.
///
/// @param label_base  what LIBSVM's labels count from
/// @throws ValueError  the format is a list of ids, whose numbers of queries and passages have to be given
/// @throws IoError, FormatError  as the format's own reader
[[nodiscard]] inline RelevanceMatrix read_relevance(const std::filesystem::path& path,
                                                    std::optional<RelevanceFormat> format = std::nullopt,
                                                    IndexBase label_base = IndexBase::zero) {
  switch (format ? *format : relevance_format_of(path)) {
    case RelevanceFormat::csr: return read_sparse_csr(path);
    case RelevanceFormat::xmc: return read_xmc(path).labels;
    case RelevanceFormat::libsvm: return read_libsvm(path, {.label_base = label_base}).labels;
    case RelevanceFormat::npz:
#if defined(PEFA_HAS_LIBZIP) && PEFA_HAS_LIBZIP
      return read_scipy_npz(path);
#else
      pefa::detail::fail<ValueError>(path.string(), ": .npz files need libzip, which this program is built without");
#endif
    case RelevanceFormat::tsv:
    case RelevanceFormat::qrels:
    case RelevanceFormat::beir: break;
  }
  pefa::detail::fail<ValueError>(path.string(),
                                 ": the format does not say how many queries and passages there are; give the numbers");
}

/// Reads Y [queries.size() x passages.size()]: where the format has ids, they are row numbers below a number, or those
/// of a table.
///
/// @param label_base  what LIBSVM's labels count from
/// @throws ShapeError  a matrix of another shape  @throws ValueError  an unknown extension
/// @throws UnknownRow  an unknown id where those are refused
/// @throws WrongFormat  the file is of another format than it was read as  @throws IoError, FormatError  as the
/// format's own reader
[[nodiscard]] inline Judgements read_relevance(const std::filesystem::path& path, const RowIds& queries,
                                               const RowIds& passages,
                                               std::optional<RelevanceFormat> format = std::nullopt,
                                               UnknownId unknown = UnknownId::refuse,
                                               IndexBase label_base = IndexBase::zero) {
  const RelevanceFormat known = format ? *format : relevance_format_of(path);
  return detail::naming_wrong_format(path, name(known), [&]() -> Judgements {
    switch (known) {
      case RelevanceFormat::tsv: return read_pairs(path, queries, passages, unknown);
      case RelevanceFormat::qrels: return read_qrels(path, queries, passages, unknown);
      case RelevanceFormat::beir: return read_beir_qrels(path, queries, passages, unknown);
      case RelevanceFormat::libsvm: {
        LabelledPoints points = read_libsvm(path, {.label_base = label_base, .n_labels = passages.size()});
        detail::require_relevance_shape(path, points.labels, queries.size(), passages.size());
        const Row lowest = detail::lowest_passage(points.labels);
        return {.relevance = std::move(points.labels), .lowest_passage = lowest};
      }
      case RelevanceFormat::npz:
      case RelevanceFormat::csr:
      case RelevanceFormat::xmc: break;
    }
    RelevanceMatrix relevance = read_relevance(path, known);
    detail::require_relevance_shape(path, relevance, queries.size(), passages.size());
    return {std::move(relevance)};
  });
}

/// Reads Y [n_queries x n_passages], ids being row numbers where the format has ids. Errors as above.
[[nodiscard]] inline RelevanceMatrix read_relevance(const std::filesystem::path& path, std::size_t n_queries,
                                                    std::size_t n_passages,
                                                    std::optional<RelevanceFormat> format = std::nullopt,
                                                    IndexBase label_base = IndexBase::zero) {
  return read_relevance(path, RowIds(n_queries), RowIds(n_passages), format, UnknownId::refuse, label_base).relevance;
}

/// Writes Y, which read_relevance() brings back exactly; but a Y without pairs it refuses where the format is a list of
/// them. Ids are row numbers where the format has ids.
///
/// @throws ValueError  an unknown extension, or a weight that the format cannot hold: qrels and beir hold whole
/// numbers, xmc and libsvm (whose labels are written from 0) ones
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_relevance(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                            std::optional<RelevanceFormat> format = std::nullopt, const StopCheck& stop = {}) {
  switch (format ? *format : relevance_format_of(path)) {
    case RelevanceFormat::tsv: return write_pairs(path, relevance, stop);
    case RelevanceFormat::qrels: return write_qrels(path, relevance, {}, {}, stop);
    case RelevanceFormat::beir: return write_beir_qrels(path, relevance, {}, {}, stop);
    case RelevanceFormat::csr: return write_sparse_csr(path, relevance, stop);
    case RelevanceFormat::xmc: return write_xmc(path, relevance, stop);
    case RelevanceFormat::libsvm: return write_libsvm(path, relevance, {}, stop);
    case RelevanceFormat::npz: break;
  }
#if defined(PEFA_HAS_LIBZIP) && PEFA_HAS_LIBZIP
  write_scipy_npz(path, relevance, NpzCompression::deflated, stop);
#else
  pefa::detail::fail<ValueError>(path.string(), ": .npz files need libzip, which this program is built without");
#endif
}

}  // namespace pefa::io
