#include "pefa/io/file/byte_sink.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <ostream>
#include <span>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::MemorySink;
using io::StreamSink;

namespace {

/// Takes `room` bytes, then no more, as a full disk.
class FullBuffer : public std::streambuf {
 public:
  explicit FullBuffer(std::streamsize room) : room_(room) {}

 protected:
  std::streamsize xsputn(const char*, std::streamsize size) override {
    const std::streamsize taken = std::min(size, room_);
    room_ -= taken;
    return taken;
  }
  int sync() override { return -1; }

 private:
  std::streamsize room_;
};

}  // namespace

TEST_CASE("StreamSink: bytes go into the stream as they are") {
  std::ostringstream out;
  StreamSink sink(out);
  sink.write(test::byte_span("a\n"));
  sink.write(test::byte_span(""));
  sink.write(test::byte_span(std::string_view("\0\xFF", 2)));
  sink.flush();
  REQUIRE(out.str() == std::string("a\n\0\xFF", 4));
}

TEST_CASE("StreamSink: a stream that is full or cannot flush is an IoError, also where it is told to throw") {
  for (const std::ios_base::iostate thrown : {std::ios_base::goodbit, std::ios_base::badbit | std::ios_base::failbit}) {
    FullBuffer buffer(3);
    std::ostream out(&buffer);
    out.exceptions(thrown);
    StreamSink sink(out);
    sink.write(test::byte_span("abc"));
    REQUIRE_ERROR(IoError, "output stream: ", (sink.write(test::byte_span("d")), 0));

    FullBuffer other(3);
    std::ostream unflushed(&other);
    unflushed.exceptions(thrown);
    REQUIRE_ERROR(IoError, "output stream: ", (StreamSink(unflushed).flush(), 0));
  }
}

TEST_CASE("MemorySink: keeps what is written, on a 64-byte boundary") {
  MemorySink sink;
  REQUIRE(sink.bytes().empty());
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    sink.write(test::byte_span("0123456789"));
    expected += "0123456789";
    REQUIRE(reinterpret_cast<std::uintptr_t>(sink.bytes().data()) % 64 == 0);
  }
  REQUIRE(std::string(reinterpret_cast<const char*>(sink.bytes().data()), sink.bytes().size()) == expected);
}
