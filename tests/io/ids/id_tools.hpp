// A table of ids in a word, for tests of what reads and writes them.
#pragma once

#include <string>
#include <vector>

#include "pefa/io/ids/external_ids.hpp"

namespace pefa::test {

[[nodiscard]] inline io::ExternalIds ids_of(const std::vector<std::string>& ids) {
  return io::ExternalIds::from(ids);
}

}  // namespace pefa::test
