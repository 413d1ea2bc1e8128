#include "pefa/io/archive/row_set_section.hpp"

#include <sstream>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using namespace pefa::io;

namespace {

ArchiveReader round_trip(const ArchiveWriter& writer) {
  std::stringstream stream;
  writer.write(stream);
  return ArchiveReader::read(stream, "x.pefa");
}

/// An archive that says so of its set.
template <class Element>
ArchiveReader archive(const char* form, std::int64_t universe, const std::vector<Element>& elements) {
  ArchiveWriter writer;
  writer.metadata().add("set.form", form);
  writer.metadata().add("set.universe", universe);
  writer.add("set", elements);
  return round_trip(writer);
}

}  // namespace

TEST_CASE("add_row_set: sets of every form come back, in place") {
  for (const std::size_t universe : {0U, 1U, 64U, 1000U}) {
    const RowSet thirds = RowSet::where(universe, [](Row row) { return row % 3 == 0; });
    const RowSet few = RowSet::where(universe, [](Row row) { return row % 100 == 7; });
    for (const RowSet& set : {RowSet::none(universe), RowSet::all(universe), thirds, few, ~few}) {
      ArchiveWriter writer;
      add_row_set(writer, "set", set);
      const ArchiveReader reader = round_trip(writer);
      const RowSet read = read_row_set(reader, "set").value();
      REQUIRE(read == set);
      REQUIRE(read.size() == set.size());
      if (set.form() == RowSetForm::dense) {
        REQUIRE(read.words().data() == reader.section<std::uint64_t>("set").data());
      }
    }
  }
  REQUIRE_FALSE(read_row_set(round_trip(ArchiveWriter()), "set").has_value());
}

TEST_CASE("read_row_set: the set outlives its reader") {
  std::optional<RowSet> set;
  {
    ArchiveWriter writer;
    const RowSet odd = RowSet::where(200, [](Row row) { return row % 2 == 1; });
    add_row_set(writer, "set", odd);
    set = read_row_set(round_trip(writer), "set");
  }
  REQUIRE(set->size() == 100);
  REQUIRE(set->contains(199));
}

TEST_CASE("read_row_set: a set in a form that takes more memory than another is read all the same") {
  REQUIRE(*read_row_set(archive<Row>("listed", 10, {1, 2, 3, 4}), "set") ==
          RowSet::of(std::vector<Row>{1, 2, 3, 4}, 10));
  REQUIRE(*read_row_set(archive<std::uint64_t>("dense", 64, {0}), "set") == RowSet::none(64));
}

TEST_CASE("read_row_set: what cannot be a set is refused") {
  using Words = std::vector<std::uint64_t>;
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'set.form' is 'odd', expected one of: listed, dense, all_but",
                read_row_set(archive<Row>("odd", 10, {1}), "set"));
  REQUIRE_ERROR(FormatError, "set.universe", read_row_set(archive<Row>("listed", -1, {1}), "set"));
  REQUIRE_ERROR(FormatError, "set.universe", read_row_set(archive<Row>("listed", std::int64_t{1} << 32, {1}), "set"));
  REQUIRE_ERROR(FormatError, "x.pefa: section 'set' has row 10 after 1, expected ascending and below 10",
                read_row_set(archive<Row>("listed", 10, {1, 10}), "set"));
  REQUIRE_ERROR(FormatError, "section 'set' has row 1 after 1",
                read_row_set(archive<Row>("all_but", 10, {1, 1}), "set"));
  REQUIRE_ERROR(FormatError, "section 'set' has row 0 after 1",
                read_row_set(archive<Row>("listed", 10, {1, 0}), "set"));
  REQUIRE_ERROR(FormatError, "section 'set' holds 1 elements, expected 2",
                read_row_set(archive<std::uint64_t>("dense", 65, Words{1}), "set"));
  REQUIRE_ERROR(FormatError, "section 'set' has a bit past its 65 rows",
                read_row_set(archive<std::uint64_t>("dense", 65, Words{1, 2}), "set"));
  REQUIRE_ERROR(FormatError, "section 'set' holds", read_row_set(archive<Row>("dense", 64, {1}), "set"));
}
