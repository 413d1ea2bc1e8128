#include "pefa/io/vectors/vecs.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
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
using test::random_integers;
using test::reads;
using test::same_bits;
using test::TemporaryDirectory;

namespace {

/// A row as the format has it.
template <class Element>
std::string row(std::int32_t dim, const std::vector<Element>& elements) {
  return bytes_of<std::int32_t>({dim}) + bytes_of(elements);
}

}  // namespace

TEST_CASE("write_fvecs: read_fvecs and MappedFvecs bring back every bit") {
  const TemporaryDirectory directory;
  for (const auto& [rows, dim] : {std::pair(1U, 1U), std::pair(7U, 13U), std::pair(100U, 64U)}) {
    const RowMajorMatrix matrix = test::random_matrix(rows, dim, 1, Normalize::none);
    io::write_fvecs(directory / "x.fvecs", matrix);
    REQUIRE(same_bits<float>(io::read_fvecs(directory / "x.fvecs"), EmbeddingView<float>(matrix)));
    REQUIRE(same_bits<float>(io::MappedFvecs(directory / "x.fvecs").view(), EmbeddingView<float>(matrix)));
  }
}

TEST_CASE("write_bvecs: read_bvecs brings back every number") {
  const TemporaryDirectory directory;
  for (const auto& [rows, dim] : {std::pair(1, 1), std::pair(7, 13), std::pair(100, 64)}) {
    const RowMajorMatrix matrix = random_integers(rows, dim, 0, 2);
    io::write_bvecs(directory / "x.bvecs", matrix);
    REQUIRE(std::filesystem::file_size(directory / "x.bvecs") == static_cast<std::size_t>(rows * (4 + dim)));
    REQUIRE(same_bits<float>(io::read_bvecs(directory / "x.bvecs"), EmbeddingView<float>(matrix)));
  }
}

TEST_CASE("write_ivecs: read_ivecs brings back the ids, without distances") {
  const TemporaryDirectory directory;
  io::GroundTruth truth{.query_count = 2,
                        .k = 3,
                        .ids = {0, -1, 7, std::numeric_limits<std::int32_t>::max(), 5, 6},
                        .distances = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}};
  io::write_ivecs(directory / "x.ivecs", truth);
  truth.distances.clear();
  REQUIRE(io::read_ivecs(directory / "x.ivecs") == truth);
}

TEST_CASE("vecs: the bytes are those of the format") {
  const TemporaryDirectory directory;
  const std::string floats = row<float>(2, {1.0f, -2.0f}) + row<float>(2, {0.5f, 0.25f});
  const std::string unsigneds = row<std::uint8_t>(2, {1, 255}) + row<std::uint8_t>(2, {0, 7});
  const std::string ints = row<std::int32_t>(2, {1, 255}) + row<std::int32_t>(2, {0, 7});
  REQUIRE(io::read_fvecs(directory.write("x", floats)).row(1)[0] == 0.5f);
  REQUIRE(io::read_bvecs(directory.write("y", unsigneds)).row(0)[1] == 255.0f);
  REQUIRE(io::read_ivecs(directory.write("z", ints)).ids == std::vector<std::int32_t>{1, 255, 0, 7});
  const auto read_floats = io::read_fvecs(directory / "x");
  const auto read_unsigneds = io::read_bvecs(directory / "y");
  io::write_fvecs(directory / "x", read_floats);
  io::write_bvecs(directory / "y", read_unsigneds);
  io::write_ivecs(directory / "z", io::read_ivecs(directory / "z"));
  REQUIRE(test::read_bytes(directory / "x") == floats);
  REQUIRE(test::read_bytes(directory / "y") == unsigneds);
  REQUIRE(test::read_bytes(directory / "z") == ints);
}

TEST_CASE("read_fvecs, read_bvecs: into other element types, and normalised") {
  const TemporaryDirectory directory;
  const auto floats = directory.write("x.fvecs", row<float>(2, {3.0f, 4.0f}));
  const auto bytes = directory.write("x.bvecs", row<std::uint8_t>(2, {3, 4}));
  REQUIRE(io::read_fvecs(floats, Normalize::unit).row(0)[0] == Approx(0.6));
  REQUIRE(io::read_bvecs(bytes, Normalize::unit).row(0)[1] == Approx(0.8));
  REQUIRE(io::read_fvecs<double>(floats).row(0)[1] == 4.0);
  REQUIRE(static_cast<float>(io::read_bvecs<Eigen::half>(bytes).row(0)[1]) == 4.0f);
  REQUIRE(static_cast<int>(io::read_bvecs<std::int8_t>(bytes).row(0)[1]) == 127);
}

TEST_CASE("read_fvecs: rows of different dims, and dims below 1, are refused by row and byte") {
  const TemporaryDirectory directory;
  const std::string good = row<float>(2, {1.0f, 2.0f});
  const auto refused = [&](const std::string& bytes, const std::string& what) {
    const auto path = directory.write("x.fvecs", bytes);
    REQUIRE_ERROR(FormatError, "x.fvecs: " + what, io::read_fvecs(path));
    REQUIRE_ERROR(FormatError, "x.fvecs: " + what, io::MappedFvecs(path));
    REQUIRE_ERROR(FormatError, "x.fvecs: " + what, io::read_ivecs(path));
  };
  refused(good + good + row<float>(3, {1.0f, 2.0f, 3.0f}), "row 2 (byte 24) has dim 3, expected 2 as in row 0");
  refused(good + row<float>(1, {1.0f}), "row 1 (byte 12) has dim 1, expected 2 as in row 0");
  refused(row<float>(0, {}), "row 0 (byte 0) has dim 0, expected at least 1");
  refused(row<float>(-1, {1.0f}), "row 0 (byte 0) has dim -1, expected at least 1");
  refused(good + row<float>(std::numeric_limits<std::int32_t>::min(), {}), "row 1 (byte 12) has dim -2147483648");
  refused("", "is empty, expected at least one row");
}

TEST_CASE("read_fvecs: a dim that the file cannot hold is refused before memory is taken") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x.fvecs", row<float>(std::numeric_limits<std::int32_t>::max(), {1.0f}));
  REQUIRE_ERROR(FormatError, "row 0 (byte 0) is truncated: expected 2147483647 elements of 4 bytes, 4 bytes are left",
                io::read_fvecs(path));
  REQUIRE_ERROR(FormatError, "expected 2147483647 elements of 1 bytes, 4 bytes are left", io::read_bvecs(path));
}

TEST_CASE("vecs: a file cut inside a row is refused by row and byte, one cut between rows is shorter") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = random_integers(4, 3, 0, 3);
  io::write_fvecs(directory / "x.fvecs", matrix);
  io::write_bvecs(directory / "x.bvecs", matrix);
  io::write_ivecs(directory / "x.ivecs", {4, 3, std::vector<std::int32_t>(12, 5), {}});
  const auto cut = [&](const std::string& name, std::size_t row_bytes, const auto& row_count) {
    const std::string whole = test::read_bytes(directory / name);
    for (std::size_t size = 1; size < whole.size(); ++size) {
      INFO(name << " cut to " << size);
      const auto path = directory.write("cut", whole.substr(0, size));
      const std::size_t rows = size / row_bytes;
      if (size % row_bytes == 0) {
        REQUIRE(row_count(path) == rows);
      } else {
        const std::string where = detail::join_message("row ", rows, " (byte ", rows * row_bytes, ") is truncated");
        REQUIRE_ERROR(FormatError, where, row_count(path));
      }
    }
  };
  cut("x.fvecs", 16, [](const auto& path) { return io::read_fvecs(path).size(); });
  cut("x.fvecs", 16, [](const auto& path) { return io::MappedFvecs(path).view().size(); });
  cut("x.bvecs", 7, [](const auto& path) { return io::read_bvecs(path).size(); });
  cut("x.ivecs", 16, [](const auto& path) { return io::read_ivecs(path).query_count; });
}

TEST_CASE("vecs: a file with any byte changed is read or refused with a pefa::Error, never worse") {
  const TemporaryDirectory directory;
  io::write_fvecs(directory / "x.fvecs", test::random_matrix(5, 3, 4));
  const std::string whole = test::read_bytes(directory / "x.fvecs");
  std::mt19937 random(5);
  std::size_t read = 0;
  constexpr std::size_t changes = 400;
  for (std::size_t i = 0; i < changes; ++i) {
    std::string changed = whole;
    changed[random() % changed.size()] = static_cast<char>(random() % 256);
    const auto path = directory.write("changed", changed);
    read += reads([&] { return io::read_fvecs(path); }) ? 1U : 0U;
    (void)reads([&] { return io::read_bvecs(path); });
    (void)reads([&] { return io::read_ivecs(path); });
    (void)reads([&] { return io::MappedFvecs(path); });
  }
  REQUIRE(read > 0);
  REQUIRE(read < changes);
}

TEST_CASE("read_fvecs, read_bvecs: a row that is not finite, or zero, is refused by number") {
  const TemporaryDirectory directory;
  const std::string good = row<float>(2, {1.0f, 2.0f});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto path = directory.write("x.fvecs", good + row<float>(2, {1.0f, nan}));
  REQUIRE_ERROR(ValueError, "x.fvecs: row 1 has a NaN or infinite element", io::read_fvecs(path));
  REQUIRE_NOTHROW(io::MappedFvecs(path));  // mapping does not look
  REQUIRE_ERROR(ValueError, "x.bvecs: row 1 is a zero vector",
                io::read_bvecs(directory.write("x.bvecs", row<std::uint8_t>(1, {1}) + row<std::uint8_t>(1, {0}))));
}

TEST_CASE("vecs: a missing file and a directory are an IoError") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder.fvecs");
  REQUIRE_ERROR(IoError, "nowhere.fvecs: cannot be opened", io::read_fvecs(directory / "nowhere.fvecs"));
  REQUIRE_ERROR(IoError, "folder.fvecs: is not a regular file", io::MappedFvecs(directory / "folder.fvecs"));
  REQUIRE_ERROR(IoError, "cannot be opened for writing",
                io::write_fvecs(directory / "no/x.fvecs", test::random_matrix(1, 1, 6)));
}

TEST_CASE("MappedFvecs: serves the file's own bytes, and stays valid when it is moved") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = test::random_matrix(6, 3, 7);
  io::write_fvecs(directory / "x.fvecs", matrix);
  io::MappedFvecs first(directory / "x.fvecs");
  const EmbeddingView<float> view = first.view();
  REQUIRE(view.stride() == 4);
#if PEFA_HAS_MMAP
  REQUIRE(reinterpret_cast<std::uintptr_t>(view.data()) % 4096 == 4);  // a mapping starts on a page
#endif
  const io::MappedFvecs second(std::move(first));
  REQUIRE(second.view().data() == view.data());
  REQUIRE(same_bits<float>(view, EmbeddingView<float>(matrix)));
}

TEST_CASE("write_bvecs: a value that is no byte is refused by row, and leaves the older file as it was") {
  const TemporaryDirectory directory;
  (void)directory.write("x.bvecs", "older");
  RowMajorMatrix matrix = random_integers(3, 2, 0, 8);
  matrix(2, 1) = 0.5f;
  REQUIRE_ERROR(ValueError, "x.bvecs: row 2, element 1 is 0.5, expected an integer from 0 to 255",
                io::write_bvecs(directory / "x.bvecs", matrix));
  REQUIRE(test::read_bytes(directory / "x.bvecs") == "older");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("vecs: what could not be read again is not written") {
  const TemporaryDirectory directory;
  const EmbeddingStore<float> no_rows(3);
  REQUIRE_ERROR(ShapeError, "x: a 0 x 3 matrix cannot be written", io::write_fvecs(directory / "x", no_rows));
  REQUIRE_ERROR(ShapeError, "x: a 0 x 0 matrix cannot be written",
                io::write_bvecs(directory / "x", EmbeddingView<float>()));
  REQUIRE_ERROR(ShapeError, "x: a 0 x 3 matrix cannot be written", io::write_ivecs(directory / "x", {0, 3, {}, {}}));
  REQUIRE_ERROR(ShapeError, "x: the ground truth has 1 ids", io::write_ivecs(directory / "x", {1, 2, {5}, {}}));
  REQUIRE(directory.file_count() == 0);
  RowMajorMatrix matrix = test::random_matrix(2, 2, 9);
  matrix(1, 0) = std::numeric_limits<float>::infinity();
  REQUIRE_ERROR(ValueError, "x: row 1, element 0 is inf, expected a finite float32",
                io::write_fvecs(directory / "x", matrix));
}

TEST_CASE("write_fvecs and write_bvecs: take a temporary store") {
  const TemporaryDirectory directory;
  io::write_fvecs(directory / "a.fvecs", EmbeddingStore<float>::from(random_integers(3, 4, 0, 1)));
  io::write_bvecs(directory / "a.bvecs", EmbeddingStore<float>::from(random_integers(3, 4, 0, 1)));
  REQUIRE(io::read_fvecs(directory / "a.fvecs").size() == 3);
  REQUIRE(io::read_bvecs(directory / "a.bvecs").size() == 3);
}
