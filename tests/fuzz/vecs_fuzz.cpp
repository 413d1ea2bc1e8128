// .fvecs, .bvecs and .ivecs of any bytes: read, mapped, or refused with a pefa::Error.
#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <string>

#include "input_file.hpp"
#include "pefa/io/vectors/vecs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  using fuzz::accept_errors;
  // In place first: past the end of this buffer a sanitizer sees a read, past the end of a mapped file it does not.
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  accept_errors([&] { return io::detail::parse_ivecs(bytes, size, "x"); });
  accept_errors([&] {
    const auto rows = io::detail::find_vecs_rows(bytes, size, sizeof(float), "x");
    return io::detail::copy_rows<Eigen::half, float>(rows, Normalize::none, "x");
  });
  accept_errors([&] {
    const auto rows = io::detail::find_vecs_rows(bytes, size, sizeof(std::uint8_t), "x");
    return io::detail::copy_rows<float, std::uint8_t>(rows, Normalize::unit, "x");
  });

  static const test::TemporaryDirectory directory;
  const auto path = directory.write("x", std::string(reinterpret_cast<const char*>(data), size));
  accept_errors([&] { return io::read_fvecs(path); });
  accept_errors([&] { return io::read_bvecs(path); });
  accept_errors([&] { return io::read_ivecs(path); });
  accept_errors([&] { return EmbeddingStore<float>::from(io::MappedFvecs(path).view()); });
  return 0;
}
