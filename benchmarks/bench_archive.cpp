// How fast does a service start? Opening a PEFA-XL archive and answering one query, against hnswlib loading its own
// index of the passages alone. Graphs are built with a small efConstruction: their quality changes neither time.
#include <cstdio>
#include <filesystem>

#include "bench_support.hpp"

int main(int argc, char** argv) {
  using namespace pefa;
  using namespace pefa::bench;
  using Index = QuantizedHnswIndex<>;
  using Xl = PefaXl<float, Index, Index, SoftmaxGate>;
  CLI::App app("Opening a PEFA-XL archive against hnswlib's loadIndex");
  Options options;
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  const std::string stem = (std::filesystem::temp_directory_path() / "pefa_bench_archive").string();
  const std::string archive = stem + ".pefa";
  const std::string theirs = stem + ".hnsw";
  int status = 0;
  try {
    const DataSet data = DataSet::read(options.folder);
    const ThreadExecutor threads(options.threads);
    constexpr std::size_t small = 40;
    {
      const Index::Params params{
          .graph = {.m = m, .ef_construction = small}, .rows = Rows::borrow, .refine = Refine::never};
      std::fprintf(stderr, "building and saving PEFA-XL\n");
      Xl::build(data.passages, data.train_queries, data.train_relevance,
                {.lambda = 0.1f, .passage_index = params, .query_index = params}, {threads})
          .save(archive);
      std::fprintf(stderr, "building and saving hnswlib\n");
      hnswlib::InnerProductSpace space(data.passages.dim());
      hnswlib::HierarchicalNSW<float> graph(&space, data.passages.size(), m, small);
      graph.addPoint(data.passages.row(0), 0);
      threads.run(data.passages.size() - 1, [&](std::size_t i) { graph.addPoint(data.passages.row(i + 1), i + 1); });
      graph.saveIndex(theirs);
    }
    std::vector<double> opening;
    std::vector<double> loading;
    for (std::size_t round = 0; round < options.rounds; ++round) {
      auto start = Clock::now();
      const Xl xl = Xl::open(archive);
      if (xl.search(data.query(0), 10).size() != 10) throw Error("no results");
      opening.push_back(1e3 * seconds_since(start));
      start = Clock::now();
      hnswlib::InnerProductSpace space(data.passages.dim());
      hnswlib::HierarchicalNSW<float> graph(&space, theirs);
      if (graph.searchKnn(data.test_queries.row(0), 10).size() != 10) throw Error("no results");
      loading.push_back(1e3 * seconds_since(start));
    }
    const double ours = percentile(opening, 0.5);
    const double plain = percentile(loading, 0.5);
    const double mib = static_cast<double>(std::filesystem::file_size(archive)) / (1 << 20);
    const double their_mib = static_cast<double>(std::filesystem::file_size(theirs)) / (1 << 20);
    std::printf("%s\n%zu passages, %zu training queries, dim %zu\n", machine().c_str(), data.passages.size(),
                data.train_queries.size(), data.passages.dim());
    std::printf(
        "PEFA-XL: open and first query %.1f ms (%.0f MiB); hnswlib: load and first query %.1f ms (%.0f MiB); ratio "
        "%.3f\n",
        ours, mib, plain, their_mib, ours / plain);
    options.write({{"machine", machine()},
                   {"open_ms", ours},
                   {"hnswlib_load_ms", plain},
                   {"ratio", ours / plain},
                   {"archive_mib", mib},
                   {"hnswlib_mib", their_mib}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_archive: %s\n", error.what());
    status = 1;
  }
  std::filesystem::remove(archive);
  std::filesystem::remove(theirs);
  return status;
}
