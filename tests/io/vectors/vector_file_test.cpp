#include "pefa/io/vectors/vector_file.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::VectorFormat;
using test::TemporaryDirectory;

namespace {

/// Values that every format holds exactly: integers from 0 to 127.
RowMajorMatrix small_integers() {
  RowMajorMatrix matrix(5, 7);
  for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<float>((i * 37 + 1) % 128);
  return matrix;
}

bool equal(const EmbeddingStore<float>& store, const RowMajorMatrix& matrix) {
  return store.size() == static_cast<std::size_t>(matrix.rows()) &&
         store.dim() == static_cast<std::size_t>(matrix.cols()) &&
         std::memcmp(store.row(0), matrix.data(), static_cast<std::size_t>(matrix.size()) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("vector formats: each is its own name and extension") {
  for (const VectorFormat format : io::vector_formats) {
    const std::string name = io::name(format);
    REQUIRE(io::parse_vector_format(name) == format);
    REQUIRE(io::vector_format_of("some.folder/x.y." + name) == format);
  }
}

TEST_CASE("vector formats: an unknown one is refused with those there are") {
  const std::string names = "npy, fvecs, bvecs, fbin, u8bin, i8bin, f16bin or safetensors";
  REQUIRE_ERROR(ValueError, "'csv' is no format of vectors, expected " + names, io::parse_vector_format("csv"));
  REQUIRE_ERROR(ValueError, "'' is no format", io::parse_vector_format(""));
  REQUIRE_ERROR(ValueError, "'.npy' is no format", io::parse_vector_format(".npy"));
  REQUIRE_ERROR(ValueError,
                "x.csv: has the extension '.csv', which tells no format of vectors, expected .npy, .fvecs, .bvecs, "
                ".fbin, .u8bin, .i8bin, .f16bin or .safetensors",
                io::vector_format_of("x.csv"));
  REQUIRE_ERROR(ValueError, "x: has the extension ''", io::read_vectors("x"));
  REQUIRE_ERROR(ValueError, "x.: has the extension '.'", io::vector_format_of("x."));
  REQUIRE_ERROR(ValueError, "x.csv: has the extension '.csv'",
                io::write_vectors("x.csv", EmbeddingView<float>(small_integers())));
}

TEST_CASE("write_vectors: read_vectors brings back the numbers, by extension or by format") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = small_integers();
  for (const VectorFormat format : io::vector_formats) {
    INFO(io::name(format));
    const auto named = directory / (std::string("x.") + io::name(format));
    const auto plain = directory / (std::string("plain_") + io::name(format));
    io::write_vectors(named, matrix);
    io::write_vectors(plain, matrix, format);
    REQUIRE(test::read_bytes(plain) == test::read_bytes(named));
    REQUIRE(equal(io::read_vectors(named), matrix));
    REQUIRE(equal(io::read_vectors(plain, Normalize::none, format), matrix));
    REQUIRE(static_cast<float>(io::read_vectors<Eigen::half>(named).row(4)[6]) == matrix(4, 6));
    REQUIRE(io::read_vectors(named, Normalize::unit).row(0)[1] == Approx(matrix(0, 1) / matrix.row(0).norm()));
  }
}

TEST_CASE("write_vectors: a matrix without rows is refused by every format") {
  const TemporaryDirectory directory;
  const EmbeddingStore<float> no_rows(3);
  for (const VectorFormat format : io::vector_formats) {
    REQUIRE_ERROR(ShapeError, "x: a matrix without rows cannot be written",
                  io::write_vectors(directory / "x", no_rows, format));
  }
  REQUIRE(directory.file_count() == 0);
}

TEST_CASE("write_vectors: each format has its own element type") {
  const TemporaryDirectory directory;
  RowMajorMatrix matrix = small_integers();
  matrix(1, 1) = 0.1f;
  for (const char* exact : {"x.npy", "x.fvecs", "x.fbin", "x.safetensors"}) {
    io::write_vectors(directory / exact, matrix);
    REQUIRE(equal(io::read_vectors(directory / exact), matrix));
  }
  io::write_vectors(directory / "x.f16bin", matrix);
  REQUIRE(io::read_vectors(directory / "x.f16bin").row(1)[1] == static_cast<float>(Eigen::half(0.1f)));
  for (const char* integral : {"x.bvecs", "x.u8bin", "x.i8bin"}) {
    REQUIRE_ERROR(ValueError, "row 1, element 1 is 0.1, expected an integer from ",
                  io::write_vectors(directory / integral, matrix));
  }
  REQUIRE(io::read_safetensors(directory / "x.safetensors", "embeddings").size() == 5);

  for (const auto& [integral, value] :
       {std::pair("x.bvecs", 255.0f), std::pair("x.u8bin", 255.0f), std::pair("x.i8bin", -128.0f)}) {
    matrix(1, 1) = value;
    io::write_vectors(directory / integral, matrix);
    REQUIRE(equal(io::read_vectors(directory / integral), matrix));
  }
}

TEST_CASE("read_vectors: a format that is not the file's is refused") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = small_integers();
  io::write_vectors(directory / "x.fbin", matrix);
  for (const VectorFormat format : io::vector_formats) {
    if (format == VectorFormat::fbin) continue;
    INFO(io::name(format));
    REQUIRE_ERROR(FormatError, "x.fbin: ", io::read_vectors(directory / "x.fbin", Normalize::none, format));
  }
}

TEST_CASE("read_vectors: a file that is of another format by its first bytes is named") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = small_integers();
  for (const VectorFormat really : {VectorFormat::npy, VectorFormat::safetensors}) {
    io::write_vectors(directory / "x", matrix, really);
    for (const VectorFormat format : io::vector_formats) {
      if (format == really) continue;
      const std::string expected = std::string("x: it is a .") + name(really) + " file, not ." + name(format);
      REQUIRE_ERROR(io::WrongFormat, expected, io::read_vectors(directory / "x", Normalize::none, format));
    }
  }
}

TEST_CASE("write_vectors: stopped, it leaves the older file in every format") {
  const TemporaryDirectory directory;
  for (const VectorFormat format : io::vector_formats) {
    INFO(name(format));
    const auto path = directory.write("x", "old");
    REQUIRE_ERROR(Cancelled, "x: stopped",
                  (io::write_vectors(path, EmbeddingView<float>(small_integers()), format, [] { return true; }), 0));
    REQUIRE(test::read_bytes(path) == "old");
    REQUIRE(directory.file_count() == 1);
  }
}
