#include "tuned_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/io/archive/checksum.hpp"

namespace pefa::cli {
namespace {

/// A few rows, the first among them, evenly spread.
void add_rows(const EmbeddingView<float>& rows, io::Checksum& checksum) {
  const std::size_t count = std::min<std::size_t>(rows.size(), 16);
  for (std::size_t i = 0; i < count; ++i) {
    checksum.update(std::as_bytes(std::span(rows.row(i * rows.size() / count), rows.dim())));
  }
}

std::string fingerprint(const TrainingData& data) {
  io::Checksum checksum;
  add_rows(data.passages.view(), checksum);
  add_rows(data.queries.view(), checksum);
  for (std::size_t query = 0; query < data.relevance.rows(); ++query) {
    const auto entries = data.relevance.passages_of(QueryId(static_cast<Row>(query)));
    const std::uint64_t size = entries.size();
    checksum.update(std::as_bytes(std::span(&size, 1)));
    checksum.update(std::as_bytes(std::span(entries.columns)));
    checksum.update(std::as_bytes(std::span(entries.weights)));
  }
  return fmt::format("{:016x}", checksum.value());
}

}  // namespace

nlohmann::ordered_json identity_of(const TrainingData& data) {
  return {{"dim", data.passages.dim()},
          {"passages", data.passages.size()},
          {"training_queries", data.queries.size()},
          {"pairs", data.relevance.pair_count()},
          {"fingerprint", fingerprint(data)}};
}

TunedFile::TunedFile(const std::filesystem::path& path) : path_(path) {
  require_file(path);
  std::ifstream in(path);
  json_ = nlohmann::ordered_json::parse(in, nullptr, false);
  if (json_.is_discarded() || !json_.is_object() || !json_.contains("pick") || !json_["pick"].is_object()) {
    throw FormatError(path.string() + ": is not what pefa tune --json writes: expected an object with a pick");
  }
}

RetrieverSpec TunedFile::pick() const {
  RetrieverSpec pick;
  try {
    nlohmann::ordered_json spec = json_["pick"];
    if (spec.is_object() && !spec.contains("spec_version")) spec["spec_version"] = 1;  // from before there was one
    pick = spec_from_json(spec);
  } catch (const FormatError& error) {
    throw FormatError(path_.string() + ": its pick: " + error.what());
  }
  for (const char* field : {"fold", "condense"}) {
    if (pick.method != Method::xl && json_["pick"].contains(field) && !json_["pick"][field].is_null()) {
      throw FormatError(path_.string() + ": its pick is " + name(pick.method) + ", which has no fold and no condense");
    }
  }
  return pick;
}

void TunedFile::require_data(const TrainingData& data) const {
  const auto tuned = json_.find("data");
  if (tuned == json_.end() || !tuned->is_object()) return;  // from before it was written
  std::vector<std::string> keys{"dim", "passages"};
  if (!data.queries.empty()) keys.insert(keys.end(), {"training_queries", "pairs", "fingerprint"});
  const nlohmann::ordered_json here = identity_of(data);
  for (const std::string& key : keys) {
    const auto there = tuned->find(key);
    if (there == tuned->end() || *there == here[key]) continue;
    throw ValueError(fmt::format("{}: was tuned on other data: {} {}, here {}{}; tune again, or give --tuned-anyway",
                                 path_.string(), key, there->dump(), here[key].dump(),
                                 key == "fingerprint" ? ", of pairs and a few rows" : ""));
  }
}

}  // namespace pefa::cli
