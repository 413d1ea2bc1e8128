// The subcommands of `pefa`. Each adds itself to the app and runs when the command line names it.
#pragma once

namespace CLI {
class App;
}

namespace pefa::cli {

void add_eval_command(CLI::App& app);
void add_compare_command(CLI::App& app);

}  // namespace pefa::cli
