// pefa: XXH64, the checksum of archives: 64 bits of a byte sequence, taken in pieces of any size.
//
// It finds damage (torn writes, bad disks, bad copies), not forgery. The algorithm is Yann Collet's, as its published
// specification describes it (xxHash fast digest algorithm, "XXH64 algorithm description").
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace pefa::io {

/// XXH64 of the bytes given to update() so far, in whatever pieces they came.
class Checksum {
 public:
  /// Of no bytes yet. @param seed  of XXH64
  explicit Checksum(std::uint64_t seed = 0) noexcept
      : lanes_{seed + prime1 + prime2, seed + prime2, seed, seed - prime1}, seed_(seed) {}

  /// Takes the next bytes.
  void update(std::span<const std::byte> bytes) noexcept {
    length_ += bytes.size();
    if (pending_size_ > 0) {  // complete the stripe that an earlier call began
      const std::size_t taken = std::min(bytes.size(), stripe - pending_size_);
      std::copy_n(bytes.data(), taken, pending_.data() + pending_size_);
      pending_size_ += taken;
      bytes = bytes.subspan(taken);
      if (pending_size_ < stripe) return;
      consume(pending_.data(), 1);
      pending_size_ = 0;
    }
    consume(bytes.data(), bytes.size() / stripe);
    pending_size_ = bytes.size() % stripe;
    std::copy_n(bytes.data() + (bytes.size() - pending_size_), pending_size_, pending_.data());
  }

  /// The checksum so far; more may be added afterwards.
  [[nodiscard]] std::uint64_t value() const noexcept {
    std::uint64_t hash = length_ < stripe ? seed_ + prime5 : merged_lanes();
    hash += length_;
    const std::byte* next = pending_.data();
    std::size_t left = pending_size_;
    for (; left >= 8; left -= 8, next += 8) {
      hash = std::rotl(hash ^ round(0, load<std::uint64_t>(next)), 27) * prime1 + prime4;
    }
    if (left >= 4) {
      hash = std::rotl(hash ^ (load<std::uint32_t>(next) * prime1), 23) * prime2 + prime3;
      left -= 4;
      next += 4;
    }
    for (; left > 0; --left, ++next) {
      hash = std::rotl(hash ^ (static_cast<std::uint64_t>(*next) * prime5), 11) * prime1;
    }
    hash = (hash ^ (hash >> 33)) * prime2;
    hash = (hash ^ (hash >> 29)) * prime3;
    return hash ^ (hash >> 32);
  }

 private:
  static constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87U;
  static constexpr std::uint64_t prime2 = 0xC2B2AE3D27D4EB4FU;
  static constexpr std::uint64_t prime3 = 0x165667B19E3779F9U;
  static constexpr std::uint64_t prime4 = 0x85EBCA77C2B2AE63U;
  static constexpr std::uint64_t prime5 = 0x27D4EB2F165667C5U;
  static constexpr std::size_t stripe = 32;

  template <class T>
  [[nodiscard]] static T load(const std::byte* bytes) noexcept {
    static_assert(std::endian::native == std::endian::little, "XXH64 reads little-endian words");
    T word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
  }
  [[nodiscard]] static constexpr std::uint64_t round(std::uint64_t lane, std::uint64_t word) noexcept {
    return std::rotl(lane + word * prime2, 31) * prime1;
  }

  /// Takes in `count` whole stripes.
  void consume(const std::byte* bytes, std::size_t count) noexcept {
    auto [a, b, c, d] = lanes_;  // in registers: the four lanes run in parallel
    for (; count > 0; --count, bytes += stripe) {
      a = round(a, load<std::uint64_t>(bytes));
      b = round(b, load<std::uint64_t>(bytes + 8));
      c = round(c, load<std::uint64_t>(bytes + 16));
      d = round(d, load<std::uint64_t>(bytes + 24));
    }
    lanes_ = {a, b, c, d};
  }

  [[nodiscard]] std::uint64_t merged_lanes() const noexcept {
    std::uint64_t hash =
        std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) hash = (hash ^ round(0, lane)) * prime1 + prime4;
    return hash;
  }

  std::array<std::uint64_t, 4> lanes_;
  std::uint64_t seed_;
  std::uint64_t length_ = 0;
  std::array<std::byte, stripe> pending_{};  ///< the bytes after the last whole stripe
  std::size_t pending_size_ = 0;
};

/// XXH64 of `bytes`.
[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept {
  Checksum sum(seed);
  sum.update(bytes);
  return sum.value();
}

}  // namespace pefa::io
