// A shop: search among what is in stock, below a price and not seen yet. The shop's own fields go into the archive as
// tags; a condition on them is a set of passages, and a search under a filter finds the best of those.
#include <pefa/pefa.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace {

/// What the shop knows of its passages; made up here. Yours come from a file: pefa::io::read_tag_lines("tags.tsv",
/// ids).
pefa::TagTable fields(std::size_t n_passages) {
  pefa::TagTableBuilder tags(n_passages);
  for (pefa::Row row = 0; row < n_passages; ++row) {
    tags.add_text(row, "stock", row % 4 == 0 ? "no" : "yes");
    tags.add_integer(row, "price", 5 + row * 7 % 60);
    tags.add_text(row, "colour", row % 3 == 0 ? "red" : "blue");
    if (row % 5 == 0) tags.add_text(row, "colour", "green");  // several values are several tags
  }
  return tags.build();
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");
  const auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");
  const auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());
  // XS: a passage scores alike under every filter, so that a page's scores follow those of the page before.
  pefa::build({.method = pefa::Method::xs}, passages, queries, relevance)
      .with_tags(fields(passages.size()))
      .save("filtered.pefa");

  const pefa::AnyRetriever shop = pefa::open("filtered.pefa");
  // One set serves every search until the stock changes.
  const pefa::PassageSet offered = shop.where("stock=yes & price<=20 & !(colour in (red,green))");
  std::printf("%zu of %zu passages are offered\n", offered.size(), shop.passage_count());

  const auto asked = pefa::io::read_npy<float>(data + "/test_queries.npy");
  const pefa::QueryView query(asked.row(0), asked.dim());
  std::vector<pefa::PassageId> seen;
  for (int page = 1; page <= 3; ++page) {
    const auto unseen = offered - pefa::PassageSet::of(seen, shop.passage_count());
    std::printf("page %d:", page);
    for (auto [passage, score] : shop.search_filtered(query, 3, unseen)) {
      std::printf("  %s (%.3f)", shop.id_of(passage).c_str(), score);
      seen.push_back(passage);
    }
    std::printf("\n");
  }
  const auto kept = offered & pefa::PassageSet::of(seen, shop.passage_count());
  std::printf("seen %zu, %zu of them offered\n", seen.size(), kept.size());
} catch (const pefa::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
