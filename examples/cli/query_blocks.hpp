// Searching by many queries with a progress bar.
#pragma once

#include <algorithm>
#include <cstddef>

#include "pefa/core/progress.hpp"
#include "progress_bar.hpp"

namespace pefa::cli {

/// Calls search(begin, end) for one block of n queries after the other. @throws Cancelled  a signal came
template <class Search>
void search_in_blocks(std::size_t n, Verbosity verbosity, const Search& search) {
  constexpr std::size_t block = 256;  // queries between two reports
  ProgressBar bar("searching", verbosity);
  const Progress progress = bar.callback();
  ProgressMeter meter(progress, n, "search");
  for (std::size_t begin = 0; begin < n; begin += block) {
    const std::size_t end = std::min(n, begin + block);
    search(begin, end);
    meter.add(end - begin);
  }
}

}  // namespace pefa::cli
