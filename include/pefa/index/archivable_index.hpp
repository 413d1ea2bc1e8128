// pefa: what an index must do to be saved and opened. Without the archives themselves: see index_archive.hpp for those.
#pragma once

#include <concepts>
#include <string>

#include "pefa/io/archive/fwd.hpp"

namespace pefa {

/// An index that can be saved and opened; the retrievers over it then can.
///
/// `save` adds sections and metadata whose keys begin with `prefix`; the index must live, unchanged, until the archive
/// is written. `open` throws FormatError for what `save` cannot have written as far as searching relies on it, and
/// keeps reader.owner() where it reads in place.
template <class I>
concept ArchivableIndex = requires(const I& index, io::ArchiveWriter& writer, const io::ArchiveReader& reader,
                                   const std::string& prefix) {
  index.save(writer, prefix);
  { I::open(reader, prefix) } -> std::same_as<I>;
};

}  // namespace pefa
