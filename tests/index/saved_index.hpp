// What the archive tests of the indexes share: an index as the bytes of an archive.
#pragma once

#include <sstream>

#include "io/archive/archive_tools.hpp"
#include "pefa/io/archive/writer.hpp"

namespace pefa::test {

/// The archive of one index, under "rows.".
template <class Index>
[[nodiscard]] Bytes saved(const Index& index) {
  io::ArchiveWriter writer;
  index.save(writer, "rows.");
  std::ostringstream out;
  writer.write(out);
  return as_bytes(out.str());
}

}  // namespace pefa::test
