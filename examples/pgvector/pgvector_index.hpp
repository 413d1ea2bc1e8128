// An index whose rows live in a table of PostgreSQL with pgvector: pefa::AnnIndex by SQL, so that the adapters run over
// a database that the team has already. Needs libpq (14 or later) and pgvector 0.8 or later.
//
// The table is `id bigint, embedding vector(dim)`, ids from 0 on. A trigger counts every statement that changes it, in
// a table of one row beside it: an index that finds the count other than it was throws, as the rows are no longer those
// that the adapter was built on.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/io/engines/pg_copy.hpp"
#include "pefa/io/file/big_endian.hpp"

namespace pefa::pg {

/// How rows are searched: all of them, or a graph of them.
enum class PgvectorSearch { exact, hnsw };

/// Where the table is, and how it is searched.
struct PgvectorParams {
  std::string table = "pefa_rows";                   ///< replaced when build() is done
  std::string conninfo{};                            ///< libpq's; empty: the environment says (PGHOST, ...)
  io::PgVectorType type = io::PgVectorType::vector;  ///< of the rows
  PgvectorSearch search = PgvectorSearch::hnsw;      ///< exact reads every row
  Metric metric = Metric::inner_product;             ///< what a score means
  std::size_t m = 32;                                ///< HNSW: M, 2 to 100
  std::size_t ef_construction = 200;                 ///< HNSW: efConstruction, 4 to 1000
  std::size_t ef_search = 200;                       ///< HNSW: efSearch, 1 to 1000, where a search has none
};

namespace detail {

/// bigint[] in binary.
[[nodiscard]] inline std::string bigint_array(std::span<const Row> rows) {
  std::string bytes;
  io::detail::append_big_endian(bytes, std::uint32_t{1});   // dimensions
  io::detail::append_big_endian(bytes, std::uint32_t{0});   // no nulls
  io::detail::append_big_endian(bytes, std::uint32_t{20});  // bigint
  io::detail::append_big_endian(bytes, static_cast<std::uint32_t>(rows.size()));
  io::detail::append_big_endian(bytes, std::uint32_t{1});  // counted from 1
  for (const Row row : rows) {
    io::detail::append_big_endian(bytes, std::uint32_t{8});
    io::detail::append_big_endian(bytes, std::uint64_t{row});
  }
  return bytes;
}

[[nodiscard]] inline std::int64_t read_bigint(std::string_view bytes) {
  return bytes.size() == 8 ? static_cast<std::int64_t>(io::detail::read_big_endian<std::uint64_t>(bytes.data())) : -1;
}

}  // namespace detail

/// A table as an index. Searches are safe from any number of threads: each takes a connection of its own from a pool.
/// A search that loses its connection throws IoError; the next one connects anew.
class PgvectorIndex {
 private:
  /// A connection with its statements prepared.
  struct Session {
    std::unique_ptr<Connection> connection{};  // null where it was lost
    std::size_t ef = 0;
  };
  using Lease = pefa::detail::ScratchPool<Session>::Lease;

  /// Runs what uses a session's connection, and drops that where it failed: what is left in it is nobody's.
  template <class Use>
  static auto guarded(Session& session, const Use& use) {
    try {
      return use();
    } catch (...) {
      session.connection.reset();
      throw;
    }
  }

 public:
  using Params = PgvectorParams;  ///< what build() takes

  /// Loads the rows in one transaction: an older table of that name is replaced when the new one is whole, and stays as
  /// it was where anything fails.
  /// @throws ValueError  no rows, a parameter out of range  @throws IoError  the server is not there, lacks pgvector,
  /// is lost, or refuses  @throws Cancelled
  [[nodiscard]] static PgvectorIndex build(const EmbeddingView<float>& rows, const Params& params = {},
                                           const BuildOptions& options = {}) {
    constexpr const char* who = "PgvectorIndex::build";
    if (rows.empty()) pefa::detail::fail<ValueError>(who, ": no rows, expected at least 1");
    require_params(params, who);
    PgvectorIndex index(params, rows.size(), rows.dim());
    const Connection connection(params.conninfo);
    const auto run = [&](const std::string& sql) { return connection.run(index.filled(sql), who); };
    run("BEGIN");
    run("DROP TABLE IF EXISTS @T@, @V@");
    run("CREATE TABLE @T@ (id bigint PRIMARY KEY, embedding @TYPE@ NOT NULL)");
    if (rows.dim() * (params.type == io::PgVectorType::vector ? 4 : 2) <= 7600) {
      run("ALTER TABLE @T@ ALTER COLUMN embedding SET STORAGE PLAIN");  // in the row's page: no second look-up
    }
    run("COPY @T@ (id, embedding) FROM STDIN WITH (FORMAT binary)");
    copy_rows(connection, rows, params.type, options, who);
    if (params.search == PgvectorSearch::hnsw) {
      run("CREATE INDEX ON @T@ USING hnsw (embedding @OPS@) WITH (m = " + std::to_string(params.m) +
          ", ef_construction = " + std::to_string(params.ef_construction) + ")");
    }
    // From a random number on, so that another table of the same name has another.
    index.version_ = static_cast<std::int64_t>(std::random_device{}());
    run("CREATE TABLE @V@ AS SELECT " + std::to_string(index.version_) + "::bigint AS version");
    run("CREATE OR REPLACE FUNCTION @C@() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE @V@ SET version = version + 1; RETURN NULL; END $$");
    run("CREATE TRIGGER counts_changes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @T@ "
        "FOR EACH STATEMENT EXECUTE FUNCTION @C@()");
    run("ANALYZE @T@");
    run("COMMIT");
    return index;
  }

  /// A table that build() loaded, by another process perhaps. @param dim  of its vectors
  /// @throws ShapeError  another dim  @throws IoError  there is no such table, rows are missing, the server is not
  /// there
  [[nodiscard]] static PgvectorIndex open(std::size_t dim, const Params& params = {}) {
    constexpr const char* who = "PgvectorIndex::open";
    require_params(params, who);
    PgvectorIndex index(params, 0, dim);
    const Connection connection(params.conninfo);
    const Result column =
        connection.run(index.filled("SELECT atttypmod::bigint FROM pg_attribute WHERE attrelid = '@T@'::regclass "
                                    "AND attname = 'embedding'"),
                       who);
    const std::int64_t there = column.rows() == 1 ? detail::read_bigint(column.field(0, 0)) : -1;
    if (there != static_cast<std::int64_t>(dim)) {
      pefa::detail::fail<ShapeError>(who, ": table ", params.table, " has vectors of dim ", there, ", expected ", dim);
    }
    const Result found = connection.run(
        index.filled("SELECT count(*), coalesce(min(id), 0), coalesce(max(id), -1), (SELECT version FROM @V@) "
                     "FROM @T@"),
        who);
    const std::int64_t rows = detail::read_bigint(found.field(0, 0));
    if (rows == 0 || detail::read_bigint(found.field(0, 1)) != 0 ||
        detail::read_bigint(found.field(0, 2)) != rows - 1) {
      pefa::detail::fail<IoError>(who, ": table ", params.table, " has ", rows,
                                  " rows, expected at least one and the ids 0 to their number");
    }
    index.size_ = static_cast<std::size_t>(rows);
    index.version_ = detail::read_bigint(found.field(0, 3));
    return index;
  }

  /// @throws ShapeError, ValueError  as AnnIndex says  @throws IoError  the connection is lost, the table has changed
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    constexpr const char* who = "PgvectorIndex::search";
    pefa::detail::require_query(query, k, dim_, who);
    if (options.limit.reached()) return stopped(options.stats);
    const Lease session = take_session(who);
    set_ef(*session, options.ef, k, who);
    const std::vector<Parameter> parameters = search_parameters(query, k);
    return guarded(*session, [&] {
      return neighbors_of(session->connection->run_prepared("pefa_search", parameters, who), k, who);
    });
  }

  /// The same for many, 32 in flight on each connection that the executor's threads take. @throws  as above
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& options = {},
                                                                const AnyExecutor& executor = {}) const {
    constexpr const char* who = "PgvectorIndex::search_batch";
    constexpr std::size_t in_flight = 32;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      pefa::detail::require_query({queries.row(i), queries.dim()}, k, dim_, who);
    }
    std::vector<std::vector<Neighbor>> results(queries.size());
    pefa::detail::BatchStats stats(options.stats, (queries.size() + in_flight - 1) / in_flight);
    executor.run((queries.size() + in_flight - 1) / in_flight, [&](std::size_t part) {
      const std::size_t begin = part * in_flight;
      const std::size_t end = std::min(queries.size(), begin + in_flight);
      if (options.limit.reached()) return (void)stopped(stats.part(part));
      const Lease session = take_session(who);
      set_ef(*session, options.ef, k, who);
      guarded(*session, [&] {
        const Connection& connection = *session->connection;
        if (PQenterPipelineMode(connection.raw()) != 1) connection.throw_lost(who);
        for (std::size_t i = begin; i < end; ++i) {
          connection.send_prepared("pefa_search", search_parameters({queries.row(i), queries.dim()}, k), who);
        }
        if (PQpipelineSync(connection.raw()) != 1) connection.throw_lost(who);
        for (std::size_t i = begin; i < end; ++i) {
          const Result result(PQgetResult(connection.raw()));
          connection.require(result, who);
          results[i] = neighbors_of(result, k, who);
          (void)Result(PQgetResult(connection.raw()));  // the null that ends a statement
        }
        connection.require(Result(PQgetResult(connection.raw())), who);
        if (PQexitPipelineMode(connection.raw()) != 1) connection.throw_lost(who);
        return 0;
      });
    });
    stats.add_up();
    return results;
  }

  /// The best k of the rows that a filter admits, by a WHERE; where pgvector gives its walk up before it has k of them,
  /// every admitted row is scored. @throws  as search(), ShapeError for a set over another number of rows
  [[nodiscard]] std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const IndexSearchOptions& options = {}) const {
    constexpr const char* who = "PgvectorIndex::search_filtered";
    pefa::detail::require_query(query, k, dim_, who);
    filter.require_universe(size_, who);
    if (filter.admits_all()) return search(query, k, options);
    const std::vector<Row> admitted = filter.to_set(size_).rows();
    if (admitted.empty()) return {};
    if (options.limit.reached()) return stopped(options.stats);
    std::vector<Neighbor> found;
    {
      const Lease session = take_session(who);
      set_ef(*session, options.ef, k, who);
      std::vector<Parameter> parameters = search_parameters(query, k);
      parameters.push_back({0, detail::bigint_array(admitted)});
      guarded(*session, [&] {
        found = read_neighbors(session->connection->run_prepared("pefa_filter", parameters, who), who);
        return 0;
      });
    }
    if (found.size() < std::min(k, admitted.size())) {
      std::vector<float> scores(admitted.size());
      score_rows(query, admitted, scores);
      found.clear();
      for (std::size_t i = 0; i < admitted.size(); ++i) found.push_back({admitted[i], scores[i]});
    }
    keep_best(found, k);
    return found;
  }

  /// The score that search() gives a row. @throws  as score_rows()
  [[nodiscard]] float score(QueryView query, Row row) const {
    float score = 0.0f;
    score_rows(query, {&row, 1}, {&score, 1});
    return score;
  }

  /// The same of several, in one statement. @throws ShapeError  another dim, a row past the end  @throws IoError
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    constexpr const char* who = "PgvectorIndex::score_rows";
    pefa::detail::require_rows_to_score(query, dim_, rows, size_, scores.size(), who);
    if (rows.empty()) return;
    const Lease session = take_session(who);
    const std::vector<Parameter> parameters{vector_parameter(query), {0, detail::bigint_array(rows)}};
    guarded(*session, [&] {
      const Result found = session->connection->run_prepared("pefa_score", parameters, who);
      if (found.rows() != rows.size()) throw_changed(who);
      for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = score_of(found, i, who);
      return 0;
    });
  }

  /// A row as it is stored: of halfvec, rounded. @throws ShapeError  a row past the end, out of another dim
  void read_row(Row row, std::span<float> out) const {
    constexpr const char* who = "PgvectorIndex::read_row";
    pefa::detail::require_row_to_read(row, size_, out.size(), dim_, who);
    const Lease session = take_session(who);
    const std::vector<Parameter> parameters{bigint_parameter(row)};
    guarded(*session, [&] {
      const Result found = session->connection->run_prepared("pefa_read", parameters, who);
      if (found.rows() != 1 || detail::read_bigint(found.field(0, 2)) != version_) throw_changed(who);
      io::read_pg_vector(found.field(0, 1), params_.type, out);
      return 0;
    });
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  [[nodiscard]] Metric metric() const noexcept { return params_.metric; }
  /// Of this process: the rows are the server's.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sizeof(*this); }
  [[nodiscard]] const Params& params() const noexcept { return params_; }

 private:
  PgvectorIndex(const Params& params, std::size_t size, std::size_t dim) : params_(params), size_(size), dim_(dim) {}

  static void require_params(const Params& params, const char* who) {
    if (params.table.empty() || params.table.size() > 50) {
      pefa::detail::fail<ValueError>(who, ": the table's name has ", params.table.size(), " bytes, expected 1 to 50");
    }
    const auto require = [&](std::size_t value, std::size_t least, std::size_t most, const char* what) {
      if (value >= least && value <= most) return;
      pefa::detail::fail<ValueError>(who, ": ", what, " is ", value, ", expected ", least, " to ", most);
    };
    require(params.m, 2, 100, "m");
    require(params.ef_construction, std::max<std::size_t>(4, 2 * params.m), 1000, "ef_construction");
    require(params.ef_search, 1, 1000, "ef_search");
  }

  static void copy_rows(const Connection& connection, const EmbeddingView<float>& rows, io::PgVectorType type,
                        const BuildOptions& options, const char* who) {
    constexpr std::size_t piece = 256;
    ProgressMeter meter(options.progress, rows.size(), who);
    std::string bytes;
    io::PgCopy copy(bytes);
    for (std::size_t begin = 0; begin < rows.size(); begin += piece) {
      const std::size_t end = std::min(rows.size(), begin + piece);
      for (std::size_t i = begin; i < end; ++i) {
        copy.row(2);
        copy.bigint(static_cast<std::int64_t>(i));
        copy.vector({rows.row(i), rows.dim()}, type);
      }
      connection.put(bytes, who);
      bytes.clear();
      meter.add(end - begin);
    }
    copy.end();
    connection.put(bytes, who);
    connection.end_copy(who);
  }

  /// A statement with the names of this table in it.
  [[nodiscard]] std::string filled(std::string sql) const {
    const auto fill = [&](const std::string& mark, const std::string& value) {
      for (std::size_t at = 0; (at = sql.find(mark, at)) != std::string::npos; at += value.size()) {
        sql.replace(at, mark.size(), value);
      }
    };
    const auto quoted = [](const std::string& name) {
      std::string text = "\"";
      for (const char c : name) text += c == '"' ? "\"\"" : std::string(1, c);
      return text + '"';
    };
    const bool is_half = params_.type == io::PgVectorType::halfvec;
    const bool is_l2 = params_.metric == Metric::l2;
    const std::string type = is_half ? "halfvec" : "vector";
    fill("'@T@'", literal(quoted(params_.table)));
    fill("@T@", quoted(params_.table));
    fill("@V@", quoted(params_.table + "_version"));
    fill("@C@", quoted(params_.table + "_changed"));
    fill("@TYPE@", type + "(" + std::to_string(dim_) + ")");
    fill("@CAST@", type);
    fill("@OPS@", type + (is_l2 ? "_l2_ops" : "_ip_ops"));
    fill("@OP@", is_l2 ? "<->" : "<#>");
    return sql;
  }
  static std::string literal(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
    return quoted + "'";
  }

  [[nodiscard]] Lease take_session(const char* who) const {
    Lease session = sessions_->take([] { return std::make_unique<Session>(); });
    if (session->connection != nullptr) return session;
    auto connection = std::make_unique<Connection>(params_.conninfo);
    if (params_.search == PgvectorSearch::hnsw) {
      // Statements are planned for the k that is asked for, and for the graph that was; k may be above ef.
      connection->run("SET enable_seqscan = off", who);
      connection->run("SET hnsw.iterative_scan = strict_order", who);
    }
    connection->run("SET plan_cache_mode = force_custom_plan", who);
    connection->prepare("pefa_search",
                        filled("SELECT id, embedding @OP@ $1::@CAST@, (SELECT version FROM @V@) FROM @T@ "
                               "ORDER BY embedding @OP@ $1::@CAST@ LIMIT $2::bigint"),
                        who);
    connection->prepare("pefa_filter",
                        filled("SELECT id, embedding @OP@ $1::@CAST@, (SELECT version FROM @V@) FROM @T@ "
                               "WHERE id = ANY($3::bigint[]) ORDER BY embedding @OP@ $1::@CAST@ LIMIT $2::bigint"),
                        who);
    connection->prepare("pefa_score",
                        filled("SELECT asked.id, t.embedding @OP@ $1::@CAST@, (SELECT version FROM @V@) "
                               "FROM unnest($2::bigint[]) WITH ORDINALITY AS asked (id, place) "
                               "JOIN @T@ AS t USING (id) ORDER BY asked.place"),
                        who);
    connection->prepare("pefa_read",
                        filled("SELECT id, embedding, (SELECT version FROM @V@) FROM @T@ WHERE id = $1::bigint"), who);
    session->ef = 0;
    session->connection = std::move(connection);
    return session;
  }

  void set_ef(Session& session, std::size_t asked, std::size_t k, const char* who) const {
    if (params_.search != PgvectorSearch::hnsw) return;
    const std::size_t ef = std::min<std::size_t>(1000, std::max(asked == 0 ? params_.ef_search : asked, k));
    if (session.ef == ef) return;
    guarded(session, [&] { return session.connection->run("SET hnsw.ef_search = " + std::to_string(ef), who); });
    session.ef = ef;
  }

  [[nodiscard]] Parameter vector_parameter(QueryView query) const {
    Parameter parameter;
    io::append_pg_vector(parameter.bytes, query, params_.type);
    return parameter;
  }
  [[nodiscard]] static Parameter bigint_parameter(std::uint64_t value) {
    Parameter parameter;
    io::detail::append_big_endian(parameter.bytes, value);
    return parameter;
  }
  [[nodiscard]] std::vector<Parameter> search_parameters(QueryView query, std::size_t k) const {
    // Some more than k, so that those that tie with the last are put in order by id.
    return {vector_parameter(query), bigint_parameter(std::min(k, size_) + 8)};
  }

  /// A score of a row of (id, distance, version).
  [[nodiscard]] float score_of(const Result& result, std::size_t i, const char* who) const {
    if (detail::read_bigint(result.field(i, 2)) != version_) throw_changed(who);
    const auto distance = std::bit_cast<double>(io::detail::read_big_endian<std::uint64_t>(result.field(i, 1).data()));
    const double score = params_.metric == Metric::l2 ? -distance * distance : -distance;
    return rankable(static_cast<float>(score));
  }
  /// NaN, of infinite products, ranks last.
  [[nodiscard]] static float rankable(float score) noexcept { return pefa::detail::rankable(score); }

  [[nodiscard]] std::vector<Neighbor> read_neighbors(const Result& result, const char* who) const {
    std::vector<Neighbor> found;
    for (std::size_t i = 0; i < result.rows(); ++i) {
      const std::int64_t id = detail::read_bigint(result.field(i, 0));
      const float score = score_of(result, i, who);
      if (id < 0 || id >= static_cast<std::int64_t>(size_)) throw_changed(who);
      found.push_back({static_cast<Row>(id), score});
    }
    return found;
  }
  [[nodiscard]] std::vector<Neighbor> neighbors_of(const Result& result, std::size_t k, const char* who) const {
    std::vector<Neighbor> found = read_neighbors(result, who);
    if (found.empty() || (params_.search == PgvectorSearch::exact && found.size() < std::min(k, size_))) {
      throw_changed(who);
    }
    keep_best(found, k);
    return found;
  }

  [[nodiscard]] static std::vector<Neighbor> stopped(IndexSearchStats* stats) {
    if (stats != nullptr) stats->stopped = true;
    return {};
  }
  [[noreturn]] void throw_changed(const char* who) const {
    pefa::detail::fail<IoError>(who, ": table ", params_.table,
                                " has changed since the index was made; open or build it anew");
  }

  Params params_;
  std::size_t size_;
  std::size_t dim_;
  std::int64_t version_ = 0;  // of the table when the index was made
  std::unique_ptr<pefa::detail::ScratchPool<Session>> sessions_ =
      std::make_unique<pefa::detail::ScratchPool<Session>>();
};

static_assert(AnnIndex<PgvectorIndex> && BatchIndex<PgvectorIndex> && BatchScoringIndex<PgvectorIndex>);
static_assert(ReadableIndex<PgvectorIndex> && FilteringIndex<PgvectorIndex>);

}  // namespace pefa::pg
