// The pefa command: its subcommands, its help, and its exit codes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "output.hpp"
#include "pefa/core/error.hpp"

namespace {

using namespace pefa::cli;

/// One line on stderr, whatever the message was.
int fail(std::string message, int code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "pefa: %s\n", message.c_str());
  return code;
}

constexpr const char* footer =
    "Exit status:\n"
    "  0    done\n"
    "  1    the data or the machine said no: a file that cannot be read, a full disk, too little memory\n"
    "  2    the command line did\n"
    "  130  stopped by Ctrl-C (SIGINT) or SIGTERM; output files are whole or not there. A second signal kills\n"
    "\n"
    "Errors are one line on stderr. pefa COMMAND --help has the options and an example of each command.";

/// The name of the subcommand that the arguments begin with, or nothing.
std::string named_command(const CLI::App& app, const std::string& first) {
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (each->get_name() == first) return first;
  }
  return {};
}

std::string list_commands(const CLI::App& app) {
  std::string list;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    list += (list.empty() ? "" : ", ") + each->get_name();
  }
  return list;
}

/// Makes a heading one of this command: help2man gathers what is under the same heading in one section.
std::string with_own_headings(std::string help, const std::string& name) {
  for (const std::string heading : {"\nOptions", "\nExamples", "\nExample", "\nPositionals"}) {
    const std::size_t at = help.find(heading + ":\n");
    if (at != std::string::npos) help.insert(at + heading.size(), " of " + name);
  }
  const std::size_t usage = help.find("\nUsage");
  if (usage != std::string::npos) help.insert(usage, "\n");  // a paragraph of its own
  return help;
}

/// The help of the command, then of each subcommand: what the man page is made from.
void print_all_help(const CLI::App& app) {
  std::fputs(app.help().c_str(), stdout);
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = app.get_name() + " " + each->get_name();
    std::printf("\n*%s*\n%s", name.c_str(), with_own_headings(each->help(app.get_name()), name).c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  catch_signals();
  CLI::App app("Parameter-free adapters for embedding-based retrieval (PEFA, WSDM 2024)", "pefa");
  app.set_version_flag("--version", "pefa " + version());
  bool help_all = false;
  app.add_flag("--help-all", help_all, "Print this help and that of every command");
  app.footer(footer);
  app.get_formatter()->column_width(34);
  add_build_command(app);
  add_search_command(app);
  add_eval_command(app);
  add_compare_command(app);
  add_tune_command(app);
  add_bench_command(app);
  add_info_command(app);
  add_verify_command(app);
  add_convert_command(app);
  add_export_xs_command(app);

  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help-all" && argc == 2) {
    print_all_help(app);
    return 0;
  }
  app.require_subcommand(1);
  const std::string command = named_command(app, first);
  if (!first.empty() && first[0] != '-' && command.empty()) {
    return fail("unknown subcommand '" + first + "', expected one of " + list_commands(app) + " (see pefa --help)",
                exit_usage);
  }
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    const std::string help = command.empty() ? "pefa --help" : "pefa " + command + " --help";
    return fail(std::string(error.what()) + " (see " + help + ")", exit_usage);
  } catch (const std::exception& error) {
    if (interrupted()) return fail("interrupted", exit_interrupted);
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return fail("out of memory", exit_failure);
    return fail(error.what(), exit_failure);
  }
}
