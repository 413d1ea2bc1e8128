// pefa convert and export-xs: what goes from file to file comes through whole, or is refused.
#include <fstream>
#include <sstream>
#include <string>

#include "cli_support.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/io/vectors/big_ann.hpp"
#include "pefa/io/vectors/vecs.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

void convert(const std::string& from, const std::string& to, const std::string& more = "") {
  run_well("convert --quiet " + from + " " + to + " " + more);
}

bool has_npz() {
  return run("convert --help").out.find("npz") != std::string::npos;
}

}  // namespace

TEST_CASE("pefa convert: vectors come back to the bit through every format of floats", "[convert]") {
  const Files files;
  std::string last = files.passages;
  for (const std::string format : {"fbin", "fvecs", "safetensors", "npy"}) {
    const std::string next = files.path("copy." + format);
    convert(last, next);
    last = next;
  }
  REQUIRE(read_bytes(last) == read_bytes(files.passages));
  convert(files.passages, files.path("nameless"), "--to fbin");
  REQUIRE(read_bytes(files.path("nameless")) == read_bytes(files.path("copy.fbin")));
  convert(files.path("nameless"), files.path("again.npy"), "--from fbin");
  REQUIRE(read_bytes(files.path("again.npy")) == read_bytes(files.passages));
}

TEST_CASE("pefa convert: narrower formats take what they can hold", "[convert]") {
  const Files files;
  convert(files.passages, files.path("P.f16bin"));
  REQUIRE(std::filesystem::file_size(files.path("P.f16bin")) == 8 + 30 * 8 * 2);
  require_refused("convert " + files.passages + " " + files.path("P.u8bin"), 1, "P.u8bin");
  REQUIRE(!std::filesystem::exists(files.path("P.u8bin")));
  RowMajorMatrix whole = random_matrix(5, 4, 1);
  whole = (whole.array() * 20.0f).abs().round() + 1.0f;
  io::write_npy(files.path("whole.npy"), EmbeddingView<float>(whole));
  convert(files.path("whole.npy"), files.path("whole.u8bin"));
  convert(files.path("whole.u8bin"), files.path("whole.bvecs"));
  convert(files.path("whole.bvecs"), files.path("again.npy"));
  REQUIRE(read_bytes(files.path("again.npy")) == read_bytes(files.path("whole.npy")));
}

TEST_CASE("pefa convert: relevance comes back through every format that holds its weights", "[convert]") {
  const Files files;
  const std::string numbers = "--n-queries 40 --n-passages 30";
  const std::string first = files.path("first.csr");
  convert(files.relevance, first, numbers);
  std::string last = first;
  for (const std::string format : {"npz", "qrels", "beir", "tsv", "csr"}) {
    if (format == "npz" && !has_npz()) continue;
    const std::string next = files.path("copy." + format);
    convert(last, next, numbers);
    last = next;
  }
  REQUIRE(read_bytes(last) == read_bytes(first));
  const Json json = Json::parse(run_well("convert --json - " + first + " " + files.path("x.tsv")));
  REQUIRE(json["kind"] == "relevance");
  REQUIRE(json["queries"] == 40);
  REQUIRE(json["passages"] == 30);

  const std::string ones = files.directory.write("ones.tsv", "0\t1\n2\t0\n2\t2\n").string();
  convert(ones, files.path("ones.xmc"), "--n-queries 3 --n-passages 3");
  convert(files.path("ones.xmc"), files.path("ones.libsvm"));
  convert(files.path("ones.libsvm"), files.path("ones.csr"), "--n-queries 3 --n-passages 3");
  convert(ones, files.path("expected.csr"), "--n-queries 3 --n-passages 3");
  REQUIRE(read_bytes(files.path("ones.csr")) == read_bytes(files.path("expected.csr")));
  require_refused("convert " + first + " " + files.path("x.libsvm"), 1, "x.libsvm");
}

TEST_CASE("pefa convert: a BEIR split becomes rows in the order of its files, and goes back", "[convert]") {
  const Files files;
  const auto write = [&files](const char* name, const char* text) {
    return files.directory.write(name, text).string();
  };
  const std::string ids = " --query-ids " + write("queries.jsonl", "{\"_id\": \"q1\"}\n{\"_id\": \"q2\"}\n") +
                          " --passage-ids " +
                          write("corpus.jsonl", "{\"_id\": \"a\"}\n{\"_id\": \"b\"}\n{\"_id\": \"c\"}\n");
  const std::string qrels = write("test.tsv", "query-id\tcorpus-id\tscore\nq2\ta\t1\nq2\tc\t2\n");
  convert(qrels, files.path("rows.tsv"), "--from beir" + ids);
  REQUIRE(read_bytes(files.path("rows.tsv")).starts_with("1\t0\t1\n1\t2\t2\n"));
  convert(qrels, files.path("Z.qrels"), "--from beir" + ids);
  REQUIRE(read_bytes(files.path("Z.qrels")).find("q2 0 c 2") != std::string::npos);
  convert(files.path("Z.qrels"), files.path("again.beir"), ids);
  REQUIRE(read_bytes(files.path("again.beir")) == read_bytes(qrels));
}

TEST_CASE("pefa convert: ground truths", "[convert]") {
  const Files files;
  const io::GroundTruth truth{.query_count = 2, .k = 2, .ids = {3, 1, 4, 1}, .distances = {}};
  io::write_ivecs(files.path("t.ivecs"), truth);
  convert(files.path("t.ivecs"), files.path("t.ibin"));
  convert(files.path("t.ibin"), files.path("again.ivecs"));
  REQUIRE(read_bytes(files.path("again.ivecs")) == read_bytes(files.path("t.ivecs")));
}

TEST_CASE("pefa convert: what cannot be converted is refused", "[bad input]") {
  const Files files;
  require_refused("convert", 2, "IN is required");
  require_refused("convert " + files.passages, 2, "OUT is required");
  require_refused("convert " + files.passages + " x.tsv", 1, "x.tsv: tsv holds relevance, but");
  require_refused("convert " + files.relevance + " x.npy", 1, "x.npy: npy holds vectors, but");
  require_refused("convert " + files.passages + " x.csv", 1, "'csv' is no format, expected by extension or --to");
  require_refused("convert " + files.passages + " x.npy --from csv", 1, "'csv' is no format");
  require_refused("convert " + files.path("none.npy") + " x.fbin", 1, "No such file");
  require_refused("convert " + files.relevance + " " + files.path("x.csr"), 1, "--n-queries and --n-passages");
  require_refused("convert " + files.relevance + " " + files.path("x.csr") + " --n-queries 2 --n-passages 30", 1,
                  "out of range");
  require_refused("convert " + files.passages + " " + files.path("x.fbin") + " --from fbin", 1, "P.npy");
  require_refused("convert " + files.passages + " /nowhere/at/all.fbin", 1,
                  "/nowhere/at/all.fbin: cannot be opened for writing: No such file or directory");
}

TEST_CASE("pefa export-xs: the vectors are those of the library, in every format", "[convert]") {
  const Files files;
  const std::string common =
      "export-xs --quiet --rule correlation --lambda 0.25 --cold erm" + files.training() + " --out ";
  run_well(common + files.path("xs.npy"));
  run_well(common + files.path("xs.fbin"));
  run_well(common + files.path("xs.jsonl"));
  const auto passages = io::read_npy<float>(files.passages);
  const auto queries = io::read_npy<float>(files.queries);
  const auto relevance = io::read_pairs(files.relevance, queries.size(), passages.size());
  const auto folded = fold_queries<float>(passages, queries, relevance, 0.25f, ColdPassage::erm);
  io::write_npy(files.path("expected.npy"), folded);
  REQUIRE(read_bytes(files.path("xs.npy")) == read_bytes(files.path("expected.npy")));
  convert(files.path("xs.fbin"), files.path("again.npy"));
  REQUIRE(read_bytes(files.path("again.npy")) == read_bytes(files.path("expected.npy")));

  std::istringstream lines(read_bytes(files.path("xs.jsonl")));
  std::size_t row = 0;
  for (std::string line; std::getline(lines, line); ++row) {
    const Json json = Json::parse(line);
    REQUIRE(json["id"] == std::to_string(row));
    for (std::size_t d = 0; d < 8; ++d) REQUIRE(json["vector"][d].get<float>() == folded.row(row)[d]);
  }
  REQUIRE(row == 30);
}

TEST_CASE("pefa export-xs: wrong calls", "[bad input]") {
  const Files files;
  require_refused("export-xs" + files.training(), 2, "--out");
  require_refused("export-xs --out x.npy --passages " + files.passages, 2, "--train-");
  require_refused("export-xs" + files.training() + " --out x.csv", 1, "tells no format of vectors");
  require_refused("export-xs" + files.training() + " --out x.npy --lambda 2", 2, "--lambda");
  const std::string tuned = files.directory.write("t.json", R"({"pick": {"method": "xl", "lambda": 0.1}})").string();
  require_refused("export-xs" + files.training() + " --out x.npy --tuned " + tuned, 1, "its pick is xl");
}
