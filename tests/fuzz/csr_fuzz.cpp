// Sparse matrices of the big-ann-benchmarks of any bytes: read, or refused with a pefa::Error.
#include <cstddef>
#include <cstdint>

#include "input_file.hpp"
#include "pefa/io/relevance/sparse_csr.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  // In place: past the end of this buffer a sanitizer sees a read, past the end of a mapped file it does not.
  fuzz::accept_errors([&] {
    return io::detail::parse_sparse_csr(reinterpret_cast<const std::byte*>(data), size, "x", DuplicatePolicy::sum);
  });
  fuzz::accept_errors([&] { return io::read_sparse_csr(fuzz::input_file(data, size), DuplicatePolicy::max); });
  return 0;
}
