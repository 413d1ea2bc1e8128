// What the fuzz targets of archives share: an input taken as it came, and as a forger would sign it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "io/archive/archive_tools.hpp"

namespace pefa::fuzz {

/// Calls take(bytes) with the input, and with its checksums made right, so that what they guard is reached too.
template <class Take>
void take_archive(const std::uint8_t* data, std::size_t size, const Take& take) {
  test::Bytes bytes = test::as_bytes({reinterpret_cast<const char*>(data), size});
  take(bytes);
  test::sign(bytes);
  take(bytes);
}

}  // namespace pefa::fuzz
