// pefa: the errors every part of the library throws.
//
// One small tree under pefa::Error, so that a host catches as broadly or as narrowly as it likes. A message says which
// function speaks, what it expected and what it got. The throwing helpers are out of line of the hot paths, and the
// same few functions serve every message: a message costs its reader's compiler nothing of its own.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pefa {

/// The root of everything pefa throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Two inputs whose sizes must agree do not: dims, row counts, a query id past the end.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A value outside its range: NaN, a zero vector, λ = 1.1, k = 0, M = 10^9.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A file's bytes are not what its format says they should be.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused: a missing file, a directory in its place, a full disk.
class IoError : public Error {
 public:
  using Error::Error;
};

/// A progress callback asked a build to stop; nothing half-made is left behind.
class Cancelled : public Error {
 public:
  using Error::Error;
};

namespace detail {

/// A piece of a message: text, a character, a number, or something with a row number. Borrowed for the call.
class MessagePart {
 public:
  constexpr MessagePart() noexcept = default;
  // NOLINTBEGIN(google-explicit-constructor): a message is written as its parts
  constexpr MessagePart(const char* text) noexcept : text_(text) {}
  constexpr MessagePart(std::string_view text) noexcept : text_(text) {}
  MessagePart(const std::string& text) noexcept : text_(text) {}
  constexpr MessagePart(char character) noexcept : kind_(Kind::character), character_(character) {}
  constexpr MessagePart(double real) noexcept : kind_(Kind::real), real_(real) {}
  constexpr MessagePart(std::signed_integral auto number) noexcept : kind_(Kind::signed_number), signed_(number) {}
  constexpr MessagePart(std::unsigned_integral auto number) noexcept : kind_(Kind::number), number_(number) {}
  template <class Id>
    requires requires(const Id& id) {
      MessagePart(id.row());
    }
  constexpr MessagePart(const Id& id) noexcept : MessagePart(id.row()) {}
  // NOLINTEND(google-explicit-constructor)

  [[gnu::cold]] void append_to(std::string& message) const {
    char digits[32];  // 20 digits and a sign, or 6 digits with point, sign and exponent
    std::to_chars_result end{digits, {}};
    switch (kind_) {
      case Kind::text: message += text_; return;
      case Kind::character: message += character_; return;
      case Kind::number: end = std::to_chars(digits, digits + sizeof digits, number_); break;
      case Kind::signed_number: end = std::to_chars(digits, digits + sizeof digits, signed_); break;
      case Kind::real: end = std::to_chars(digits, digits + sizeof digits, real_, std::chars_format::general, 6); break;
    }
    message.append(digits, end.ptr);
  }

 private:
  enum class Kind : unsigned char { text, character, number, signed_number, real };

  Kind kind_ = Kind::text;
  union {
    std::string_view text_ = {};
    char character_;
    std::uint64_t number_;
    std::int64_t signed_;
    double real_;
  };
};

inline constexpr MessagePart no_part{};

[[nodiscard]] [[gnu::noinline, gnu::cold]] inline std::string joined(std::initializer_list<MessagePart> parts) {
  std::string message;
  for (const MessagePart& part : parts) part.append_to(message);
  return message;
}

/// Joins parts into one message, numbers as operator<< writes them in the "C" locale, whatever the host has set.
template <class... Parts>
[[nodiscard]] std::string join_message(const Parts&... parts) {
  return joined({MessagePart(parts)...});
}

/// Throws `E` with a message joined from the parts. A longer message has join_message() for one of them.
template <class E>
[[noreturn]] [[gnu::noinline, gnu::cold]] void fail(const MessagePart& a, const MessagePart& b = no_part,
                                                    const MessagePart& c = no_part, const MessagePart& d = no_part,
                                                    const MessagePart& e = no_part, const MessagePart& f = no_part,
                                                    const MessagePart& g = no_part, const MessagePart& h = no_part,
                                                    const MessagePart& i = no_part, const MessagePart& j = no_part,
                                                    const MessagePart& k = no_part, const MessagePart& l = no_part,
                                                    const MessagePart& m = no_part, const MessagePart& n = no_part,
                                                    const MessagePart& o = no_part) {
  throw E(joined({a, b, c, d, e, f, g, h, i, j, k, l, m, n, o}));
}

}  // namespace detail
}  // namespace pefa
