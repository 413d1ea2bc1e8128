// All fuzz targets in one program, by name: each is a program of its own only under a fuzzer. tests/CMakeLists.txt
// writes their table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pefa::fuzz {

using Run = int (*)(const std::uint8_t* data, std::size_t size);

/// The target of that name, as in fuzz/<name>_fuzz.cpp; null where there is none.
[[nodiscard]] Run target(std::string_view name);

}  // namespace pefa::fuzz
