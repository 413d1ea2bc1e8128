#include "source.hpp"

#include <CLI/CLI.hpp>
#include <string>

#include "interrupt.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/archive/reader.hpp"

namespace pefa::cli {

OpenArchive open_archive(const std::filesystem::path& path) {
  require_file(path);
  const EndAtOnce opening;
  const io::ArchiveReader reader = io::ArchiveReader::open(path);
  const auto training_queries = reader.metadata().find_integer("training_queries");
  return {reader.name(), pefa::open(reader), static_cast<std::size_t>(reader.byte_size()),
          static_cast<std::size_t>(training_queries.value_or(0))};
}

void Source::add_options(CLI::App& command) {
  const CLI::Option* archive =
      command.add_option("archive", archive_, "what pefa build wrote; then nothing says how to build");
  const CLI::Option* help = command.get_help_ptr();
  files_.add_passages(command, Required::no);
  files_.add_training(command, Required::no);
  method_.add_options(command);
  lambda_ = command.get_option("--lambda");
  neighbors_ = command.get_option("--neighbors");
  for (const CLI::Option* option : command.get_options()) {
    if (option != archive && option != help && option != lambda_ && option != neighbors_) {
      build_options_.push_back(option);
    }
  }
}

OpenArchive Source::open() const {
  for (const CLI::Option* option : build_options_) {
    if (option->count() > 0) {
      throw CLI::ValidationError(option->get_name(),
                                 "says how to build, but " + archive_.string() + " is built already");
    }
  }
  return open_archive(archive_);
}

SearchOptions Source::with_overrides(SearchOptions options, const OpenArchive& archive) const {
  const RetrieverSpec& spec = archive.retriever.spec();
  for (const CLI::Option* option : {lambda_, neighbors_}) {
    if (option->count() > 0 && spec.method != Method::xl) {
      throw ValueError(option->get_name() + " is for xl, but " + archive.name + " holds " + kind_of(spec));
    }
  }
  if (lambda_->count() > 0) options.lambda = lambda_->as<float>();
  if (neighbors_->count() > 0) {
    options.neighbors = neighbors_->as<std::size_t>();
    warn_of_neighbors(options.neighbors, archive.training_queries);
  }
  return options;
}

}  // namespace pefa::cli
