// pefa: where bytes go: what a writer of a format needs to know about a file, a stream or a host's own storage.
#pragma once

#include <cstddef>
#include <ios>
#include <ostream>
#include <span>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"

namespace pefa::io {

/// Takes bytes in order. A host with storage of its own derives from it.
class ByteSink {
 public:
  ByteSink() = default;
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;
  virtual ~ByteSink() = default;

  /// Takes all of `bytes`, or throws; they need not stay valid after the call. @throws IoError  it could not
  virtual void write(std::span<const std::byte> bytes) = 0;
};

/// Into a stream, which need not be seekable; it must be a binary one.
class StreamSink final : public ByteSink {
 public:
  /// Borrows the stream.
  explicit StreamSink(std::ostream& out) : out_(out) {}

  void write(std::span<const std::byte> bytes) override {
    insert(
        [&] { out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())); });
  }
  /// Flushes the stream. @throws IoError  it could not
  void flush() {
    insert([&] { out_.flush(); });
  }

 private:
  template <class Insert>
  void insert(const Insert& into_stream) {
    try {
      into_stream();
    } catch (const std::ios_base::failure& error) {  // a stream that the host has told to throw
      pefa::detail::fail<IoError>("output stream: ", error.what());
    }
    if (!out_) pefa::detail::fail<IoError>("output stream: did not take all bytes");
  }

  std::ostream& out_;
};

/// Into memory that starts on a 64-byte boundary, as ArchiveReader::over wants it.
class MemorySink final : public ByteSink {
 public:
  void write(std::span<const std::byte> bytes) override { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  /// All that was written; valid until the next write().
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  pefa::detail::AlignedVector<std::byte> bytes_;
};

}  // namespace pefa::io
