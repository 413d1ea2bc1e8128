// pefa live: a live folder, which learns while it serves, kept from the command line.
#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "live_folder.hpp"

namespace pefa::cli {

void add_live_command(CLI::App& app) {
  CLI::App& live = *app.add_subcommand("live", "Keep a live folder, which learns while it serves");
  live.require_subcommand(1);
  add_live_init(live);
  add_live_events(live);
  add_live_search(live);
  add_live_upkeep(live);
  live.footer("Example:\n  pefa live init shop --passages P.npy --passage-ids P.txt");
}

}  // namespace pefa::cli
