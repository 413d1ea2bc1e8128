// Tags of any bytes: as text, as JSON lines, and as the sections of an archive, as they come and with checksums made
// right. Read, or refused with a pefa::Error; what is read lists rows that there are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "archive_input.hpp"
#include "input_file.hpp"
#include "pefa/io/archive/tag_section.hpp"
#include "pefa/io/tags/jsonl_tags.hpp"
#include "pefa/io/tags/tag_lines.hpp"
#include "pefa/store/tag_condition.hpp"
#include "pefa/store/tag_table.hpp"

namespace {

using namespace pefa;

void require_sound(const TagTable& tags) {
  for (const TagKey& key : tags.keys()) {
    if (tags.find(key.name) != &key) std::abort();
    for (std::size_t i = 0; i < key.value_count; ++i) {
      if (key.kind == TagKind::text && tags.find_text(key, tags.text(key, i)) != i) std::abort();
      if (key.kind == TagKind::integer && tags.find_numbers(key, tags.number(key, i), tags.number(key, i)).first != i) {
        std::abort();
      }
      for (const Row row : tags.rows_of(key, i)) {
        if (row >= tags.size()) std::abort();
      }
    }
    TagExpression all{.key = {std::string(key.name), 1}, .comparison = TagOperator::not_equal};
    all.values.push_back({"0", 1});
    if (rows_where(tags, all).universe() != tags.size()) std::abort();
  }
}

void open_tags(const test::Bytes& bytes) {
  fuzz::accept_errors([&] {
    const io::ArchiveReader reader = test::open_bytes(bytes);
    const auto tags = io::read_tags(reader, "passages.tags.", reader.metadata().count("passages.tags.size", 1U << 20));
    if (tags) require_sound(*tags);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = fuzz::input_file(data, size);
  fuzz::accept_errors([&] { require_sound(io::read_tag_lines(path, io::RowIds(100))); });
  fuzz::accept_errors([&] { require_sound(io::read_jsonl_tags(path, io::RowIds(100))); });
  fuzz::take_archive(data, size, open_tags);
  return 0;
}
