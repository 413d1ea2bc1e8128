// pefa: one write for all who wait: of the threads that come meanwhile, one commits for all, and the others wait for
// it.
//
// A disk takes as long to sync one batch as a thousand. No thread of its own: the first caller leads, who comes while
// it commits is in the next group, and one of those leads that.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace pefa::live {

/// Brings items of several threads together in groups, in the order in which they came. Safe from any number of
/// threads.
template <class Item>
class GroupCommit {
 public:
  /// Returns once some call of `commit(std::span<Item* const>)` has had `item`, this thread's or another's; they never
  /// overlap. `item` is borrowed until then; commit may write to it.
  /// @throws  what that call threw, on the thread of each of its items
  template <class Commit>
  void run(Item& item, const Commit& commit) {
    Waiter self{&item};
    std::unique_lock lock(mutex_);
    queue_.push_back(&self);
    changed_.wait(lock, [&] { return self.is_done || !is_led_; });
    if (!self.is_done) lead(lock, commit);
    lock.unlock();
    if (self.error) std::rethrow_exception(self.error);
  }

 private:
  struct Waiter {
    Item* item;
    bool is_done = false;
    std::exception_ptr error{};
  };

  template <class Commit>
  void lead(std::unique_lock<std::mutex>& lock, const Commit& commit) {
    is_led_ = true;
    std::vector<Waiter*> group;
    group.swap(queue_);
    lock.unlock();
    std::exception_ptr error;
    try {
      std::vector<Item*> items;
      items.reserve(group.size());
      for (const Waiter* waiter : group) items.push_back(waiter->item);
      commit(std::span<Item* const>(items));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    for (Waiter* waiter : group) {
      waiter->error = error;
      waiter->is_done = true;
    }
    is_led_ = false;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiter*> queue_;
  bool is_led_ = false;
};

}  // namespace pefa::live
