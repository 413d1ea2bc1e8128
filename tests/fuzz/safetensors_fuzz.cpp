// safetensors files of any bytes: read, mapped, or refused with a pefa::Error.
#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <string>

#include "input_file.hpp"
#include "pefa/io/vectors/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  using fuzz::accept_errors;
  // In place first: past the end of this buffer a sanitizer sees a read, past the end of a mapped file it does not.
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  for (const char* name : {"", "m"}) {
    accept_errors([&] {
      const auto matrix = io::detail::find_safetensors_rows(bytes, size, name, "x");
      return io::detail::copy_matrix<float>(matrix, Normalize::none, "x");
    });
  }

  static const test::TemporaryDirectory directory;
  const auto path = directory.write("x", std::string(reinterpret_cast<const char*>(data), size));
  accept_errors([&] { return io::read_safetensors<Eigen::half>(path, {}, Normalize::unit); });
  accept_errors([&] { return io::read_safetensors<std::int8_t>(path, "m"); });
  accept_errors([&] { return EmbeddingStore<float>::from(io::MappedSafetensors<float>(path).view()); });
  accept_errors([&] { return EmbeddingStore<double>::from(io::MappedSafetensors<double>(path).view()); });
  accept_errors([&] { return EmbeddingStore<float>::from(io::MappedSafetensors<std::int8_t>(path, "m").view()); });
  return 0;
}
