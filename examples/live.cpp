// A recommender's loop: search, click, search again. What a visitor clicks shows in the next search, what is forgotten
// is gone from it, and a folder keeps all that was acknowledged, whatever happens to the process.
#include <pefa/io/relevance/pairs.hpp>
#include <pefa/io/vectors/npy.hpp>
#include <pefa/live/live_retriever.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace pefa;

std::vector<float> vector_of(const EmbeddingStore<float>& rows, std::size_t row) {
  return {rows.row(row), rows.row(row) + rows.dim()};
}

/// The share of queries whose first relevant passage is in the top 10, in percent; of those that have one.
double hit_rate(const LiveRetriever& retriever, const EmbeddingStore<float>& asked, const RelevanceMatrix& truth) {
  std::size_t hits = 0;
  std::size_t counted = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto relevant = truth.passages_of(QueryId(static_cast<Row>(i)));
    if (relevant.size() == 0) continue;
    ++counted;
    const std::string wanted = std::to_string(relevant.columns[0]);
    const auto found = retriever.search({asked.row(i), asked.dim()}, 10);
    hits += std::any_of(found.begin(), found.end(), [&](const auto& hit) { return hit.id == wanted; }) ? 1U : 0U;
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(counted);
}

/// Where a passage is in a search, from 1; 0: not in the first hundred.
std::size_t place(const LiveRetriever& retriever, QueryView query, const std::string& passage) {
  const auto found = retriever.search(query, 100);
  const auto at = std::find_if(found.begin(), found.end(), [&](const auto& hit) { return hit.id == passage; });
  return at == found.end() ? 0 : static_cast<std::size_t>(at - found.begin()) + 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const std::string folder = argc > 2 ? argv[2] : "live_example";
  const auto passages = io::read_npy<float>(data + "/passages.npy");
  const auto queries = io::read_npy<float>(data + "/train_queries.npy");
  const auto relevance = io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());
  const auto asked = io::read_npy<float>(data + "/test_queries.npy");
  const auto truth = io::read_pairs(data + "/test_relevance.tsv", asked.size(), passages.size());

  if (std::filesystem::exists(folder)) throw ValueError(folder + ": is there already, expected a new folder");
  Row visitor = 0;  // the first query whose answer is known
  while (visitor < asked.size() && truth.passages_of(QueryId(visitor)).size() == 0) ++visitor;
  if (visitor == asked.size()) throw ValueError(data + ": no test query has a relevant passage");
  {  // the first day: passages, and no click yet
    const auto retriever = live::LiveRetriever::create(folder, {.dim = passages.dim(), .spec = {.lambda = 0.3f}});
    live::Batch catalogue;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      catalogue.events.emplace_back(live::UpsertPassage{std::to_string(i), vector_of(passages, i)});
    }
    retriever->apply(catalogue);
    retriever->merge();
    std::printf("no clicks:      %.1f %% find what they look for in the top 10\n", hit_rate(*retriever, asked, truth));

    const QueryView query(asked.row(visitor), asked.dim());  // a visitor searches, clicks, and searches again
    const std::string wanted = std::to_string(truth.passages_of(QueryId(visitor)).columns[0]);
    const std::size_t before = place(*retriever, query, wanted);
    retriever->apply(
        {{live::UpsertQuery{"visit-1", vector_of(asked, visitor), "user-9"}, live::AddPair{"visit-1", wanted}}});
    const std::size_t after = place(*retriever, query, wanted);
    retriever->apply({{live::ForgetOwner{"user-9"}}});  // and asks to be forgotten
    std::printf("one click:      place %zu before, %zu after, %zu once it is forgotten\n", before, after,
                place(*retriever, query, wanted));

    live::Batch clicks;  // a day of clicks, one batch a hundred visits, with the place in the host's own stream
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto id = "q" + std::to_string(i);
      clicks.events.emplace_back(live::UpsertQuery{id, vector_of(queries, i)});
      const auto pairs = relevance.passages_of(QueryId(static_cast<Row>(i)));
      for (std::size_t j = 0; j < pairs.size(); ++j) {
        clicks.events.emplace_back(live::AddPair{id, std::to_string(pairs.columns[j]), pairs.weights[j]});
      }
      if (i % 100 != 99 && i + 1 != queries.size()) continue;
      clicks.cursor = "click " + std::to_string(i);
      retriever->apply(clicks);
      clicks.events.clear();
    }
    std::printf("a day later:    %.1f %%, %s\n", hit_rate(*retriever, asked, truth),
                retriever->merge_due() ? "and a merge is due" : "and no merge is due");
    retriever->merge();
    std::printf("merged:         %.1f %%\n", hit_rate(*retriever, asked, truth));
  }
  const auto retriever = live::LiveRetriever::open(folder);  // the next day, another process
  std::printf("opened again:   %.1f %%, the stream goes on after '%s'\n", hit_rate(*retriever, asked, truth),
              retriever->stats().cursor.c_str());
} catch (const pefa::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
