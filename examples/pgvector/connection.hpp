// libpq without its sharp edges: a connection and a result that close themselves, and errors of pefa's.
#pragma once

#include <libpq-fe.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::pg {

/// What a statement is given: bytes in the binary form of its type.
struct Parameter {
  Oid type = 0;  ///< 0: the server finds out
  std::string bytes{};
};

/// A result of the server.
class Result {
 public:
  explicit Result(PGresult* result) : result_(result) {}

  [[nodiscard]] ExecStatusType status() const { return PQresultStatus(result_.get()); }
  [[nodiscard]] std::size_t rows() const { return static_cast<std::size_t>(PQntuples(result_.get())); }
  /// A field as the server sent it.
  [[nodiscard]] std::string_view field(std::size_t row, int column) const {
    const int i = static_cast<int>(row);
    return {PQgetvalue(result_.get(), i, column), static_cast<std::size_t>(PQgetlength(result_.get(), i, column))};
  }
  /// "42P01": which error it is; empty where it is none.
  [[nodiscard]] std::string state() const {
    const char* state = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
    return state == nullptr ? "" : state;
  }
  /// The server's message in one line.
  [[nodiscard]] std::string message() const {
    const char* message = PQresultErrorField(result_.get(), PG_DIAG_MESSAGE_PRIMARY);
    return message == nullptr ? PQresultErrorMessage(result_.get()) : message;
  }

 private:
  struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

/// One connection, for one thread at a time.
class Connection {
 public:
  /// @param conninfo  "host=... dbname=..."; empty: the environment says
  /// @throws IoError  the server does not answer, or does not let us in
  explicit Connection(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(raw()) != CONNECTION_OK) {
      throw IoError("PostgreSQL: cannot connect: " + one_line(PQerrorMessage(raw())));
    }
    (void)PQsetErrorVerbosity(raw(), PQERRORS_TERSE);
    PQsetNoticeProcessor(
        raw(), [](void*, const char*) {}, nullptr);
  }

  [[nodiscard]] PGconn* raw() const noexcept { return connection_.get(); }
  [[nodiscard]] bool is_alive() const noexcept { return PQstatus(raw()) == CONNECTION_OK; }

  /// Runs a statement; parameters and result are binary. @param who  "PgvectorIndex::build"
  /// @throws IoError  the connection is lost  @throws Error  the server refuses; see throw_error()
  Result run(const std::string& sql, std::span<const Parameter> parameters, const char* who) const {
    const Pointers pointers(parameters);
    Result result(PQexecParams(raw(), sql.c_str(), pointers.count(), pointers.types.data(), pointers.values.data(),
                               pointers.lengths.data(), pointers.formats.data(), 1));
    require(result, who);
    return result;
  }
  Result run(const std::string& sql, const char* who) const { return run(sql, {}, who); }

  /// Prepares a statement under a name.
  void prepare(const char* name, const std::string& sql, const char* who) const {
    require(Result(PQprepare(raw(), name, sql.c_str(), 0, nullptr)), who);
  }
  /// Runs a prepared statement.
  Result run_prepared(const char* name, std::span<const Parameter> parameters, const char* who) const {
    const Pointers pointers(parameters);
    Result result(PQexecPrepared(raw(), name, pointers.count(), pointers.values.data(), pointers.lengths.data(),
                                 pointers.formats.data(), 1));
    require(result, who);
    return result;
  }
  /// Puts a prepared statement into a pipeline.
  void send_prepared(const char* name, std::span<const Parameter> parameters, const char* who) const {
    const Pointers pointers(parameters);
    if (PQsendQueryPrepared(raw(), name, pointers.count(), pointers.values.data(), pointers.lengths.data(),
                            pointers.formats.data(), 1) == 0) {
      throw_lost(who);
    }
  }

  /// Sends bytes of a COPY. @throws IoError  the connection is lost
  void put(const std::string& bytes, const char* who) const {
    if (bytes.empty()) return;
    if (PQputCopyData(raw(), bytes.data(), static_cast<int>(bytes.size())) != 1) throw_lost(who);
  }
  /// Ends a COPY; the server then says whether it took all of it.
  void end_copy(const char* who) const {
    if (PQputCopyEnd(raw(), nullptr) != 1) throw_lost(who);
    require(Result(PQgetResult(raw())), who);
    while (PGresult* rest = PQgetResult(raw())) PQclear(rest);
  }

  /// @throws  what a result that is an error is
  void require(const Result& result, const char* who) const {
    const ExecStatusType status = result.status();
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN ||
        status == PGRES_PIPELINE_SYNC) {
      return;
    }
    throw_error(result, who);
  }

  [[noreturn]] void throw_lost(const char* who) const {
    throw IoError(std::string(who) + ": the connection to PostgreSQL is lost: " + one_line(PQerrorMessage(raw())));
  }

  /// The server's errors as pefa's: what of the data is wrong, what is missing, what it cannot do now.
  [[noreturn]] void throw_error(const Result& result, const char* who) const {
    const std::string state = result.state();
    const std::string message = one_line(result.message().c_str());
    const std::string where = std::string(who) + ": ";
    if (!is_alive() || state.empty() || state.starts_with("57P")) {
      throw IoError(where + "the connection to PostgreSQL is lost: " + message);
    }
    if (state == "42704" && message.find("vector") != std::string::npos) {
      throw IoError(where + message + "; the database lacks pgvector: CREATE EXTENSION vector");
    }
    if (state == "42P01" || state == "42703") throw IoError(where + message + "; was the table dropped or changed?");
    if (state.starts_with("22")) throw ValueError(where + message);  // data exceptions: another dim, say
    throw IoError(where + "PostgreSQL: " + message + " (" + state + ")");
  }

 private:
  struct Finish {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
  };

  /// Parameters as libpq takes them; all binary.
  struct Pointers {
    explicit Pointers(std::span<const Parameter> parameters) {
      for (const Parameter& parameter : parameters) {
        types.push_back(parameter.type);
        values.push_back(parameter.bytes.data());
        lengths.push_back(static_cast<int>(parameter.bytes.size()));
        formats.push_back(1);
      }
    }
    [[nodiscard]] int count() const noexcept { return static_cast<int>(values.size()); }
    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
  };

  static std::string one_line(const char* text) {
    std::string line = text == nullptr ? "" : text;
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
    for (char& c : line) c = c == '\n' || c == '\t' ? ' ' : c;
    return line;
  }

  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace pefa::pg
