// Files of external ids of any bytes, text and JSON lines: read, or refused with a pefa::Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "input_file.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/ids/jsonl_ids.hpp"
#include "pefa/io/results/hits_jsonl.hpp"

namespace {

void require_lookup(const pefa::io::ExternalIds& ids) {
  for (std::size_t row = 0; row < ids.size(); ++row) {
    if (ids.find(ids[row]) != static_cast<pefa::Row>(row)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pefa;
  const auto path = fuzz::input_file(data, size);
  fuzz::accept_errors([&] { require_lookup(io::read_ids(path)); });
  fuzz::accept_errors([&] { require_lookup(io::read_jsonl_ids(path)); });
  // What is written as JSON is JSON.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string json;
  fuzz::accept_errors([&] {
    io::detail::append_json_string(json, text, "");
    if (nlohmann::json::parse(json).get<std::string>() != text) std::abort();
  });
  return 0;
}
