// SciPy archives of any bytes: read, or refused with a pefa::Error. The same bytes as the header of an .npy array.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "input_file.hpp"
#include "pefa/io/relevance/scipy_npz.hpp"
#include "pefa/io/vectors/npy_array_header.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  fuzz::accept_errors([&] {
    const io::NpyArrayHeader header =
        io::parse_npy_array_header(std::string_view(reinterpret_cast<const char*>(data), size), size, "x");
    if (header.data_offset + header.data_bytes() != size) std::abort();
  });
  fuzz::accept_errors([&] {
    return io::read_scipy_npz(fuzz::input_file(data, size), DuplicatePolicy::sum, {.inflated_bytes = 1 << 24});
  });
  return 0;
}
