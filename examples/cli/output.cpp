#include "output.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "option_groups.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/version.hpp"

namespace pefa::cli {
namespace {

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) throw IoError("stdout: could not be written");
}

}  // namespace

void write_json(const std::string& path, const nlohmann::ordered_json& json) {
  // What is no UTF-8 (a path, an id) becomes a replacement character: a report, not data.
  const std::string text = json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  if (path == "-") return print(text);
  io::OutputFile file(path);
  file.stream() << text;
  file.commit();
}

std::string version() {
  return std::to_string(PEFA_VERSION_MAJOR) + "." + std::to_string(PEFA_VERSION_MINOR) + "." +
         std::to_string(PEFA_VERSION_PATCH);
}

void Output::add_options(CLI::App& command) {
  command.add_flag("--quiet", quiet_, "no progress, and no line that only says what was done")->group(groups::output);
  command.add_option("--json", json_, "write the result as JSON to FILE, or to stdout for -")
      ->type_name("FILE|-")
      ->group(groups::output);
}

void Output::result(const std::string& text, const nlohmann::ordered_json& json) const {
  if (!json_.empty()) write_json(json_, json);
  if (json_ != "-") print(text);
}

void Output::summary(const std::string& text, const nlohmann::ordered_json& json) const {
  result(quiet_ ? std::string() : text, json);
}

}  // namespace pefa::cli
