#include "pefa/io/archive/tag_section.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/store/tag_condition.hpp"
#include "pefa/store/tag_table_builder.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

TagTable shop() {
  TagTableBuilder builder(4);
  for (Row row = 0; row < 4; ++row) builder.add_integer(row, "price", 10 * row);
  builder.add(0, "lang", "en");
  builder.add(2, "lang", "en");
  builder.add(3, "lang", "de");
  return builder.build();
}

test::Bytes saved(const TagTable& tags) {
  io::ArchiveWriter writer;
  io::add_tags(writer, "passages.tags.", tags);
  std::ostringstream out;
  writer.write(out);
  return test::as_bytes(out.str());
}

/// The offset in the file of a section's element.
std::size_t element_of(const test::Bytes& bytes, std::string_view key, std::size_t i) {
  const io::ArchiveReader reader = test::open_bytes(bytes);
  for (const io::ArchiveSection& section : reader.sections()) {
    if (section.key == key) return static_cast<std::size_t>(section.offset) + i * io::size_of(section.type);
  }
  FAIL("there is no section " << key);
  return 0;
}

}  // namespace

TEST_CASE("add_tags, read_tags: a table comes back, in place") {
  const TagTable tags = shop();
  const test::Bytes bytes = saved(tags);
  std::optional<TagTable> opened;
  {
    const io::ArchiveReader reader = test::open_bytes(bytes);
    opened = io::read_tags(reader, "passages.tags.", 4);
    REQUIRE(!io::read_tags(reader, "queries.tags.", 4));
  }
  REQUIRE(opened);
  REQUIRE(opened->size() == 4);
  REQUIRE(opened->memory_bytes() < 1024);
  REQUIRE(reinterpret_cast<const std::byte*>(opened->arrays().rows.data()) >= bytes.data());
  REQUIRE(reinterpret_cast<const std::byte*>(opened->arrays().rows.data()) < bytes.data() + bytes.size());
  for (const char* expression : {"lang=en", "price>=20", "lang=en & price<20", "lang!=de"}) {
    REQUIRE(rows_where(*opened, expression) == rows_where(tags, expression));
  }
}

TEST_CASE("read_tags: a table without keys, and one without rows") {
  for (const std::size_t n : {std::size_t{0}, std::size_t{3}}) {
    const test::Bytes bytes = saved(TagTableBuilder(n).build());
    const auto opened = io::read_tags(test::open_bytes(bytes), "passages.tags.", n);
    REQUIRE(opened);
    REQUIRE(opened->keys().empty());
  }
}

TEST_CASE("read_tags: refuses sections that are no table, and a table for other rows") {
  const test::Bytes whole = saved(shop());
  REQUIRE_ERROR(FormatError, "x.pefa: 'passages.tags.' is for 4 rows, expected 5",
                io::read_tags(test::open_bytes(whole), "passages.tags.", 5));
  const auto refuse = [&](std::string_view key, std::size_t i, const auto& value, const std::string& what) {
    test::Bytes bytes = whole;
    test::patch(bytes, element_of(bytes, key, i), value);
    REQUIRE_ERROR(FormatError, "x.pefa: 'passages.tags.': " + what,
                  io::read_tags(test::open_bytes(bytes), "passages.tags.", 4));
  };
  refuse("passages.tags.rows", 2, Row{4}, "tag value 1 lists row 4, expected below 4");
  refuse("passages.tags.kinds", 0, std::uint8_t{7}, "tag 'lang' is of kind 7");
  refuse("passages.tags.value_ends", 0, std::uint64_t{1} << 63, "end 0 of the values of the tags");
  refuse("passages.tags.values", 0, std::int64_t{-5}, "value 0 of tag 'lang' is bytes");
  refuse("passages.tags.row_ends", 0, std::uint64_t{0}, "end 0 of the rows of the tags is 0");
}

TEST_CASE("read_tags: any changed byte is refused or reads as another table, and never out of bounds") {
  const test::Bytes whole = saved(shop());
  for (std::size_t at = 64; at < test::directory_of(whole); ++at) {
    for (const int flip : {1, 128, 255}) {
      test::Bytes bytes = whole;
      bytes[at] ^= static_cast<std::byte>(flip);
      try {
        const auto tags = io::read_tags(test::open_bytes(bytes), "passages.tags.", 4);
        for (const TagKey& key : tags->keys()) {
          for (std::size_t i = 0; i < key.value_count; ++i) {
            for (const Row row : tags->rows_of(key, i)) REQUIRE(row < 4);
            if (key.kind == TagKind::text) REQUIRE(tags->text(key, i).size() <= 4);
          }
        }
      } catch (const FormatError&) {
      }
    }
  }
}
