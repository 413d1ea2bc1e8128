// pefa: the errors every part of the library throws.
//
// One small tree under pefa::Error, so that a host catches as broadly or as narrowly as it likes. A message says which
// function speaks, what it expected and what it got. The throwing helpers are out of line of the hot paths.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

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

/// Joins values into one message, each as operator<< writes it in the "C" locale, whatever the host has set.
template <class... Parts>
[[nodiscard]] std::string join_message(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

/// Throws `E` with a message joined from `parts`.
template <class E, class... Parts>
[[noreturn]] [[gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  throw E(join_message(parts...));
}

}  // namespace detail
}  // namespace pefa
