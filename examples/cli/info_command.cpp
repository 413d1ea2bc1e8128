// pefa info and pefa verify: what an archive holds, and whether it is intact.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "commands.hpp"
#include "data_files.hpp"
#include "output.hpp"
#include "pefa/io/archive/reader.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;

io::ArchiveReader open_container(const std::filesystem::path& path) {
  require_file(path);
  return io::ArchiveReader::open(path);
}

Json to_json(const io::ArchiveReader& archive) {
  Json json;
  json["archive"] = archive.name();
  json["bytes"] = archive.byte_size();
  json["format_version"] = archive.format_version();
  json["written_by"] = archive.library_version();
  json["metadata"] = Json::object();
  for (const auto& [key, value] : archive.metadata().values()) {
    json["metadata"][key] = std::visit([](const auto& held) { return Json(held); }, value);
  }
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

/// A value for people: 0.1 where a float32 0.1 was stored.
std::string to_text(const io::ArchiveMetadata::Value& value) {
  if (const auto* real = std::get_if<double>(&value)) {
    const auto single = static_cast<float>(*real);
    if (static_cast<double>(single) == *real) return fmt::format("{}", single);
  }
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
}

std::string to_text(const io::ArchiveReader& archive) {
  std::string text = fmt::format("{}: {} bytes, format version {}, written by pefa {}\n\n", archive.name(),
                                 archive.byte_size(), archive.format_version(), archive.library_version());
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
  Output output;

  void run() const {
    const io::ArchiveReader reader = open_container(archive);
    output.result(to_text(reader), to_json(reader));
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
  CLI::App& command = *app.add_subcommand("info", "Show the metadata and sections of an archive");
  const auto info = std::make_shared<InfoCommand>();
  command.add_option("archive", info->archive, "what pefa build wrote")->required();
  info->output.add_options(command);
  command.footer(
      "Only the directory of the archive is read: pefa verify reads everything.\nExample:\n  pefa info x.pefa");
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
