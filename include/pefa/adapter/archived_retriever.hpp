// pefa: saving and opening of retrievers, as they declare it. Who calls either includes adapter/retriever_archive.hpp,
// as pefa/pefa.hpp does; who only searches compiles no archives, no streams and no paths.
#pragma once

#include <concepts>
#include <iosfwd>
#include <string_view>

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/save_options.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/io/archive/fwd.hpp"

namespace pefa {

/// A std::filesystem::path or what one is made of, told without `<filesystem>`.
template <class P>
concept FilePath = std::convertible_to<const P&, std::string_view> || requires(const P& path) {
  path.native();
  path.extension();
};

/// A gate that an archive can name; a host's own cannot be saved, and so neither a PefaXl with it.
template <class G>
concept ArchivableGate = std::same_as<G, MeanGate> || std::same_as<G, SumGate> || std::same_as<G, SoftmaxGate> ||
    std::same_as<G, LocalRegressionGate> || std::same_as<G, AnyGate>;

namespace detail {

/// What a retriever writes into an archive and reads from it beside what all have; see retriever_archive.hpp.
template <class R>
struct RetrieverFields;

/// What sets the ef_search of a retriever's indexes; see target_recall.hpp.
struct TargetRecall;

}  // namespace detail

/// Saving and opening of a retriever R, where its parts can be saved: over indexes that are ArchivableIndex.
template <class R, bool is_archivable>
class ArchivedRetriever {};

/// The same where they can be: save() and open().
template <class R>
class ArchivedRetriever<R, true> {
 public:
  /// Saves the retriever to a file, durably: on an error, or where the process dies, an older archive of that name
  /// stays as it was.
  /// @throws IoError  @throws Cancelled  @throws ShapeError  another number of ids than of passages
  template <FilePath Path>
  void save(const Path& path, const SaveOptions& options = {}) const;

  /// The same to a binary stream.
  void save(std::ostream& out, const SaveOptions& options = {}) const;

  /// Opens what save() wrote, in place: the retriever keeps what the reader holds, and does not need the reader.
  /// @throws FormatError  the archive holds another retriever, index or gate, and says which, or is damaged
  [[nodiscard]] static R open(const io::ArchiveReader& reader);

  /// @throws IoError  the file cannot be read  @throws FormatError  as above, or it is no archive
  template <FilePath Path>
  [[nodiscard]] static R open(const Path& path, Verify verify = Verify::directory);
};

}  // namespace pefa
