// pefa: the files of a base: retriever.pefa, an ordinary archive that pefa::open() opens, and data.pefa, what the next
// one is built from: raw P and Q, ids, tags, owners, totals and pairs that wait.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/event_encoding.hpp"
#include "pefa/live/folder.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_image.hpp"
#include "pefa/live/live_params.hpp"
#include "pefa/live/manifest.hpp"

namespace pefa::live::detail {

/// A base as it is opened; rows stay in their files.
struct OpenedBase {
  LiveParams params;
  LiveImage image;
  std::shared_ptr<const LiveEpoch> epoch;
};

/// Adds texts, one after the other, and where each ends.
inline void add_texts(io::ArchiveWriter& writer, const std::string& key, const std::vector<std::string>& texts) {
  std::vector<char> characters;
  std::vector<std::uint64_t> ends;
  for (const std::string& text : texts) {
    characters.insert(characters.end(), text.begin(), text.end());
    ends.push_back(characters.size());
  }
  writer.add(key + ".text", std::move(characters));
  writer.add(key + ".ends", std::move(ends));
}

/// What add_texts() added. @throws FormatError  it did not, or another number
[[nodiscard]] inline std::vector<std::string> read_texts(const io::ArchiveReader& reader, const std::string& key,
                                                         std::size_t count) {
  const auto characters = reader.section<char>(key + ".text");
  const auto ends = reader.section<std::uint64_t>(key + ".ends", count);
  std::vector<std::string> texts;
  texts.reserve(count);
  std::uint64_t begin = 0;
  for (const std::uint64_t end : ends) {
    if (end < begin || end > characters.size()) {
      pefa::detail::fail<FormatError>(reader.name(), ": section '", key, ".ends': text ", texts.size(), " is bytes ",
                                      begin, " to ", end, " of ", characters.size());
    }
    texts.emplace_back(characters.data() + begin, static_cast<std::size_t>(end - begin));
    begin = end;
  }
  return texts;
}

/// Rows that stay in the archive; their values are not looked at. @throws FormatError  rows of another number
[[nodiscard]] inline KeptRows read_kept_rows(const io::ArchiveReader& reader, const std::string& key, std::size_t count,
                                             std::size_t dim) {
  const auto values = reader.section<float>(key, std::uint64_t{count} * dim);
  return {EmbeddingView<float>(values.data(), count, dim), reader.owner()};
}

/// Writes both files. @param directory  there, and empty
inline void write_base(const std::filesystem::path& directory, const LiveParams& params, const LiveImage& image,
                       const LiveEpoch& epoch, const Progress& progress) {
  io::ArchiveWriter writer;
  io::ArchiveMetadata& metadata = writer.metadata();
  metadata.add("live", "base");
  metadata.add("epoch", epoch.number());
  add_params(writer, params);
  metadata.add("passages", image.passage_ids.size());
  metadata.add("queries", image.query_ids.size());
  metadata.add("served", image.served);
  metadata.add("pairs", image.columns.size());
  metadata.add("time", image.time);
  metadata.add("landmark", image.landmark);
  metadata.add("sequence", image.sequence);
  writer.add("cursor", std::span<const char>(image.cursor));
  const auto add_rows = [&](const std::string& key, const EmbeddingView<float>& rows) {
    writer.add(key, std::span<const float>(rows.data(), rows.size() * rows.dim()));
  };
  add_rows("passages.rows", image.passages.view);
  add_rows("queries.rows", image.queries.view);
  add_texts(writer, "passages.ids", image.passage_ids);
  add_texts(writer, "passages.tags", image.passage_tags);
  add_texts(writer, "queries.ids", image.query_ids);
  add_texts(writer, "queries.owners", image.owners);
  writer.add("pairs.starts", std::span<const std::uint64_t>(image.starts));
  writer.add("pairs.passages", std::span<const std::int32_t>(image.columns));
  writer.add("pairs.totals", std::span<const double>(image.totals));
  std::vector<std::uint64_t> parked_ends;
  std::vector<std::byte> parked;
  for (const AddPair& pair : image.parked) {
    encode(Batch{{pair}, {}}, parked);
    parked_ends.push_back(parked.size());
  }
  writer.add("parked", std::move(parked));
  writer.add("parked.ends", std::move(parked_ends));
  if (epoch.plain()) epoch.plain()->save(writer, "plain.");
  writer.save(directory / "data.pefa", progress);
  if (!epoch.is_fitted()) return;
  const auto ids = io::ExternalIds::from(image.passage_ids);
  const SaveOptions options{.passage_ids = &ids, .progress = progress};
  if (epoch.xs()) epoch.xs()->save(directory / "retriever.pefa", options);
  if (epoch.xl()) epoch.xl()->save(directory / "retriever.pefa", options);
}

/// The indexes and fits of a base. @param data  the archive that has the image  @param path  of the retriever's archive
[[nodiscard]] inline LiveEpoch open_epoch(const RetrieverSpec& spec, std::uint64_t number, const LiveImage& image,
                                          const io::ArchiveReader& data, const std::filesystem::path& path,
                                          Verify verify) {
  std::optional<LiveEpoch::Xs> xs;
  std::optional<LiveEpoch::Xl> xl;
  std::optional<AnyIndex> plain;
  if (spec.method != Method::erm && image.served > 0) {
    const auto reader = io::ArchiveReader::open(path);
    if (verify == Verify::full) reader.verify();
    if (spec.method == Method::xs) xs = LiveEpoch::Xs::open(reader);
    if (spec.method == Method::xl) xl = LiveEpoch::Xl::open(reader);
  } else if (!image.passage_ids.empty()) {
    plain = AnyIndex::open(data, "plain.");
  }
  return LiveEpoch::of(spec, number, image.passages, image.served_queries(), std::move(xs), std::move(xl),
                       std::move(plain));
}

/// Opens both files of a directory in place.
/// @throws FormatError  a file is missing, damaged, or does not belong to the other  @throws IoError
[[nodiscard]] inline OpenedBase open_base(const std::filesystem::path& directory, Verify verify) {
  const auto reader = io::ArchiveReader::open(directory / "data.pefa");
  if (verify == Verify::full) reader.verify();
  const io::ArchiveMetadata& metadata = reader.metadata();
  if (metadata.find_text("live") != "base") {
    pefa::detail::fail<FormatError>(reader.name(), ": is no base of a live retriever");
  }
  return pefa::detail::from_archive(reader, [&] {
    OpenedBase base{read_params(reader), {}, nullptr};
    require_live_params(base.params, "LiveRetriever::open");
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
    LiveImage& image = base.image;
    const std::size_t n_passages = metadata.count("passages", most);
    const std::size_t n_queries = metadata.count("queries", most);
    image.served = metadata.count("served", n_queries);
    const std::size_t n_pairs = metadata.count("pairs", std::numeric_limits<std::size_t>::max());
    image.time = metadata.integer("time");
    image.landmark = metadata.integer("landmark");
    image.sequence = metadata.count("sequence", std::numeric_limits<std::size_t>::max());
    const auto cursor = reader.section<char>("cursor");
    image.cursor.assign(cursor.begin(), cursor.end());
    image.passages = read_kept_rows(reader, "passages.rows", n_passages, base.params.dim);
    image.queries = read_kept_rows(reader, "queries.rows", n_queries, base.params.dim);
    image.passage_ids = read_texts(reader, "passages.ids", n_passages);
    image.passage_tags = read_texts(reader, "passages.tags", n_passages);
    image.query_ids = read_texts(reader, "queries.ids", n_queries);
    image.owners = read_texts(reader, "queries.owners", n_queries);
    const auto starts = reader.section<std::uint64_t>("pairs.starts", std::uint64_t{n_queries} + 1);
    const auto columns = reader.section<std::int32_t>("pairs.passages", n_pairs);
    const auto totals = reader.section<double>("pairs.totals", n_pairs);
    image.starts.assign(starts.begin(), starts.end());
    image.columns.assign(columns.begin(), columns.end());
    image.totals.assign(totals.begin(), totals.end());
    for (std::size_t i = 0; i < n_queries; ++i) {
      const bool has_pairs = image.starts[i + 1] > image.starts[i];
      if (image.starts[i] > image.starts[i + 1] || image.starts[i + 1] > n_pairs || has_pairs != (i < image.served)) {
        pefa::detail::fail<FormatError>("the pairs of training query ", i, " are ", image.starts[i], " to ",
                                        image.starts[i + 1], " of ", n_pairs);
      }
    }
    if (image.starts[0] != 0 || image.starts[n_queries] != n_pairs) {
      pefa::detail::fail<FormatError>("the pairs do not begin at 0 and end at ", n_pairs);
    }
    const auto parked = reader.section<std::byte>("parked");
    std::uint64_t begin = 0;
    for (const std::uint64_t end : reader.section<std::uint64_t>("parked.ends")) {
      if (end < begin || end > parked.size()) pefa::detail::fail<FormatError>("the pairs that wait are cut");
      const Batch batch = decode_batch(parked.subspan(begin, end - begin));
      const auto* pair = batch.events.size() == 1 ? std::get_if<AddPair>(&batch.events[0]) : nullptr;
      if (pair == nullptr) pefa::detail::fail<FormatError>("an event waits that is no pair");
      image.parked.push_back(*pair);
      begin = end;
    }
    const auto epoch = metadata.count("epoch", std::numeric_limits<std::size_t>::max());
    base.epoch = std::make_shared<const LiveEpoch>(
        open_epoch(base.params.spec, epoch, image, reader, directory / "retriever.pefa", verify));
    return base;
  });
}

/// Opens a base of a folder, which must be what the manifest says. @throws  as above
[[nodiscard]] inline OpenedBase open_base(const std::filesystem::path& folder, const Base& base, Verify verify) {
  const std::filesystem::path path = base_path(folder, base.number);
  OpenedBase opened = open_base(path, verify);
  if (opened.image.sequence != base.position.sequence || opened.epoch->number() != base.number) {
    pefa::detail::fail<FormatError>(path.string(), ": is base ", opened.epoch->number(), " after batch ",
                                    opened.image.sequence, ", the manifest says ", base.number, " and ",
                                    base.position.sequence);
  }
  return opened;
}

}  // namespace pefa::live::detail
