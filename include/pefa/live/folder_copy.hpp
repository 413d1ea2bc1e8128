// pefa: backup and restore of a live folder: one copy for both, checked as it is read.
//
// A backup is a live folder itself: the current base, and the log from there to one place. It can be opened where it
// is; restore_folder() checks every byte of it on the way to another place.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/folder.hpp"
#include "pefa/live/log_format.hpp"
#include "pefa/live/log_reader.hpp"
#include "pefa/live/log_recovery.hpp"
#include "pefa/live/manifest.hpp"
#include "pefa/live/write_ahead_log.hpp"

namespace pefa::live {
namespace detail {

/// Batches on their way into another log, some thousands at a time.
class BatchCopier {
 public:
  explicit BatchCopier(WriteAheadLog& to) : to_(to) {}

  void add(const LogBatch& batch) {
    bytes_.insert(bytes_.end(), batch.bytes.begin(), batch.bytes.end());
    ends_.push_back(bytes_.size());
    if (bytes_.size() > (std::size_t{1} << 20) || ends_.size() >= 4096) flush();
  }
  void flush() {
    std::vector<std::span<const std::byte>> batches;
    batches.reserve(ends_.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      batches.push_back(std::span<const std::byte>(bytes_).subspan(begin, end - begin));
      begin = end;
    }
    to_.append_group(batches);
    bytes_.clear();
    ends_.clear();
  }

 private:
  WriteAheadLog& to_;
  std::vector<std::byte> bytes_;
  std::vector<std::size_t> ends_;
};

/// Makes an empty directory for what is renamed once it is whole. What an attempt that was killed left there goes.
/// @throws ValueError  there is something else, or somebody is at work there
inline void make_part(FileSystem& files, const std::filesystem::path& part) {
  if (files.create_directory(part)) return;
  const auto refuse = [&](const char* why) {
    pefa::detail::fail<ValueError>("live: ", part.string(), " is there, ", why, "; move it away");
  };
  bool has_lock = false;
  for (const DirectoryEntry& entry : files.list(part)) {
    has_lock = has_lock || entry.name == "lock";
    const bool is_ours = entry.name == "lock" || entry.name == "log" || entry.name == manifest_name ||
                         entry.name == "manifest.part" || entry.name.starts_with("base-");
    if (!is_ours) refuse("and is not what an earlier attempt left");
  }
  if (has_lock && files.lock(part / "lock") == nullptr) refuse("and another process writes to it");
  remove_tree(files, part, true);
  files.create_directory(part);
}

/// Copies the files of a base, and checks them on the way.
inline void copy_base(FileSystem& files, const std::filesystem::path& from, const std::filesystem::path& to,
                      const Base& base) {
  const std::filesystem::path directory = base_path(to, base.number);
  files.create_directory(directory);
  for (const BaseFile& expected : base.files) {
    const std::filesystem::path path = base_path(from, base.number) / expected.name;
    const std::unique_ptr<ReadFile> in = files.open(path);
    if (!in) pefa::detail::fail<FormatError>(path.string(), ": is missing");
    const std::unique_ptr<AppendFile> out = files.create(directory / expected.name);
    if (described(*in, expected.name, [&](std::span<const std::byte> bytes) { out->append(bytes); }) != expected) {
      pefa::detail::fail<FormatError>(path.string(), ": damaged: it is not as it was published");
    }
    out->sync();
  }
  files.sync_directory(directory);
}

/// Makes a folder of the current base of another one, and of the batches that `copy_log(after, copier)` gives.
template <class CopyLog>
void copy_folder(FileSystem& files, const std::filesystem::path& from, const std::filesystem::path& where,
                 const Manifest& manifest, const CopyLog& copy_log) {
  const std::filesystem::path to = without_slash(where);
  const std::filesystem::path parent = directory_of(to);
  for (const DirectoryEntry& entry : files.list(parent)) {
    if (entry.name != to.filename().string()) continue;
    if (!entry.is_directory || !files.list(to).empty()) {
      pefa::detail::fail<ValueError>("live: ", to.string(), " is there already, and not an empty directory");
    }
  }
  std::filesystem::path part = to;
  part += ".part";
  make_part(files, part);
  Manifest copied{manifest.identity, manifest.generation, {}};
  LogPosition after{0, manifest.identity};
  if (const Base* base = manifest.current()) {
    copy_base(files, from, part, *base);
    copied.bases.push_back(*base);
    after = base->position;
  }
  files.create_directory(log_path(part));
  {
    const LogOptions unsynced{.sync_interval = std::chrono::hours(24 * 365)};
    const auto log = WriteAheadLog::create(files, log_path(part), manifest.identity, after, unsynced);
    BatchCopier copier(*log);
    copy_log(after, copier);
    copier.flush();
    log->seal();
  }
  write_manifest(files, part, copied);
  files.rename(part, to);
  files.sync_directory(parent);
}

}  // namespace detail

/// Copies what a folder holds now to a new one, while it is written to and searched; merges wait for it.
/// @param path  not there, or an empty directory
/// @return where in the log the copy ends: every batch acknowledged before the call is in it
/// @throws ValueError  `path` is neither  @throws IoError, FormatError  something cannot be read, is damaged, or cannot
/// be written; then `path` is as it was
inline LogPosition backup_folder(FileSystem& files, const LiveFolder& folder, const std::filesystem::path& path) {
  LogPosition end;
  folder.hold([&](const Manifest& manifest) {
    end = folder.log().position();
    detail::copy_folder(files, folder.path(), path, manifest, [&](LogPosition after, detail::BatchCopier& copier) {
      LogReader reader(files, detail::log_path(folder.path()), manifest.identity, after, Follow::written);
      while (reader.position().sequence < end.sequence) {
        const auto batch = reader.next();
        if (!batch) {
          pefa::detail::fail<FormatError>(folder.path().string(), ": the log ends at batch ",
                                          reader.position().sequence, ", expected ", end.sequence);
        }
        copier.add(*batch);
      }
    });
  });
  return end;
}

/// Makes a live folder of a backup, every byte of which is checked.
/// @param path  not there, or an empty directory
/// @return what the backup's log holds
/// @throws ValueError  `path` is neither  @throws FormatError  the backup is damaged; `path` is as it was
/// @throws IoError  something cannot be read or written; `path` is as it was
inline LogRecovery restore_folder(FileSystem& files, const std::filesystem::path& backup,
                                  const std::filesystem::path& path) {
  LogRecovery found;
  const Manifest manifest = read_manifest(files, backup);
  detail::copy_folder(files, backup, path, manifest, [&](LogPosition after, detail::BatchCopier& copier) {
    detail::without_gap(backup, [&] {
      found = recover_log(files, detail::log_path(backup), manifest.identity, after,
                          [&](const LogBatch& batch) { copier.add(batch); });
    });
  });
  return found;
}

}  // namespace pefa::live
