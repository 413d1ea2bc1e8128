// .npy files of any bytes: read, mapped, or refused with a pefa::Error.
#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <string>

#include "input_file.hpp"
#include "pefa/io/vectors/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  using fuzz::accept_errors;
  // In place first: past the end of this buffer a sanitizer sees a read, past the end of a mapped file it does not.
  accept_errors([&] { return io::parse_npy_header(reinterpret_cast<const std::byte*>(data), size, "x"); });

  static const test::TemporaryDirectory directory;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto path = directory.write("x.npy", bytes);
  (void)directory.write("x.scales.npy", bytes);  // an int8 file finds scales that are none
  accept_errors([&] { return io::read_npy<float>(path, Normalize::unit); });
  accept_errors([&] { return io::read_npy<Eigen::half>(path); });
  accept_errors([&] { return EmbeddingStore<float>::from(io::MappedNpy<float>(path).view()); });
  accept_errors([&] { return EmbeddingStore<double>::from(io::MappedNpy<double>(path).view()); });

  static const auto codes = [] {  // beside two scales, for int8 files of two rows
    const auto rows = RowMajorMatrix::Ones(2, 1).eval();
    io::write_npy(directory / "codes.npy", EmbeddingStore<std::int8_t>::from(rows));
    return directory / "codes.npy";
  }();
  (void)directory.write("codes.npy", bytes);
  accept_errors([&] { return io::read_npy<std::int8_t>(codes); });
  accept_errors([&] { return EmbeddingStore<float>::from(io::MappedNpy<std::int8_t>(codes).view()); });
  return 0;
}
