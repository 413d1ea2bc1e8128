#include "pefa/live/log_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"
#include "live/log_tools.hpp"
#include "live/simulated_disk.hpp"

using namespace pefa;
using namespace pefa::live;
using test::as_batch;
using test::log_identity;
using test::SimulatedDisk;

namespace {

struct Writer {
  SimulatedDisk disk;
  std::unique_ptr<WriteAheadLog> log;

  Writer() {
    disk.make_directory("/log");
    log = WriteAheadLog::create(disk, "/log", log_identity, {0, log_identity});
  }
  void append(const std::string& text) const { (void)log->append(as_batch(text)); }
  LogReader reader(Follow follow) { return {disk, "/log", log_identity, {}, follow}; }
};

std::string all_of(LogReader& reader) {
  std::string text;
  while (const auto batch = reader.next()) text += test::text_of(batch->bytes);
  return text;
}

}  // namespace

TEST_CASE("LogReader: follows a log that grows, over its segments") {
  Writer writer;
  LogReader reader = writer.reader(Follow::written);
  REQUIRE(all_of(reader).empty());
  writer.append("a");
  REQUIRE(all_of(reader) == "a");
  REQUIRE(all_of(reader).empty());
  writer.append("b");
  (void)writer.log->rotate();
  REQUIRE(all_of(reader) == "b");
  writer.append("c");
  (void)writer.log->rotate();
  (void)writer.log->rotate();
  writer.append("d");
  writer.append("e");
  REQUIRE(all_of(reader) == "cde");
  REQUIRE(reader.position() == writer.log->position());
  writer.log = nullptr;
  test::Reopened again = test::reopened(writer.disk, "/log");
  (void)again.log->append(as_batch("f"));
  REQUIRE(all_of(reader) == "f");
}

TEST_CASE("LogReader: a sealed batch is one that what follows says is on the disk") {
  Writer writer;
  LogReader reader = writer.reader(Follow::sealed);
  writer.append("a");
  REQUIRE(all_of(reader).empty());
  writer.append("b");
  REQUIRE(all_of(reader) == "a");
  (void)writer.log->seal();
  REQUIRE(all_of(reader) == "b");
  const std::size_t bytes = writer.log->usage().bytes;
  (void)writer.log->seal();  // says nothing new
  REQUIRE(writer.log->usage().bytes == bytes);
  writer.append("c");
  (void)writer.log->rotate();
  REQUIRE(all_of(reader) == "c");
}

TEST_CASE("LogReader: goes on from the place that another one kept") {
  Writer writer;
  for (const char* text : {"a", "b", "c"}) writer.append(text);
  LogReader first = writer.reader(Follow::written);
  REQUIRE(test::text_of(first.next()->bytes) == "a");
  LogReader second(writer.disk, "/log", log_identity, first.position(), Follow::written);
  REQUIRE(all_of(second) == "bc");
}

TEST_CASE("LogReader: behind the cut it is told that the batches are gone") {
  Writer writer;
  LogReader reader = writer.reader(Follow::sealed);
  for (const char* text : {"a", "b", "c"}) writer.append(text);
  writer.log->cut(writer.log->rotate().sequence);
  REQUIRE_ERROR(LogGone, "/log: the log begins at batch 4, and batch 1 is in a base by now: take the base",
                reader.next());
  LogReader later(writer.disk, "/log", log_identity, writer.log->position());
  REQUIRE_FALSE(later.next());
}

TEST_CASE("LogReader: what a failed write left is not read, and what is written after reopen() is") {
  Writer writer;
  LogReader sealed = writer.reader(Follow::sealed);
  LogReader written = writer.reader(Follow::written);
  writer.append("a");
  writer.disk.faults.fail_from = writer.disk.calls() + 2;  // the sync
  REQUIRE_THROWS_AS(writer.append("lost"), IoError);
  writer.disk.heal();
  writer.log->reopen();
  writer.append("b");
  writer.append("c");
  REQUIRE(all_of(sealed) == "ab");
  REQUIRE(all_of(written) == "abc");
}

TEST_CASE("LogReader: a half-written record is waited for") {
  Writer writer;
  writer.append("a");
  writer.append("b");
  auto& bytes = writer.disk.contents("/log/00000000000000000001.log");
  const auto whole = bytes;
  LogReader reader = writer.reader(Follow::written);
  for (std::size_t size = whole.size() - 71; size < whole.size(); ++size) {
    bytes.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto batch = reader.next();
    REQUIRE((!batch || batch->position.sequence == 1));
  }
  bytes = whole;
  REQUIRE(all_of(reader) == "b");
  REQUIRE(reader.tail().bytes == 0);
}
