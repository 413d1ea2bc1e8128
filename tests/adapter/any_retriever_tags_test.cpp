// Tags of an AnyRetriever: what any_retriever.hpp promises of with_tags(), where() and archives.
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/adapter/any_retriever.hpp"
#include "pefa/store/tag_table_builder.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

constexpr std::size_t n_passages = 40;
constexpr std::size_t n_queries = 30;

AnyRetriever build_small(Method method) {
  const RowMajorMatrix passages = test::random_matrix(n_passages, 8, 1);
  const RowMajorMatrix queries = test::random_matrix(n_queries, 8, 2);
  return build({.method = method, .index = {.kind = IndexKind::flat}, .query_index = {.kind = IndexKind::flat}},
               EmbeddingView<float>(passages), EmbeddingView<float>(queries),
               test::random_relevance(n_queries, n_passages, 3, 3), {AnyExecutor::serial()});
}

/// Every third of n rows is in English.
TagTable tags(std::size_t n) {
  TagTableBuilder builder(n);
  for (Row row = 0; row < n; row += 3) builder.add(row, "lang", "en");
  return builder.build();
}

PassageSet every_third() {
  return PassageSet(RowSet::where(n_passages, [](Row row) { return row % 3 == 0; }));
}

test::Bytes saved_bytes(const AnyRetriever& retriever, const SaveOptions& options = {}) {
  std::ostringstream out;
  retriever.save(out, options);
  return test::as_bytes(out.str());
}

}  // namespace

TEST_CASE("AnyRetriever: conditions on the tags of passages and of training queries") {
  const AnyRetriever plain = build_small(Method::xl);
  REQUIRE(plain.tags() == nullptr);
  REQUIRE(plain.query_count() == n_queries);
  REQUIRE_ERROR(ValueError, "AnyRetriever::where: it has no tags", plain.where("lang=en"));
  REQUIRE_ERROR(ValueError, "AnyRetriever::queries_where: it has no tags", plain.queries_where("lang=en"));
  const AnyRetriever tagged = plain.with_tags(tags(n_passages)).with_query_tags(tags(n_queries));
  REQUIRE(tagged.tags()->keys().size() == 1);
  REQUIRE(tagged.where("lang=en") == every_third());
  REQUIRE(tagged.queries_where("lang=en").size() == n_queries / 3);
  REQUIRE(tagged.memory_bytes() > plain.memory_bytes());
  REQUIRE_ERROR(ValueError, "tag expression: column 1: there is no tag 'color', expected lang",
                tagged.where("color=red"));
}

TEST_CASE("AnyRetriever: tags for another number of rows are refused, with both numbers") {
  const AnyRetriever xl = build_small(Method::xl);
  REQUIRE_ERROR(ShapeError, "with_tags: tags for 39 rows, expected 40", xl.with_tags(tags(39)));
  REQUIRE_ERROR(ShapeError, "with_query_tags: tags for 40 rows, but it looks up 30 training queries",
                xl.with_query_tags(tags(40)));
  const AnyRetriever xs = build_small(Method::xs);
  REQUIRE(xs.query_count() == 0);
  REQUIRE_ERROR(ShapeError, "tags for 30 rows, but it looks up 0 training queries", xs.with_query_tags(tags(30)));
  const TagTable other = tags(7);
  REQUIRE_ERROR(ShapeError, "save: tags for 7 rows, expected 40, one a passage",
                saved_bytes(xl, {.passage_tags = &other}));
  REQUIRE_ERROR(ShapeError, "save: tags for 7 rows, expected 30", saved_bytes(xl, {.query_tags = &other}));
}

TEST_CASE("AnyRetriever: archives keep tags, and those without open as before") {
  const AnyRetriever xl = build_small(Method::xl);
  const test::Bytes without = saved_bytes(xl);
  const AnyRetriever plain = open(test::open_bytes(without));
  REQUIRE(plain.tags() == nullptr);
  REQUIRE(plain.query_tags() == nullptr);

  const test::Bytes with = saved_bytes(xl.with_tags(tags(n_passages)).with_query_tags(tags(n_queries)));
  const AnyRetriever opened = open(test::open_bytes(with));
  REQUIRE(opened.where("lang=en") == every_third());
  REQUIRE(opened.queries_where("lang!=en").size() == n_queries - n_queries / 3);
  const test::Bytes again = saved_bytes(opened);
  REQUIRE(open(test::open_bytes(again)).where("lang=en") == every_third());

  const TagTable given = tags(n_passages);
  const test::Bytes by_option = saved_bytes(build_small(Method::xs), {.passage_tags = &given});
  REQUIRE(open(test::open_bytes(by_option)).where("lang=en") == every_third());
}

TEST_CASE("AnyRetriever: a damaged table of tags is refused when it is opened") {
  test::Bytes bytes = saved_bytes(build_small(Method::erm).with_tags(tags(n_passages)));
  const io::ArchiveReader reader = test::open_bytes(bytes);
  for (const io::ArchiveSection& section : reader.sections()) {
    if (section.key == "passages.tags.rows") test::patch(bytes, static_cast<std::size_t>(section.offset), Row{1000});
  }
  REQUIRE_ERROR(FormatError, "x.pefa: 'passages.tags.': tag value 0 lists row 3 after 1000", open(reader));
}
