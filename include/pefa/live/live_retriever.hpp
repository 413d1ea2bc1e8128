// pefa: a retriever that learns while it serves: clicks, new passages and removals show in the next search, and a merge
// fits and builds anew while searches and writers go on.
//
// What a live answer is: everything fitted (W, the solve's M, hubness, axes of codes) is frozen from one merge to the
// next; an answer is the retriever's equation with those fits and the current P, Q and Y.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/event_encoding.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/folder.hpp"
#include "pefa/live/folder_copy.hpp"
#include "pefa/live/group_commit.hpp"
#include "pefa/live/live_base.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_guard.hpp"
#include "pefa/live/live_image.hpp"
#include "pefa/live/live_model.hpp"
#include "pefa/live/live_params.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_retirement.hpp"
#include "pefa/live/live_stats.hpp"
#include "pefa/live/live_view.hpp"
#include "pefa/live/log_recovery.hpp"
#include "pefa/live/posix_file_system.hpp"
#include "pefa/live/searched_live.hpp"

namespace pefa::live {

/// A retriever whose batches show when they are applied, in memory or in a folder. Any number of threads may write,
/// search and merge; searches wait for nobody.
///
/// In a folder a batch is on the disk when apply() returns (or soon after: LogOptions::sync_interval), and what open()
/// recovers are the batches in their order up to some one, all that were acknowledged among them. One process writes a
/// folder; others search it by a LiveFollower.
class LiveRetriever : public SearchedLive {
 public:
  /// Empty, in memory alone. @throws ShapeError  dim is 0  @throws ValueError  a spec that a live retriever cannot be,
  /// a share out of range
  explicit LiveRetriever(const LiveParams& params) : params_(params) {
    detail::require_live_params(params, "LiveRetriever");
    const detail::LiveImage nothing = detail::no_image(params.dim);
    start(model_of(nothing, built_epoch(nothing, 0, {})));
  }

  /// Makes a folder, whose parent is there, with an empty retriever.
  /// @throws ShapeError, ValueError  as above; the folder is not empty  @throws IoError  it cannot be made
  [[nodiscard]] static std::unique_ptr<LiveRetriever> create(const std::filesystem::path& path,
                                                             const LiveParams& params,
                                                             const FolderOptions& options = {},
                                                             FileSystem& files = posix_file_system()) {
    auto retriever = std::make_unique<LiveRetriever>(params);
    retriever->files_ = &files;
    retriever->folder_ = LiveFolder::create(files, path, options);
    LiveFolder::Stage stage = retriever->folder_->stage({});
    const detail::LiveImage nothing = detail::no_image(params.dim);
    const auto epoch = retriever->built_epoch(nothing, stage.number(), {});
    detail::write_base(stage.path(), params, nothing, *epoch, {});
    (void)retriever->folder_->publish(std::move(stage));
    retriever->start(retriever->model_of(nothing, epoch));
    return retriever;
  }

  /// Opens a folder for writing, and applies what its log holds after its base.
  /// @param recovery  what was found in the log, where it is asked for
  /// @throws IoError  another process writes it, or it is none  @throws FormatError  damage, and where
  [[nodiscard]] static std::unique_ptr<LiveRetriever> open(const std::filesystem::path& path,
                                                           const FolderOptions& options = {},
                                                           FileSystem& files = posix_file_system(),
                                                           LogRecovery* recovery = nullptr,
                                                           Verify verify = Verify::directory) {
    std::unique_ptr<LiveFolder> folder = LiveFolder::open(files, path, options);
    const std::optional<Base> base = folder->current();
    if (!base) {  // create() was cut short
      pefa::detail::fail<FormatError>(path.string(), ": has no base; remove it and create it again");
    }
    detail::OpenedBase opened = detail::open_base(path, *base, verify);
    auto retriever = std::make_unique<LiveRetriever>(opened.params);
    retriever->files_ = &files;
    retriever->folder_ = std::move(folder);
    const LogRecovery found = retriever->load(std::move(opened));
    if (recovery != nullptr) *recovery = found;
    return retriever;
  }

  LiveRetriever(const LiveRetriever&) = delete;
  LiveRetriever& operator=(const LiveRetriever&) = delete;

  /// Applies a batch: when this returns it is kept, and searches see all of it. What the state refuses of it, the
  /// results say. Threads that call at the same time share a sync.
  /// @return  one result an event
  /// @throws ValueError  an event that is wrong in itself; nothing is applied
  /// @throws LogFull  the log's quota is reached: merge
  /// @throws IoError  the log could not be written, now or before, see reopen_log(); searches see nothing of the batch
  /// @throws std::bad_alloc  and from then on Error: searches go on, writing needs another open()
  std::vector<ItemResult> apply(const Batch& batch) {
    Waiting self{&batch, {}, {}, {}};
    if (folder_) {
      self.bytes = encode(batch);
      WriteAheadLog::require_size(self.bytes);  // here, as others share what commit() throws
    } else {
      validate(batch);
    }
    commits_.run(self, [this](std::span<Waiting* const> group) { commit(group); });
    if (self.error) std::rethrow_exception(self.error);
    return std::move(self.results);
  }

  /// Fits and builds anew from what is there, on the caller's threads; searches and writers go on, and what they write
  /// meanwhile is kept. One merge at a time: a second caller waits.
  ///
  /// Where CountingParams::retire asks for room, the training queries that count for least go first, by a batch like
  /// any other. In a folder the new base is written, opened again, checked against its checksums and against an exact
  /// search before it takes the old one's place; the old one stays for rollback(), unless something was to be
  /// forgotten, then no file holds it any more when this returns, or the log is above its high-water mark and needs the
  /// room.
  /// @throws Cancelled, IoError  and whatever the build throws: all is as it was; but where the message names the
  /// removal of a file the new base serves, and the next merge or open() removes what is left
  /// @throws Error  a batch could not be applied, see apply()
  /// @throws ValueError  the new base does not do what LiveParams::guards ask: all is as it was
  void merge(const BuildOptions& options = {}) { merge(options, params_.guards); }

  /// The same under other guards, this once. @throws  as above; ValueError: a guard out of range
  void merge(const BuildOptions& options, const MergeGuards& guards) {
    detail::require_guards(guards, "LiveRetriever::merge");
    const std::lock_guard one(merging_);
    retire();
    std::shared_ptr<const detail::LiveSnapshot> from;
    detail::LiveImage image;
    LogPosition position;
    bool needs_room = false;
    {
      const std::lock_guard order(ordering_);  // no batch is between the log and the model
      require_sound("merge");
      if (folder_) {
        needs_room = folder_->log().is_high();
        position = folder_->log().rotate();
      }
      const std::lock_guard lock(writing_);
      from = model_->snapshot();
      image.parked = model_->state().waiting().pairs();
      image.time = model_->state().time();
      image.landmark = model_->landmark();
      since_merge_.clear();
      is_merging_ = true;
    }
    try {
      const double factor = detail::decay_factor(params_.counting.half_life, image.landmark, image.time);
      detail::fill_image(*from, params_.dim, factor, image);
      image.landmark = image.time;
      const bool keeps_one = from->counts.forgotten > 0 || needs_room;
      std::uint64_t number = from->epoch->number() + 1;
      const detail::RecentRecall before = recent_recall(std::move(from), guards, options.executor);
      std::unique_ptr<detail::LiveModel> model;
      if (folder_) {
        LiveFolder::Stage stage = folder_->stage(position);
        number = stage.number();
        detail::write_base(stage.path(), params_, image, *built_epoch(image, number, options), options.progress);
        const detail::OpenedBase opened = detail::open_base(stage.path(), Verify::full);
        detail::require_ann_recall(*opened.epoch, guards.min_ann_recall);
        model = model_of(opened.image, opened.epoch);
        detail::require_recent_recall(before, LiveView(model->snapshot()), guards.max_recall_loss, options.executor);
        (void)folder_->place(std::move(stage), {.keep = keeps_one ? std::size_t{1} : std::size_t{0}});
      } else {
        const auto epoch = built_epoch(image, number, options);
        detail::require_ann_recall(*epoch, guards.min_ann_recall);
        model = model_of(image, epoch);
        detail::require_recent_recall(before, LiveView(model->snapshot()), guards.max_recall_loss, options.executor);
      }
      // Writers wait for the last round alone, which is short unless they outrun this thread.
      for (int round = 0; round < 8 && replay(*model, options.executor); ++round) {
      }
      finish(std::move(model));
    } catch (...) {
      const std::lock_guard lock(writing_);
      is_merging_ = false;
      since_merge_.clear();
      throw;
    }
    if (folder_) folder_->remove_old();
  }

  /// Goes back to the base before the current one, with all that was written since: no event is lost, but the fits are
  /// the older ones. Calling it again undoes it. Writers wait. @throws ValueError  there is none, or no folder
  /// @throws FormatError, IoError  the base cannot be opened: all is as it was
  void rollback() {
    const std::lock_guard one(merging_);
    LiveFolder& folder = required_folder("rollback");
    const std::lock_guard order(ordering_);
    folder.log().reopen();  // after a failed sync the log may end with a batch that nobody was told is kept
    const std::uint64_t before = folder.current()->number;
    const Base base = folder.rollback();
    try {
      (void)load(detail::open_base(folder.path(), base, Verify::directory));
    } catch (...) {
      (void)folder.rollback(before);
      try {
        folder.log().reopen();
      } catch (const IoError&) {  // reopen_log() may have better luck
      }
      throw;
    }
    is_broken_ = false;  // the model is another
  }

  /// Copies the folder as it is after the last acknowledged batch, while writers and searches go on; restore_folder()
  /// (folder_copy.hpp) makes a folder of it again. @throws ValueError  no folder, or `path` is taken  @throws IoError
  LogPosition backup(const std::filesystem::path& path) const {
    return backup_folder(*files_, required_folder("backup"), path);
  }

  /// Goes on writing after a failure of the disk, with all that was acknowledged and nothing else.
  /// @throws IoError  it fails again
  void reopen_log() {
    const std::lock_guard order(ordering_);
    required_folder("reopen_log").log().reopen();
  }

  /// Puts on the disk what was acknowledged before it was there. @throws IoError  as apply()
  void sync() {
    const std::lock_guard order(ordering_);  // rollback() puts another log in its place
    (void)required_folder("sync").log().sync();
  }

  /// The folder; nullptr where all is in memory. Its log is another after a rollback(): not to be looked at meanwhile.
  [[nodiscard]] const LiveFolder* folder() const noexcept { return folder_.get(); }

  /// Whether so much changed since the last merge that searches pay for it, or there is something to fit to at last, or
  /// half of the room is taken that CountingParams::retire makes.
  [[nodiscard]] bool merge_due() const { return stats().is_merge_due; }

  /// What it holds.
  [[nodiscard]] LiveStats stats() const {
    const std::lock_guard lock(writing_);
    return detail::stats_of(*model_, params_);
  }

  /// What it was made with.
  [[nodiscard]] const LiveParams& params() const noexcept { return params_; }

 private:
  /// A batch whose thread waits for it to be kept.
  struct Waiting {
    const Batch* batch;
    std::vector<std::byte> bytes;
    std::vector<ItemResult> results;
    std::exception_ptr error;  ///< its own, which the rest of its group does not share
  };

  /// @throws Error  a batch is in the log and not whole in the model
  void require_sound(const char* what) const {
    if (!is_broken_) return;
    pefa::detail::fail<Error>("LiveRetriever::", what,
                              ": an earlier batch could not be applied, for want of memory it ",
                              "seems; open the folder again");
  }

  /// commit_whole(), or one by one where the log has no room for all: a small batch does not fail for a large one.
  void commit(std::span<Waiting* const> group) {
    try {
      commit_whole(group);
    } catch (const LogFull&) {
      if (group.size() == 1) throw;
      for (std::size_t i = 0; i < group.size(); ++i) {
        try {
          commit_whole(group.subspan(i, 1));
        } catch (...) {
          group[i]->error = std::current_exception();
        }
      }
    }
  }

  /// Keeps some batches with one sync, applies them in their order, and shows them.
  void commit_whole(std::span<Waiting* const> group) {
    const std::lock_guard order(ordering_);
    require_sound("apply");
    if (folder_) {
      std::vector<std::span<const std::byte>> bytes;
      bytes.reserve(group.size());
      for (const Waiting* waiting : group) bytes.push_back(waiting->bytes);
      (void)folder_->log().append_group(bytes);
    }
    std::shared_ptr<const detail::LiveSnapshot> shown;
    {
      const std::lock_guard lock(writing_);
      is_broken_ = true;  // should what follows throw: what is half applied is never shown
      for (Waiting* waiting : group) {
        if (is_merging_) since_merge_.push_back(*waiting->batch);
        waiting->results = model_->absorb(*waiting->batch);
      }
      model_->refresh();
      shown = model_->snapshot();
      is_broken_ = false;
    }
    show_later(std::move(shown));
  }

  [[nodiscard]] std::shared_ptr<const detail::LiveEpoch> built_epoch(const detail::LiveImage& image,
                                                                     std::uint64_t number,
                                                                     const BuildOptions& options) const {
    return std::make_shared<const detail::LiveEpoch>(
        detail::LiveEpoch::build(params_.spec, number, image.passages, image.served_queries(),
                                 image.relevance(params_.counting.weighting), options));
  }
  [[nodiscard]] std::unique_ptr<detail::LiveModel> model_of(const detail::LiveImage& image,
                                                            std::shared_ptr<const detail::LiveEpoch> epoch) const {
    return std::make_unique<detail::LiveModel>(std::move(epoch), image, params_.dim, params_.counting);
  }

  /// How well the base before a merge answers, where a merge is judged by it; lets the snapshot go.
  [[nodiscard]] static detail::RecentRecall recent_recall(std::shared_ptr<const detail::LiveSnapshot> shown,
                                                          const MergeGuards& guards, const AnyExecutor& executor) {
    if (guards.max_recall_loss >= 1.0) return {};
    return detail::recent_recall(LiveView(std::move(shown)), guards.recent_queries, executor);
  }

  /// Serves a base and what the log holds after it.
  LogRecovery load(detail::OpenedBase opened) {
    std::unique_ptr<detail::LiveModel> model = model_of(opened.image, opened.epoch);
    const AnyExecutor all;
    std::size_t waiting = 0;  // events whose rows are not made
    const LogRecovery recovery = folder_->recover([&](const LogBatch& batch) {
      const Batch decoded = decode_batch(batch.bytes);
      (void)model->absorb(decoded);
      waiting += decoded.events.size();
      if (waiting < most_absorbed) return;
      model->refresh(all);
      waiting = 0;
    });
    model->refresh(all);
    start(std::move(model));
    return recovery;
  }

  void start(std::unique_ptr<detail::LiveModel> model) {
    const std::lock_guard lock(writing_);
    model_.swap(model);
    show(model_->snapshot());
  }

  [[nodiscard]] LiveFolder& required_folder(const char* what) const {
    if (!folder_) pefa::detail::fail<ValueError>("LiveRetriever::", what, ": it is in memory alone, and has no folder");
    return *folder_;
  }

  /// Lets training queries go, where there are more than a merge leaves; the next merge does where the log is full.
  void retire() {
    constexpr std::size_t most_events = 4096;  // a batch: with the longest ids it fits into the log
    Batch all;
    {
      const std::lock_guard lock(writing_);
      all = detail::retirement(*model_->snapshot(), params_.counting, model_->state().time());
    }
    for (std::size_t begin = 0; begin < all.events.size(); begin += most_events) {
      const auto first = all.events.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto count = std::min(most_events, all.events.size() - begin);
      Batch batch;
      batch.events.assign(std::make_move_iterator(first),
                          std::make_move_iterator(first + static_cast<std::ptrdiff_t>(count)));
      try {
        (void)apply(batch);
      } catch (const LogFull&) {
        return;
      }
    }
  }

  /// Applies what came since the merge began, or since the last call. @return  whether there was anything
  [[nodiscard]] bool replay(detail::LiveModel& model, const AnyExecutor& executor) {
    std::vector<Batch> batches;
    {
      const std::lock_guard lock(writing_);
      batches.swap(since_merge_);
    }
    for (const Batch& batch : batches) (void)model.absorb(batch);
    model.refresh(executor);
    return !batches.empty();
  }

  /// Puts the new model in the old one's place.
  void finish(std::unique_ptr<detail::LiveModel> model) {
    std::shared_ptr<const detail::LiveSnapshot> shown;
    {
      const std::lock_guard lock(writing_);
      for (const Batch& batch : since_merge_) (void)model->absorb(batch);
      model->refresh();
      since_merge_.clear();
      is_merging_ = false;
      model_.swap(model);
      shown = model_->snapshot();
    }
    show_later(std::move(shown));
  }

  static constexpr std::size_t most_absorbed = std::size_t{1} << 22;  // events of a replay, before their rows are made

  LiveParams params_;
  FileSystem* files_ = nullptr;
  std::unique_ptr<LiveFolder> folder_;
  GroupCommit<Waiting> commits_;
  bool is_broken_ = false;      // guarded by ordering_
  std::mutex ordering_;         // batches go to the log and to the model in one order; taken before writing_
  mutable std::mutex writing_;  // the model, and what came since a merge began
  std::unique_ptr<detail::LiveModel> model_;
  std::vector<Batch> since_merge_;
  bool is_merging_ = false;
  std::mutex merging_;  // one merge at a time
};

}  // namespace pefa::live

namespace pefa {
using live::LiveRetriever;
}  // namespace pefa
