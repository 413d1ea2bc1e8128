#include "pefa/io/archive/id_table.hpp"

#include <sstream>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using namespace pefa::io;

namespace {

ArchiveReader ids_again(const ArchiveWriter& writer) {
  std::stringstream stream;
  writer.write(stream);
  return ArchiveReader::read(stream, "x.pefa");
}

/// An archive whose ids are these bytes, cut at these places.
ArchiveReader id_archive(const std::string& text, const std::vector<std::uint64_t>& starts) {
  ArchiveWriter writer;
  writer.add("ids.text", text);
  writer.add("ids.starts", starts);
  return ids_again(writer);
}

}  // namespace

TEST_CASE("add_ids: ids come back, whatever bytes they are") {
  const std::vector<std::string> names{"p1", std::string("a\0b", 3), "zwei Wörter", "\n"};
  const ExternalIds ids = ExternalIds::from(names);
  ArchiveWriter writer;
  add_ids(writer, "ids.", ids);
  const auto read = read_ids(ids_again(writer), "ids.");
  REQUIRE(read == ids);
  REQUIRE(read->find("zwei Wörter") == Row{2});
}

TEST_CASE("add_ids: a table without ids is one, an archive without a table has none") {
  const ExternalIds none;
  ArchiveWriter writer;
  add_ids(writer, "ids.", none);
  const ArchiveReader reader = ids_again(writer);
  REQUIRE(read_ids(reader, "ids.")->empty());
  REQUIRE_FALSE(read_ids(reader, "other.").has_value());
}

TEST_CASE("read_ids: what cannot be a table is refused") {
  REQUIRE(read_ids(id_archive("abc", {0, 1, 3}), "ids.")->size() == 2);
  constexpr auto huge = static_cast<std::uint64_t>(-1);
  for (const auto& starts : std::vector<std::vector<std::uint64_t>>{{}, {1, 3}, {0, 2}, {0, 4}, {0, huge}}) {
    REQUIRE_ERROR(FormatError, "x.pefa: section 'ids.starts': expected ascending numbers from 0 to 3",
                  read_ids(id_archive("abc", starts), "ids."));
  }
  REQUIRE_ERROR(FormatError, "section 'ids.starts': id 1 is bytes 1 to 1 of 3",
                read_ids(id_archive("abc", {0, 1, 1, 3}), "ids."));
  REQUIRE_ERROR(FormatError, "id 0 is bytes 0 to 18446744073709551615 of 3",
                read_ids(id_archive("abc", {0, huge, 3}), "ids."));
  REQUIRE_ERROR(FormatError, "id 1 is bytes 2 to 1 of 3", read_ids(id_archive("abc", {0, 2, 1, 3}), "ids."));
  REQUIRE_ERROR(FormatError, "x.pefa: 'ids.': rows 0 and 2 have the same id 'a'",
                read_ids(id_archive("aba", {0, 1, 2, 3}), "ids."));
  ArchiveWriter writer;
  writer.add("ids.starts", std::vector<std::uint64_t>{0});
  REQUIRE_ERROR(FormatError, "has no section 'ids.text'", read_ids(ids_again(writer), "ids."));
}

TEST_CASE("read_passage_ids: one a passage") {
  const ExternalIds ids = ExternalIds::from(std::vector<std::string>{"a", "b"});
  const auto with_passages = [&](int passages) {
    ArchiveWriter writer;
    writer.metadata().add("passages", passages);
    add_ids(writer, "passages.ids.", ids);
    return ids_again(writer);
  };
  REQUIRE(read_passage_ids(with_passages(2)) == ids);
  REQUIRE_ERROR(FormatError, "x.pefa: has 2 passage ids for 3 passages", read_passage_ids(with_passages(3)));
}
