// pefa export-sql: PEFA-XL as tables and one function of PostgreSQL with pgvector, from an archive.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "commands.hpp"
#include "data_files.hpp"
#include "engine_folder.hpp"
#include "interrupt.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/any_adapters.hpp"
#include "pefa/adapter/exported_rows.hpp"
#include "pefa/adapter/spec_of.hpp"
#include "pefa/adapter/xl_sql.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/engines/engine_rows.hpp"
#include "pefa/io/engines/pg_copy.hpp"
#include "pefa/io/vectors/npy.hpp"

namespace pefa::cli {
namespace {

constexpr const char* sql_readme = R"(# PEFA-XL in PostgreSQL

Whole or not at all, into an empty database with pgvector 0.8 or later (psql's own variables say which, PGHOST, PGDATABASE, ...):

```sh
psql --quiet -v ON_ERROR_STOP=1 --single-transaction -f pefa.sql
```

## Ask

```sql
SELECT id, score FROM pefa_search($1::vector, 10);
SELECT id, score FROM pefa_search(query => $1::vector, k => 10, neighbors => 16, lambda => 0.5, gate => 'mean');
```

Queries come as your encoder makes them. The defaults are those of the archive; `temperature` is softmax's.

## A click

It counts from the next query on: a training query, and what was right for it.

```sql
WITH asked AS (INSERT INTO train_query (embedding) VALUES (pefa_train_query($1::vector)) RETURNING id)
INSERT INTO relevance (query_id, passage_id) SELECT id, $2 FROM asked;
```

Passage vectors, whitening and hubness stay as they were fitted: export again once much has changed.

## Recall

`ALTER FUNCTION pefa_search SET hnsw.ef_search = 400` (200 as exported, 1000 at most) sets recall against time. An export
with `--exact` has no graphs, and every answer is the library's own.
)";

/// All rows of an index as floats. @throws ValueError  it keeps none
EmbeddingStore<float> rows_of(const AnyIndex& index) {
  if (index.spec().exact_rows == ExactRows::drop) {
    throw ValueError("the archive holds codes and no rows: build it with --exact-rows keep to export it");
  }
  auto rows = EmbeddingStore<float>::for_overwrite(index.size(), index.dim());
  for (std::size_t i = 0; i < index.size(); ++i) {
    index.read_row(static_cast<Row>(i), {rows.mutable_row(i), index.dim()});
  }
  return rows;
}

struct ExportSqlCommand {
  std::filesystem::path archive;
  std::filesystem::path out;
  bool exact = false;
  Output output;

  void run() const {
    const io::ArchiveReader reader = io::ArchiveReader::open(archive);
    const auto xl = PefaXlOverAny<>::open(reader);
    const std::optional<io::ExternalIds> ids = io::read_passage_ids(reader);
    const RetrieverSpec spec = spec_of(xl);
    const bool has_hubness = !xl.hubness().empty();
    const InterruptibleExecutor executor(0);
    const EmbeddingStore<float> passages =
        detail::unbalanced_rows(xl.fitted(), rows_of(xl.passage_index()), {executor, {}});
    const EmbeddingStore<float> queries = rows_of(xl.query_index());
    const XlSqlShape shape{.passage_dim = passages.dim(),
                           .query_dim = queries.dim() - (has_hubness ? 1 : 0),
                           .raw_dim = xl.dim(),
                           .has_text_ids = ids.has_value(),
                           .has_graphs = !exact};
    const std::string tables = xl_sql_tables(spec, shape);
    const std::string indexes = xl_sql_indexes(spec, shape);

    make_export_folder(out, {"README.md", "pefa.sql", "whitening.copy", "whitening.npy"});
    const io::RowIds names = rows_by(ids, passages.size());
    const auto append_id = [&](io::PgCopy& copy, Row row) {
      if (ids) return copy.text(io::detail::pg_text_of(names.text(row), out));
      copy.bigint(row);
    };
    io::write_pg_copy(out / "passage.copy", passages.size(), interrupted, [&](io::PgCopy& copy, std::size_t i) {
      copy.row(2);
      append_id(copy, static_cast<Row>(i));
      copy.vector({passages.row(i), passages.dim()});
    });
    io::write_pg_copy(out / "train_query.copy", queries.size(), interrupted, [&](io::PgCopy& copy, std::size_t i) {
      copy.row(3);
      copy.bigint(static_cast<std::int64_t>(i));
      copy.vector({queries.row(i), queries.dim()});
      copy.real(has_hubness ? xl.hubness()[i] : 0.0f);
    });
    io::write_pg_copy(out / "relevance.copy", queries.size(), interrupted, [&](io::PgCopy& copy, std::size_t i) {
      const auto named = xl.relevance().passages_of(QueryId(static_cast<Row>(i)));
      for (std::size_t e = 0; e < named.size(); ++e) {
        copy.row(3);
        copy.bigint(static_cast<std::int64_t>(i));
        append_id(copy, static_cast<Row>(named.columns[e]));
        copy.real(named.weights[e]);
      }
    });
    std::string script = "-- Whole or not at all: psql -v ON_ERROR_STOP=1 --single-transaction -f pefa.sql\n" + tables +
                         "\\copy passage (id, embedding) FROM 'passage.copy' WITH (FORMAT binary)\n"
                         "\\copy train_query (id, embedding, hubness) FROM 'train_query.copy' WITH (FORMAT binary)\n"
                         "\\copy relevance (query_id, passage_id, weight) FROM 'relevance.copy' WITH (FORMAT binary)\n"
                         "SELECT setval(pg_get_serial_sequence('train_query', 'id'), max(id) + 1, false) AS last FROM "
                         "train_query \\gset\n";
    if (xl.fitted().whitening) {
      const auto map = xl.fitted().whitening->map().matrix<RowMajorMatrix>();
      io::write_pg_copy(out / "whitening.copy", static_cast<std::size_t>(map.rows()), interrupted,
                        [&](io::PgCopy& copy, std::size_t i) {
                          copy.row(2);
                          copy.integer(static_cast<std::int32_t>(i));
                          copy.vector({map.data() + static_cast<std::ptrdiff_t>(i) * map.cols(),
                                       static_cast<std::size_t>(map.cols())});
                        });
      io::write_npy(out / "whitening.npy", EmbeddingView<float>(map));
      script += "\\copy whitening (axis, weights) FROM 'whitening.copy' WITH (FORMAT binary)\n";
    }
    script += indexes + "ANALYZE passage, train_query, relevance;\n\n" + xl_sql_functions(spec, shape);
    write_text(out / "pefa.sql", script);
    write_text(out / "README.md", sql_readme);
    output.summary(fmt::format("{}: {} passages, {} training queries, {} pairs; its README.md says how to load them\n",
                               out.string(), passages.size(), queries.size(), xl.relevance().pair_count()),
                   {{"out", out.string()},
                    {"passages", passages.size()},
                    {"training_queries", queries.size()},
                    {"pairs", xl.relevance().pair_count()},
                    {"exact", exact}});
  }
};

}  // namespace

void add_export_sql_command(CLI::App& app) {
  CLI::App& command =
      *app.add_subcommand("export-sql", "Write an archive of xl as tables and one function for PostgreSQL (pgvector)");
  const auto exported = std::make_shared<ExportSqlCommand>();
  command.add_option("archive", exported->archive, "what pefa build wrote, of method xl")->required();
  command.add_option("--out", exported->out, "the folder to write")->required()->group(groups::output);
  command.add_flag("--exact", exported->exact, "no graphs: every answer is exact, and reads every vector")
      ->group(groups::index);
  exported->output.add_options(command);
  command.footer(
      "The gates mean, sum and softmax are arguments of each search; local needs more than SQL has at hand.\n"
      "Example:\n"
      "  pefa export-sql xl.pefa --out xl.sql && cd xl.sql && psql -v ON_ERROR_STOP=1 --single-transaction -f "
      "pefa.sql");
  command.callback([exported] { exported->run(); });
}

}  // namespace pefa::cli
