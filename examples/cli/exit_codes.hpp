// What the pefa command's exit codes mean; --help says the same.
#pragma once

namespace pefa::cli {

inline constexpr int exit_failure = 1;        ///< the data or the machine said no
inline constexpr int exit_usage = 2;          ///< the command line did
inline constexpr int exit_interrupted = 130;  ///< SIGINT or SIGTERM

}  // namespace pefa::cli
