// Manifests of live folders: as they came, and with the checksum made right. What is taken is what encode() writes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "pefa/core/error.hpp"
#include "pefa/live/manifest.hpp"

namespace {

using namespace pefa;

void read_and_write(const std::string& text) {
  try {
    if (live::encode(live::decode_manifest(text)) != text) std::abort();
  } catch (const FormatError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  read_and_write(text);
  const std::size_t line = text.rfind("checksum ");
  text = text.substr(0, line == std::string::npos ? text.size() : line);
  read_and_write(text + "checksum " + live::detail::hex(live::detail::checksum_of(text)) + "\n");
  return 0;
}
