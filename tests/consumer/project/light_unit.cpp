// A unit that serves: of the library it sees the light entry alone, and gets the rest from whoever compiled it.
#include <pefa/serve.hpp>

#include <string>

#if defined(EIGEN_CORE_H) || defined(EIGEN_WORLD_VERSION)
#error "pefa/serve.hpp brings Eigen"
#endif
#if defined(PORTABLE_ALIGN32)
#error "pefa/serve.hpp brings hnswlib"
#endif
#if defined(_GLIBCXX_IOSTREAM) || defined(_GLIBCXX_FSTREAM)  // libstdc++ itself has <sstream> in <chrono>
#error "pefa/serve.hpp brings the standard streams"
#endif

/// The row of the best passage of an archive for a query.
unsigned best_passage(const std::string& path, pefa::QueryView query) {
  return pefa::open(path).search(query, 1).front().passage.row();
}
