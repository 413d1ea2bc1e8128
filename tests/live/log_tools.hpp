// What the tests of logs share: batches that tell their number, and what a log holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "pefa/live/file_system.hpp"
#include "pefa/live/log_reader.hpp"
#include "pefa/live/log_recovery.hpp"
#include "pefa/live/write_ahead_log.hpp"

namespace pefa::test {

inline constexpr std::uint64_t log_identity = 0x1234'5678'9ABC'DEF0U;

using Batches = std::vector<std::string>;

inline std::span<const std::byte> as_batch(const std::string& text) {
  return std::as_bytes(std::span(text));
}
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A batch that no other number and no other attempt has, of 1 to 300 bytes.
inline std::string batch_text(std::uint64_t number, std::uint64_t attempt = 0) {
  std::mt19937_64 random(number * 1'000'003 + attempt);
  std::string text = std::to_string(number) + "/" + std::to_string(attempt) + ":";
  for (std::size_t more = random() % 4 == 0 ? random() % 280 : random() % 20; more > 0; --more) {
    text.push_back(static_cast<char>(random() % 256));
  }
  return text;
}

/// All batches of a log after a place.
inline Batches replayed(live::FileSystem& files, const std::filesystem::path& directory,
                        live::LogPosition after = {0, log_identity}, live::LogRecovery* found = nullptr) {
  Batches batches;
  const live::LogRecovery recovery =
      live::recover_log(files, directory, log_identity, after, [&](const live::LogBatch& batch) {
        batches.push_back(text_of(batch.bytes));
        if (batch.position.sequence != after.sequence + batches.size()) batches.emplace_back("a number is missing");
      });
  if (found != nullptr) *found = recovery;
  return batches;
}

/// A log opened again, and what it held.
struct Reopened {
  Batches batches;
  live::LogRecovery recovery;
  std::unique_ptr<live::WriteAheadLog> log;
};

inline Reopened reopened(live::FileSystem& files, const std::filesystem::path& directory,
                         const live::LogOptions& options = {}, live::LogPosition after = {0, log_identity}) {
  Reopened found;
  found.log = live::WriteAheadLog::open(
      files, directory, log_identity, after,
      [&](const live::LogBatch& batch) { found.batches.push_back(text_of(batch.bytes)); }, found.recovery, options);
  return found;
}

inline bool is_prefix(const Batches& part, const Batches& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

}  // namespace pefa::test
