// PEFA-XL over shards: each archive has a part of the passages and the training queries that are about them; one query
// goes to all of them twice. Here they are in one process; between the steps is where your own RPC goes.
//   sharded [DATA [SHARDS]]
#include <pefa/adapter/pefa_xl.hpp>
#include <pefa/adapter/retriever_archive.hpp>
#include <pefa/adapter/sharded_xl.hpp>
#include <pefa/index/flat_index.hpp>
#include <pefa/index/flat_index_archive.hpp>
#include <pefa/io/relevance/pairs.hpp>
#include <pefa/io/vectors/npy.hpp>

#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace {

// Exact indexes, so that the answers are those of one retriever to the bit; any other index goes here, too.
using Xl = pefa::PefaXl<float, pefa::FlatIndex<>, pefa::FlatIndex<>, pefa::SoftmaxGate>;

struct Data {
  pefa::EmbeddingStore<float> passages;
  pefa::EmbeddingStore<float> queries;
  pefa::RelevanceMatrix relevance;
};

/// What a host keeps of a shard: where it is, and the place of its rows in the whole.
struct Shard {
  std::string archive;
  pefa::ShardRows rows;
};

/// Builds the shard of the passages [begin, end), and saves it.
Shard build_shard(const Data& data, const Xl::Params& params, pefa::Row begin, pefa::Row end,
                  const std::string& archive) {
  Shard shard{archive, {begin, {}}};
  std::vector<pefa::RelevancePair> pairs;
  pefa::EmbeddingStore<float> queries(data.queries.dim());
  for (pefa::Row i = 0; i < data.queries.size(); ++i) {
    const auto named = data.relevance.passages_of(pefa::QueryId(i));
    const std::size_t before = pairs.size();
    for (std::size_t e = 0; e < named.size(); ++e) {
      const auto passage = static_cast<pefa::Row>(named.columns[e]);
      if (passage < begin || passage >= end) continue;
      pairs.push_back({pefa::QueryId(static_cast<pefa::Row>(shard.rows.queries.size())),
                       pefa::PassageId(passage - begin), named.weights[e]});
    }
    if (pairs.size() == before) continue;
    shard.rows.queries.push_back(i);
    queries.append({data.queries.row(i), data.queries.dim()});
  }
  // Passages that nobody asked for yet are better spread over the shards, or served by an ErmRetriever (merge_hits()).
  if (pairs.empty()) throw pefa::ValueError("sharded: a shard has no training query; expected fewer shards");
  const auto relevance = pefa::RelevanceMatrix::from_pairs(pairs, queries.size(), end - begin);
  Xl::build(data.passages.view().slice(begin, end), queries, relevance, params).save(archive);
  return shard;
}

/// One query over all shards. @param retrievers  opened, one a shard
std::vector<pefa::Hit> search(const std::vector<Xl>& retrievers, const std::vector<Shard>& shards,
                              pefa::QueryView query, std::size_t k) {
  std::vector<std::vector<pefa::Neighbor>> nearest;  // from every shard, in parallel
  for (std::size_t s = 0; s < shards.size(); ++s) {
    nearest.push_back(pefa::nearest_in_shard(retrievers[s], shards[s].rows, query));
  }
  const auto merged = pefa::merge_nearest(nearest, retrievers[0].params().neighbors);
  const pefa::Voters voters = pefa::weigh_voters(retrievers[0], query, merged);
  std::vector<std::vector<pefa::Hit>> hits;  // from every shard, in parallel
  for (std::size_t s = 0; s < shards.size(); ++s) {
    hits.push_back(pefa::hits_in_shard(retrievers[s], shards[s].rows, query, voters, k));
  }
  return pefa::merge_hits(hits, k);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "examples/data";
  const std::size_t count = argc > 2 ? std::stoul(argv[2]) : 3;
  auto passages = pefa::io::read_npy<float>(folder + "/passages.npy");
  auto queries = pefa::io::read_npy<float>(folder + "/train_queries.npy");
  auto relevance = pefa::io::read_pairs(folder + "/train_relevance.tsv", queries.size(), passages.size());
  const Data data{std::move(passages), std::move(queries), std::move(relevance)};
  const auto tests = pefa::io::read_npy<float>(folder + "/test_queries.npy");
  if (count == 0 || count > data.passages.size()) throw pefa::ValueError("sharded: expected 1 shard or more");

  const Xl::Params params{.lambda = 0.1f, .neighbors = 16};
  const Xl whole = Xl::build(data.passages, data.queries, data.relevance, params);
  const auto directory =
      std::filesystem::temp_directory_path() / ("pefa_sharded." + std::to_string(std::random_device{}()));
  std::filesystem::create_directories(directory);
  std::vector<Shard> shards;
  std::vector<Xl> retrievers;
  for (std::size_t s = 0; s < count; ++s) {
    const auto begin = static_cast<pefa::Row>(data.passages.size() * s / count);
    const auto end = static_cast<pefa::Row>(data.passages.size() * (s + 1) / count);
    shards.push_back(build_shard(data, params, begin, end, (directory / std::to_string(s)).string() + ".pefa"));
    retrievers.push_back(Xl::open(shards.back().archive));
  }

  std::size_t same = 0;
  for (std::size_t t = 0; t < tests.size(); ++t) {
    const pefa::QueryView query(tests.row(t), tests.dim());
    if (search(retrievers, shards, query, 10) == whole.search(query, 10)) ++same;
  }
  std::filesystem::remove_all(directory);
  std::printf("%zu archives answer as one does: %zu of %zu queries\n", count, same, tests.size());
  return same == tests.size() ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
