// A simulated disk whose tree also stands in a real directory, so that files in it can be mapped: what a base is.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "live/simulated_disk.hpp"
#include "pefa/live/posix_file_system.hpp"

namespace pefa::test {

/// What the simulated disk allows is done in the real directory, too. Files that somebody writes there past this class,
/// as archives are, come to the disk unsynced when their directory is listed or they are synced.
class MappedDisk final : public live::FileSystem {
 public:
  /// @param root  a real directory, empty; the only one there is
  MappedDisk(const std::filesystem::path& root, unsigned seed) : disk_(seed), root_(root) {
    std::filesystem::path above;
    for (const auto& part : root) {
      above /= part;
      if (above != above.root_path()) disk_.make_directory(above);
    }
  }

  [[nodiscard]] Faults& faults() noexcept { return disk_.faults; }

  /// The power goes and comes back, or the process dies; the real directory then holds what is left.
  void cut_power() {
    leave([this] { disk_.cut_power(); });
  }
  void kill_process() {
    leave([this] { disk_.kill_process(); });
  }
  void heal() { disk_.heal(); }

  std::unique_ptr<live::AppendFile> create(const std::filesystem::path& path) override {
    auto simulated = disk_.create(path);
    return std::make_unique<Writer>(std::move(simulated), real_.create(path));
  }
  std::unique_ptr<live::ReadFile> open(const std::filesystem::path& path) override { return disk_.open(path); }
  void sync_file(const std::filesystem::path& path) override {
    take(path);
    disk_.sync_file(path);
  }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    disk_.rename(from, to);
    real_.rename(from, to);
  }
  bool remove(const std::filesystem::path& path) override {
    const bool was_there = disk_.remove(path);
    real_.remove(path);
    return was_there;
  }
  std::vector<live::DirectoryEntry> list(const std::filesystem::path& path) override {
    if (std::filesystem::exists(path)) {
      for (const live::DirectoryEntry& entry : real_.list(path)) {
        if (!entry.is_directory) take(path / entry.name);
      }
    }
    return disk_.list(path);
  }
  bool create_directory(const std::filesystem::path& path) override {
    const bool is_new = disk_.create_directory(path);
    real_.create_directory(path);
    return is_new;
  }
  void sync_directory(const std::filesystem::path& path) override { disk_.sync_directory(path); }
  std::unique_ptr<live::FileLock> lock(const std::filesystem::path& path) override { return disk_.lock(path); }

 private:
  class Writer final : public live::AppendFile {
   public:
    Writer(std::unique_ptr<live::AppendFile> simulated, std::unique_ptr<live::AppendFile> real)
        : simulated_(std::move(simulated)), real_(std::move(real)) {}
    std::size_t write_some(std::span<const std::byte> bytes) override {
      const std::size_t size = simulated_->write_some(bytes);
      real_->append(bytes.first(size));
      return size;
    }
    void sync() override { simulated_->sync(); }

   private:
    std::unique_ptr<live::AppendFile> simulated_;
    std::unique_ptr<live::AppendFile> real_;
  };

  /// A file that was written past this class.
  void take(const std::filesystem::path& path) {
    if (disk_.open(path)) return;
    const auto bytes = live::read_file(real_, path, 1U << 30);
    const auto file = disk_.create(path);
    if (bytes && !bytes->empty()) file->append(*bytes);
  }

  template <class Act>
  void leave(const Act& act) {
    act();
    for (const live::DirectoryEntry& entry : real_.list(root_)) {
      live::remove_tree(real_, root_ / entry.name, entry.is_directory);
    }
    put(root_);
  }

  /// Writes what the simulated disk has in a directory to the real one.
  void put(const std::filesystem::path& directory) {
    for (const live::DirectoryEntry& entry : disk_.list(directory)) {
      const std::filesystem::path path = directory / entry.name;
      if (entry.is_directory) {
        real_.create_directory(path);
        put(path);
      } else {
        const auto file = real_.create(path);
        if (entry.size > 0) file->append(*live::read_file(disk_, path, 1U << 30));
      }
    }
  }

  SimulatedDisk disk_;
  live::FileSystem& real_ = live::posix_file_system();
  std::filesystem::path root_;
};

}  // namespace pefa::test
