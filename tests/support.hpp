// What the tests share: seeded vectors and pairs, temporary files, and the data sets that may or may not be there.
#pragma once

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::test {

/// Rows of independent Gaussians, of unit length where asked for.
inline RowMajorMatrix random_matrix(std::size_t rows, std::size_t dim, unsigned seed,
                                    Normalize normalize = Normalize::unit) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  RowMajorMatrix matrix(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(dim));
  for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = gaussian(random);
  if (normalize == Normalize::unit) matrix.rowwise().normalize();
  return matrix;
}

/// `per_query` random passages for every query, weights 1 to 3; passages past `n_passages - cold` get none.
inline RelevanceMatrix random_relevance(std::size_t n_queries, std::size_t n_passages, std::size_t per_query,
                                        unsigned seed, std::size_t cold = 0) {
  std::mt19937 random(seed);
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < n_queries; ++q) {
    for (std::size_t i = 0; i < per_query; ++i) {
      const auto passage = static_cast<Row>(random() % (n_passages - cold));
      pairs.push_back({QueryId(q), PassageId(passage), static_cast<float>(1 + random() % 3)});
    }
  }
  return RelevanceMatrix::from_pairs(pairs, n_queries, n_passages, DuplicatePolicy::last);
}

/// Y as a dense matrix, for oracles.
inline RowMajorMatrix dense(const RelevanceMatrix& relevance) {
  return RowMajorMatrix(relevance.sparse());
}

/// A view of the store's rows, for expressions.
inline Eigen::Map<const RowMajorMatrix> as_matrix(const EmbeddingStore<float>& store) {
  return {store.row(0), static_cast<Eigen::Index>(store.size()), static_cast<Eigen::Index>(store.dim())};
}

/// The same rows in a vector, which compares and prints.
inline std::vector<Row> listed(std::span<const Row> rows) {
  return {rows.begin(), rows.end()};
}

/// A folder of its own that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::random_device random;
    path_ =
        std::filesystem::temp_directory_path() / ("pefa_test_" + std::to_string(random()) + std::to_string(random()));
    std::filesystem::create_directories(path_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  /// How many files are here.
  [[nodiscard]] std::size_t file_count() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++count;
    return count;
  }

  /// Writes `bytes` to a file here and returns its path.
  [[nodiscard]] std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::span<const std::byte> byte_span(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// GCC names a sanitizer by a macro, Clang by a feature; either brings a malloc of its own, which keeps no such books.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEFA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PEFA_SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(PEFA_SANITIZED)
#define PEFA_HAS_HEAP_BYTES 1
/// What malloc has handed out and not got back.
inline std::size_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
#endif

/// The banking77 data beside the checkout; not there on a user's machine.
inline std::filesystem::path banking77() {
  return std::filesystem::path(PEFA_SHARED_DATA) / "banking77";
}

/// The WordNet slice that the repository ships.
inline std::filesystem::path shipped_data() {
  return PEFA_SHIPPED_DATA;
}

}  // namespace pefa::test

/// Leaves a test that needs banking77 where that is absent, saying so.
#define PEFA_SKIP_WITHOUT_BANKING77()                                      \
  if (!std::filesystem::exists(pefa::test::banking77())) {                 \
    WARN("skipped: " << pefa::test::banking77().string() << " is absent"); \
    return;                                                                \
  }
