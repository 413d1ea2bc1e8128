// What a condition on tags costs: from its text to the set of passages, over 1M rows with a language, a price and a
// seller each, beside asking every row. Each set is checked against asking before a time is printed.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

struct Shop {
  std::vector<std::uint8_t> lang;
  std::vector<std::int32_t> price;
  std::vector<std::int32_t> seller;
};

/// A tenth is in English, a price is below 1,000, a seller has a thousandth.
Shop make_shop(std::size_t n) {
  std::mt19937 random(1);
  Shop shop;
  for (std::size_t row = 0; row < n; ++row) {
    shop.lang.push_back(static_cast<std::uint8_t>(random() % 10));
    shop.price.push_back(static_cast<std::int32_t>(random() % 1000));
    shop.seller.push_back(static_cast<std::int32_t>(random() % 1000));
  }
  return shop;
}

const char* const langs[] = {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "cs"};

struct Question {
  const char* condition;
  std::function<bool(Row)> holds;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A condition on tags against asking every row");
  std::size_t n = 1'000'000;
  std::size_t rounds = 51;
  app.add_option("--rows", n, "rows with tags")->capture_default_str();
  app.add_option("--rounds", rounds, "medians are of so many")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const Shop shop = make_shop(n);
    auto start = Clock::now();
    TagTableBuilder builder(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Row row = static_cast<Row>(i);
      builder.add(row, "lang", langs[shop.lang[i]]);
      builder.add_integer(row, "price", shop.price[i]);
      builder.add_integer(row, "seller", shop.seller[i]);
    }
    const TagTable tags = builder.build();
    std::printf("%s\n%zu rows, 3 keys: built in %.2f s, %.1f bytes a row\n\n", machine().c_str(), n,
                seconds_since(start), static_cast<double>(tags.memory_bytes()) / static_cast<double>(n));

    const std::vector<Question> questions{
        {"lang=en", [&](Row r) { return shop.lang[r] == 0; }},
        {"price<100", [&](Row r) { return shop.price[r] < 100; }},
        {"price<500", [&](Row r) { return shop.price[r] < 500; }},
        {"seller=7", [&](Row r) { return shop.seller[r] == 7; }},
        {"lang in (en,de) & price<500", [&](Row r) { return shop.lang[r] < 2 && shop.price[r] < 500; }},
        {"lang=en & price<=20 & !(seller=7)",
         [&](Row r) { return shop.lang[r] == 0 && shop.price[r] <= 20 && shop.seller[r] != 7; }},
        {"seller!=7", [&](Row r) { return shop.seller[r] != 7; }}};
    std::printf("| condition | rows | ms | asking every row, ms |\n|---|---|---|---|\n");
    for (const Question& question : questions) {
      std::vector<double> by_tags;
      std::vector<double> by_asking;
      std::size_t found = 0;
      for (std::size_t round = 0; round < rounds; ++round) {
        start = Clock::now();
        const RowSet rows = rows_where(tags, question.condition);
        by_tags.push_back(1e3 * seconds_since(start));
        found = rows.size();
        start = Clock::now();
        const RowSet asked = RowSet::where(n, question.holds);
        by_asking.push_back(1e3 * seconds_since(start));
        if (!(rows == asked)) {
          std::fprintf(stderr, "bench_tags: %s: %zu rows, %zu by asking\n", question.condition, rows.size(),
                       asked.size());
          return 1;
        }
      }
      std::printf("| `%s` | %zu | %.3f | %.3f |\n", question.condition, found, percentile(by_tags, 0.5),
                  percentile(by_asking, 0.5));
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_tags: %s\n", error.what());
    return 1;
  }
}
