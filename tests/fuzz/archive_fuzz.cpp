// libFuzzer target: any bytes as a .pefa archive. They are taken as they come, and with their checksums made right, so
// that what the checksums guard is reached too.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "archive_input.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/archive/reader.hpp"

namespace {

using namespace pefa;

/// All contents, or what refuses them; anything but a FormatError ends the run.
template <class Open>
std::string contents(const Open& open) {
  try {
    const io::ArchiveReader reader = open();
    std::string everything = test::everything_in(reader);
    try {
      reader.verify();
    } catch (const FormatError&) {
    }
    return everything;
  } catch (const FormatError&) {
    return "refused";
  }
}

void open_both_ways(const test::Bytes& bytes) {
  const std::string in_memory = contents([&] { return test::open_bytes(bytes); });
  std::istringstream in(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  const std::string streamed = contents([&] { return io::ArchiveReader::read(in); });
  const bool bytes_follow = in_memory == "refused" && in.peek() != std::istringstream::traits_type::eof();
  if (in_memory != streamed && !bytes_follow) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::take_archive(data, size, open_both_ways);
  return 0;
}
