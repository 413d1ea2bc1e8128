#include "pefa/live/live_tags.hpp"

#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/live/live_retriever.hpp"

namespace pefa::test {
namespace {

using live::LiveTags;
using live::RemovePassage;
using live::UpsertPassage;

/// A shop of four: a cheap and a dear one in English, one of two languages, one without tags.
std::unique_ptr<live::LiveRetriever> tagged_shop() {
  auto shop = std::make_unique<live::LiveRetriever>(
      live::LiveParams{.dim = 2, .spec = {.method = Method::erm, .index = {.kind = IndexKind::flat}}});
  (void)shop->apply({{UpsertPassage{"cheap", {1.0f, 0.0f}, "lang\ten\nprice\t5\n"},
                      UpsertPassage{"dear", {0.9f, 0.1f}, "lang\ten\nprice\t500"},
                      UpsertPassage{"both", {0.8f, 0.2f}, "lang\ten\nlang\tfr\nprice\t20\n"},
                      UpsertPassage{"bare", {0.7f, 0.3f}, "price\t\n"}}});
  return shop;
}

std::set<std::string> found(const live::LiveView& view, const live::EpochPassages& among) {
  const std::vector<float> query{1.0f, 0.0f};
  std::set<std::string> ids;
  for (const auto& hit : view.search_filtered(QueryView(query.data(), 2), 10, among)) ids.insert(hit.id);
  return ids;
}

}  // namespace

TEST_CASE("LiveTags: a condition holds for passages as it does in an archive, and for none that are gone") {
  const auto shop = tagged_shop();
  const auto view = shop->view();
  const LiveTags tags(view);
  REQUIRE(found(view, tags.where("lang=en & price<=20")) == std::set<std::string>{"cheap", "both"});
  REQUIRE(found(view, tags.where("lang=fr")) == std::set<std::string>{"both"});
  REQUIRE(found(view, tags.where("lang!=fr")) == std::set<std::string>{"cheap", "dear", "bare"});
  REQUIRE(tags.table().keys().size() == 2);

  (void)shop->apply({{RemovePassage{"bare"}, UpsertPassage{"dear", {0.9f, 0.1f}, "price\t15"}}});
  const auto later = shop->view();
  REQUIRE(found(later, LiveTags(later).where("lang!=fr")) == std::set<std::string>{"cheap", "dear"});
  REQUIRE(found(later, LiveTags(later).where("price<=20")) == std::set<std::string>{"cheap", "dear", "both"});
  REQUIRE(found(view, tags.where("price<=20")) == std::set<std::string>{"cheap", "both"});  // as it was then
}

TEST_CASE("LiveTags: no passages and no tags are states like others; other text is refused by the passage's name") {
  live::LiveRetriever empty({.dim = 2});
  REQUIRE(LiveTags(empty.view()).table().keys().empty());
  REQUIRE_ERROR(ValueError, "lang", (void)LiveTags(empty.view()).where("lang=en"));
  const auto shop = tagged_shop();
  (void)shop->apply({{UpsertPassage{"odd", {0.0f, 1.0f}, "red and blue"}}});
  REQUIRE_ERROR(FormatError, "LiveTags: passage 'odd': 'red and blue' has no tab; expected lines of key<TAB>value",
                LiveTags(shop->view()));
}

TEST_CASE("tag_texts: what LiveTags reads, of integers and of text; a line break is refused") {
  TagTableBuilder builder(3);
  builder.add(0, "lang", "en");
  builder.add(0, "lang", "fr");
  builder.add(2, "price", "20");
  REQUIRE(live::tag_texts(builder.build()) == std::vector<std::string>{"lang\ten\nlang\tfr\n", "", "price\t20\n"});
  TagTableBuilder broken(1);
  broken.add(0, "note", "a\nb");
  REQUIRE_ERROR(ValueError, "a value of tag 'note' has a line break, expected one line",
                (void)live::tag_texts(broken.build()));
}

}  // namespace pefa::test
