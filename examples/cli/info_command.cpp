// pefa info and pefa verify: what an archive holds, and whether it is intact.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "commands.hpp"
#include "data_files.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/archive_contents.hpp"
#include "pefa/index/index_choice.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/tag_section.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;

io::ArchiveReader open_container(const std::filesystem::path& path) {
  require_file(path);
  return io::ArchiveReader::open(path);
}

/// A value for people: 0.1 where a float32 0.1 was stored.
std::string to_text(const io::ArchiveMetadata::Value& value) {
  if (const auto* real = std::get_if<double>(&value)) {
    const auto single = static_cast<float>(*real);
    if (static_cast<double>(single) == *real) return fmt::format("{}", single);
  }
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
}

/// The value of a key as text, or nothing.
std::string value_of(const io::ArchiveMetadata& metadata, const std::string& key) {
  for (const auto& [name, value] : metadata.values()) {
    if (name == key) return to_text(value);
  }
  return {};
}

/// "lambda 0.5, gate softmax": those of the keys that there are.
std::string list_values(const io::ArchiveMetadata& metadata, const std::string& prefix,
                        std::initializer_list<const char*> keys) {
  std::string list;
  for (const std::string key : keys) {
    const std::string value = value_of(metadata, prefix + key);
    if (!value.empty()) list += (list.empty() ? "" : ", ") + key + " " + value;
  }
  return list;
}

/// The tags of passages or of training queries, if there are any. @param prefix  "passages.tags."
std::optional<TagTable> tags_of(const io::ArchiveReader& archive, const std::string& prefix) {
  if (!archive.metadata().find_integer(prefix + "size")) return std::nullopt;
  return io::read_tags(archive, prefix, archive.metadata().count(prefix + "size", std::numeric_limits<Row>::max()));
}

/// "lang (text, 3 values), price (integer, 120 values)".
std::string list_tags(const io::ArchiveReader& archive, const std::string& prefix) {
  const std::optional<TagTable> tags = tags_of(archive, prefix);
  if (!tags) return {};
  std::string list;
  for (const TagKey& key : tags->keys()) {
    list += fmt::format("{}{} ({}, {} {})", list.empty() ? "" : ", ", key.name, name(key.kind), key.value_count,
                        key.value_count == 1 ? "value" : "values");
  }
  return list;
}

Json tags_to_json(const io::ArchiveReader& archive, const std::string& prefix) {
  Json json = Json::array();
  const std::optional<TagTable> tags = tags_of(archive, prefix);
  if (!tags) return json;
  for (const TagKey& key : tags->keys()) {
    json.push_back({{"key", std::string(key.name)},
                    {"type", name(key.kind)},
                    {"values", key.value_count},
                    {"assignments", key.assignments}});
  }
  return json;
}

/// The C++ type that opens an archive, or nothing.
std::string cpp_type(const io::ArchiveReader& archive) {
  return archive.metadata().find_text("retriever") ? pefa::detail::cpp_type_of(archive) : std::string();
}

Json to_json(const io::ArchiveReader& archive) {
  Json json;
  json["archive"] = archive.name();
  json["bytes"] = archive.byte_size();
  json["format_version"] = archive.format_version();
  json["written_by"] = archive.library_version();
  const std::string type = cpp_type(archive);
  json["cpp_type"] = type.empty() ? Json(nullptr) : Json(type);
  json["metadata"] = Json::object();
  for (const auto& [key, value] : archive.metadata().values()) {
    json["metadata"][key] = std::visit([](const auto& held) { return Json(held); }, value);
  }
  json["tags"] = tags_to_json(archive, "passages.tags.");
  json["train_query_tags"] = tags_to_json(archive, "queries.tags.");
  json["sections"] = Json::array();
  for (const io::ArchiveSection& section : archive.sections()) {
    json["sections"].push_back({{"key", section.key},
                                {"type", io::name(section.type)},
                                {"count", section.count},
                                {"offset", section.offset},
                                {"bytes", section.byte_size()},
                                {"xxh64", fmt::format("{:016x}", section.checksum)}});
  }
  return json;
}

/// Why an index is what it is: what was measured when it was built. @param prefix  "passages."
std::vector<std::string> reasons(const io::ArchiveMetadata& metadata, const std::string& prefix) {
  std::vector<std::string> list;
  const auto share = [&](const char* key) { return metadata.find_real(prefix + key).value_or(0.0); };
  if (const double found = share("graph_recall"); found > 0.0) {
    list.push_back(
        fmt::format("{} by itself: a graph over some rows finds {:.3f} of their best 100, at least {} wanted",
                    value_of(metadata, prefix + "index"), found, pefa::detail::least_graph_recall));
  }
  if (const double target = share("target_recall"); target > 0.0) {
    list.push_back(fmt::format("ef_search {} for a target recall of {}: it finds {:.4f}",
                               value_of(metadata, prefix + "ef_search"), static_cast<float>(target),
                               share("measured_recall")));
  }
  return list;
}

/// "quantized_hnsw, m 32, ef_search 300, metric inner_product". @param prefix  "passages."
std::string index_of(const io::ArchiveMetadata& metadata, const std::string& prefix) {
  return value_of(metadata, prefix + "index") + ", " +
         list_values(metadata, prefix, {"m", "ef_construction", "ef_search", "exact_rows", "metric"});
}

/// Some ten lines: what an archive holds, and what opens it.
std::string to_summary(const io::ArchiveReader& archive) {
  const io::ArchiveMetadata& metadata = archive.metadata();
  const std::string kind = value_of(metadata, "retriever");
  std::string text = archive.name() + "\n";
  const auto line = [&text](const char* name, const std::string& value) {
    text += fmt::format("  {:<12}{}\n", name, value.empty() ? "none" : value);
  };
  if (kind.empty()) {
    line("holds", "no retriever; --all lists what it has");
  } else {
    line("method", kind);
    line("parameters", list_values(metadata, "",
                                   {"lambda", "neighbors", "gate", "temperature", "similarity", "fold_lambda",
                                    "fold_cold", "condense", "cold", "norm", "max_centroids", "shrinkage"}));
    line("fits", list_values(metadata, "",
                             {"rule", "least_squares.shrinkage", "least_squares.passages_as_queries", "balance.rank",
                              "whitened", "whitening.scatter", "whitening.shrinkage", "whitening.rank", "hubness"}));
    line("index", index_of(metadata, "passages."));
    if (metadata.find_text("queries.index")) line("query index", index_of(metadata, "queries."));
    for (const auto& [side, prefix] : {std::pair{"passages", "passages."}, std::pair{"queries", "queries."}}) {
      for (const std::string& reason : reasons(metadata, prefix)) line("", fmt::format("{} ({})", reason, side));
    }
    line("scalar", value_of(metadata, "passages.scalar"));
    line("passages", value_of(metadata, "passages") + " of dim " + value_of(metadata, "passages.dim"));
    line("trained on", list_values(metadata, "", {"training_queries", "pairs"}));
    line("ids", archive.contains("passages.ids.starts") ? "of the passages" : "");
    if (archive.contains("passages.tags.names")) line("tags", list_tags(archive, "passages.tags."));
    if (archive.contains("queries.tags.names")) line("query tags", list_tags(archive, "queries.tags."));
  }
  line("bytes", fmt::format("{} ({:.1f} MiB)", archive.byte_size(),
                            static_cast<double>(archive.byte_size()) / (1024.0 * 1024.0)));
  line("written by", fmt::format("pefa {}, format version {}", archive.library_version(), archive.format_version()));
  if (!kind.empty()) line("C++ type", cpp_type(archive));
  return text;
}

/// Everything in the directory.
std::string to_text(const io::ArchiveReader& archive) {
  std::string text = to_summary(archive) + "\n";
  for (const auto& [key, value] : archive.metadata().values()) {
    text += fmt::format("{:<28}{}\n", key, to_text(value));
  }
  text += fmt::format("\n{:<34}{:<10}{:>14}{:>14}{:>14}\n", "section", "type", "elements", "bytes", "offset");
  for (const io::ArchiveSection& section : archive.sections()) {
    text += fmt::format("{:<34}{:<10}{:>14}{:>14}{:>14}\n", section.key, io::name(section.type), section.count,
                        section.byte_size(), section.offset);
  }
  return text;
}

struct InfoCommand {
  std::filesystem::path archive;
  bool all = false;
  Output output;

  void run() const {
    const io::ArchiveReader reader = open_container(archive);
    output.result(all ? to_text(reader) : to_summary(reader), to_json(reader));
  }
};

struct VerifyCommand {
  std::filesystem::path archive;
  Output output;

  void run() const {
    const io::ArchiveReader reader = open_container(archive);
    {
      ProgressBar bar("verifying", output.verbosity(), Unit::bytes);
      reader.verify(bar.callback());
    }
    output.summary(
        fmt::format("{}: intact, {} sections, {} bytes\n", reader.name(), reader.sections().size(), reader.byte_size()),
        {{"archive", reader.name()},
         {"intact", true},
         {"sections", reader.sections().size()},
         {"bytes", reader.byte_size()}});
  }
};

}  // namespace

void add_info_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("info", "Show what an archive holds");
  const auto info = std::make_shared<InfoCommand>();
  command.add_option("archive", info->archive, "what pefa build wrote")->required();
  command.add_flag("--all", info->all, "all metadata and sections, too; --json has them always")->group(groups::output);
  info->output.add_options(command);
  command.footer(
      "Only the directory of the archive and its tags are read: pefa verify reads everything.\nExample:\n  pefa info "
      "x.pefa");
  command.callback([info] { info->run(); });
}

void add_verify_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("verify", "Check every byte of an archive against its checksums");
  const auto verify = std::make_shared<VerifyCommand>();
  command.add_option("archive", verify->archive, "what pefa build wrote")->required();
  verify->output.add_options(command);
  command.footer(
      "Exit status 1, and what is damaged on stderr, where it is not intact.\nExample:\n  pefa verify x.pefa");
  command.callback([verify] { verify->run(); });
}

}  // namespace pefa::cli
