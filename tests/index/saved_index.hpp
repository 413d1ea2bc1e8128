// What the archive tests of the indexes share: an index as the bytes of an archive, opened again as it was or changed.
#pragma once

#include <cstddef>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "support.hpp"

namespace pefa::test {

/// The archive of one index, under "rows.".
template <class Index>
[[nodiscard]] Bytes saved(const Index& index) {
  io::ArchiveWriter writer;
  index.save(writer, "rows.");
  std::ostringstream out;
  writer.write(out);
  return as_bytes(out.str());
}

/// Requires the same results to the bit, alone and in a batch, and the same rows.
template <class Index>
void require_same_results(const Index& expected, const Index& opened) {
  REQUIRE(opened.size() == expected.size());
  REQUIRE(opened.dim() == expected.dim());
  REQUIRE(opened.metric() == expected.metric());
  const RowMajorMatrix queries = random_matrix(12, expected.dim(), 77);
  const EmbeddingView<float> view(queries);
  std::vector<float> one(expected.dim());
  std::vector<float> other(expected.dim());
  for (std::size_t i = 0; i < view.size(); ++i) {
    const QueryView query(view.row(i), view.dim());
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{1000}}) {
      REQUIRE(opened.search(query, k) == expected.search(query, k));
    }
    REQUIRE(opened.search(query, 7, {.ef = 20, .rerank = 9}) == expected.search(query, 7, {.ef = 20, .rerank = 9}));
    const auto row = static_cast<Row>(i % expected.size());
    REQUIRE(opened.score(query, row) == expected.score(query, row));
    expected.read_row(row, one);
    opened.read_row(row, other);
    REQUIRE(one == other);
  }
  REQUIRE(search_batch(opened, view, 10) == search_batch(expected, view, 10));
}

/// The offset in the file of a section's first byte.
[[nodiscard]] inline std::size_t offset_of(const Bytes& bytes, const std::string& key) {
  const io::ArchiveReader reader = open_bytes(bytes);
  for (const io::ArchiveSection& section : reader.sections()) {
    if (section.key == key) return static_cast<std::size_t>(section.offset);
  }
  FAIL("no section " << key);
  return 0;
}

/// Opens what is left after `value` is put at element `i` of a section.
template <class Index, class T>
[[nodiscard]] Index open_patched(const Bytes& whole, const std::string& key, std::size_t i, T value) {
  static std::vector<std::shared_ptr<Bytes>> kept;  // as long as the test
  const auto bytes = kept.emplace_back(std::make_shared<Bytes>(whole));
  patch(*bytes, offset_of(whole, key) + i * sizeof value, value);
  return Index::open(io::ArchiveReader::over(*bytes, bytes, "x.pefa"), "rows.");
}

}  // namespace pefa::test
