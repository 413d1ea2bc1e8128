// One PefaXl<>::open, over hnswlib's index.
#include <string>

#include "pefa/pefa.hpp"

pefa::PefaXl<> open(const std::string& path) {
  return pefa::PefaXl<>::open(path);
}
