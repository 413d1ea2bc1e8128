// A folder that a vector engine loads: the vectors as its bulk loader takes them, the schema, and a README with the
// commands to load, to ask and to update.
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string_view>

#include "pefa/adapter/linear_map.hpp"
#include "pefa/io/engines/engine_rows.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa::cli {

/// Makes the folder where it is missing, and takes the named files of an older export out of it: none of them tells of
/// rows that are not yet, or only in part, those of this export. Other files stay until they are written again.
/// @throws IoError
void make_export_folder(const std::filesystem::path& folder, std::initializer_list<const char*> names);

/// Writes a file whole or not at all. @throws IoError
void write_text(const std::filesystem::path& path, std::string_view text);

/// Whether the rows are the first that the engine sees, or changes to those it has.
enum class Load { all, changes };

/// What goes into a folder.
struct EngineFolder {
  io::Engine engine = io::Engine::pgvector;
  Load load = Load::all;
  io::EngineRows rows{};
  const RowMajorMatrix* query_map = nullptr;  ///< what queries are multiplied with; null: nothing
  const TagTable* tags = nullptr;             ///< of every row of `rows.vectors`; null: none
};

/// Makes the folder where it is missing, and writes each file whole or not at all, the README last.
/// @throws IoError, ValueError, Cancelled
void write_engine_folder(const std::filesystem::path& folder, const EngineFolder& what,
                         const std::function<bool()>& stop);

/// The files of an engine that depend on the data only by its dim, the kind of its ids and its tags: the README and the
/// schema.
void write_engine_texts(const std::filesystem::path& folder, const EngineFolder& what);

}  // namespace pefa::cli
