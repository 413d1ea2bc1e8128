// The headings that --help puts options under, the same in every command.
#pragma once

namespace pefa::cli::groups {

inline constexpr const char* data = "Data";                ///< the files that are read, and how
inline constexpr const char* method = "Method";            ///< which retriever, with which parameters
inline constexpr const char* index = "Index";              ///< what it searches through
inline constexpr const char* search = "Search";            ///< arguments of each search
inline constexpr const char* measurement = "Measurement";  ///< what is measured
inline constexpr const char* output = "Output";            ///< what is written, and how much is said

}  // namespace pefa::cli::groups
