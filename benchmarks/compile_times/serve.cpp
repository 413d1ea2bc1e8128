// The light entry: a service that opens whatever an archive holds, and searches it.
#include <string>
#include <vector>

#include "pefa/serve.hpp"

std::vector<pefa::Hit> open_and_search(const std::string& path, const std::vector<float>& query) {
  return pefa::open(path).search(query, 10);
}
