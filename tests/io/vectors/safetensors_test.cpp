#include "pefa/io/vectors/safetensors.hpp"

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

/// A file by hand; `padding` blanks follow the JSON.
std::string safetensors_file(std::string header, const std::string& data, std::size_t padding = 0) {
  header.append(padding, ' ');
  return bytes_of<std::uint64_t>({header.size()}) + header + data;
}

std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                  const std::string& offsets) {
  return '"' + name + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// A file of one tensor "m" of 1 x 2 elements, its data on a multiple of 8.
template <class Element>
std::string one_row(const std::string& type, const std::vector<Element>& elements) {
  const std::string data = bytes_of(elements);
  const std::string header = "{" + entry("m", type, "[1,2]", "[0," + std::to_string(data.size()) + "]") + "}";
  return safetensors_file(header, data, 7 - (header.size() + 7) % 8);
}

const std::vector<float> six_values = {1.0f, -2.0f, 0.5f, 3.0f, 0.0f, -0.25f};

}  // namespace

TEMPLATE_TEST_CASE("write_safetensors: read_safetensors and MappedSafetensors bring back every bit", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  const TemporaryDirectory directory;
  for (const auto& [rows, dim] : {std::pair(1U, 1U), std::pair(7U, 13U), std::pair(100U, 64U)}) {
    const auto store = EmbeddingStore<TestType>::from(test::random_matrix(rows, dim, 1, Normalize::none));
    io::write_safetensors(directory / "x.safetensors", "passages", store);
    REQUIRE(same_bits(io::read_safetensors<TestType>(directory / "x.safetensors"), store.view()));
    REQUIRE(same_bits(io::read_safetensors<TestType>(directory / "x.safetensors", "passages"), store.view()));
    const io::MappedSafetensors<TestType> mapped(directory / "x.safetensors", "passages");
    REQUIRE(same_bits(mapped.view(), store.view()));
  }
}

TEST_CASE("write_safetensors: the bytes are those of the format, the data on a multiple of 64") {
  const TemporaryDirectory directory;
  io::write_safetensors(directory / "x", "a\"b", EmbeddingView<float>(six_values, 3));
  std::string header = R"({"a\"b":{"data_offsets":[0,24],"dtype":"F32","shape":[2,3]}})";
  REQUIRE(test::read_bytes(directory / "x") == safetensors_file(header, bytes_of(six_values), 120 - header.size()));
  REQUIRE(io::read_safetensors(directory / "x", "a\"b").row(0)[1] == -2.0f);

  const std::vector<std::int8_t> codes = {1, 2, 3, 4, 5, 6};
  const std::vector<float> scales = {0.5f, 2.0f};
  io::write_safetensors(directory / "y", "q", EmbeddingView<std::int8_t>(codes.data(), 2, 3, scales.data()));
  header = R"({"q":{"data_offsets":[8,14],"dtype":"I8","shape":[2,3]},)"
           R"("q.scales":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  REQUIRE(test::read_bytes(directory / "y") ==
          safetensors_file(header, bytes_of(scales) + bytes_of(codes), 120 - header.size()));
}

TEST_CASE("write_safetensors: strided rows are packed") {
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = test::random_matrix(5, 9, 2);
  io::write_safetensors(directory / "x", "m", EmbeddingView<float>(matrix.middleCols(3, 4)));
  const auto back = io::read_safetensors(directory / "x");
  REQUIRE(same_bits(back.view(), EmbeddingView<float>(matrix.middleCols(3, 4))));
}

TEST_CASE("write_safetensors: names and matrices that the format cannot hold are refused") {
  const TemporaryDirectory directory;
  const auto store = EmbeddingStore<float>::from(test::random_matrix(2, 3, 3));
  const auto write = [&](const std::string& name) { io::write_safetensors(directory / "x", name, store); };
  REQUIRE_ERROR(ValueError, "x: a tensor cannot have the name ''", write(""));
  REQUIRE_ERROR(ValueError, "x: a tensor cannot have the name '__metadata__'", write("__metadata__"));
  REQUIRE_ERROR(ValueError, "x: the tensor's name 'a\xFF' is not UTF-8", write("a\xFF"));
  REQUIRE_ERROR(ShapeError, "x: a matrix without rows cannot be written",
                io::write_safetensors(directory / "x", "m", EmbeddingStore<float>(3)));
  REQUIRE(directory.file_count() == 0);
  REQUIRE_ERROR(IoError, "x: cannot be opened for writing", io::write_safetensors(directory / "no/x", "m", store));
}

TEST_CASE("read_safetensors: converts from the file's type to the one asked for") {
  const TemporaryDirectory directory;
  const auto f64 = directory.write("f64", one_row<double>("F64", {1.0, -0.25}));
  const auto f32 = directory.write("f32", one_row<float>("F32", {1.0f, -0.25f}));
  const auto f16 = directory.write("f16", one_row("F16", std::vector{Eigen::half(1.0f), Eigen::half(-0.25f)}));
  const auto bf16 =
      directory.write("bf16", one_row("BF16", std::vector{Eigen::bfloat16(1.0f), Eigen::bfloat16(-0.25f)}));
  for (const auto& path : {f64, f32, f16, bf16}) {
    REQUIRE(io::read_safetensors<float>(path).row(0)[1] == -0.25f);
    REQUIRE(io::read_safetensors<double>(path).row(0)[1] == -0.25);
    REQUIRE(static_cast<float>(io::read_safetensors<Eigen::half>(path).row(0)[1]) == -0.25f);
    REQUIRE(static_cast<float>(io::read_safetensors<Eigen::bfloat16>(path).row(0)[1]) == -0.25f);
    REQUIRE(static_cast<int>(io::read_safetensors<std::int8_t>(path).row(0)[1]) == -32);
    REQUIRE(io::read_safetensors(path, {}, Normalize::unit).row(0)[0] == Approx(1.0 / std::sqrt(1.0625)));
  }
}

TEST_CASE("read_safetensors: int8 codes come with their scales, into floats too") {
  const TemporaryDirectory directory;
  const std::string scales = entry("m.scales", "F32", "[2]", "[0,8]");
  const std::string data = bytes_of<float>({0.5f, 2.0f}) + "\x01\x02\x03\x04\x05\x06";
  const auto path =
      directory.write("x", safetensors_file("{" + entry("m", "I8", "[2,3]", "[8,14]") + "," + scales + "}", data));
  REQUIRE(io::read_safetensors<float>(path).row(1)[2] == 12.0f);
  const auto codes = io::read_safetensors<std::int8_t>(path);
  REQUIRE(codes.view().scale(1) == 2.0f);

  const auto refused = [&](const std::string& header, const std::string& bytes) {
    const auto bad = directory.write("bad", safetensors_file(header, bytes));
    const std::string what = "bad: tensor 'm' has I8 codes, expected their 2 row scales in an F32 tensor 'm.scales'";
    REQUIRE_ERROR(FormatError, what, io::read_safetensors(bad));
    REQUIRE_ERROR(FormatError, what, io::MappedSafetensors<std::int8_t>(bad));
  };
  refused("{" + entry("m", "I8", "[2,3]", "[0,6]") + "}", "123456");
  refused("{" + entry("m", "I8", "[2,3]", "[0,6]") + "," + entry("m.scales", "F32", "[3]", "[6,18]") + "}",
          std::string(18, 'x'));
  refused("{" + entry("m", "I8", "[2,3]", "[0,6]") + "," + entry("m.scales", "F16", "[2]", "[6,10]") + "}",
          std::string(10, 'x'));
  refused("{" + entry("m", "I8", "[2,3]", "[0,6]") + "," + entry("m.scales", "F32", "[2,1,1]", "[6,14]") + "}",
          std::string(14, 'x'));
}

TEST_CASE("read_safetensors: one matrix among others, by name") {
  const TemporaryDirectory directory;
  const std::string header = "{" + entry("bias", "F32", "[2]", "[0,8]") + "," + entry("ids", "I64", "[1]", "[8,16]") +
                             "," + entry("a", "F32", "[1,2]", "[16,24]") + "," + entry("b", "F32", "[2,1]", "[24,32]") +
                             "," + entry("u", "U8", "[1,2]", "[32,34]") + "," +
                             entry("none", "F32", "[0,2]", "[34,34]") + R"(,"__metadata__":{"format":"np"}})";
  const auto path = directory.write("x", safetensors_file(header, bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8}) + "uu"));
  REQUIRE(io::read_safetensors(path, "a").row(0)[1] == 6.0f);
  REQUIRE(io::read_safetensors(path, "b").size() == 2);
  const auto refused = [&](const std::string& name, const std::string& what) {
    REQUIRE_ERROR(FormatError, "x: " + what, io::read_safetensors(path, name));
    REQUIRE_ERROR(FormatError, "x: " + what, io::MappedSafetensors<float>(path, name));
  };
  refused("", "has 4 tensors of 2 dimensions, expected one or a name; they are 'a', 'b', 'u', 'none'");
  refused("c", "has no tensor 'c'; it holds 'bias', 'ids', 'a', 'b', 'u', 'none'");
  refused("bias", "tensor 'bias' has 1 dimensions, expected 2 (rows, dim)");
  refused("none", "tensor 'none' is a 0 x 2 matrix, expected at least one row and one column");
  REQUIRE_ERROR(FormatError, "x: tensor 'u' has elements of type U8, expected F64, F32, F16, BF16 or I8",
                io::read_safetensors(path, "u"));
  REQUIRE_ERROR(FormatError, "x: has 0 tensors of 2 dimensions, expected one; it holds no tensor",
                io::read_safetensors(directory.write("x", safetensors_file("{}", ""))));

  std::string many = "{";
  for (int i = 10; i < 20; ++i) many += entry("t" + std::to_string(i), "U8", "[0]", "[0,0]") + (i < 19 ? "," : "}");
  REQUIRE_ERROR(FormatError, "expected one; it holds 't10', 't11', 't12', 't13', 't14', 't15', 't16', 't17' and 2 more",
                io::read_safetensors(directory.write("x", safetensors_file(many, ""))));
}

TEST_CASE("read_safetensors: data that is not aligned is read, and refused to be mapped") {
  const TemporaryDirectory directory;
  const std::string header = "{" + entry("m", "F32", "[2,3]", "[0,24]") + "}";
  for (std::size_t padding = 0; padding < 8; ++padding) {
    const auto path = directory.write("x", safetensors_file(header, bytes_of(six_values), padding));
    const auto store = io::read_safetensors(path);
    REQUIRE(std::memcmp(store.row(0), six_values.data(), 24) == 0);
    if ((8 + header.size() + padding) % 4 == 0) {
      REQUIRE(same_bits(io::MappedSafetensors<float>(path).view(), store.view()));
    } else {
      REQUIRE_ERROR(FormatError, "x: its elements do not start at multiples of their size",
                    io::MappedSafetensors<float>(path));
    }
  }
}

TEST_CASE("read_safetensors: a row that is not finite, or zero, is refused by file and number") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x", one_row<float>("F32", {1.0f, std::numeric_limits<float>::quiet_NaN()}));
  REQUIRE_ERROR(ValueError, "x: row 0 has a NaN or infinite element", io::read_safetensors(path));
  REQUIRE_NOTHROW(io::MappedSafetensors<float>(path));  // mapping does not look
  REQUIRE_ERROR(ValueError, "x: row 0 is a zero vector",
                io::read_safetensors(directory.write("x", one_row<float>("F32", {0.0f, -0.0f}))));
  REQUIRE_ERROR(ValueError, "x: row 0 is outside the range of float16",
                io::read_safetensors<Eigen::half>(directory.write("x", one_row<float>("F32", {1e6f, 1.0f}))));
}

TEST_CASE("MappedSafetensors: another element type is refused with both names") {
  const TemporaryDirectory directory;
  const auto path = directory.write("x", one_row<float>("F32", {1.0f, 2.0f}));
  REQUIRE_ERROR(FormatError, "x: tensor 'm' holds F32, asked to map it as F64; read_safetensors converts",
                io::MappedSafetensors<double>(path));
  REQUIRE_ERROR(FormatError, "x: tensor 'm' holds F32, asked to map it as BF16",
                io::MappedSafetensors<Eigen::bfloat16>(path));
}

TEST_CASE("MappedSafetensors: serves the file's own bytes, and stays valid when it is moved") {
  const TemporaryDirectory directory;
  io::write_safetensors(directory / "x", "m", EmbeddingView<float>(six_values, 3));
  io::MappedSafetensors<float> first(directory / "x");
  const EmbeddingView<float> view = first.view();
#if PEFA_HAS_MMAP
  REQUIRE(reinterpret_cast<std::uintptr_t>(view.data()) % 4096 == 128);  // a mapping starts on a page
#endif
  const io::MappedSafetensors<float> second(std::move(first));
  REQUIRE(second.view().data() == view.data());
  REQUIRE(view.row(1)[2] == -0.25f);
}

TEST_CASE("read_safetensors: a missing file, a directory and an empty file are refused by name") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder");
  REQUIRE_ERROR(IoError, "nowhere: cannot be opened", io::read_safetensors(directory / "nowhere"));
  REQUIRE_ERROR(IoError, "folder: is not a regular file", io::MappedSafetensors<float>(directory / "folder"));
  REQUIRE_ERROR(FormatError, "empty: is truncated: 0 bytes", io::read_safetensors(directory.write("empty", "")));
}

TEST_CASE("read_safetensors: a file cut at any byte is refused, one with any byte changed read or refused") {
  const TemporaryDirectory directory;
  io::write_safetensors(directory / "x", "m", EmbeddingStore<std::int8_t>::from(test::random_matrix(3, 5, 4)));
  const std::string whole = test::read_bytes(directory / "x");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut to " << size);
    const auto path = directory.write("cut", whole.substr(0, size));
    REQUIRE_ERROR(FormatError, "cut: ", io::read_safetensors(path));
    REQUIRE_ERROR(FormatError, "cut: ", io::MappedSafetensors<std::int8_t>(path));
  }
  std::mt19937 random(5);
  std::size_t read = 0;
  constexpr std::size_t changes = 400;
  for (std::size_t i = 0; i < changes; ++i) {
    std::string changed = whole;
    changed[random() % changed.size()] = static_cast<char>(random() % 256);
    const auto path = directory.write("changed", changed);
    try {
      (void)io::read_safetensors(path);
      ++read;
      (void)io::MappedSafetensors<std::int8_t>(path);
    } catch (const Error&) {
    }
  }
  REQUIRE(read > 0);
  REQUIRE(read < changes);
}
