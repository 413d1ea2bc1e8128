// What `pefa tune --json` writes and --tuned reads: the pick, and which data it is the pick of.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data_files.hpp"
#include "pefa/adapter/retriever_spec.hpp"

namespace pefa::cli {

/// Which data: their shape, and a checksum of the pairs and of a few rows. Data that differ in other rows alone pass
/// for the same.
[[nodiscard]] nlohmann::ordered_json identity_of(const TrainingData& data);

/// A file that is open.
class TunedFile {
 public:
  /// @throws IoError  it cannot be read  @throws FormatError  it is not what pefa tune writes
  explicit TunedFile(const std::filesystem::path& path);

  /// @throws FormatError  of a wrong type, a later version or parameters that its method does not have
  [[nodiscard]] RetrieverSpec pick() const;

  /// @param data  without training queries, the passages alone are compared
  /// @throws ValueError  it is of other data; a file that does not say of which passes
  void require_data(const TrainingData& data) const;

 private:
  std::filesystem::path path_;
  nlohmann::ordered_json json_;
};

}  // namespace pefa::cli
