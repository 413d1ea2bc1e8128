// pefa: how a retriever is saved, and how much of an archive is checked before it serves.
#pragma once

#include "pefa/core/progress.hpp"
#include "pefa/io/archive/fwd.hpp"

namespace pefa {

class TagTable;

/// What goes into an archive beside the retriever, and who hears how far it is.
struct SaveOptions {
  const io::ExternalIds* passage_ids = nullptr;  ///< one a passage, for io::read_passage_ids(); borrowed for the call
  const TagTable* passage_tags = nullptr;        ///< for as many rows as passages; borrowed for the call
  const TagTable* query_tags = nullptr;          ///< PEFA-XL: of its training queries; borrowed for the call
  const io::ArchiveMetadata* notes = nullptr;    ///< metadata of the host's own; borrowed for the call
  Progress progress{};                           ///< in bytes
};

/// How much of an archive is checked before it serves.
enum class Verify {
  directory,  ///< its directory, and what searching relies on: links, ids, shapes. Rows are not read
  full        ///< every byte, against the checksums: as slow as reading the file
};

}  // namespace pefa
