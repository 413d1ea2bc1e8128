#include "pefa/io/vectors/npy.hpp"

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/vectors/vector_tools.hpp"
#include "support.hpp"

using namespace pefa;
using test::bytes_of;
using test::same_bits;
using test::TemporaryDirectory;

namespace {

using Codes = EmbeddingStore<std::int8_t>;

/// A .npy file by hand, its elements at a multiple of 16 as NumPy has them.
std::string npy_bytes(const std::string& descr, const std::string& shape, const std::string& data,
                      unsigned version = 1) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  const std::size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + header.size() + 1) % 16 != 0) header.push_back(' ');
  header.push_back('\n');
  std::string bytes = "\x93NUMPY";
  bytes.push_back(static_cast<char>(version));
  bytes.push_back('\0');
  for (unsigned i = 0; i < (version == 1 ? 2U : 4U); ++i) {
    bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 0xFF));
  }
  return bytes + header + data;
}

std::vector<float> decoded(const EmbeddingView<float>& view) {
  std::vector<float> values;
  for (std::size_t i = 0; i < view.size(); ++i) values.insert(values.end(), view.row(i), view.row(i) + view.dim());
  return values;
}
std::vector<float> decoded(const EmbeddingStore<float>& store) {
  return decoded(store.view());
}

const std::vector<float> six = {1.0f, -2.0f, 0.5f, 3.0f, 0.0f, -0.25f};

/// Reads by both ways; true where the bytes were a matrix, and anything but a pefa::Error escapes.
template <class Scalar>
bool reads(const std::filesystem::path& path) {
  bool whole = true;
  try {
    const auto store = io::read_npy<float>(path);
    whole = store.size() * store.dim() > 0;
  } catch (const Error&) {
    whole = false;
  }
  try {
    const io::MappedNpy<Scalar> mapped(path);
    double sum = 0.0;  // touches every element
    for (std::size_t i = 0; i < mapped.view().size(); ++i) sum += detail::squared_norm(mapped.view(), i);
    if (sum == -1.0) FAIL("a sum of squares");
  } catch (const Error&) {
    whole = false;
  }
  return whole;
}

}  // namespace

TEMPLATE_TEST_CASE("write_npy: read_npy and MappedNpy bring back every bit", "", float, double, Eigen::half,
                   std::int8_t) {
  const TemporaryDirectory directory;
  for (const auto& [rows, dim] : {std::pair(1U, 1U), std::pair(7U, 13U), std::pair(100U, 64U)}) {
    const auto store = EmbeddingStore<TestType>::from(test::random_matrix(rows, dim, 1, Normalize::none));
    io::write_npy(directory / "x.npy", store);
    REQUIRE(same_bits(io::read_npy<TestType>(directory / "x.npy"), store.view()));
    const io::MappedNpy<TestType> mapped(directory / "x.npy");
    REQUIRE(same_bits(mapped.view(), store.view()));
    REQUIRE(reinterpret_cast<std::uintptr_t>(mapped.view().data()) % 64 == 0);
  }
}

TEST_CASE("write_npy: the bytes are those of numpy.save") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = Eigen::Map<const RowMajorMatrix>(six.data(), 2, 3);
  io::write_npy(directory / "x.npy", EmbeddingView<float>(matrix));
  // numpy.save of the same array, version 1.0: the dictionary is padded to 128 bytes in all.
  std::string expected("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 69);
  expected.resize(127, ' ');
  expected += "\n" + bytes_of(six);
  REQUIRE(test::read_bytes(directory / "x.npy") == expected);
}

TEST_CASE("write_npy: strided rows are packed") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = test::random_matrix(5, 9, 2);
  io::write_npy(directory / "x.npy", EmbeddingView<float>(matrix.middleCols(3, 4)));
  const auto back = io::read_npy(directory / "x.npy");
  REQUIRE(back.dim() == 4);
  for (Eigen::Index i = 0; i < 5; ++i) {
    for (Eigen::Index d = 0; d < 4; ++d) REQUIRE(back.row(static_cast<std::size_t>(i))[d] == matrix(i, 3 + d));
  }
}

TEST_CASE("write_npy: a file that cannot be written is an IoError") {
  const TemporaryDirectory directory;
  const auto store = EmbeddingStore<float>::from(test::random_matrix(2, 3, 3));
  REQUIRE_ERROR(IoError, "x.npy: cannot be opened for writing", io::write_npy(directory / "nowhere/x.npy", store));
  std::filesystem::create_directory(directory / "folder.npy");
  REQUIRE_ERROR(IoError, "folder.npy: is a directory", io::write_npy(directory / "folder.npy", store));
}

TEST_CASE("scales_path: beside the codes") {
  REQUIRE(io::scales_path("passages.npy") == "passages.scales.npy");
  REQUIRE(io::scales_path("a.b/passages.npy") == "a.b/passages.scales.npy");
}

TEST_CASE("read_npy: files of every version") {
  const TemporaryDirectory directory;
  for (const unsigned version : {1U, 2U, 3U}) {
    const auto path = directory.write("x.npy", npy_bytes("<f4", "(2, 3)", bytes_of(six), version));
    REQUIRE(decoded(io::read_npy(path)) == six);
    REQUIRE(decoded(io::MappedNpy<float>(path).view()) == six);
  }
}

TEST_CASE("read_npy: converts from the file's type to the one asked for") {
  const TemporaryDirectory directory;
  std::vector<Eigen::half> halves;
  std::vector<double> doubles;
  for (const float x : six) {
    halves.push_back(Eigen::half(x));
    doubles.push_back(static_cast<double>(x));
  }
  const auto half_path = directory.write("half.npy", npy_bytes("<f2", "(2, 3)", bytes_of(halves)));
  const auto float_path = directory.write("float.npy", npy_bytes("<f4", "(2, 3)", bytes_of(six)));
  const auto double_path = directory.write("double.npy", npy_bytes("<f8", "(2, 3)", bytes_of(doubles)));
  for (const auto& path : {half_path, float_path, double_path}) {
    REQUIRE(decoded(io::read_npy<float>(path)) == six);
    REQUIRE(io::read_npy<double>(path).row(1)[2] == -0.25);
    REQUIRE(static_cast<float>(io::read_npy<Eigen::half>(path).row(1)[2]) == -0.25f);
    REQUIRE(static_cast<float>(io::read_npy<Eigen::bfloat16>(path).row(1)[2]) == -0.25f);
    const Codes codes = io::read_npy<std::int8_t>(path);
    REQUIRE(static_cast<int>(codes.row(0)[1]) == -127);
    REQUIRE(codes.view().scale(0) == Approx(2.0 / 127.0));
  }
}

TEST_CASE("read_npy: int8 codes come with their scales, into floats too") {
  const TemporaryDirectory directory;
  const std::vector<std::int8_t> codes = {1, -2, 127, 4, 0, -128};
  const auto path = directory.write("x.npy", npy_bytes("|i1", "(2, 3)", bytes_of(codes)));
  (void)directory.write("x.scales.npy", npy_bytes("<f4", "(2,)", bytes_of(std::vector<float>{0.5f, 2.0f})));
  REQUIRE(decoded(io::read_npy<float>(path)) == std::vector<float>{0.5f, -1.0f, 63.5f, 8.0f, 0.0f, -256.0f});
  const Codes kept = io::read_npy<std::int8_t>(path);
  REQUIRE(std::memcmp(kept.row(0), codes.data(), 6) == 0);
  REQUIRE(kept.view().scale(1) == 2.0f);
}

TEST_CASE("read_npy: Normalize::unit makes unit rows") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x.npy", npy_bytes("<f4", "(1, 2)", bytes_of(std::vector<float>{3.0f, 4.0f})));
  const auto store = io::read_npy(path, Normalize::unit);
  REQUIRE(store.row(0)[0] == Approx(0.6));
  REQUIRE(store.row(0)[1] == Approx(0.8));
}

TEST_CASE("read_npy: a row that is not finite, or zero, is refused by file and number") {
  const TemporaryDirectory directory;
  std::vector<float> values = {1.0f, 2.0f, 3.0f, std::numeric_limits<float>::quiet_NaN(), 5.0f, 6.0f};
  const auto path = [&] { return directory.write("x.npy", npy_bytes("<f4", "(3, 2)", bytes_of(values))); };
  REQUIRE_ERROR(ValueError, "x.npy: EmbeddingStore::append: row 1 has a NaN or infinite element", io::read_npy(path()));
  values[2] = values[3] = 0.0f;
  REQUIRE_ERROR(ValueError, "x.npy: EmbeddingStore::append: row 1 is a zero vector", io::read_npy(path()));
  values[2] = 1e6f;
  REQUIRE_ERROR(ValueError, "as float16: row 1 has a NaN or infinite element", io::read_npy<Eigen::half>(path()));
  REQUIRE_NOTHROW(io::MappedNpy<float>(path()));  // mapping does not look
}

TEST_CASE("read_npy: scales that are missing, or not one float32 a row, are refused") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x.npy", npy_bytes("|i1", "(2, 3)", "abcdef"));
  const auto refused = [&](const auto& check) {
    check([&] { (void)io::read_npy<float>(path); });
    check([&] { (void)io::read_npy<std::int8_t>(path); });
    check([&] { (void)io::MappedNpy<std::int8_t>(path); });
  };
  refused([](const auto& read) {
    REQUIRE_ERROR(IoError, "x.npy: has int8 codes, expected their float32 row scales in ", read());
  });
  const std::vector<float> three = {1.0f, 1.0f, 1.0f};
  const std::vector<double> doubles = {1.0, 1.0};
  for (const std::string& bytes :
       {npy_bytes("<f4", "(3,)", bytes_of(three)), npy_bytes("<f4", "(1,)", bytes_of(std::vector<float>{1.0f})),
        npy_bytes("<f8", "(2,)", bytes_of(doubles)),
        npy_bytes("<f4", "(2, 1)", bytes_of(std::vector<float>{1.0f, 1.0f})),
        npy_bytes("<f4", "(1, 2)", bytes_of(std::vector<float>{1.0f, 1.0f}))}) {
    (void)directory.write("x.scales.npy", bytes);
    refused([](const auto& read) {
      REQUIRE_ERROR(FormatError, "x.scales.npy: expected a float32 vector of 2 scales, one a row of ", read());
    });
  }
  (void)directory.write("x.scales.npy", "not a .npy file");
  refused([](const auto& read) { REQUIRE_ERROR(FormatError, "x.scales.npy: is not a .npy file", read()); });

  (void)directory.write("x.scales.npy", npy_bytes("<f4", "(2,)", bytes_of(std::vector<float>{1.0f, NAN})));
  REQUIRE_ERROR(ValueError, "row 1 has a NaN or infinite element", io::read_npy<std::int8_t>(path));
}

TEST_CASE("read_npy: a name whose scales' name is too long for the system is an IoError") {
  const TemporaryDirectory directory;
  const auto path = directory.write(std::string(246, 'x') + ".npy", npy_bytes("|i1", "(2, 3)", "abcdef"));
  if (!std::filesystem::exists(path)) {
    WARN("skipped: the system takes no such name");
    return;
  }
  REQUIRE_ERROR(IoError, "has int8 codes, expected their float32 row scales in ", io::read_npy(path));
}

TEST_CASE("read_npy: only matrices with rows and columns") {
  const TemporaryDirectory directory;
  const auto refused = [&](const std::string& shape, const std::string& data, const std::string& what) {
    const auto path = directory.write("x.npy", npy_bytes("<f4", shape, data));
    REQUIRE_ERROR(FormatError, "x.npy: " + what, io::read_npy(path));
    REQUIRE_ERROR(FormatError, "x.npy: " + what, io::MappedNpy<float>(path));
  };
  refused("(6,)", bytes_of(six), "has 1 dimensions, expected 2 (rows, dim)");
  refused("(1, 2, 3)", bytes_of(six), "has 3 dimensions, expected 2 (rows, dim)");
  refused("()", bytes_of(std::vector<float>{1.0f}), "has 0 dimensions, expected 2 (rows, dim)");
  refused("(0, 3)", "", "is a 0 x 3 matrix, expected at least one row and one column");
  refused("(3, 0)", "", "is a 3 x 0 matrix, expected at least one row and one column");
}

TEST_CASE("read_npy: elements that are not aligned are refused") {
  const TemporaryDirectory directory;
  std::string bytes = npy_bytes("<f4", "(2, 3)", bytes_of(six));
  bytes.insert(bytes.size() - 24 - 1, " ");  // one more blank in the header
  bytes[8] = static_cast<char>(bytes[8] + 1);
  const auto path = directory.write("x.npy", bytes);
  REQUIRE_ERROR(FormatError, "which is not a multiple of their size; save it again with numpy.save",
                io::read_npy(path));
  REQUIRE_ERROR(FormatError, "which is not a multiple of their size", io::MappedNpy<float>(path));
}

TEST_CASE("read_npy: a missing file, a directory and an empty file are refused by name") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder.npy");
  REQUIRE_ERROR(IoError, "nowhere.npy: cannot be opened", io::read_npy(directory / "nowhere.npy"));
  REQUIRE_ERROR(IoError, "folder.npy: is not a regular file", io::read_npy(directory / "folder.npy"));
  REQUIRE_ERROR(IoError, "nowhere.npy: cannot be opened", io::MappedNpy<float>(directory / "nowhere.npy"));
  REQUIRE_ERROR(FormatError, "empty.npy: is empty", io::read_npy(directory.write("empty.npy", "")));
}

TEST_CASE("MappedNpy: another element type is refused with both names") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x.npy", npy_bytes("<f4", "(2, 3)", bytes_of(six)));
  REQUIRE_ERROR(FormatError, "x.npy: holds float32, asked to map it as float64; read_npy converts",
                io::MappedNpy<double>(path));
  REQUIRE_ERROR(FormatError, "x.npy: holds float32, asked to map it as float16", io::MappedNpy<Eigen::half>(path));
  REQUIRE_ERROR(FormatError, "x.npy: holds float32, asked to map it as int8", io::MappedNpy<std::int8_t>(path));
}

TEST_CASE("MappedNpy: views are the file's own bytes, not copies") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x.npy", npy_bytes("<f4", "(2, 3)", bytes_of(six)));
  const io::MappedNpy<float> mapped(path);
  REQUIRE(mapped.view().data() == mapped.view().data());
#if PEFA_HAS_MMAP
  // A mapping starts on a page; the elements are where the file has them.
  const auto offset = static_cast<std::size_t>(test::read_bytes(path).size()) - 24;
  REQUIRE(reinterpret_cast<std::uintptr_t>(mapped.view().data()) % 4096 == offset % 4096);
#endif
}

TEST_CASE("MappedNpy: views stay valid when it is moved") {
  const TemporaryDirectory directory;
  const auto codes = Codes::from(test::random_matrix(40, 16, 4));
  io::write_npy(directory / "codes.npy", codes);
  io::MappedNpy<std::int8_t> first(directory / "codes.npy");
  const EmbeddingView<std::int8_t> view = first.view();
  const io::MappedNpy<std::int8_t> second(std::move(first));
  REQUIRE(second.view().data() == view.data());
  REQUIRE(second.view().scales() == view.scales());
  REQUIRE(same_bits(view, codes.view()));

  io::write_npy(directory / "other.npy", Codes::from(test::random_matrix(3, 5, 5)));
  io::MappedNpy<std::int8_t> third(directory / "codes.npy");
  const EmbeddingView<std::int8_t> third_view = third.view();
  io::MappedNpy<std::int8_t> other(directory / "other.npy");
  other = std::move(third);
  REQUIRE(other.view().data() == third_view.data());
  REQUIRE(same_bits(third_view, codes.view()));
}

TEST_CASE("read_npy: a file cut at any byte is refused") {
  const TemporaryDirectory directory;
  const std::string whole = npy_bytes("<f4", "(2, 3)", bytes_of(six));
  REQUIRE(reads<float>(directory.write("x.npy", whole)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut to " << size);
    const auto path = directory.write("x.npy", whole.substr(0, size));
    REQUIRE_ERROR(FormatError, "x.npy: is ", io::read_npy(path));
    REQUIRE_FALSE(reads<float>(path));
  }
}

TEST_CASE("read_npy: scales cut at any byte are refused") {
  const TemporaryDirectory directory;
  const auto codes = Codes::from(test::random_matrix(4, 6, 6));
  io::write_npy(directory / "x.npy", codes);
  const std::string whole = test::read_bytes(directory / "x.scales.npy");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut to " << size);
    (void)directory.write("x.scales.npy", whole.substr(0, size));
    REQUIRE_ERROR(FormatError, "x.scales.npy: is ", io::read_npy(directory / "x.npy"));
  }
}

TEST_CASE("read_npy: a file with any byte changed is read or refused with a pefa::Error, never worse") {
  const TemporaryDirectory directory;
  std::mt19937 random(7);
  const auto mutate = [&](const std::string& whole, std::size_t limit) {
    std::string changed = whole;
    changed[random() % limit] = static_cast<char>(random() % 256);
    return changed;
  };
  const std::string floats = npy_bytes("<f4", "(2, 3)", bytes_of(six));
  std::size_t read = 0;
  constexpr std::size_t changes = 600;
  for (std::size_t i = 0; i < changes; ++i) {
    // Two in three in the header, where there is more to get wrong.
    const std::size_t limit = i % 3 == 0 ? floats.size() : floats.size() - 24;
    read += reads<float>(directory.write("x.npy", mutate(floats, limit))) ? 1U : 0U;
  }
  REQUIRE(read > 0);
  REQUIRE(read < changes);

  const auto codes = Codes::from(test::random_matrix(4, 6, 8));
  io::write_npy(directory / "codes.npy", codes);
  const std::string scales = test::read_bytes(directory / "codes.scales.npy");
  read = 0;
  for (std::size_t i = 0; i < changes; ++i) {
    (void)directory.write("codes.scales.npy", mutate(scales, scales.size()));
    read += reads<std::int8_t>(directory / "codes.npy") ? 1U : 0U;
  }
  REQUIRE(read > 0);
  REQUIRE(read < changes);
}
