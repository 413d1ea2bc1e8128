// Conditions on tags of any bytes: understood, or refused in one line that names a column of the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pefa/core/error.hpp"
#include "pefa/store/tag_condition.hpp"
#include "pefa/store/tag_table_builder.hpp"

namespace {

using namespace pefa;

TagTable shop() {
  TagTableBuilder builder(100);
  for (Row row = 0; row < 100; ++row) {
    builder.add(row, "lang", row % 3 == 0 ? "en" : "de");
    builder.add_integer(row, "price", row / 2);
  }
  return builder.build();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TagTable tags = shop();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const RowSet rows = rows_where(tags, text);
    // The opposite of a condition holds for all other rows.
    if (~rows != rows_where(tags, "!(" + std::string(text) + ")")) std::abort();
  } catch (const ValueError& error) {
    const std::string_view message = error.what();
    constexpr std::string_view start = "tag expression: column ";
    if (!message.starts_with(start)) std::abort();
    const unsigned long column = std::strtoul(message.data() + start.size(), nullptr, 10);
    if (column < 1 || column > size + 2) std::abort();  // of the text in parentheses, too
  }
  return 0;
}
