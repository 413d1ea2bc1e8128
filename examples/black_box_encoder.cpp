// Text in, hits out: a host's encoder behind a callable, and a log of answered questions that makes it better.
//
// pefa never sees the model. Whatever turns text into a vector (an ONNX session, an HTTP endpoint, a Python process)
// goes where `TrigramEncoder` stands here; the log is whatever the host has: clicks, judgements, support tickets.
#include <pefa/pefa.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

/// Stands for the host's frozen model: hashed letter trigrams. It matches spellings, not meanings.
struct TrigramEncoder {
  static constexpr std::size_t dim = 256;

  std::vector<float> operator()(std::string_view text) const {
    const std::string padded = "  " + std::string(text) + "  ";
    std::vector<float> vector(dim);
    for (std::size_t i = 0; i + 3 <= padded.size(); ++i) {
      vector[std::hash<std::string_view>{}(std::string_view(padded).substr(i, 3)) % dim] += 1.0f;
    }
    return vector;
  }
};

/// One line of the host's log: what was asked, and the passage that answered it.
struct Answered {
  std::string question;
  pefa::Row passage;
};

/// A text search over any encoder: encodes the passages and the log once, then every question as it comes.
template <class Encoder>
class TextSearch {
 public:
  TextSearch(Encoder encoder, std::vector<std::string> passages, const std::vector<Answered>& log)
      : encoder_(std::move(encoder)), passages_(std::move(passages)), retriever_(build(log)) {}

  struct Result {
    std::string passage;
    float score;
  };

  [[nodiscard]] std::vector<Result> search(std::string_view question, std::size_t k) const {
    std::vector<Result> results;
    for (const auto& [passage, score] : retriever_.search(encode(question), k)) {
      results.push_back({passages_[passage.row()], score});
    }
    return results;
  }

 private:
  /// Unit length, so that inner products are cosines; queries and passages alike.
  [[nodiscard]] std::vector<float> encode(std::string_view text) const {
    std::vector<float> vector = encoder_(text);
    Eigen::Map<Eigen::VectorXf>(vector.data(), static_cast<Eigen::Index>(vector.size())).normalize();
    return vector;
  }

  [[nodiscard]] pefa::PefaXs<> build(const std::vector<Answered>& log) const {
    pefa::EmbeddingStore<float> passages(Encoder::dim);
    for (const std::string& passage : passages_) passages.append(encode(passage));
    pefa::EmbeddingStore<float> questions(Encoder::dim);
    std::vector<pefa::RelevancePair> pairs;
    for (const Answered& answered : log) {
      pairs.push_back({pefa::QueryId(static_cast<pefa::Row>(questions.size())), pefa::PassageId(answered.passage)});
      questions.append(encode(answered.question));
    }
    const auto relevance = pefa::RelevanceMatrix::from_pairs(pairs, questions.size(), passages.size());
    return pefa::PefaXs<>::build(passages, questions, relevance, {.lambda = 0.5f});
  }

  Encoder encoder_;
  std::vector<std::string> passages_;
  pefa::PefaXs<> retriever_;
};

}  // namespace

int main() try {
  const std::vector<std::string> passages{"How to change the PIN of your card", "Opening hours of our branches",
                                          "Reporting a lost or stolen card", "Fees for transfers abroad"};
  const std::vector<Answered> log{{"i want a different secret number", 0},
                                  {"when can i come by on saturday", 1},
                                  {"are you open on sunday", 1},
                                  {"my wallet is gone", 2},
                                  {"someone took my purse", 2},
                                  {"what does sending money to spain cost", 3}};
  const TextSearch search(TrigramEncoder{}, passages, log);
  for (const char* question : {"my purse is gone", "open on saturday?", "sending money to france"}) {
    const auto best = search.search(question, 1).front();
    std::printf("%-28s -> %s (%.2f)\n", question, best.passage.c_str(), static_cast<double>(best.score));
  }
} catch (const pefa::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
