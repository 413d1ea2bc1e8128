// pefa: a BEIR data set's folder: corpus.jsonl, queries.jsonl and qrels/<split>.tsv.
//
// Needs nlohmann-json, so pefa.hpp does not include it. Only ids and judgements are read: vectors of the texts, in the
// order of the lines, are the user's.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/ids/jsonl_ids.hpp"
#include "pefa/io/relevance/beir_qrels.hpp"
#include "pefa/io/relevance/judgements.hpp"

namespace pefa::io {

/// The ids of a BEIR data set, rows in the order of its files, and the judgements of one split.
struct BeirDataset {
  ExternalIds queries;    ///< of every split: a query that this one does not judge has an empty row in Y
  ExternalIds passages;   ///< of the whole corpus
  Judgements judgements;  ///< Y [queries.size() x passages.size()]
};

/// Reads folder/queries.jsonl, folder/corpus.jsonl and `folder/qrels/<split>.tsv`.
/// @throws IoError, FormatError  as read_jsonl_ids() and read_beir_qrels()
[[nodiscard]] inline BeirDataset read_beir(const std::filesystem::path& folder, const std::string& split,
                                           UnknownId unknown = UnknownId::refuse) {
  ExternalIds queries = read_jsonl_ids(folder / "queries.jsonl");
  ExternalIds passages = read_jsonl_ids(folder / "corpus.jsonl");
  Judgements judgements = read_beir_qrels(folder / "qrels" / (split + ".tsv"), queries, passages, unknown);
  return {std::move(queries), std::move(passages), std::move(judgements)};
}

}  // namespace pefa::io
