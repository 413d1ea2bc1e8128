// A file system in memory that fails where a test wants it to, and that loses on a power cut what a real one may lose:
// any of the pages that were not synced, any of the names that their directory was not synced for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/live/file_system.hpp"

namespace pefa::test {

/// What every call throws from the moment that the power is gone; no pefa::Error, so that nobody handles it.
struct PowerCut {};

/// What goes wrong, and at which call; calls are counted from 1.
struct Faults {
  static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

  std::size_t fail_from = never;              ///< the first call that fails
  std::size_t fail_until = never;             ///< the first that works again
  std::string reason = "Input/output error";  ///< what the failing calls say
  bool takes_effect = false;                  ///< whether they do what they say they could not
  std::size_t cut_at = never;                 ///< the call in which the power goes
  std::size_t largest_write = never;          ///< bytes that a write takes at most
  std::size_t room = never;                   ///< bytes until the disk is full
};

/// The disk, and what the system keeps of it in memory.
class SimulatedDisk final : public live::FileSystem {
 public:
  static constexpr std::size_t page = 64;  ///< small, so that a record has several

  Faults faults;

  explicit SimulatedDisk(unsigned seed = 0) : random_(seed) { root_ = std::make_shared<Node>(true); }

  /// How many calls there were.
  [[nodiscard]] std::size_t calls() const { return calls_; }

  /// Starts counting again, and nothing fails any more.
  void heal() {
    faults = {};
    calls_ = 0;
  }

  /// The power goes and comes back: what was not synced is there or not, as the dice say. Open files are dead.
  void cut_power() {
    heal();
    locked_.clear();
    settle(*root_);
  }
  /// The process dies, the system does not: locks go, and nothing else.
  void kill_process() {
    heal();
    locked_.clear();
  }

  /// What a reader sees of a file, to look at and to change. The file must be there.
  [[nodiscard]] std::vector<std::byte>& contents(const std::filesystem::path& path) { return find(path)->cached; }
  /// Puts a file there, synced.
  void put(const std::filesystem::path& path, std::vector<std::byte> bytes) {
    const auto node = std::make_shared<Node>(false);
    node->cached = node->stored = std::move(bytes);
    Node& parent = *find(path.parent_path());
    parent.names[path.filename().string()] = parent.stored_names[path.filename().string()] = node;
  }

  /// Makes a directory, synced.
  void make_directory(const std::filesystem::path& path) {
    Node& parent = *find(path.parent_path());
    parent.names[path.filename().string()] = parent.stored_names[path.filename().string()] =
        std::make_shared<Node>(true);
  }

  std::unique_ptr<live::AppendFile> create(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    return attempt<std::unique_ptr<live::AppendFile>>(path, [&]() -> std::unique_ptr<live::AppendFile> {
      Node& parent = parent_of(path);
      auto& slot = parent.names[path.filename().string()];
      if (slot) refuse(path, "File exists");
      slot = std::make_shared<Node>(false);
      return std::make_unique<Writer>(*this, path, slot);
    });
  }
  std::unique_ptr<live::ReadFile> open(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    return attempt<std::unique_ptr<live::ReadFile>>(path, [&]() -> std::unique_ptr<live::ReadFile> {
      const auto node = find(path);
      if (!node) return nullptr;
      return std::make_unique<Reader>(*this, path, node);
    });
  }
  void sync_file(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    sync(path, *need(path));
  }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    const std::lock_guard lock(mutex_);
    attempt<int>(to, [&] {
      auto node = need(from);
      const auto old = find(to);
      if (old && old->is_directory && !(node->is_directory && old->names.empty())) refuse(to, "Directory not empty");
      parent_of(to).names[to.filename().string()] = std::move(node);
      parent_of(from).names.erase(from.filename().string());
      return 0;
    });
  }
  bool remove(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    return attempt<bool>(path, [&] {
      const auto node = find(path);
      if (!node) return false;
      if (node->is_directory && !node->names.empty()) refuse(path, "Directory not empty");
      return parent_of(path).names.erase(path.filename().string()) > 0;
    });
  }
  std::vector<live::DirectoryEntry> list(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    return attempt<std::vector<live::DirectoryEntry>>(path, [&] {
      std::vector<live::DirectoryEntry> entries;
      for (const auto& [name, node] : need(path)->names) {
        entries.push_back({name, node->is_directory, node->cached.size()});
      }
      return entries;
    });
  }
  bool create_directory(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    return attempt<bool>(path, [&] {
      auto& slot = parent_of(path).names[path.filename().string()];
      if (slot) return false;
      slot = std::make_shared<Node>(true);
      return true;
    });
  }
  void sync_directory(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    attempt<int>(path, [&] {
      const auto node = need(path);
      node->stored_names = node->names;
      return 0;
    });
  }
  std::unique_ptr<live::FileLock> lock(const std::filesystem::path& path) override {
    const std::lock_guard guard(mutex_);
    return attempt<std::unique_ptr<live::FileLock>>(path, [&]() -> std::unique_ptr<live::FileLock> {
      auto& slot = parent_of(path).names[path.filename().string()];
      if (!slot) slot = std::make_shared<Node>(false);
      if (!locked_.insert(path).second) return nullptr;
      return std::make_unique<Lock>(*this, path);
    });
  }

 private:
  /// A file or a directory, as the system has it in memory and as the disk has it.
  struct Node {
    explicit Node(bool directory) : is_directory(directory) {}

    bool is_directory;
    std::vector<std::byte> cached;
    std::vector<std::byte> stored;
    std::set<std::size_t> dirty;  ///< pages that the next sync writes
    std::map<std::string, std::shared_ptr<Node>> names;
    std::map<std::string, std::shared_ptr<Node>> stored_names;
  };

  class Writer final : public live::AppendFile {
   public:
    Writer(SimulatedDisk& disk, std::filesystem::path path, std::shared_ptr<Node> node)
        : disk_(disk), path_(std::move(path)), node_(std::move(node)) {}
    std::size_t write_some(std::span<const std::byte> bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      return disk_.write(path_, *node_, bytes);
    }
    void sync() override {
      const std::lock_guard lock(disk_.mutex_);
      disk_.sync(path_, *node_);
    }

   private:
    SimulatedDisk& disk_;
    std::filesystem::path path_;
    std::shared_ptr<Node> node_;
  };

  class Reader final : public live::ReadFile {
   public:
    Reader(SimulatedDisk& disk, std::filesystem::path path, std::shared_ptr<Node> node)
        : disk_(disk), path_(std::move(path)), node_(std::move(node)) {}
    std::size_t read_some(std::uint64_t offset, std::span<std::byte> into) const override {
      const std::lock_guard lock(disk_.mutex_);
      return disk_.attempt<std::size_t>(path_, [&] {
        const auto& bytes = node_->cached;
        const auto begin = static_cast<std::size_t>(std::min<std::uint64_t>(offset, bytes.size()));
        const std::size_t count = std::min(into.size(), bytes.size() - begin);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), count, into.begin());
        return count;
      });
    }
    std::uint64_t size() const override {
      const std::lock_guard lock(disk_.mutex_);
      return disk_.attempt<std::uint64_t>(path_, [&] { return std::uint64_t{node_->cached.size()}; });
    }

   private:
    SimulatedDisk& disk_;
    std::filesystem::path path_;
    std::shared_ptr<Node> node_;
  };

  class Lock final : public live::FileLock {
   public:
    Lock(SimulatedDisk& disk, std::filesystem::path path) : disk_(disk), path_(std::move(path)) {}
    ~Lock() override {
      const std::lock_guard lock(disk_.mutex_);
      disk_.locked_.erase(path_);
    }

   private:
    SimulatedDisk& disk_;
    std::filesystem::path path_;
  };

  [[noreturn]] static void refuse(const std::filesystem::path& path, const std::string& reason) {
    pefa::detail::fail<IoError>(path.string(), ": ", reason);
  }

  /// Whether this call is to fail; the power may go in it.
  [[nodiscard]] bool fails() {
    ++calls_;
    return calls_ >= faults.fail_from && calls_ < faults.fail_until;
  }

  template <class Result, class Act>
  Result attempt(const std::filesystem::path& path, const Act& act) {
    const bool fail = fails();
    if (calls_ >= faults.cut_at) {
      if (calls_ == faults.cut_at && coin()) (void)act();
      throw PowerCut{};
    }
    if (!fail) return act();
    if (faults.takes_effect) (void)act();
    refuse(path, faults.reason);
  }

  [[nodiscard]] std::size_t write(const std::filesystem::path& path, Node& node, std::span<const std::byte> bytes) {
    const bool fail = fails();
    if (calls_ > faults.cut_at) throw PowerCut{};
    std::size_t size = std::min({bytes.size(), faults.largest_write, faults.room});
    if (fail || calls_ == faults.cut_at) size = random_() % (size + 1);  // a part may be there all the same
    const std::size_t begin = node.cached.size();
    node.cached.insert(node.cached.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    for (std::size_t at = begin; at < begin + size; ++at) node.dirty.insert(at / page);
    if (faults.room != Faults::never) faults.room -= size;
    if (calls_ == faults.cut_at) throw PowerCut{};
    if (fail) refuse(path, faults.reason);
    if (size == 0) refuse(path, "No space left on device");
    return size;
  }

  /// Where it fails, some pages are stored, and the system takes all of them for stored, as Linux does.
  void sync(const std::filesystem::path& path, Node& node) {
    const bool fail = fails();
    if (calls_ > faults.cut_at) throw PowerCut{};
    if (fail || calls_ == faults.cut_at) {
      settle_pages(node, node.stored);
      if (calls_ == faults.cut_at) throw PowerCut{};
      node.dirty.clear();
      refuse(path, faults.reason);
    }
    // Pages that an earlier sync failed on are not dirty: they stay what they are on the disk.
    node.stored.resize(node.cached.size());
    for (const std::size_t each : node.dirty) store(node, each, node.stored);
    node.dirty.clear();
  }

  static void store(const Node& node, std::size_t number, std::vector<std::byte>& to) {
    const std::size_t begin = number * page;
    const std::size_t end = std::min({begin + page, node.cached.size(), to.size()});
    for (std::size_t at = begin; at < end; ++at) to[at] = node.cached[at];
  }

  /// The file's size is the old one, the new one or one between; each dirty page is the old one or the new one.
  void settle_pages(Node& node, std::vector<std::byte>& to) {
    const std::size_t grown = node.cached.size() - std::min(node.cached.size(), to.size());
    if (grown > 0) {
      const auto dice = random_() % 4;
      to.resize(to.size() + (dice == 0 ? 0 : dice == 1 ? random_() % (grown + 1) : grown));
    }
    const bool most = coin();
    for (const std::size_t each : node.dirty) {
      if (most ? random_() % 8 != 0 : coin()) store(node, each, to);
    }
  }

  void settle(Node& node) {
    settle_pages(node, node.stored);
    node.cached = node.stored;
    node.dirty.clear();
    std::set<std::string> all;
    for (const auto& [name, child] : node.names) all.insert(name);
    for (const auto& [name, child] : node.stored_names) all.insert(name);
    std::map<std::string, std::shared_ptr<Node>> left;
    for (const std::string& name : all) {
      const auto& from = coin() ? node.names : node.stored_names;
      const auto found = from.find(name);
      if (found != from.end()) left.insert(*found);
    }
    node.names = node.stored_names = left;
    for (const auto& [name, child] : node.names) settle(*child);
  }

  [[nodiscard]] bool coin() { return random_() % 2 == 0; }

  [[nodiscard]] std::shared_ptr<Node> find(const std::filesystem::path& path) const {
    std::shared_ptr<Node> node = root_;
    for (const auto& part : path.relative_path()) {
      if (part == "." || part.empty()) continue;
      const auto found = node->names.find(part.string());
      if (found == node->names.end() || !found->second) return nullptr;
      node = found->second;
    }
    return node;
  }
  [[nodiscard]] std::shared_ptr<Node> need(const std::filesystem::path& path) const {
    auto node = find(path);
    if (!node) refuse(path, "No such file or directory");
    return node;
  }
  [[nodiscard]] Node& parent_of(const std::filesystem::path& path) const { return *need(path.parent_path()); }

  std::shared_ptr<Node> root_;
  std::set<std::filesystem::path> locked_;
  std::mt19937 random_;
  std::size_t calls_ = 0;
  std::recursive_mutex mutex_;  ///< a lock that is given back within a call takes it again
};

}  // namespace pefa::test
