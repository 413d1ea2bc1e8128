// Runs a fuzz target over files, without a fuzzer: its corpus as a test. Folders are gone through with all that is in
// them; the status is 2 where there was nothing to run.
//   pefa_replay TARGET PATH...
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "fuzz/targets.hpp"

namespace {

void replay(pefa::fuzz::Run run, const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::printf("%s: %zu bytes\n", path.c_str(), bytes.size());
  std::fflush(stdout);  // the last line names the file that ends the program
  (void)run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  const pefa::fuzz::Run run = count < 2 ? nullptr : pefa::fuzz::target(arguments[1]);
  if (run == nullptr) {
    std::printf("%s: there is no such target\n", count < 2 ? "" : arguments[1]);
    return 2;
  }
  std::size_t files = 0;
  for (int i = 2; i < count; ++i) {
    const std::filesystem::path path = arguments[i];
    if (!std::filesystem::is_directory(path)) {
      if (!std::filesystem::is_regular_file(path)) {
        std::printf("%s: there is no such file\n", path.c_str());
        return 2;
      }
      replay(run, path);
      ++files;
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (!entry.is_regular_file()) continue;
      replay(run, entry.path());
      ++files;
    }
  }
  std::printf("%zu files\n", files);
  return files == 0 ? 2 : 0;
}
