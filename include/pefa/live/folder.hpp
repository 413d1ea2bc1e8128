// pefa: a live folder: bases, the log that goes on from them, and a manifest that says which base is current.
//
//   manifest     manifest.hpp, swapped whole
//   lock         locked by the one process that writes
//   log/         the log's segments (log_format.hpp)
//   base-<n>/    the files of base n, which the host writes and names; never changed
//
// Opening: open() reads the manifest, the host loads the files of current(), recover() replays the log after it, and
// log() takes new batches. A merge: position = log().rotate(), stage(position), write the next base's files, publish().
// Another process reads by read_manifest() and a LogReader, and takes no lock. What a crash leaves half-made is removed
// by the next open(). folder_copy.hpp has backup and restore.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/log_format.hpp"
#include "pefa/live/log_reader.hpp"
#include "pefa/live/log_recovery.hpp"
#include "pefa/live/manifest.hpp"
#include "pefa/live/write_ahead_log.hpp"

namespace pefa::live {

/// How a folder is kept.
struct FolderOptions {
  LogOptions log{};            ///< how its log is written
  std::size_t keep_bases = 2;  ///< bases that stay, with the log since the oldest: 1 is no way back
};

/// How a base becomes the current one.
struct PublishOptions {
  std::string note{};    ///< the manifest keeps it with the base: one line, up to 2^20 bytes
  std::size_t keep = 0;  ///< bases that stay, with this one; 0: as the folder's options say. 1 leaves nothing of
                         ///< what came before this base: where something was to be forgotten
};

namespace detail {

[[nodiscard]] inline std::string base_name(std::uint64_t number) {
  return "base-" + std::to_string(number);
}
[[nodiscard]] inline std::filesystem::path base_path(const std::filesystem::path& folder, std::uint64_t number) {
  return folder / base_name(number);
}
[[nodiscard]] inline std::filesystem::path log_path(const std::filesystem::path& folder) {
  return folder / "log";
}

/// Size and checksum of a file, read from its beginning to its end; each block of it goes to `take(bytes)`.
/// @throws IoError  it cannot be read
template <class Take>
[[nodiscard]] BaseFile described(const ReadFile& file, std::string name, const Take& take) {
  io::Checksum sum;
  std::vector<std::byte> block(std::size_t{1} << 20);
  BaseFile described{std::move(name), 0, 0};
  while (const std::size_t got = file.read(described.bytes, block)) {
    const auto bytes = std::span<const std::byte>(block).first(got);
    sum.update(bytes);
    take(bytes);
    described.bytes += got;
  }
  described.checksum = sum.value();
  return described;
}

/// The same of a file by its path. @throws IoError  it cannot be read, or is not there
[[nodiscard]] inline BaseFile described(FileSystem& files, const std::filesystem::path& path) {
  const std::unique_ptr<ReadFile> file = files.open(path);
  if (!file) pefa::detail::fail<IoError>(path.string(), ": is not there");
  return described(*file, path.filename().string(), [](std::span<const std::byte>) {});
}

/// Reads a log from a base on; that it begins later is damage.
template <class Read>
void without_gap(const std::filesystem::path& folder, const Read& read) {
  try {
    read();
  } catch (const LogGone& gap) {
    pefa::detail::fail<FormatError>(folder.string(),
                                    ": the log does not go on from the base: restore a backup: ", gap.what());
  }
}

inline void write_manifest(FileSystem& files, const std::filesystem::path& folder, const Manifest& manifest) {
  const std::string text = encode(manifest);
  replace_file(files, folder / std::string(manifest_name), std::as_bytes(std::span(text)));
}

}  // namespace detail

/// The bytes of a folder's log. Takes no lock. @throws IoError  it cannot be read
[[nodiscard]] inline std::uint64_t log_bytes(FileSystem& files, const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  for (const detail::SegmentFile& segment : detail::segments_in(files, detail::log_path(folder)))
    bytes += segment.bytes;
  return bytes;
}

/// Checks every file of a base, bit by bit. @throws FormatError  one is not as it was published, or is missing
/// @throws IoError  one cannot be read
inline void verify_base(FileSystem& files, const std::filesystem::path& folder, const Base& base) {
  for (const BaseFile& expected : base.files) {
    const std::filesystem::path path = detail::base_path(folder, base.number) / expected.name;
    if (!files.open(path)) pefa::detail::fail<FormatError>(path.string(), ": is missing: restore a backup");
    if (detail::described(files, path) != expected) {
      pefa::detail::fail<FormatError>(path.string(), ": damaged: it is not as it was published: restore a backup");
    }
  }
}

/// Checks all that a folder holds: each base, and the log from the oldest on. Takes no lock.
/// @return what the log holds after the oldest base
/// @throws FormatError  damage  @throws IoError  something cannot be read
[[nodiscard]] inline LogRecovery verify_folder(FileSystem& files, const std::filesystem::path& folder) {
  const Manifest manifest = read_manifest(files, folder);
  for (const Base& base : manifest.bases) verify_base(files, folder, base);
  const Base* oldest = manifest.oldest();
  const LogPosition after = oldest != nullptr ? oldest->position : LogPosition{0, manifest.identity};
  LogRecovery found;
  detail::without_gap(folder,
                      [&] { found = recover_log(files, detail::log_path(folder), manifest.identity, after, {}); });
  return found;
}

/// The folder of the one process that writes. Safe from any number of threads, once recover() has returned.
class LiveFolder {
 public:
  /// Makes a folder with an empty log and no base yet. Its parent must be there; it itself may be, empty.
  /// @throws ValueError  it is a live folder already, or not empty  @throws IoError  it cannot be made; what is left,
  /// another create() takes over
  [[nodiscard]] static std::unique_ptr<LiveFolder> create(FileSystem& files, const std::filesystem::path& where,
                                                          const FolderOptions& options = {}) {
    const std::filesystem::path path = without_slash(where);
    const auto refuse = [&](const char* why) {
      pefa::detail::fail<ValueError>("LiveFolder::create: ", path.string(), why);
    };
    files.create_directory(path);
    for (const DirectoryEntry& entry : files.list(path)) {
      if (entry.name == detail::manifest_name) refuse(" is a live folder already");
      if (entry.name != "lock" && entry.name != "log" && entry.name != "manifest.part") refuse(" is not empty");
    }
    std::unique_ptr<LiveFolder> folder(new LiveFolder(files, path, options));
    const std::filesystem::path log = detail::log_path(path);
    files.create_directory(log);
    for (const DirectoryEntry& entry : files.list(log)) {
      if (entry.size > sizeof(detail::SegmentHeader)) refuse(" has a log, and no manifest: restore a backup");
      files.remove(log / entry.name);
    }
    folder->manifest_.identity = random_identity();
    folder->log_ = WriteAheadLog::create(files, log, folder->manifest_.identity, {}, options.log);
    files.sync_directory(path);
    files.sync_directory(directory_of(path));  // before the manifest: where there is one, all else is on the disk
    folder->swap_manifest(folder->manifest_);
    return folder;
  }

  /// Locks a folder and reads its manifest. Its log is closed until recover().
  /// @throws IoError  another process has it open for writing, or it is no live folder  @throws FormatError  its
  /// manifest is damaged
  [[nodiscard]] static std::unique_ptr<LiveFolder> open(FileSystem& files, const std::filesystem::path& where,
                                                        const FolderOptions& options = {}) {
    const std::filesystem::path path = without_slash(where);
    (void)read_manifest(files, path);  // says what is wrong with a path before a lock is made there
    std::unique_ptr<LiveFolder> folder(new LiveFolder(files, path, options));
    folder->swap_manifest(read_manifest(files, path));  // what was read may not be on the disk yet
    folder->remove_leftovers();
    for (const Base& base : folder->manifest_.bases) {
      folder->next_number_ = std::max(folder->next_number_, base.number + 1);
    }
    return folder;
  }

  LiveFolder(const LiveFolder&) = delete;
  LiveFolder& operator=(const LiveFolder&) = delete;

  /// Replays the log after the current base, and opens it for writing. Called again, after a rollback, it must be while
  /// nobody appends; where it throws then, the log that was open refuses writes until WriteAheadLog::reopen().
  /// @param replay  takes each batch, in order; what it throws goes on to the caller
  /// @throws FormatError  the log is damaged, or does not go on from the base; nothing on the disk has changed
  LogRecovery recover(const ReplayBatch& replay) {
    const std::lock_guard lock(mutex_);
    LogRecovery recovery;
    const LogPosition after = manifest_.bases.empty() ? LogPosition{} : manifest_.bases.back().position;
    try {
      detail::without_gap(path_, [&] {
        log_ = WriteAheadLog::open(*files_, detail::log_path(path_), manifest_.identity, after, replay, recovery,
                                   options_.log);
      });
    } catch (...) {  // the file that an open log writes to may have lost its name
      if (log_) log_->stop("the log was opened anew, which failed");
      throw;
    }
    // What a publish() that was cut short left.
    if (const Base* oldest = manifest_.oldest()) log_->cut(oldest->position.sequence);
    return recovery;
  }

  /// The log; recover() must have returned, or the folder is a new one.
  [[nodiscard]] WriteAheadLog& log() noexcept { return *log_; }
  /// The same, to look at.
  [[nodiscard]] const WriteAheadLog& log() const noexcept { return *log_; }
  /// Where it is.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// What it holds.
  [[nodiscard]] Manifest manifest() const {
    const std::lock_guard lock(mutex_);
    return manifest_;
  }
  /// The base to serve; nothing before the first publish().
  [[nodiscard]] std::optional<Base> current() const {
    const std::lock_guard lock(mutex_);
    return manifest_.bases.empty() ? std::nullopt : std::optional(manifest_.bases.back());
  }
  /// The directory of a base's files.
  [[nodiscard]] std::filesystem::path base_path(const Base& base) const {
    return detail::base_path(path_, base.number);
  }

  /// A directory for the files of a base that is being built: it is one once publish() has it.
  class Stage {
   public:
    /// Leaves `other` with nothing to remove.
    Stage(Stage&& other) noexcept
        : folder_(std::exchange(other.folder_, nullptr)), number_(other.number_), position_(other.position_) {}
    Stage& operator=(Stage&&) = delete;
    /// Removes the directory, where it was not published.
    ~Stage() {
      if (folder_ != nullptr) folder_->abandon(*this);
    }

    /// Where the files go; before publish(), all in this directory itself.
    [[nodiscard]] std::filesystem::path path() const {
      std::filesystem::path path = detail::base_path(folder_->path_, number_);
      path += ".part";
      return path;
    }
    /// The number that the base will have.
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

   private:
    friend class LiveFolder;
    Stage(LiveFolder* folder, std::uint64_t number, LogPosition position)
        : folder_(folder), number_(number), position_(position) {}

    LiveFolder* folder_;
    std::uint64_t number_;
    LogPosition position_;
  };

  /// Makes a directory for the next base, which will hold all up to `position` of the log. The folder must outlive it.
  /// @throws IoError  it cannot be made
  [[nodiscard]] Stage stage(LogPosition position) {
    Stage stage(this, take_number(), position.sequence == 0 ? LogPosition{0, log_->identity()} : position);
    files_->create_directory(stage.path());
    return stage;
  }

  /// Makes a staged base the current one: its files go to the disk and are read back, the manifest is swapped, and then
  /// the bases that are too many and the segments that none needs are removed.
  /// @throws ValueError  a name that is none for a file of a base, a note that is no line, a place that the log has not
  /// @throws IoError  something failed; the base that was current still is, unless the message names the removal of an
  /// older one
  Base publish(Stage&& staged, const PublishOptions& options = {}) {
    Base base = place(std::move(staged), options);
    remove_old();
    return base;
  }

  /// The first half of publish(): the base is the current one, and nothing is removed yet. @throws  as publish()
  Base place(Stage&& staged, const PublishOptions& options = {}) {
    Stage stage(std::move(staged));
    Base base{stage.number_, stage.position_, options.note, {}};
    if (!detail::is_note(base.note)) {
      pefa::detail::fail<ValueError>("LiveFolder::publish: the note must be one line of up to ", detail::max_note_bytes,
                                     " bytes");
    }
    log_->sync();  // a base must not be ahead of the log
    if (base.position.sequence > log_->synced().sequence) {
      pefa::detail::fail<ValueError>("LiveFolder::publish: the base is of batch ", base.position.sequence,
                                     ", and the log ends at ", log_->synced().sequence);
    }
    for (const DirectoryEntry& entry : files_->list(stage.path())) {
      if (entry.is_directory || !detail::is_base_file_name(entry.name)) {
        pefa::detail::fail<ValueError>("LiveFolder::publish: '", entry.name, "' is no name for a file of a base");
      }
      files_->sync_file(stage.path() / entry.name);
      base.files.push_back(detail::described(*files_, stage.path() / entry.name));
    }
    files_->sync_directory(stage.path());
    const std::lock_guard lock(mutex_);
    files_->rename(stage.path(), detail::base_path(path_, base.number));
    built_.erase(stage.number_);
    stage.folder_ = nullptr;
    files_->sync_directory(path_);
    Manifest next = manifest_;
    next.bases.push_back(base);
    const std::size_t keep = std::max<std::size_t>(1, options.keep == 0 ? options_.keep_bases : options.keep);
    const std::size_t drop = next.bases.size() - std::min(next.bases.size(), keep);
    next.bases.erase(next.bases.begin(), next.bases.begin() + static_cast<std::ptrdiff_t>(drop));
    swap_manifest(std::move(next));
    return base;
  }

  /// The second half: removes the bases that the manifest does not name, and the segments that no base needs. Called
  /// again it does what is left. @throws IoError  something cannot be removed
  void remove_old() {
    const std::lock_guard lock(mutex_);
    remove_leftovers();
    if (const Base* oldest = manifest_.oldest()) log_->cut(oldest->position.sequence);
  }

  /// Makes another base current that is still kept: the next open() loads it, and replays the log from there, so that
  /// no event is lost. Calling it for the base that was current before undoes it.
  /// @throws ValueError  no such base is kept  @throws IoError  the manifest cannot be swapped
  Base rollback(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    Manifest next = manifest_;
    const auto found =
        std::find_if(next.bases.begin(), next.bases.end(), [&](const Base& base) { return base.number == number; });
    if (found == next.bases.end()) {
      pefa::detail::fail<ValueError>("LiveFolder::rollback: ", path_.string(), " keeps no base ", number);
    }
    std::rotate(found, found + 1, next.bases.end());
    swap_manifest(std::move(next));
    return manifest_.bases.back();
  }
  /// rollback() to the base that was current before this one. @throws  as above, or there was none
  Base rollback() {
    const Manifest now = manifest();
    if (now.bases.size() < 2) {
      pefa::detail::fail<ValueError>("LiveFolder::rollback: ", path_.string(), " keeps ", now.bases.size(),
                                     " bases, expected two");
    }
    return rollback(now.bases[now.bases.size() - 2].number);
  }

  /// Seals the log, so that followers have all and the next recover() has nothing to copy. Not calling it loses nothing
  /// that was acknowledged by a sync.  @throws IoError  it cannot be written
  void close() { log_->seal(); }

  /// Runs `act(manifest)` while no base and no segment is removed: for whoever copies them.
  template <class Act>
  void hold(const Act& act) const {
    const std::lock_guard lock(mutex_);
    act(manifest_);
  }

 private:
  LiveFolder(FileSystem& files, std::filesystem::path path, const FolderOptions& options)
      : files_(&files), path_(std::move(path)), options_(options), lock_(files.lock(path_ / "lock")) {
    if (!lock_) {
      pefa::detail::fail<IoError>(path_.string(), ": is open for writing already, here or in another process");
    }
  }

  [[nodiscard]] static std::uint64_t random_identity() {
    std::random_device random;
    const std::uint64_t high = random();
    return (high << 32U) ^ random();
  }

  [[nodiscard]] std::uint64_t take_number() {
    const std::lock_guard lock(mutex_);
    built_.insert(next_number_);
    return next_number_++;
  }
  void abandon(const Stage& stage) noexcept {
    try {
      const std::lock_guard lock(mutex_);
      built_.erase(stage.number());
      remove_tree(*files_, stage.path(), true);
    } catch (...) {  // the next open() removes it
    }
  }

  /// Where it throws, nobody knows which of the two the disk has, and both hold: nothing is removed before it returns.
  void swap_manifest(Manifest next) {
    next.generation = manifest_.generation = std::max(manifest_.generation, next.generation) + 1;
    detail::write_manifest(*files_, path_, next);
    manifest_ = std::move(next);
  }

  /// Removes the bases that the manifest does not name, and files that were never put in place.
  void remove_leftovers() {
    bool removed = false;
    for (const DirectoryEntry& entry : files_->list(path_)) {
      const auto is_named = [&](const Base& base) { return entry.name == detail::base_name(base.number); };
      const auto is_stage = [&](std::uint64_t number) { return entry.name == detail::base_name(number) + ".part"; };
      const bool is_leftover = entry.name.starts_with("base-") &&
                               std::none_of(manifest_.bases.begin(), manifest_.bases.end(), is_named) &&
                               std::none_of(built_.begin(), built_.end(), is_stage);
      if (!is_leftover) continue;
      remove_tree(*files_, path_ / entry.name, entry.is_directory);
      removed = true;
    }
    if (removed) files_->sync_directory(path_);  // what was to be forgotten must not come back after a power cut
  }

  FileSystem* files_;
  std::filesystem::path path_;
  FolderOptions options_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<WriteAheadLog> log_;
  mutable std::mutex mutex_;  ///< guards what follows, and which bases and segments there are
  Manifest manifest_;
  std::uint64_t next_number_ = 1;
  std::set<std::uint64_t> built_;  ///< numbers of the stages there are
};

}  // namespace pefa::live
