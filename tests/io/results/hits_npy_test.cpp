#include "pefa/io/results/hits_npy.hpp"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;

namespace {

using Results = std::vector<std::vector<Hit>>;

template <class Value>
std::string npy(const std::string& descr, const std::vector<std::size_t>& shape, const std::vector<Value>& values) {
  return io::npy_array_header(descr, shape) +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}

Results read_matrices(const std::string& ids, const std::string& scores, std::size_t n_passages = 10) {
  const test::TemporaryDirectory directory;
  (void)directory.write("run.ids.npy", ids);
  (void)directory.write("run.scores.npy", scores);
  return io::read_hits_npy(directory / "run.npy", n_passages);
}

const Results some = {{{PassageId(4), 0.5f}, {PassageId(0), -2.0f}}, {}, {{PassageId(9), 1.0f}}};
const std::string ids = npy<std::int64_t>("<i8", {3, 2}, {4, 0, -1, -1, 9, -1});
constexpr float lowest = -std::numeric_limits<float>::infinity();
const std::string scores = npy<float>("<f4", {3, 2}, {0.5f, -2.0f, lowest, lowest, 1.0f, lowest});

}  // namespace

TEST_CASE("hit_ids_path, hit_scores_path: beside the path that names both") {
  REQUIRE(io::hit_ids_path("a.b/run.npy") == "a.b/run.ids.npy");
  REQUIRE(io::hit_scores_path("run") == "run.scores.npy");
  REQUIRE(io::hit_ids_path("run.k10") == "run.k10.ids.npy");  // and not that of "run.k20"
}

TEST_CASE("write_hits_npy: two C-order matrices, filled up with -1 and -inf") {
  const test::TemporaryDirectory directory;
  io::write_hits_npy(directory / "run.npy", some, 2);
  REQUIRE(test::read_bytes(directory / "run.ids.npy") == ids);
  REQUIRE(test::read_bytes(directory / "run.scores.npy") == scores);
  REQUIRE(directory.file_count() == 2);
}

TEST_CASE("write_hits_npy: read_hits_npy brings the hits back") {
  const test::TemporaryDirectory directory;
  for (const std::size_t k : {2U, 5U}) {
    io::write_hits_npy(directory / "run.npy", some, k);
    REQUIRE(io::read_hits_npy(directory / "run.npy", 10) == some);
  }
  io::write_hits_npy(directory / "none.npy", {}, 3);
  REQUIRE(io::read_hits_npy(directory / "none.npy", 10).empty());
}

TEST_CASE("write_hits_npy: external ids that are numbers are written as such") {
  const test::TemporaryDirectory directory;
  const Results one = {{{PassageId(1), 1.0f}}};
  const auto write = [&](const std::string& id) {
    const ExternalIds table = ExternalIds::from(std::vector<std::string>{"first", id});
    io::write_hits_npy(directory / "run.npy", one, 1, table);
  };
  write("9223372036854775807");
  REQUIRE(test::read_bytes(directory / "run.ids.npy") ==
          npy<std::int64_t>("<i8", {1, 1}, {std::numeric_limits<std::int64_t>::max()}));
  for (const char* id : {"B00X4", "-1", "9223372036854775808", "1.0"}) {
    REQUIRE_ERROR(ValueError,
                  std::string("the id of passage row 1 is '") + id + "', expected a number of 0 to 2^63 - 1",
                  write(id));
  }
}

TEST_CASE("write_hits_npy: what does not fit is refused, and both files stay as they were") {
  const test::TemporaryDirectory directory;
  io::write_hits_npy(directory / "run.npy", some, 2);
  REQUIRE_ERROR(ValueError, "run.npy: query 0 has 2 hits, expected at most 1",
                io::write_hits_npy(directory / "run.npy", some, 1));
  REQUIRE_ERROR(ValueError, "run.npy: asked to write 0 columns", io::write_hits_npy(directory / "run.npy", {}, 0));
  REQUIRE_ERROR(IoError, "cannot be opened for writing", io::write_hits_npy(directory / "no/run.npy", some, 2));
  REQUIRE(test::read_bytes(directory / "run.ids.npy") == ids);
  REQUIRE(directory.file_count() == 2);
}

TEST_CASE("read_hits_npy: matrices that do not belong together or are none are refused") {
  REQUIRE_ERROR(FormatError, "run.scores.npy: is a 2 x 3 matrix, its ids are 3 x 2",
                read_matrices(ids, npy<float>("<f4", {2, 3}, std::vector<float>(6))));
  REQUIRE_ERROR(FormatError, "run.ids.npy: is an array of type i4 in 2 dimensions, expected a matrix of i8",
                read_matrices(npy<std::int32_t>("<i4", {3, 2}, std::vector<std::int32_t>(6)), scores));
  REQUIRE_ERROR(FormatError, "run.scores.npy: is an array of type f4 in 1 dimensions, expected a matrix of f4",
                read_matrices(ids, npy<float>("<f4", {6}, std::vector<float>(6))));
  REQUIRE_ERROR(
      FormatError, "run.ids.npy: has no columns, expected at least 1",
      read_matrices(io::npy_array_header("<i8", {1000000000000, 0}), io::npy_array_header("<f4", {1000000000000, 0})));
  std::string transposed = ids;
  transposed.replace(transposed.find("False"), 5, "True ");
  REQUIRE_ERROR(FormatError, "run.ids.npy: is in Fortran order", read_matrices(transposed, scores));
}

TEST_CASE("read_hits_npy: an element that is none is refused by row and column") {
  const auto bad_ids = [](const std::vector<std::int64_t>& values, const std::string& what) {
    REQUIRE_ERROR(FormatError, "run.ids.npy: " + what, read_matrices(npy("<i8", {3, 2}, values), scores));
  };
  bad_ids({4, 10, -1, -1, 9, -1}, "row 0, column 1 is 10, expected -1 or a passage row below 10");
  bad_ids({4, 0, -1, -1, -2, -1}, "row 2, column 0 is -2, expected -1 or a passage row");
  bad_ids({4, 0, -1, 3, 9, -1}, "row 1, column 1 has a hit after a -1");
  REQUIRE_ERROR(FormatError, "run.scores.npy: row 1, column 0 is -inf, expected a finite score",
                read_matrices(npy<std::int64_t>("<i8", {3, 2}, {4, 0, 3, -1, 9, -1}), scores));
}

TEST_CASE("read_hits_npy: a file cut off at any byte is refused, a missing one is an IoError") {
  for (std::size_t size = 0; size < ids.size(); ++size) {
    REQUIRE_ERROR(FormatError, "run.ids.npy: ", read_matrices(ids.substr(0, size), scores));
  }
  for (std::size_t size = 0; size < scores.size(); ++size) {
    REQUIRE_ERROR(FormatError, "run.scores.npy: ", read_matrices(ids, scores.substr(0, size)));
  }
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "run.ids.npy: cannot be opened", io::read_hits_npy(directory / "run.npy", 10));
}

TEST_CASE("write_hits_npy: stopped anywhere, it leaves the older pair") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "run.npy";
  const std::vector<std::vector<Hit>> older{{{PassageId(1), 0.5f}}};
  const std::vector<std::vector<Hit>> newer(50'000, {{PassageId(2), 0.25f}});
  io::write_hits_npy(path, older, 4);
  std::size_t pieces = 0;
  const auto write = [&](std::size_t stop_at) {
    std::size_t asked = 0;
    io::write_hits_npy(path, newer, 4, io::RowIds(), [&] { return ++pieces, asked++ == stop_at; });
  };
  for (std::size_t stop_at = 0; stop_at < 1000; ++stop_at) {
    try {
      write(stop_at);
      break;
    } catch (const Cancelled&) {
      REQUIRE(io::read_hits_npy(path, 3) == older);
      REQUIRE(directory.file_count() == 2);
    }
  }
  REQUIRE(pieces > 10);
  REQUIRE(io::read_hits_npy(path, 3) == newer);
}
