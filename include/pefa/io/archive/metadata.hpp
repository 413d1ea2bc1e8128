// pefa: the values that an archive carries beside its arrays: λ, k, dim, the metric's name. Keys to integers, reals or
// text, typed: what was stored as a real is not read as an integer.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/archive/format.hpp"

namespace pefa::io {

/// Values by key, in the order of the keys.
///
/// A getter of a key that must be there throws FormatError where it is not; find_…() answers nullopt. Both throw
/// FormatError, naming archive, key, and what was expected, where the value is of another kind or out of range.
class ArchiveMetadata {
 public:
  /// What a key may have: a whole number, a real one, a text.
  using Value = std::variant<std::int64_t, double, std::string>;

  /// @param archive  what messages call the archive
  explicit ArchiveMetadata(std::string archive = "archive") : archive_(std::move(archive)) {}

  /// Adds an integer, a real or text. @throws ValueError  the key is there already or is no key (1 to 48 of
  /// A-Z a-z 0-9 . _ - /), an integer is past 64 signed bits, or all together is more than 1 MiB
  template <class T>
    requires((std::is_arithmetic_v<T> && !std::same_as<T, bool>) || std::convertible_to<T, std::string_view>)
  void add(std::string key, const T& value) {
    if constexpr (std::integral<T>) {
      if (!std::in_range<std::int64_t>(value)) {
        pefa::detail::fail<ValueError>(archive_, ": metadata '", key, "' is ", value, ", expected at most 2^63 - 1");
      }
      insert(std::move(key), static_cast<std::int64_t>(value));
    } else if constexpr (std::floating_point<T>) {
      insert(std::move(key), static_cast<double>(value));
    } else {
      insert(std::move(key), std::string(std::string_view(value)));
    }
  }

  /// All of them, by key.
  [[nodiscard]] const std::map<std::string, Value, std::less<>>& values() const noexcept { return values_; }

  /// The whole number of a key, if it is there.
  [[nodiscard]] std::optional<std::int64_t> find_integer(std::string_view key) const { return find<0>(key); }
  /// The real number of a key, if it is there.
  [[nodiscard]] std::optional<double> find_real(std::string_view key) const { return find<1>(key); }
  /// The text of a key, if it is there.
  [[nodiscard]] std::optional<std::string> find_text(std::string_view key) const { return find<2>(key); }

  /// The whole number of a key.
  [[nodiscard]] std::int64_t integer(std::string_view key) const { return get<0>(key); }
  /// The real number of a key.
  [[nodiscard]] double real(std::string_view key) const { return get<1>(key); }
  /// The text of a key.
  [[nodiscard]] std::string text(std::string_view key) const { return get<2>(key); }

  /// A value in [least, most].
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most) const {
    return in_range(key, integer(key), least, most);
  }
  /// A value in [least, most]; NaN is in no range.
  [[nodiscard]] double real(std::string_view key, double least, double most) const {
    return in_range(key, real(key), least, most);
  }

  /// A number of things, in [0, most].
  [[nodiscard]] std::size_t count(std::string_view key, std::size_t most) const {
    constexpr auto largest = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::size_t>(integer(key, 0, static_cast<std::int64_t>(std::min(most, largest))));
  }

  /// As the file has it; format.hpp says how.
  [[nodiscard]] std::vector<std::byte> encoded() const {
    std::vector<std::byte> bytes;
    bytes.reserve(encoded_size_);
    const auto put = [&bytes](const void* from, std::size_t size) {
      const auto* first = static_cast<const std::byte*>(from);
      bytes.insert(bytes.end(), first, first + size);
    };
    for (const auto& [key, value] : values_) {
      const Prefix prefix{static_cast<std::uint8_t>(value.index() + 1), static_cast<std::uint8_t>(key.size()), 0,
                          static_cast<std::uint32_t>(value_size(value))};
      put(&prefix, sizeof prefix);
      put(key.data(), key.size());
      if (const auto* integer = std::get_if<std::int64_t>(&value)) put(integer, sizeof *integer);
      if (const auto* real = std::get_if<double>(&value)) put(real, sizeof *real);
      if (const auto* text = std::get_if<std::string>(&value)) put(text->data(), text->size());
    }
    return bytes;
  }
  /// Bytes that encoded() makes.
  [[nodiscard]] std::size_t encoded_size() const noexcept { return encoded_size_; }

  /// Reads what encoded() made. @throws FormatError  it did not
  [[nodiscard]] static ArchiveMetadata decoded(std::span<const std::byte> bytes, std::string archive) {
    ArchiveMetadata metadata(std::move(archive));
    for (std::size_t at = 0; at < bytes.size();) {
      Prefix prefix;
      if (bytes.size() - at < sizeof prefix) metadata.refuse_item(at, "is cut off");
      std::memcpy(&prefix, bytes.data() + at, sizeof prefix);
      const auto* text = reinterpret_cast<const char*>(bytes.data() + at + sizeof prefix);
      if (bytes.size() - at - sizeof prefix < std::size_t{prefix.key_size} + prefix.value_size) {
        metadata.refuse_item(at, "is cut off");
      }
      const std::string_view key(text, prefix.key_size);
      if (!detail::is_archive_key(key)) metadata.refuse_item(at, "has no valid key");
      const std::string_view value(text + prefix.key_size, prefix.value_size);
      if (prefix.kind < 1 || prefix.kind > 3) metadata.refuse_item(at, "is of no known kind");
      if (prefix.kind != 3 && value.size() != 8) metadata.refuse_item(at, "is a number of other than 8 bytes");
      if (metadata.values_.contains(key)) metadata.refuse_item(at, "has the key of an earlier one");
      metadata.insert(std::string(key), prefix.kind == 1   ? Value(as_number<std::int64_t>(value))
                                        : prefix.kind == 2 ? Value(as_number<double>(value))
                                                           : Value(std::string(value)));
      at += sizeof prefix + key.size() + value.size();
    }
    return metadata;
  }

 private:
  /// What an item begins with.
  struct Prefix {
    std::uint8_t kind = 0;
    std::uint8_t key_size = 0;
    std::uint16_t zero = 0;
    std::uint32_t value_size = 0;
  };
  static_assert(sizeof(Prefix) == 8 && std::has_unique_object_representations_v<Prefix>);

  static constexpr const char* kinds[] = {"an integer", "a real number", "text"};

  [[nodiscard]] static std::size_t value_size(const Value& value) noexcept {
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr ? 8 : text->size();
  }

  template <class T>
  [[nodiscard]] static T as_number(std::string_view bytes) noexcept {
    T number;
    std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }

  void insert(std::string key, Value value) {
    if (!detail::is_archive_key(key)) {
      pefa::detail::fail<ValueError>(archive_, ": metadata key '", key, "': expected 1 to ", detail::max_archive_key,
                                     " of A-Z a-z 0-9 . _ - /");
    }
    if (values_.contains(key)) pefa::detail::fail<ValueError>(archive_, ": metadata '", key, "' is there already");
    const std::size_t size = sizeof(Prefix) + key.size() + value_size(value);
    if (size > detail::max_archive_metadata - encoded_size_) {
      pefa::detail::fail<ValueError>(archive_, ": metadata '", key, "' makes more than ", detail::max_archive_metadata,
                                     " bytes of metadata; store it as a section");
    }
    values_.emplace(std::move(key), std::move(value));
    encoded_size_ += size;
  }

  template <std::size_t kind>
  [[nodiscard]] std::optional<std::variant_alternative_t<kind, Value>> find(std::string_view key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    if (found->second.index() != kind) {
      pefa::detail::fail<FormatError>(archive_, ": metadata '", key, "' is ", kinds[found->second.index()],
                                      ", expected ", kinds[kind]);
    }
    return std::get<kind>(found->second);
  }

  template <std::size_t kind>
  [[nodiscard]] std::variant_alternative_t<kind, Value> get(std::string_view key) const {
    auto value = find<kind>(key);
    if (!value) {
      pefa::detail::fail<FormatError>(archive_, ": has no metadata '", key, "', expected ", kinds[kind]);
    }
    return *std::move(value);
  }

  template <class T>
  [[nodiscard]] T in_range(std::string_view key, T value, T least, T most) const {
    if (!(value >= least && value <= most)) {
      pefa::detail::fail<FormatError>(archive_, ": metadata '", key, "' is ", value, ", expected ", least, " to ",
                                      most);
    }
    return value;
  }

  [[noreturn]] void refuse_item(std::size_t offset, const char* what) const {
    pefa::detail::fail<FormatError>(archive_, ": the metadata item at byte ", offset, " of the metadata ", what);
  }

  std::string archive_;
  std::map<std::string, Value, std::less<>> values_;
  std::size_t encoded_size_ = 0;
};

}  // namespace pefa::io
