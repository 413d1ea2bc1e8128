// BM25 over plain text by Xapian: texts in, a TREC run out. The lexical side of a fusion (pefa fuse), and the row that
// a table of retrievers is expected to begin with.
#include <xapian.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/results/trec_run.hpp"

namespace {

struct Arguments {
  std::string passages;
  std::string passage_ids;
  std::string queries;
  std::string query_ids;
  std::string out;
  std::string stemmer = "english";
  std::string tag = "bm25";
  double k1 = 1.2;
  double b = 0.75;
  unsigned top_k = 100;
};

/// A text a row, one a line; an empty line is a row without words.
std::vector<std::string> read_texts(const std::string& path) {
  pefa::io::detail::LineReader lines(path);
  std::vector<std::string> texts;
  while (lines.next_line()) texts.emplace_back(lines.line());
  if (texts.empty()) throw pefa::FormatError(path + ": has no lines, expected a text on each");
  return texts;
}

/// Ids by row, where a file of them is given; else rows are known by their numbers.
std::optional<pefa::io::ExternalIds> read_ids(const std::string& path, std::size_t n_rows) {
  if (path.empty()) return std::nullopt;
  pefa::io::ExternalIds ids = pefa::io::read_ids(path);
  if (ids.size() == n_rows) return ids;
  throw pefa::ShapeError(path + ": has " + std::to_string(ids.size()) + " ids for " + std::to_string(n_rows) +
                         " texts, expected one each");
}

/// Passages in memory, searched by what words they share with a query.
class Bm25 {
 public:
  Bm25(const std::vector<std::string>& passages, const Arguments& arguments)
      : database_("", Xapian::DB_BACKEND_INMEMORY), enquire_(database_), top_k_(arguments.top_k) {
    const Xapian::Stem stemmer(arguments.stemmer);
    words_.set_stemmer(stemmer);
    words_.set_stemming_strategy(stemmer.is_none() ? Xapian::TermGenerator::STEM_NONE
                                                   : Xapian::TermGenerator::STEM_ALL);
    for (const std::string& text : passages) (void)database_.add_document(words_of(text));
    database_.commit();
    // k2 = 0: no correction for the query's length. k3 = 1: a word that a query has twice counts little more than once.
    enquire_.set_weighting_scheme(Xapian::BM25Weight(arguments.k1, 0.0, 1.0, arguments.b, 0.0));
    enquire_.set_docid_order(Xapian::Enquire::ASCENDING);
  }

  /// The best passages that share a word with the query, best first, ties by ascending row.
  std::vector<pefa::Hit> search(const std::string& text) {
    const Xapian::Document query = words_of(text);
    std::vector<Xapian::Query> terms;
    for (auto term = query.termlist_begin(); term != query.termlist_end(); ++term) {
      terms.emplace_back(*term, term.get_wdf());
    }
    std::vector<pefa::Hit> hits;
    if (terms.empty()) return hits;
    enquire_.set_query(Xapian::Query(Xapian::Query::OP_OR, terms.begin(), terms.end()));
    const Xapian::MSet found = enquire_.get_mset(0, top_k_);
    for (auto hit = found.begin(); hit != found.end(); ++hit) {
      hits.push_back({pefa::PassageId(*hit - 1), static_cast<float>(hit.get_weight())});  // documents count from 1
    }
    return hits;
  }

 private:
  /// The stemmed words of a text with their counts. Passages and queries are cut alike, and no word of a query is an
  /// operator.
  Xapian::Document words_of(const std::string& text) {
    Xapian::Document document;
    words_.set_document(document);
    words_.index_text_without_positions(text);
    return words_.get_document();
  }

  Xapian::WritableDatabase database_;
  Xapian::Enquire enquire_;
  Xapian::TermGenerator words_;
  unsigned top_k_;
};

void run(const Arguments& arguments) {
  const std::vector<std::string> passages = read_texts(arguments.passages);
  const std::vector<std::string> queries = read_texts(arguments.queries);
  const auto passage_ids = read_ids(arguments.passage_ids, passages.size());
  const auto query_ids = read_ids(arguments.query_ids, queries.size());
  Bm25 bm25(passages, arguments);
  std::vector<std::vector<pefa::Hit>> results;
  results.reserve(queries.size());
  for (const std::string& query : queries) results.push_back(bm25.search(query));
  const auto rows = [](const auto& ids) { return ids ? pefa::io::RowIds(*ids) : pefa::io::RowIds(); };
  pefa::io::write_trec_run(arguments.out, results, rows(query_ids), rows(passage_ids), arguments.tag);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("BM25 over plain text: the best passages of every query as a TREC run", "bm25");
  app.add_option("--passages", arguments.passages, "passage texts, one a line")->required();
  app.add_option("--passage-ids", arguments.passage_ids, "ids of the passages, one a line (default: row numbers)");
  app.add_option("--queries", arguments.queries, "query texts, one a line")->required();
  app.add_option("--query-ids", arguments.query_ids, "ids of the queries, one a line (default: row numbers)");
  app.add_option("--k1", arguments.k1, "how much a word counts that a passage has often")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--b", arguments.b, "how much a passage's length counts")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--stemmer", arguments.stemmer, "language of Xapian's stemmer: english, german, …; none: words as is")
      ->capture_default_str();
  app.add_option("--top-k", arguments.top_k, "passages a query asks for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--tag", arguments.tag, "the name of the run")->capture_default_str();
  app.add_option("--out", arguments.out, "the run to write")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
    return 0;
  } catch (const Xapian::Error& error) {
    std::fprintf(stderr, "bm25: %s\n", error.get_description().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bm25: %s\n", error.what());
  }
  return 1;
}
