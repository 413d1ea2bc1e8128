// big-ann vector files and ground truths of any bytes: read, mapped, or refused with a pefa::Error.
#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <string>

#include "input_file.hpp"
#include "pefa/io/vectors/big_ann.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  using fuzz::accept_errors;
  // In place first: past the end of this buffer a sanitizer sees a read, past the end of a mapped file it does not.
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const auto copy = [&]<class Element, class Scalar>(Element, Scalar) {
    const auto rows = io::detail::find_big_ann_rows<Element>(bytes, size, "x");
    return io::detail::copy_rows<Scalar, Element>(rows, Normalize::none, "x");
  };
  accept_errors([&] { return io::detail::parse_ibin(bytes, size, "x"); });
  accept_errors([&] { return copy(float{}, Eigen::half()); });
  accept_errors([&] { return copy(Eigen::half(), float{}); });
  accept_errors([&] { return copy(std::uint8_t{}, std::int8_t{}); });
  accept_errors([&] { return copy(std::int8_t{}, std::int8_t{}); });

  static const test::TemporaryDirectory directory;
  const auto path = directory.write("x.fbin", std::string(reinterpret_cast<const char*>(data), size));
  for (const auto type :
       {io::BigAnnType::float32, io::BigAnnType::float16, io::BigAnnType::uint8, io::BigAnnType::int8}) {
    accept_errors([&] { return io::read_big_ann(path, type, Normalize::unit); });
  }
  accept_errors([&] { return io::read_ibin(path); });
  accept_errors([&] { return EmbeddingStore<float>::from(io::MappedBigAnn<float>(path).view()); });
  return 0;
}
