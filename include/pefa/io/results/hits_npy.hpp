// pefa: results as two NumPy matrices of k columns, one row a query: "run.ids.npy" (int64) and "run.scores.npy"
// (float32) for the path "run.npy".
//
// A query with fewer than k hits is filled up with id -1 and score -inf, as FAISS does: such a row still sorts.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/mapped_file.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/vectors/npy_array_header.hpp"

namespace pefa::io {

/// Where the ids of hits are: "run.npy" has "run.ids.npy", and so has "run".
[[nodiscard]] inline std::filesystem::path hit_ids_path(const std::filesystem::path& path) {
  return detail::beside_npy(path, ".ids.npy");
}
/// Where their scores are: "run.npy" has "run.scores.npy".
[[nodiscard]] inline std::filesystem::path hit_scores_path(const std::filesystem::path& path) {
  return detail::beside_npy(path, ".scores.npy");
}

/// A passage's id as such a matrix holds it: 0 to 2^63 - 1; nothing where it is no such number.
[[nodiscard]] inline std::optional<std::int64_t> parse_hit_id(std::string_view text) noexcept {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 0) return std::nullopt;
  return id;
}

namespace detail {

inline constexpr std::int64_t no_hit = -1;
inline constexpr float no_score = -std::numeric_limits<float>::infinity();

/// A passage's id as a number: its row, or what a table of 64-bit ids has for it.
[[nodiscard]] inline std::int64_t numeric_id(const RowIds& ids, Row row, const std::string& file) {
  if (!ids.has_table()) return row;
  const std::string text = ids.text(row);
  const std::optional<std::int64_t> id = parse_hit_id(text);
  if (!id) {
    pefa::detail::fail<ValueError>(file, ": the id of passage row ", row, " is '", text,
                                   "', expected a number of 0 to 2^63 - 1; other ids fit in a run file");
  }
  return *id;
}

/// A matrix of hits in a mapped .npy file whose header has been checked.
template <class Element>
class HitMatrix {
 public:
  HitMatrix(const std::filesystem::path& path, NpyElement element) : name_(path.string()), file_(path) {
    const std::string_view bytes(reinterpret_cast<const char*>(file_.data()), file_.size());
    header_ = parse_npy_array_header(bytes, bytes.size(), name_);
    if (header_.element != element || header_.shape.size() != 2) {
      refuse("is an array of type ", io::name(header_.element), " in ", header_.shape.size(),
             " dimensions, expected a matrix of ", io::name(element));
    }
    if (header_.fortran_order) refuse("is in Fortran order, expected C order; save it with numpy.ascontiguousarray");
  }

  [[nodiscard]] std::size_t rows() const noexcept { return header_.shape[0]; }
  [[nodiscard]] std::size_t cols() const noexcept { return header_.shape[1]; }

  [[nodiscard]] Element at(std::size_t row, std::size_t col) const noexcept {
    Element value;
    std::memcpy(&value, file_.data() + header_.data_offset + (row * cols() + col) * sizeof value, sizeof value);
    return value;
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(name_, ": ", parts...);
  }

 private:
  std::string name_;
  MappedFile file_;
  NpyArrayHeader header_;
};

}  // namespace detail

/// Writes [n_queries x k] ids and scores beside each other.
///
/// @param k         columns, at least 1 and as many as a query has hits
/// @param passages  of row numbers, or a table of ids that are numbers
/// @throws ValueError  k is 0, a query with more than k hits, or an id that is no number  @throws ShapeError  too few
/// ids
/// @throws IoError  a file cannot be written  @throws Cancelled  `stop` said so
inline void write_hits_npy(const std::filesystem::path& path, const std::vector<std::vector<Hit>>& results,
                           std::size_t k, const RowIds& passages = RowIds(), const StopCheck& stop = {}) {
  if (k == 0) pefa::detail::fail<ValueError>(path.string(), ": asked to write 0 columns, expected at least 1");
  OutputFile ids(hit_ids_path(path), stop);
  OutputFile scores(hit_scores_path(path), stop);
  ids.stream() << npy_array_header("<i8", {results.size(), k});
  scores.stream() << npy_array_header("<f4", {results.size(), k});
  for (std::size_t query = 0; query < results.size(); ++query) {
    const std::vector<Hit>& hits = results[query];
    if (hits.size() > k) {
      pefa::detail::fail<ValueError>(path.string(), ": query ", query, " has ", hits.size(), " hits, expected at most ",
                                     k);
    }
    for (std::size_t rank = 0; rank < k; ++rank) {
      const bool is_hit = rank < hits.size();
      const std::int64_t id =
          is_hit ? detail::numeric_id(passages, hits[rank].passage.row(), path.string()) : detail::no_hit;
      const float score = is_hit ? hits[rank].score : detail::no_score;
      ids.stream().write(reinterpret_cast<const char*>(&id), sizeof id);
      scores.stream().write(reinterpret_cast<const char*>(&score), sizeof score);
    }
  }
  scores.stream().flush();  // whatever stops it is met before either takes its place: an older pair stays a pair
  ids.commit();
  scores.commit();
}

/// Reads what write_hits_npy() wrote of passages known by row number: one ranking a query, without what fills it up.
///
/// @throws IoError  a file cannot be read
/// @throws FormatError  not two matrices of the same shape, an id that is neither -1 nor a row below n_passages, a hit
/// after the end of its query's, a score that is not finite; names row and column
[[nodiscard]] inline std::vector<std::vector<Hit>> read_hits_npy(const std::filesystem::path& path,
                                                                 std::size_t n_passages) {
  const detail::HitMatrix<std::int64_t> ids(hit_ids_path(path), {'i', 8});
  const detail::HitMatrix<float> scores(hit_scores_path(path), {'f', 4});
  if (ids.rows() != scores.rows() || ids.cols() != scores.cols()) {
    scores.refuse("is a ", scores.rows(), " x ", scores.cols(), " matrix, its ids are ", ids.rows(), " x ", ids.cols());
  }
  if (ids.cols() == 0) ids.refuse("has no columns, expected at least 1");  // nothing would stand behind its rows
  std::vector<std::vector<Hit>> results(ids.rows());
  for (std::size_t query = 0; query < ids.rows(); ++query) {
    for (std::size_t rank = 0; rank < ids.cols(); ++rank) {
      const std::int64_t id = ids.at(query, rank);
      if (id == detail::no_hit) continue;
      if (id < 0 || static_cast<std::size_t>(id) >= n_passages) {
        ids.refuse("row ", query, ", column ", rank, " is ", id, ", expected -1 or a passage row below ", n_passages);
      }
      if (results[query].size() != rank) ids.refuse("row ", query, ", column ", rank, " has a hit after a -1");
      const float score = scores.at(query, rank);
      if (!pefa::detail::is_finite(score)) {
        scores.refuse("row ", query, ", column ", rank, " is ", score, ", expected a finite score");
      }
      results[query].push_back({PassageId(static_cast<Row>(id)), score});
    }
  }
  return results;
}

}  // namespace pefa::io
