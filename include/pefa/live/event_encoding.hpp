// pefa: a batch of events as bytes, and back: one way to write each batch, and nothing else is read.
//
// All numbers are little-endian, without gaps between them. A text is its size and its bytes; its size is a u16 for ids
// and owners, a u32 for tags and the cursor.
//
//   batch    u8 version: 1, cursor, u32 number of events, the events
//   event    u8 kind, i64 time, and by its kind
//              1 UpsertPassage   id, tags, vector        4 AddPair       query, passage, f32 weight
//              2 RemovePassage   id                      5 RetractPair   query, passage
//              3 UpsertQuery     id, owner, vector       6 ForgetQuery   id
//   vector   u32 dim, f32 x dim                          7 ForgetOwner   owner
//                                                        8 RetireQuery   id
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/live/event.hpp"

namespace pefa::live {
namespace detail {

static_assert(std::endian::native == std::endian::little, "pefa reads little-endian files on little-endian machines");

inline constexpr std::uint8_t batch_version = 1;
inline constexpr std::size_t least_event_bytes = 12;  ///< kind, time, and an id of one byte

/// Puts numbers and texts after one another.
class BatchWriter {
 public:
  explicit BatchWriter(std::vector<std::byte>& out) : out_(out) {}

  void operator()(const UpsertPassage& event) {
    begin(1, event.time);
    text<std::uint16_t>(event.id);
    text<std::uint32_t>(event.tags);
    vector(event.vector);
  }
  void operator()(const RemovePassage& event) {
    begin(2, event.time);
    text<std::uint16_t>(event.id);
  }
  void operator()(const UpsertQuery& event) {
    begin(3, event.time);
    text<std::uint16_t>(event.id);
    text<std::uint16_t>(event.owner);
    vector(event.vector);
  }
  void operator()(const AddPair& event) {
    begin(4, event.time);
    text<std::uint16_t>(event.query);
    text<std::uint16_t>(event.passage);
    number(event.weight);
  }
  void operator()(const RetractPair& event) {
    begin(5, event.time);
    text<std::uint16_t>(event.query);
    text<std::uint16_t>(event.passage);
  }
  void operator()(const ForgetQuery& event) {
    begin(6, event.time);
    text<std::uint16_t>(event.id);
  }
  void operator()(const ForgetOwner& event) {
    begin(7, event.time);
    text<std::uint16_t>(event.owner);
  }
  void operator()(const RetireQuery& event) {
    begin(8, event.time);
    text<std::uint16_t>(event.id);
  }

  template <class Number>
  void number(Number value) {
    bytes(std::as_bytes(std::span(&value, 1)));
  }
  template <std::unsigned_integral Size>
  void text(std::string_view value) {
    number(static_cast<Size>(value.size()));
    bytes(std::as_bytes(std::span(value)));
  }

 private:
  void begin(std::uint8_t kind, std::int64_t time) {
    number(kind);
    number(time);
  }
  void vector(const std::vector<float>& values) {
    number(static_cast<std::uint32_t>(values.size()));
    bytes(std::as_bytes(std::span(values)));
  }
  void bytes(std::span<const std::byte> from) { out_.insert(out_.end(), from.begin(), from.end()); }

  std::vector<std::byte>& out_;
};

/// Takes them off again, and never reads past the end.
class BatchReader {
 public:
  /// Borrows the bytes. @param name  what is read, for messages
  BatchReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  [[nodiscard]] Batch batch() {
    Batch batch;
    const auto version = number<std::uint8_t>();
    if (version != batch_version) refuse("its version is not 1");
    batch.cursor = text<std::uint32_t>(max_cursor_bytes);
    const auto count = number<std::uint32_t>();
    if (count > left() / least_event_bytes) refuse("it is too short for its number of events");
    batch.events.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      batch.events.push_back(event());
      const std::string_view wrong = complaint(batch.events.back());
      if (!wrong.empty()) refuse(wrong);
    }
    if (left() != 0) refuse("bytes follow its last event");
    return batch;
  }

 private:
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }

  [[noreturn]] void refuse(std::string_view why) const {
    pefa::detail::fail<FormatError>(name_, ": batch of events, before byte ", at_, " of ", bytes_.size(), ": ", why);
  }

  [[nodiscard]] std::span<const std::byte> take(std::size_t size) {
    if (size > left()) refuse("it ends too early");
    const auto taken = bytes_.subspan(at_, size);
    at_ += size;
    return taken;
  }
  template <class Number>
  [[nodiscard]] Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  template <std::unsigned_integral Size>
  [[nodiscard]] std::string text(std::size_t most = max_id_bytes) {
    const std::size_t size = number<Size>();
    if (size > most) refuse("a text is longer than allowed");
    const auto taken = take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  [[nodiscard]] std::string id() { return text<std::uint16_t>(); }
  [[nodiscard]] std::vector<float> vector() {
    const std::size_t dim = number<std::uint32_t>();
    if (dim == 0 || dim > max_vector_dim) refuse("a vector has not 1 to 1,048,576 numbers");
    const auto taken = take(dim * sizeof(float));
    std::vector<float> values(dim);
    std::memcpy(values.data(), taken.data(), taken.size());
    return values;
  }

  [[nodiscard]] Event event() {
    const auto kind = number<std::uint8_t>();
    const auto time = number<std::int64_t>();
    switch (kind) {  // braces keep the order of evaluation
      case 1: {
        std::string name = id();
        std::string tags = text<std::uint32_t>(max_tag_bytes);
        return UpsertPassage{std::move(name), vector(), std::move(tags), time};
      }
      case 2: return RemovePassage{id(), time};
      case 3: {
        std::string name = id();
        std::string owner = id();
        return UpsertQuery{std::move(name), vector(), std::move(owner), time};
      }
      case 4: {
        std::string query = id();
        std::string passage = id();
        return AddPair{std::move(query), std::move(passage), number<float>(), time};
      }
      case 5: {
        std::string query = id();
        return RetractPair{std::move(query), id(), time};
      }
      case 6: return ForgetQuery{id(), time};
      case 7: return ForgetOwner{id(), time};
      case 8: return RetireQuery{id(), time};
      default: refuse("an event is of no known kind");
    }
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// Appends a batch to `out`.
/// @throws ValueError  as validate(), or 2^32 events and more; `out` is as it was
inline void encode(const Batch& batch, std::vector<std::byte>& out) {
  validate(batch);
  if (batch.events.size() > 0xFFFF'FFFFU) {
    pefa::detail::fail<ValueError>("live::encode: ", batch.events.size(), " events, expected fewer than 2^32");
  }
  detail::BatchWriter writer(out);
  writer.number(detail::batch_version);
  writer.text<std::uint32_t>(batch.cursor);
  writer.number(static_cast<std::uint32_t>(batch.events.size()));
  for (const Event& event : batch.events) std::visit(writer, event);
}

/// The bytes of a batch. @throws ValueError  as above
[[nodiscard]] inline std::vector<std::byte> encode(const Batch& batch) {
  std::vector<std::byte> bytes;
  encode(batch, bytes);
  return bytes;
}

/// The batch that encode() wrote as exactly these bytes.
/// @param name  where the bytes are from, for messages
/// @throws FormatError  encode() writes no batch so: a size that does not fit, an unknown kind, an event that
/// complaint() has a word for, bytes too many
/// O(bytes) time and memory, whatever sizes they claim.
[[nodiscard]] inline Batch decode_batch(std::span<const std::byte> bytes,
                                        std::string_view name = "live::decode_batch") {
  return detail::BatchReader(bytes, name).batch();
}

}  // namespace pefa::live
