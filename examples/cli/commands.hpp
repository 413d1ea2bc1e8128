// The subcommands of `pefa`. Each adds itself to the app and runs when the command line names it.
#pragma once

namespace CLI {
class App;
}

namespace pefa::cli {

void add_build_command(CLI::App& app);
void add_search_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_tune_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_info_command(CLI::App& app);
void add_verify_command(CLI::App& app);
void add_convert_command(CLI::App& app);
void add_fuse_command(CLI::App& app);
void add_export_xs_command(CLI::App& app);
void add_export_sql_command(CLI::App& app);
void add_live_command(CLI::App& app);

}  // namespace pefa::cli
