// pefa: the header of a safetensors file: which tensors it holds, and where. Needs nlohmann-json, which the rest of the
// library does not: pefa/pefa.hpp leaves this header out.
//
// A little-endian uint64, the length of a JSON object {name: {dtype, shape, data_offsets}, ...}, then the tensors'
// bytes one after the other without gaps. The object may hold one more, "__metadata__", of strings.
// What the format's reference implementation refuses is refused, and so are keys that the format does not have. The
// JSON is never built up: the memory it takes is that of the names.
#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/quote_name.hpp"

namespace pefa::io {

/// An element type of the format and its size; most are none that a store can hold.
struct SafetensorsType {
  const char* name = "";  ///< as the header has it: "F32"
  unsigned bits = 0;      ///< an element
};

/// What the header says of a tensor.
struct SafetensorsEntry {
  std::string name;                             ///< as the file has it
  SafetensorsType type;                         ///< of its elements
  std::size_t rank = 0;                         ///< how many extents
  std::array<std::uint64_t, 2> shape = {1, 1};  ///< the first two extents
  std::uint64_t element_count = 1;              ///< the product of all extents
  std::uint64_t begin = 0;                      ///< of its bytes, from the end of the header
  std::uint64_t end = 0;                        ///< one past its last byte, from there too
};

/// What the header of a file says.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;  ///< in the order of their bytes
  std::size_t data_offset = 0;            ///< bytes before the first tensor
};

namespace detail {

inline constexpr std::array<SafetensorsType, 22> safetensors_types = {
    {{"F64", 64},        {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"I8", 8},      {"U8", 8},
     {"BOOL", 8},        {"I16", 16},    {"U16", 16},    {"I32", 32},    {"U32", 32},    {"I64", 64},
     {"U64", 64},        {"C64", 64},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
     {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}}};

/// Takes the events of a JSON parser and knows at each point which one the format allows next.
class SafetensorsEvents {
 public:
  explicit SafetensorsEvents(std::string_view file) : file_(file) {}

  [[nodiscard]] std::vector<SafetensorsEntry> take() { return std::move(tensors_); }

  bool start_object(std::size_t) {
    switch (next_) {
      case Next::header: return move_to(Next::name);
      case Next::metadata: return move_to(Next::metadata_key);
      case Next::tensor: return move_to(Next::field);
      default: refuse_value("an object");
    }
  }

  bool key(std::string& text) {
    if (next_ == Next::metadata_key) return move_to(Next::metadata_value);
    if (next_ == Next::field) return start_field(text);
    if (text == "__metadata__") {
      if (std::exchange(has_metadata_, true)) fail_in_header("has two keys '__metadata__'");
      return move_to(Next::metadata);
    }
    fields_ = 0;
    tensors_.emplace_back();
    tensors_.back().name = std::move(text);
    return move_to(Next::tensor);
  }

  bool end_object() {
    if (next_ == Next::metadata_key) return move_to(Next::name);
    if (next_ == Next::name) return move_to(Next::header);
    for (const Field field : {dtype, shape, data_offsets}) {
      if ((fields_ & field) == 0) fail_in_header("has no '", name_of(field), "'");
    }
    return move_to(Next::name);
  }

  bool string(std::string& text) {
    if (next_ == Next::metadata_value) return move_to(Next::metadata_key);
    if (next_ != Next::type) refuse_value("a string");
    const auto type = std::find_if(safetensors_types.begin(), safetensors_types.end(),
                                   [&](const SafetensorsType& known) { return text == known.name; });
    if (type == safetensors_types.end()) fail_in_header("has the unknown dtype ", quote_name(text));
    tensors_.back().type = *type;
    return move_to(Next::field);
  }

  bool start_array(std::size_t) {
    if (next_ == Next::shape) return move_to(Next::extent);
    if (next_ != Next::offsets) refuse_value("an array");
    offset_count_ = 0;
    return move_to(Next::offset);
  }

  bool number_unsigned(std::uint64_t value) {
    if (next_ == Next::extent) return add_extent(value);
    if (next_ != Next::offset) refuse_value("a number");
    if (offset_count_ == 2) fail_in_header("has more than two data_offsets");
    (offset_count_++ == 0 ? tensors_.back().begin : tensors_.back().end) = value;
    return true;
  }

  bool end_array() {
    if (next_ == Next::offset && offset_count_ != 2) fail_in_header("has ", offset_count_, " data_offsets, expected 2");
    return move_to(Next::field);
  }

  bool number_integer(std::int64_t) { refuse_value("a negative number"); }
  bool number_float(double, const std::string&) { refuse_value("a number that is not a whole one of 64 bits"); }
  bool boolean(bool) { refuse_value("a truth value"); }
  bool null() { refuse_value("null"); }
  bool binary(std::vector<std::uint8_t>&) { refuse_value("bytes"); }  // JSON has none; the parser wants it

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    pefa::detail::fail<FormatError>(file_, ": its header is not JSON at byte ", position, " of it");
  }

 private:
  /// What comes next; at `name`, `field` and `metadata_key` that is a key or the object's end.
  enum class Next {
    header,
    name,
    metadata,
    metadata_key,
    metadata_value,
    tensor,
    field,
    type,
    shape,
    extent,
    offsets,
    offset
  };
  enum Field : unsigned { dtype = 1, shape = 2, data_offsets = 4 };

  [[nodiscard]] static const char* name_of(Field field) {
    return field == dtype ? "dtype" : field == shape ? "shape" : "data_offsets";
  }

  [[nodiscard]] bool move_to(Next next) {
    next_ = next;
    return true;
  }

  [[nodiscard]] bool start_field(const std::string& key) {
    for (const Field field : {dtype, shape, data_offsets}) {
      if (key != name_of(field)) continue;
      if ((fields_ & field) != 0) fail_in_header("has two keys '", key, "'");
      fields_ |= field;
      return move_to(field == dtype ? Next::type : field == shape ? Next::shape : Next::offsets);
    }
    fail_in_header("has the unknown key ", quote_name(key));
  }

  [[nodiscard]] bool add_extent(std::uint64_t extent) {
    SafetensorsEntry& tensor = tensors_.back();
    if (tensor.rank < tensor.shape.size()) tensor.shape[tensor.rank] = extent;
    ++tensor.rank;
    if (extent != 0 && tensor.element_count > std::numeric_limits<std::uint64_t>::max() / extent) {
      fail_in_header("has a shape that overflows 64 bits");
    }
    tensor.element_count *= extent;
    return true;
  }

  template <class... Parts>
  [[noreturn]] void fail_in_header(const Parts&... parts) const {
    if (tensors_.empty()) pefa::detail::fail<FormatError>(file_, ": its header ", parts...);
    pefa::detail::fail<FormatError>(file_, ": tensor ", quote_name(tensors_.back().name), " ", parts...);
  }

  [[noreturn]] void refuse_value(const char* what) const {
    const auto expected = [this] {
      switch (next_) {
        case Next::header: return "a JSON object";
        case Next::metadata: return "an object of strings as __metadata__";
        case Next::metadata_value: return "a string in __metadata__";
        case Next::tensor: return "an object";
        case Next::type: return "a string as dtype";
        case Next::shape: return "an array as shape";
        case Next::extent: return "extents >= 0 in shape";
        case Next::offsets: return "an array as data_offsets";
        case Next::offset: return "offsets >= 0 in data_offsets";
        default: return "a key";
      }
    };
    fail_in_header("has ", what, " where there should be ", expected());
  }

  std::string_view file_;
  std::vector<SafetensorsEntry> tensors_;
  Next next_ = Next::header;
  unsigned fields_ = 0;
  std::size_t offset_count_ = 0;
  bool has_metadata_ = false;
};

/// @throws FormatError  two tensors of one name
inline void require_distinct_names(std::vector<SafetensorsEntry>& tensors, const std::string& file) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twin =
      std::adjacent_find(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twin == tensors.end()) return;
  pefa::detail::fail<FormatError>(file, ": has two tensors of the name ", quote_name(twin->name));
}

/// Puts the tensors in the order of their bytes.
/// @throws FormatError  bytes that are not the shape's, or that overlap, leave a gap or are not the rest of the file
inline void require_contiguous(std::vector<SafetensorsEntry>& tensors, std::uint64_t data_size,
                               const std::string& file) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t at = 0;
  for (const SafetensorsEntry& tensor : tensors) {
    const auto refuse = [&](const auto&... parts) {
      pefa::detail::fail<FormatError>(file, ": tensor ", quote_name(tensor.name), " has ", parts...);
    };
    if (tensor.begin != at || tensor.end < tensor.begin || tensor.end > data_size) {
      refuse("data_offsets [", tensor.begin, ", ", tensor.end, "], expected them to start at ", at, " and to end by ",
             data_size);
    }
    const std::uint64_t count = tensor.element_count;
    const bool fits = count <= std::numeric_limits<std::uint64_t>::max() / tensor.type.bits;
    if (!fits || count * tensor.type.bits % 8 != 0 || count * tensor.type.bits / 8 != tensor.end - tensor.begin) {
      refuse(tensor.end - tensor.begin, " bytes, expected ", count, " elements of type ", tensor.type.name);
    }
    at = tensor.end;
  }
  if (at != data_size) {
    pefa::detail::fail<FormatError>(file, ": has ", data_size - at, " bytes after its last tensor");
  }
}

}  // namespace detail

/// Reads the header at the start of a whole file in memory, and checks that its tensors are the rest of the file.
///
/// @throws FormatError  a header past the file or 100 MB; not the JSON of the format; two tensors of one name; a tensor
///                      whose bytes are not its shape's, overlap another's, leave a gap or are past the file
/// O(header · log(tensors)) time; memory for the tensors' names.
[[nodiscard]] inline SafetensorsHeader parse_safetensors_header(const std::byte* bytes, std::size_t size,
                                                                const std::string& file) {
  constexpr std::size_t prefix = sizeof(std::uint64_t);
  constexpr std::uint64_t longest = 100'000'000;  // the reference implementation's limit
  const auto refuse = [&](const auto&... parts) { pefa::detail::fail<FormatError>(file, ": ", parts...); };

  if (size < prefix)
    refuse("is truncated: ", size, " bytes, expected at least the ", prefix, " of its header's length");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes, sizeof(length));
  if (length > longest) refuse("declares a header of ", length, " bytes, expected at most ", longest);
  if (length > size - prefix) refuse("is truncated: its header takes ", length, " bytes, ", size - prefix, " are left");
  const char* text = reinterpret_cast<const char*>(bytes + prefix);
  if (length == 0 || *text != '{') refuse("is not a safetensors file: its header does not start with '{'");

  if (const void* nul = std::memchr(text, '\0', static_cast<std::size_t>(length)); nul != nullptr) {
    // The parser would take it for the end of the text.
    refuse("its header is not JSON at byte ", static_cast<const char*>(nul) - text + 1, " of it");
  }
  detail::SafetensorsEvents events(file);
  (void)nlohmann::json::sax_parse(text, text + length, &events);  // what is wrong throws
  SafetensorsHeader header{.tensors = events.take(), .data_offset = prefix + static_cast<std::size_t>(length)};
  detail::require_distinct_names(header.tensors, file);
  detail::require_contiguous(header.tensors, size - header.data_offset, file);
  return header;
}

}  // namespace pefa::io
