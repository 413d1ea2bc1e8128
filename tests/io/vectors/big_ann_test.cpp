#include "pefa/io/vectors/big_ann.hpp"

#include <Eigen/Core>

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
using io::BigAnnType;
using test::bytes_of;
using test::random_integers;
using test::reads;
using test::same_bits;
using test::TemporaryDirectory;

namespace {

template <class Element>
std::string big_ann_file(std::uint32_t rows, std::uint32_t dim, const std::vector<Element>& elements) {
  return bytes_of<std::uint32_t>({rows, dim}) + bytes_of(elements);
}

const std::vector<float> six_floats = {1.0f, -2.0f, 0.5f, 3.0f, 0.0f, -0.25f};

}  // namespace

TEMPLATE_TEST_CASE("write_big_ann: read_big_ann and MappedBigAnn bring back every bit", "", float, Eigen::half) {
  const TemporaryDirectory directory;
  const auto path = directory / (std::same_as<TestType, float> ? "x.fbin" : "x.f16bin");
  for (const auto& [rows, dim] : {std::pair(1U, 1U), std::pair(7U, 13U), std::pair(100U, 64U)}) {
    const auto store = EmbeddingStore<TestType>::from(test::random_matrix(rows, dim, 1, Normalize::none));
    io::write_big_ann(path, store);
    REQUIRE(std::filesystem::file_size(path) == 8 + rows * dim * sizeof(TestType));
    REQUIRE(same_bits(io::read_big_ann<TestType>(path), store.view()));
    REQUIRE(same_bits(io::MappedBigAnn<TestType>(path).view(), store.view()));
  }
}

TEST_CASE("write_big_ann: bytes come back as the numbers they were") {
  const TemporaryDirectory directory;
  for (const auto& [name, least] : {std::pair("x.u8bin", 0), std::pair("x.i8bin", -128)}) {
    const RowMajorMatrix matrix = random_integers(7, 13, least, 2);
    io::write_big_ann(directory / name, EmbeddingView<float>(matrix));
    REQUIRE(std::filesystem::file_size(directory / name) == 8 + 7 * 13);
    REQUIRE(same_bits(io::read_big_ann(directory / name), EmbeddingView<float>(matrix)));
  }
}

TEST_CASE("read_big_ann: as int8, .i8bin keeps its codes with scales of 1") {
  const TemporaryDirectory directory;
  const std::vector<std::int8_t> codes = {1, -2, 127, 4, 0, -128};
  const auto path = directory.write("x.i8bin", big_ann_file(2, 3, codes));
  const auto store = io::read_big_ann<std::int8_t>(path);
  REQUIRE(std::memcmp(store.row(0), codes.data(), 6) == 0);
  REQUIRE(store.view().scale(0) == 1.0f);
  REQUIRE(store.view().scale(1) == 1.0f);
  io::write_big_ann(directory / "y.i8bin", store);
  REQUIRE(test::read_bytes(directory / "y.i8bin") == test::read_bytes(path));
}

TEST_CASE("big_ann: the bytes are those of the format") {
  const TemporaryDirectory directory;
  io::write_big_ann(directory / "x.fbin", EmbeddingView<float>(six_floats, 3));
  REQUIRE(test::read_bytes(directory / "x.fbin") == big_ann_file(2, 3, six_floats));
  io::write_ibin(directory / "x.ibin", {2, 3, {1, 2, 3, 4, 5, -1}, six_floats});
  REQUIRE(test::read_bytes(directory / "x.ibin") ==
          big_ann_file<std::int32_t>(2, 3, {1, 2, 3, 4, 5, -1}) + bytes_of(six_floats));
}

TEST_CASE("read_big_ann: into other element types, and normalised") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x.u8bin", big_ann_file<std::uint8_t>(1, 2, {3, 4}));
  REQUIRE(io::read_big_ann(path, Normalize::unit).row(0)[0] == Approx(0.6));
  REQUIRE(io::read_big_ann<double>(path).row(0)[1] == 4.0);
  REQUIRE(static_cast<float>(io::read_big_ann<Eigen::bfloat16>(path).row(0)[1]) == 4.0f);
  REQUIRE(static_cast<int>(io::read_big_ann<std::int8_t>(path).row(0)[1]) == 127);
}

TEST_CASE("big_ann_type_of: by extension, and the caller's word over it") {
  REQUIRE(io::big_ann_type_of("a/x.fbin") == BigAnnType::float32);
  REQUIRE(io::big_ann_type_of("x.f16bin") == BigAnnType::float16);
  REQUIRE(io::big_ann_type_of("x.u8bin") == BigAnnType::uint8);
  REQUIRE(io::big_ann_type_of("x.1M.i8bin") == BigAnnType::int8);
  REQUIRE_ERROR(ValueError, "x.bin: has the extension '.bin', expected .fbin, .f16bin, .u8bin or .i8bin",
                io::big_ann_type_of("x.bin"));
  REQUIRE_ERROR(ValueError, "x: has the extension ''", io::read_big_ann("x"));

  const TemporaryDirectory directory;
  const auto path = directory.write("x.crop_nb_1", big_ann_file<std::uint8_t>(1, 2, {3, 4}));
  REQUIRE(io::read_big_ann(path, BigAnnType::uint8).row(0)[1] == 4.0f);
  const auto rows = io::read_big_ann(path, BigAnnType::uint8);
  io::write_big_ann(directory / "x.fbin", rows.view(), BigAnnType::uint8);
  REQUIRE(test::read_bytes(directory / "x.fbin") == test::read_bytes(path));
}

TEST_CASE("read_big_ann: a size that is not exactly what the header says is refused") {
  const TemporaryDirectory directory;
  const std::string whole = big_ann_file(2, 3, six_floats);
  const auto refused = [&](const std::string& bytes, const std::string& what) {
    const auto path = directory.write("x.fbin", bytes);
    REQUIRE_ERROR(FormatError, "x.fbin: " + what, io::read_big_ann(path));
    REQUIRE_ERROR(FormatError, "x.fbin: " + what, io::MappedBigAnn<float>(path));
  };
  for (std::size_t size = 0; size < whole.size(); ++size) {
    refused(whole.substr(0, size),
            size < 8 ? detail::join_message("is truncated: ", size, " bytes, expected a header of 8")
                     : detail::join_message("has ", size - 8, " bytes after its header, expected 2 x 3 elements of 4"));
  }
  refused(whole + "x", "has 25 bytes after its header, expected 2 x 3 elements of 4 bytes");
}

TEST_CASE("read_big_ann: counts that lie are refused before memory is taken") {
  const TemporaryDirectory directory;
  constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
  const auto refused = [&](std::uint32_t rows, std::uint32_t dim, const std::string& what) {
    for (const char* name : {"x.fbin", "x.f16bin", "x.u8bin", "x.i8bin"}) {
      REQUIRE_ERROR(FormatError, what, io::read_big_ann(directory.write(name, big_ann_file(rows, dim, six_floats))));
    }
    REQUIRE_ERROR(FormatError, what, io::read_ibin(directory.write("x.ibin", big_ann_file(rows, dim, six_floats))));
  };
  refused(most, most, "expected 4294967295 x 4294967295 ");
  refused(most, 1, "expected 4294967295 x 1 ");
  refused(1, most, "expected 1 x 4294967295 ");
  refused(0, 3, "is a 0 x 3 matrix, expected at least one row and one column");
  refused(3, 0, "is a 3 x 0 matrix, expected at least one row and one column");

  const auto wraps =
      directory.write("x", big_ann_file<float>(1U << 31, 1U << 31, {}));  // times 4 bytes: 2^64, nothing left
  REQUIRE_ERROR(FormatError, "has 0 bytes after its header", io::read_big_ann(wraps, BigAnnType::float32));
  REQUIRE_ERROR(FormatError, "has 0 bytes after its header", io::read_ibin(wraps));
}

TEST_CASE("read_big_ann: a row that is not finite, or zero, is refused by number") {
  const TemporaryDirectory directory;
  const float infinity = std::numeric_limits<float>::infinity();
  const auto path = directory.write("x.fbin", big_ann_file<float>(3, 1, {1.0f, infinity, 1.0f}));
  REQUIRE_ERROR(ValueError, "x.fbin: row 1 has a NaN or infinite element", io::read_big_ann(path));
  REQUIRE_NOTHROW(io::MappedBigAnn<float>(path));  // mapping does not look
  REQUIRE_ERROR(ValueError, "x.i8bin: row 2 is a zero vector",
                io::read_big_ann(directory.write("x.i8bin", big_ann_file<std::int8_t>(3, 1, {1, -1, 0}))));
}

TEST_CASE("MappedBigAnn: another element type is refused with both names") {
  const TemporaryDirectory directory;
  (void)directory.write("x.fbin", big_ann_file(2, 3, six_floats));
  (void)directory.write("x.u8bin", big_ann_file(2, 3, six_floats));
  REQUIRE_ERROR(FormatError, "x.fbin: holds float32, asked to map it as float16; read_big_ann converts",
                io::MappedBigAnn<Eigen::half>(directory / "x.fbin"));
  REQUIRE_ERROR(FormatError, "x.u8bin: holds uint8, asked to map it as float32",
                io::MappedBigAnn<float>(directory / "x.u8bin"));
}

TEST_CASE("MappedBigAnn: serves the file's own bytes, and stays valid when it is moved") {
  const TemporaryDirectory directory;
  io::MappedBigAnn<float> first(directory.write("x.fbin", big_ann_file(2, 3, six_floats)));
  const EmbeddingView<float> view = first.view();
#if PEFA_HAS_MMAP
  REQUIRE(reinterpret_cast<std::uintptr_t>(view.data()) % 4096 == 8);  // a mapping starts on a page
#endif
  const io::MappedBigAnn<float> second(std::move(first));
  REQUIRE(second.view().data() == view.data());
  REQUIRE(view.row(1)[2] == -0.25f);
}

TEST_CASE("read_ibin: ids, and distances where the file's size says so") {
  const TemporaryDirectory directory;
  const io::GroundTruth with{2, 3, {1, 2, 3, 4, 5, -1}, six_floats};
  io::write_ibin(directory / "x.ibin", with);
  REQUIRE(io::read_ibin(directory / "x.ibin") == with);
  const io::GroundTruth without{2, 3, {1, 2, 3, 4, 5, -1}, {}};
  io::write_ibin(directory / "x.ibin", without);
  REQUIRE(io::read_ibin(directory / "x.ibin") == without);
}

TEST_CASE("read_ibin: any other size is refused") {
  const TemporaryDirectory directory;
  io::write_ibin(directory / "x.ibin", {2, 3, {1, 2, 3, 4, 5, -1}, six_floats});
  const std::string whole = test::read_bytes(directory / "x.ibin") + "more";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    if (size == 8 + 24 || size == 8 + 48) continue;
    INFO("cut to " << size);
    const auto path = directory.write("cut.ibin", whole.substr(0, size));
    REQUIRE_ERROR(FormatError, size < 8 ? "expected a header of 8" : "expected 2 x 3 int32 ids, alone or with as many",
                  io::read_ibin(path));
  }
}

TEST_CASE("big_ann: a file with any byte changed is read or refused with a pefa::Error, never worse") {
  const TemporaryDirectory directory;
  const std::string whole = big_ann_file(2, 3, six_floats);
  std::mt19937 random(4);
  std::size_t read = 0;
  constexpr std::size_t changes = 400;
  for (std::size_t i = 0; i < changes; ++i) {
    std::string changed = whole;
    changed[random() % changed.size()] = static_cast<char>(random() % 256);
    const auto path = directory.write("changed.fbin", changed);
    read += reads([&] { return io::read_big_ann(path); }) ? 1U : 0U;
    (void)reads([&] { return io::read_big_ann(path, BigAnnType::float16); });
    (void)reads([&] { return io::read_big_ann(path, BigAnnType::uint8); });
    (void)reads([&] { return io::MappedBigAnn<float>(path); });
    (void)reads([&] { return io::read_ibin(path); });
  }
  REQUIRE(read > 0);
  REQUIRE(read < changes);
}

TEST_CASE("write_big_ann: what the type cannot hold is refused by row, and leaves the older file as it was") {
  const TemporaryDirectory directory;
  const auto refused = [&](const std::string& name, const std::string& what, float value) {
    const std::vector<float> values = {1.0f, 2.0f, value, 4.0f};
    (void)directory.write(name, "older");
    REQUIRE_ERROR(ValueError, name + ": row 1, element 0 is " + what,
                  io::write_big_ann(directory / name, EmbeddingView<float>(values, 2)));
    REQUIRE(test::read_bytes(directory / name) == "older");
  };
  refused("x.u8bin", "-1, expected an integer from 0 to 255", -1.0f);
  refused("x.i8bin", "128, expected an integer from -128 to 127", 128.0f);
  refused("x.f16bin", "1e+06, expected a finite float16", 1e6f);
  refused("x.fbin", "inf, expected a finite float32", std::numeric_limits<float>::infinity());
  REQUIRE(directory.file_count() == 4);
}

TEST_CASE("big_ann: what could not be read again is not written") {
  const TemporaryDirectory directory;
  REQUIRE_ERROR(ShapeError, "x.fbin: a 0 x 3 matrix cannot be written, expected 1 to 4294967295 rows and columns",
                io::write_big_ann(directory / "x.fbin", EmbeddingStore<float>(3)));
  REQUIRE_ERROR(ShapeError, "x.ibin: a 0 x 3 matrix", io::write_ibin(directory / "x.ibin", {0, 3, {}, {}}));
  REQUIRE_ERROR(ShapeError, "x.ibin: the ground truth has 1 ids",
                io::write_ibin(directory / "x.ibin", {1, 2, {5}, {}}));
  REQUIRE(directory.file_count() == 0);
}
