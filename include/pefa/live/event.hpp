// pefa: what a host tells a live retriever: passages and training queries that come, change and go, and pairs.
//
// Ids are the host's, as text; a number is its decimal text. A time is the host's too: any int64 that does not run
// backwards much, such as seconds since 1970. event_encoding.hpp writes batches of events as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"

namespace pefa::live {

/// A passage that is new or has changed. Its pairs stay.
struct UpsertPassage {
  std::string id;             ///< of the passage, 1 to 65,535 bytes
  std::vector<float> vector;  ///< its embedding, raw, of length 1e-12 to 1e12
  std::string tags{};         ///< its tags, in the host's own text; empty: none
  std::int64_t time = 0;      ///< when

  /// Whether all members are equal.
  friend bool operator==(const UpsertPassage&, const UpsertPassage&) = default;
};

/// A passage that is gone, and its pairs with it.
struct RemovePassage {
  std::string id;         ///< of the passage
  std::int64_t time = 0;  ///< when

  /// Whether all members are equal.
  friend bool operator==(const RemovePassage&, const RemovePassage&) = default;
};

/// A training query that is new or has changed. Its pairs stay.
struct UpsertQuery {
  std::string id;             ///< of the training query, 1 to 65,535 bytes
  std::vector<float> vector;  ///< its embedding, raw, of length 1e-12 to 1e12
  std::string owner{};        ///< who may ask to be forgotten, up to 65,535 bytes; empty: nobody
  std::int64_t time = 0;      ///< when

  /// Whether all members are equal.
  friend bool operator==(const UpsertQuery&, const UpsertQuery&) = default;
};

/// Adds to the weight of a pair: a click, a purchase, a judgement.
struct AddPair {
  std::string query;      ///< the training query's id
  std::string passage;    ///< the passage's id
  float weight = 1.0f;    ///< finite, above 0
  std::int64_t time = 0;  ///< when

  /// Whether all members are equal.
  friend bool operator==(const AddPair&, const AddPair&) = default;
};

/// Takes a pair back, with all the weight it has.
struct RetractPair {
  std::string query;      ///< the training query's id
  std::string passage;    ///< the passage's id
  std::int64_t time = 0;  ///< when

  /// Whether all members are equal.
  friend bool operator==(const RetractPair&, const RetractPair&) = default;
};

/// Forgets a training query: its vector, its owner and its pairs.
struct ForgetQuery {
  std::string id;         ///< of the training query
  std::int64_t time = 0;  ///< when

  /// Whether all members are equal.
  friend bool operator==(const ForgetQuery&, const ForgetQuery&) = default;
};

/// Forgets every training query that this owner has.
struct ForgetOwner {
  std::string owner;      ///< as UpsertQuery named it, not empty
  std::int64_t time = 0;  ///< when

  /// Whether all members are equal.
  friend bool operator==(const ForgetOwner&, const ForgetOwner&) = default;
};

/// Lets a training query go to make room, and its pairs with it. Unlike one that is forgotten it may stay in files: in
/// bases that are kept for a rollback.
struct RetireQuery {
  std::string id;         ///< of the training query
  std::int64_t time = 0;  ///< when

  /// Whether all members are equal.
  friend bool operator==(const RetireQuery&, const RetireQuery&) = default;
};

/// One of them.
using Event = std::variant<UpsertPassage, RemovePassage, UpsertQuery, AddPair, RetractPair, ForgetQuery, ForgetOwner,
                           RetireQuery>;

/// Events that happen together: all are kept, or none; a search sees all, or none.
struct Batch {
  std::vector<Event> events;  ///< in their order
  std::string cursor{};       ///< where the source stands after them, in its own words; empty: it has no say

  /// Whether all members are equal.
  friend bool operator==(const Batch&, const Batch&) = default;
};

inline constexpr std::size_t max_id_bytes = 65'535;        ///< of an id, and of an owner
inline constexpr std::size_t max_vector_dim = 1U << 20;    ///< of an event's vector
inline constexpr std::size_t max_tag_bytes = 1U << 20;     ///< of a passage's tags
inline constexpr std::size_t max_cursor_bytes = 1U << 20;  ///< of a batch's cursor

namespace detail {

/// What is wrong with an event in itself, or nothing; what the retriever holds is not asked.
class EventComplaint {
 public:
  [[nodiscard]] std::string_view operator()(const UpsertPassage& event) const {
    if (event.tags.size() > max_tag_bytes) return "its tags have more than 1,048,576 bytes";
    return id_and_vector(event.id, event.vector);
  }
  [[nodiscard]] std::string_view operator()(const RemovePassage& event) const { return id(event.id); }
  [[nodiscard]] std::string_view operator()(const UpsertQuery& event) const {
    if (event.owner.size() > max_id_bytes) return "its owner has more than 65,535 bytes";
    return id_and_vector(event.id, event.vector);
  }
  [[nodiscard]] std::string_view operator()(const AddPair& event) const {
    if (!pefa::detail::is_finite(event.weight) || !(event.weight > 0.0f)) return "its weight is not finite and above 0";
    return pair(event);
  }
  [[nodiscard]] std::string_view operator()(const RetractPair& event) const { return pair(event); }
  [[nodiscard]] std::string_view operator()(const ForgetQuery& event) const { return id(event.id); }
  [[nodiscard]] std::string_view operator()(const ForgetOwner& event) const { return id(event.owner); }
  [[nodiscard]] std::string_view operator()(const RetireQuery& event) const { return id(event.id); }

 private:
  [[nodiscard]] static std::string_view id(const std::string& text) {
    if (text.empty()) return "an id is empty";
    return text.size() > max_id_bytes ? "an id has more than 65,535 bytes" : "";
  }
  template <class PairEvent>
  [[nodiscard]] static std::string_view pair(const PairEvent& event) {
    const std::string_view wrong = id(event.query);
    return wrong.empty() ? id(event.passage) : wrong;
  }
  [[nodiscard]] static std::string_view id_and_vector(const std::string& text, const std::vector<float>& vector) {
    if (vector.empty() || vector.size() > max_vector_dim) return "its vector has not 1 to 1,048,576 numbers";
    if (!pefa::detail::all_finite(vector)) return "its vector holds a number that is not finite";
    return id(text);
  }
};

}  // namespace detail

/// What is wrong with an event in itself: an empty id, a number that is not finite; empty where nothing is.
[[nodiscard]] inline std::string_view complaint(const Event& event) {
  return std::visit(detail::EventComplaint{}, event);
}

/// Checks every event in itself, and the cursor's size. @throws ValueError  names the event by its place in the batch
inline void validate(const Batch& batch) {
  for (std::size_t i = 0; i < batch.events.size(); ++i) {
    const std::string_view wrong = complaint(batch.events[i]);
    if (!wrong.empty()) pefa::detail::fail<ValueError>("live::Batch: event ", i, ": ", wrong);
  }
  if (batch.cursor.size() > max_cursor_bytes) {
    pefa::detail::fail<ValueError>("live::Batch: a cursor of ", batch.cursor.size(), " bytes, expected up to ",
                                   max_cursor_bytes);
  }
}

}  // namespace pefa::live
