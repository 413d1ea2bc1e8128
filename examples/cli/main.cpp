// The pefa command. Exit codes: 0 success; 1 the data or the machine said no; 2 the command line did.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "commands.hpp"
#include "pefa/version.hpp"

namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

/// One line on stderr, whatever the message was.
int fail(std::string message, int code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "pefa: %s\n", message.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Parameter-free adapters for embedding-based retrieval (PEFA, WSDM 2024)", "pefa");
  app.set_version_flag("--version", std::to_string(PEFA_VERSION_MAJOR) + "." + std::to_string(PEFA_VERSION_MINOR) +
                                        "." + std::to_string(PEFA_VERSION_PATCH));
  app.require_subcommand(1);
  pefa::cli::add_eval_command(app);
  pefa::cli::add_compare_command(app);
  const std::string first = argc > 1 ? argv[1] : "";
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  const bool known =
      std::any_of(commands.begin(), commands.end(), [&](auto* each) { return each->get_name() == first; });
  if (!first.empty() && first[0] != '-' && !known) {
    return fail("unknown subcommand '" + first + "', expected eval or compare (see pefa --help)", exit_usage);
  }
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return fail(std::string(error.what()) + " (see pefa --help, or pefa eval --help)", exit_usage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", exit_failure);
  } catch (const std::exception& error) {
    return fail(error.what(), exit_failure);
  }
}
