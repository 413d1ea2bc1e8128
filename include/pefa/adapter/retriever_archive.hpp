// pefa: what the retrievers share in saving themselves to a .pefa archive and opening from one.
//
// An archive says in its metadata what retriever it holds: "retriever" is erm, xs, xl or xs_multi, the passage index is
// under the prefix "passages." and that of PEFA-XL's training queries under "queries.".
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/id_table.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What goes into an archive beside the retriever, and who hears how far it is.
struct SaveOptions {
  const io::ExternalIds* passage_ids = nullptr;  ///< one a passage, for io::read_passage_ids(); borrowed for the call
  const io::ArchiveMetadata* notes = nullptr;    ///< metadata of the host's own; borrowed for the call
  Progress progress{};                           ///< in bytes
};

/// A gate that an archive can name; a host's own cannot be saved, and so neither a PefaXl with it.
template <class G>
concept ArchivableGate =
    std::same_as<G, MeanGate> || std::same_as<G, SumGate> || std::same_as<G, SoftmaxGate> || std::same_as<G, AnyGate>;

namespace detail {

inline constexpr EnumNames<ColdPassage, 3> cold_names{
    {{ColdPassage::paper, "paper"}, {ColdPassage::erm, "erm"}, {ColdPassage::borrowed, "borrowed"}}};
inline constexpr EnumNames<PseudoNorm, 2> norm_names{{{PseudoNorm::unit, "unit"}, {PseudoNorm::passage, "passage"}}};

/// An archive with what every retriever says of itself. @param kind  "xs"
template <class R>
[[nodiscard]] io::ArchiveWriter begin_archive(const R& retriever, const char* kind, const SaveOptions& options) {
  io::ArchiveWriter writer;
  writer.metadata().add("retriever", kind);
  writer.metadata().add("passages", retriever.passage_count());
  if (options.notes != nullptr) {
    for (const auto& note : options.notes->values()) {
      std::visit([&](const auto& value) { writer.metadata().add(note.first, value); }, note.second);
    }
  }
  if (options.passage_ids == nullptr) return writer;
  if (options.passage_ids->size() != retriever.passage_count()) {
    fail<ShapeError>("save: ", options.passage_ids->size(), " passage ids for ", retriever.passage_count(),
                     " passages, expected one each");
  }
  io::add_ids(writer, "passages.ids.", *options.passage_ids);
  return writer;
}

/// @throws FormatError  the archive holds another retriever
inline void require_retriever(const io::ArchiveReader& reader, const char* kind) {
  const std::string there = reader.metadata().text("retriever");
  if (there == kind) return;
  const std::string index = reader.metadata().find_text("passages.index").value_or("an unknown index");
  fail<FormatError>(reader.name(), ": holds an ", there, " retriever over ", index, ", asked to open it as ", kind);
}

/// Runs `make` on what an archive says; what that refuses is the archive's fault.
template <class Make>
[[nodiscard]] auto from_archive(const io::ArchiveReader& reader, const Make& make) {
  try {
    return make();
  } catch (const FormatError&) {
    throw;
  } catch (const Error& error) {
    fail<FormatError>(reader.name(), ": ", error.what());
  }
}

/// @throws FormatError  another number of passages than the archive says it has
template <class R>
[[nodiscard]] R require_passage_count(R retriever, const io::ArchiveReader& reader) {
  const std::int64_t passages = reader.metadata().integer("passages");
  if (passages < 0 || static_cast<std::uint64_t>(passages) != retriever.passage_count()) {
    fail<FormatError>(reader.name(), ": metadata 'passages' is ", passages, ", the retriever has ",
                      retriever.passage_count());
  }
  return retriever;
}

[[nodiscard]] inline float read_lambda(const io::ArchiveReader& reader) {
  return static_cast<float>(reader.metadata().real("lambda", 0.0, 1.0));
}

template <ArchivableGate G>
void add_gate(io::ArchiveWriter& writer, const G& gate) {
  if constexpr (std::same_as<G, AnyGate>) {
    gate.visit([&](const auto& held) { add_gate(writer, held); });
  } else if constexpr (std::same_as<G, SoftmaxGate>) {
    writer.metadata().add("gate", "softmax");
    writer.metadata().add("temperature", gate.temperature());
  } else {
    writer.metadata().add("gate", std::same_as<G, MeanGate> ? "mean" : "sum");
  }
}

/// @throws FormatError  the archive's gate is another
template <ArchivableGate G>
[[nodiscard]] G read_gate(const io::ArchiveReader& reader) {
  const std::string gate = reader.metadata().text("gate");
  const auto make = [&](auto kind, const char* kind_name) {
    using Kind = decltype(kind);
    if constexpr (!std::constructible_from<G, Kind>) {
      fail<FormatError>(reader.name(), ": has the gate ", kind_name, ", asked to open it with another");
    } else if constexpr (std::same_as<Kind, SoftmaxGate>) {
      return G(Kind(read_float(reader, "temperature")));
    } else {
      return G(kind);
    }
    return G{};
  };
  if (gate == "mean") return make(MeanGate{}, "mean");
  if (gate == "sum") return make(SumGate{}, "sum");
  if (gate == "softmax") return make(SoftmaxGate{}, "softmax");
  fail<FormatError>(reader.name(), ": metadata 'gate' is '", gate, "', expected mean, sum or softmax");
}

/// Adds Y, compressed by training query.
inline void add_relevance(io::ArchiveWriter& writer, const RelevanceMatrix& relevance) {
  const RelevanceMatrix::Sparse& sparse = relevance.sparse();
  const std::size_t pairs = relevance.pair_count();
  writer.metadata().add("training_queries", relevance.rows());
  writer.metadata().add("pairs", pairs);
  writer.add("relevance.starts", std::span<const std::int32_t>(sparse.outerIndexPtr(), relevance.rows() + 1));
  writer.add("relevance.passages", std::span<const std::int32_t>(sparse.innerIndexPtr(), pairs));
  writer.add("relevance.weights", std::span<const float>(sparse.valuePtr(), pairs));
}

/// Y, copied: 8 bytes a pair.
[[nodiscard]] inline RelevanceMatrix read_relevance(const io::ArchiveReader& reader, std::size_t n_queries,
                                                    std::size_t n_passages) {
  return from_archive(reader, [&] {
    return RelevanceMatrix::from_compressed(
        reader.section<std::int32_t>("relevance.starts", std::uint64_t{n_queries} + 1),
        reader.section<std::int32_t>("relevance.passages"), reader.section<float>("relevance.weights"), n_passages);
  });
}

}  // namespace detail
}  // namespace pefa
