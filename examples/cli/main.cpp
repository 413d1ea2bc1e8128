// The pefa command: its subcommands, its help, and its exit codes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "output.hpp"
#include "pefa/core/error.hpp"
#include "unknown_option.hpp"

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

/// CLI11's help with one blank line between two groups of options, not two.
class Help : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
    for (std::size_t at = 0; (at = help.find("\n\n\n", at)) != std::string::npos;) help.erase(at, 1);
    return help;
  }
};

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(each->get_name());
  }
  return names;
}

/// What is wrong with a subcommand that is none.
/// @param of  the command that it is typed after: "pefa"
std::string unknown_command(const std::string& typed, const std::vector<std::string>& names, const std::string& of) {
  const std::string similar = similar_name(typed, names);
  const std::string see = " (see " + of + " --help)";
  if (!similar.empty()) return "unknown subcommand '" + typed + "', did you mean " + similar + "?" + see;
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return "unknown subcommand '" + typed + "', expected one of " + list + see;
}

/// What is wrong with a command line that has an unknown option: that, or what was typed wrong before it.
std::string first_complaint(CLI::App& app, const UnknownOption& unknown, const std::vector<std::string>& arguments) {
  for (CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    each->add_option("--rest")->required();  // so that nothing is run: what comes before it cannot be all
  }
  std::vector<std::string> before(arguments.rend() - static_cast<std::ptrdiff_t>(unknown.place), arguments.rend());
  try {
    app.parse(std::move(before));
  } catch (const CLI::RequiredError&) {  // whatever is missing may come after it
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return unknown.message;
}

/// Makes a heading one of this command: help2man gathers what is under the same heading in one section.
std::string with_own_headings(std::string help, std::vector<std::string> headings, const std::string& name) {
  headings.insert(headings.end(), {"Examples", "Example", "Positionals", "Subcommands"});
  for (const std::string& heading : headings) {
    const std::size_t at = help.find("\n" + heading + ":\n");
    if (at != std::string::npos) help.insert(at + 1 + heading.size(), " of " + name);
  }
  const std::size_t usage = help.find("\nUsage");
  if (usage != std::string::npos) help.insert(usage, "\n");  // a paragraph of its own
  return help;
}

/// The help of each subcommand of a command, and of theirs.
void print_help_of_subcommands(const CLI::App& app, const std::string& app_name) {
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = app_name + " " + each->get_name();
    const std::string help = with_own_headings(each->help(app_name), each->get_groups(), name);
    std::printf("\n*%s*\n%s", name.c_str(), help.c_str());
    print_help_of_subcommands(*each, name);
  }
}

/// The help of the command, then of each subcommand: what the man page is made from.
void print_all_help(const CLI::App& app) {
  std::fputs(app.help().c_str(), stdout);
  print_help_of_subcommands(app, app.get_name());
}

}  // namespace

int main(int argc, char** argv) {
  catch_signals();
  CLI::App app("Parameter-free adapters for embedding-based retrieval (PEFA, WSDM 2024)", "pefa");
  app.set_version_flag("--version", "pefa " + version());
  bool help_all = false;
  app.add_flag("--help-all", help_all, "Print this help and that of every command");
  app.footer(footer);
  app.formatter(std::make_shared<Help>());  // before the subcommands, which take it over
  app.get_formatter()->column_width(34);
  add_build_command(app);
  add_search_command(app);
  add_eval_command(app);
  add_compare_command(app);
  add_tune_command(app);
  add_bench_command(app);
  add_info_command(app);
  add_verify_command(app);
  add_fuse_command(app);
  add_convert_command(app);
  add_export_xs_command(app);
  add_export_sql_command(app);
  add_live_command(app);

  const std::vector<std::string> arguments(argv + 1, argv + std::max(argc, 1));
  const std::string first = arguments.empty() ? "" : arguments[0];
  if (first == "--help-all" && arguments.size() == 1) {
    print_all_help(app);
    return 0;
  }
  app.require_subcommand(1);
  const std::vector<std::string> names = command_names(app);
  const bool is_command = std::find(names.begin(), names.end(), first) != names.end();
  if (!first.empty() && first[0] != '-' && !is_command) return fail(unknown_command(first, names, "pefa"), exit_usage);
  if (is_command && arguments.size() > 1 && arguments[1].find_first_of("-/.") != 0) {
    const std::vector<std::string> inner = command_names(*app.get_subcommand(first));
    if (!inner.empty() && std::find(inner.begin(), inner.end(), arguments[1]) == inner.end()) {
      return fail(unknown_command(arguments[1], inner, "pefa " + first), exit_usage);
    }
  }
  const std::string see = is_command ? " (see pefa " + first + " --help)" : " (see pefa --help)";
  try {
    if (const auto unknown = find_unknown_option(app, arguments)) {
      return fail(first_complaint(app, *unknown, arguments) + see, exit_usage);
    }
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return fail(error.what() + see, exit_usage);
  } catch (const std::exception& error) {
    if (interrupted()) return fail("interrupted", exit_interrupted);
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return fail("out of memory", exit_failure);
    return fail(error.what(), exit_failure);
  }
}
