// pefa: working memory that searches hand on to each other, so that none allocates after the first and none waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

namespace pefa::detail {

/// Keeps up to a fixed number of idle objects. Taking and returning one is an atomic exchange on a slot that threads
/// rarely share; where all slots are empty a new object is made, where all are full one is dropped.
template <class Scratch>
class ScratchPool {
 public:
  /// A scratch that goes back to the pool when its user is done.
  class Lease {
   public:
    Lease(ScratchPool& pool, std::unique_ptr<Scratch> scratch) : pool_(&pool), scratch_(std::move(scratch)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (scratch_) pool_->give_back(std::move(scratch_));
    }
    [[nodiscard]] Scratch& operator*() const noexcept { return *scratch_; }
    [[nodiscard]] Scratch* operator->() const noexcept { return scratch_.get(); }

   private:
    ScratchPool* pool_;
    std::unique_ptr<Scratch> scratch_;  // null once moved from
  };

  ScratchPool() = default;
  ScratchPool(const ScratchPool&) = delete;
  ScratchPool& operator=(const ScratchPool&) = delete;
  ~ScratchPool() {
    for (std::atomic<Scratch*>& slot : slots_) delete slot.load();
  }

  /// An idle scratch, or `make()` where there is none.
  template <class Make>
  [[nodiscard]] Lease take(const Make& make) {
    const std::size_t start = first_slot();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      std::atomic<Scratch*>& slot = slots_[(start + i) % slots_.size()];
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (Scratch* idle = slot.exchange(nullptr, std::memory_order_acquire)) {
        return Lease(*this, std::unique_ptr<Scratch>(idle));
      }
    }
    return Lease(*this, make());
  }

 private:
  /// Threads' ids are often addresses far apart; a multiplication spreads them over the slots.
  [[nodiscard]] static std::size_t first_slot() noexcept {
    const std::uint64_t id = std::hash<std::thread::id>{}(std::this_thread::get_id());
    return static_cast<std::size_t>((id * 0x9E3779B97F4A7C15U) >> 58);
  }

  void give_back(std::unique_ptr<Scratch> scratch) noexcept {
    const std::size_t start = first_slot();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      Scratch* empty = nullptr;
      std::atomic<Scratch*>& slot = slots_[(start + i) % slots_.size()];
      if (slot.compare_exchange_strong(empty, scratch.get(), std::memory_order_release, std::memory_order_relaxed)) {
        (void)scratch.release();
        return;
      }
    }
  }

  std::array<std::atomic<Scratch*>, 64> slots_{};
};

}  // namespace pefa::detail
