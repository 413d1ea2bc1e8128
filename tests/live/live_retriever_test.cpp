#include "pefa/live/live_retriever.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "catch.hpp"
#include "live/mapped_disk.hpp"
#include "live_operations.hpp"

namespace pefa::test {
namespace {

using live::Batch;
using live::ItemStatus;
using live::LiveParams;
using live::LiveRetriever;

void require_counts(const LiveRetriever& retriever, const LiveOracle& oracle) {
  const auto stats = retriever.stats();
  REQUIRE(stats.passages == oracle.passages());
  REQUIRE(stats.training_queries == oracle.queries());
  REQUIRE(stats.pairs == oracle.pairs());
  REQUIRE(stats.parked == oracle.parked());
}

/// Random batches, searches between them, a merge now and then.
void check_model(const LiveCase& checked, unsigned seed, std::size_t operations) {
  LiveEvents events(seed);
  LiveOracle oracle(checked.spec, checked.counting);
  LiveRetriever retriever({.dim = live_dim, .spec = checked.spec, .counting = checked.counting});
  for (std::size_t done = 0; done < operations;) {
    const Batch batch = events.batch(9);
    const auto results = retriever.apply(batch);
    REQUIRE(results.size() == batch.events.size());
    for (const live::Event& event : batch.events) oracle.apply(event);
    done += batch.events.size();
    INFO(checked.name << ", seed " << seed << ", after " << done << " operations");
    require_counts(retriever, oracle);
    if (events.below(40) == 0) {
      retriever.merge(one_thread);
      oracle.fit();
      REQUIRE(retriever.stats().delta_rows == 0);
    }
    const live::LiveView view = retriever.view();
    REQUIRE(view.cursor() == batch.cursor);
    if (events.below(3) == 0) require_answer(view, oracle, events.vector(), 1 + events.below(12));
  }
}

/// The same in a folder, which is opened again and goes back to older bases.
void check_folder(const LiveCase& checked, unsigned seed, std::size_t operations) {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "live";
  LiveEvents events(seed);
  LiveOracle oracle(checked.spec, checked.counting);
  auto retriever =
      LiveRetriever::create(path, {.dim = live_dim, .spec = checked.spec, .counting = checked.counting}, unsynced());
  std::vector<live::Event> history;
  std::vector<std::pair<LiveOracle, std::size_t>> bases{{oracle, 0}};  // each, and how many events it has
  const auto reopen = [&] {
    retriever.reset();
    retriever = LiveRetriever::open(path, unsynced());
  };
  while (history.size() < operations) {
    const Batch batch = events.batch(9);
    (void)retriever->apply(batch);
    for (const live::Event& event : batch.events) oracle.apply(event);
    history.insert(history.end(), batch.events.begin(), batch.events.end());
    INFO(checked.name << ", seed " << seed << ", after " << history.size() << " operations");
    const std::size_t what = events.below(80);
    if (what < 2) {
      const std::size_t keep = oracle.has_forgotten() ? 1 : 2;
      retriever->merge(one_thread);
      oracle.fit();
      bases.emplace_back(oracle, history.size());
      if (bases.size() > keep) bases.erase(bases.begin(), bases.end() - static_cast<std::ptrdiff_t>(keep));
    } else if (what == 2 && bases.size() == 2) {
      retriever->rollback();
      std::swap(bases[0], bases[1]);
      oracle = bases[1].first;
      for (std::size_t i = bases[1].second; i < history.size(); ++i) oracle.apply(history[i]);
    } else if (what < 6) {
      reopen();
    }
    require_counts(*retriever, oracle);
    REQUIRE(retriever->view().cursor() == batch.cursor);
    if (events.below(3) == 0) require_answer(retriever->view(), oracle, events.vector(), 1 + events.below(12));
  }
  (void)live::verify_folder(live::posix_file_system(), path);
}

TEST_CASE("LiveRetriever: after any events and merges the answers are the dense oracle's") {
  for (const LiveCase& checked : live_cases()) check_model(checked, 7, 900);
}

TEST_CASE("LiveRetriever: in a folder the same, opened again, merged and rolled back at random") {
  for (const LiveCase& checked : live_cases()) check_folder(checked, 11, 400);
}

TEST_CASE("LiveRetriever: the oracle's answers, the long form", "[.long]") {
  for (unsigned seed = 1; seed <= 7; ++seed) {
    for (const LiveCase& checked : live_cases()) {
      check_model(checked, seed, 1100);
      check_folder(checked, seed + 100, 1000);
    }
  }
}

LiveParams small(Method method = Method::xl) {
  LiveParams params{.dim = 3};
  params.spec.method = method;
  return params;
}

live::UpsertPassage passage(std::string id, std::vector<float> vector, std::string tags = {}) {
  return {std::move(id), std::move(vector), std::move(tags)};
}
live::UpsertQuery query(std::string id, std::vector<float> vector, std::string owner = {}) {
  return {std::move(id), std::move(vector), std::move(owner)};
}

const std::vector<float> east{1, 0, 0};
const std::vector<float> north{0, 1, 0};
const std::vector<float> north_east{0.6f, 0.8f, 0};

std::vector<std::string> ids_of(const std::vector<IdHit<>>& hits) {
  std::vector<std::string> ids;
  for (const auto& hit : hits) ids.push_back(hit.id);
  return ids;
}

TEST_CASE("LiveRetriever: no passages, no pairs and all removed are states like others") {
  for (const Method method : {Method::erm, Method::xs, Method::xl}) {
    LiveRetriever retriever(small(method));
    REQUIRE(retriever.search(east, 5).empty());
    retriever.merge(one_thread);
    REQUIRE(retriever.search(east, 5).empty());
    (void)retriever.apply({{passage("a", east), passage("b", north)}});
    REQUIRE(ids_of(retriever.search(north_east, 5)) == std::vector<std::string>{"b", "a"});
    retriever.merge(one_thread);
    REQUIRE(ids_of(retriever.search(north_east, 5)) == std::vector<std::string>{"b", "a"});
    (void)retriever.apply({{query("q", north_east), live::AddPair{"q", "a", 1.0f}}});
    REQUIRE(retriever.merge_due() == (method != Method::erm));
    retriever.merge(one_thread);
    REQUIRE(retriever.search(north_east, 5).front().id == (method == Method::erm ? "b" : "a"));
    (void)retriever.apply({{live::RemovePassage{"a"}, live::RemovePassage{"b"}}});
    REQUIRE(retriever.search(east, 5).empty());
    retriever.merge(one_thread);
    REQUIRE(retriever.search(east, 5).empty());
    REQUIRE(retriever.stats().training_queries == 1);
    REQUIRE(retriever.stats().voting_queries == 0);
  }
}

TEST_CASE("LiveRetriever::apply: says of each event what became of it") {
  LiveRetriever retriever(small());
  const auto results = retriever.apply({{passage("a", east), live::AddPair{"q", "a", 1.0f}, query("q", {1, 1}),
                                         passage("b", {0, 0, 0}), live::RemovePassage{"b"}, live::ForgetQuery{"q"}}});
  REQUIRE(results[0].status == ItemStatus::applied);
  REQUIRE(results[1].status == ItemStatus::refused);
  REQUIRE(results[1].reason == "training query 'q' is not known");
  REQUIRE(results[2].reason == "its vector has dim 2, expected 3");
  REQUIRE(results[3].reason == "its vector is zero, which has no direction to search by");
  REQUIRE(results[4].status == ItemStatus::unchanged);
  REQUIRE(results[5].status == ItemStatus::unchanged);
  REQUIRE_ERROR(ValueError, "event 0: its weight is not finite and above 0",
                retriever.apply({{live::AddPair{"q", "a", -1.0f}}}));

  LiveParams parking = small();
  parking.counting.unknown = live::UnknownIds::park;
  parking.counting.max_parked = 1;
  LiveRetriever patient(parking);
  const auto parked = patient.apply({{live::AddPair{"q", "a", 1.0f}, live::AddPair{"q", "b", 1.0f}}});
  REQUIRE(parked[0].status == ItemStatus::parked);
  REQUIRE(parked[0].reason == "passage 'a' is not known");
  REQUIRE(parked[1].reason == "passage 'b' is not known, and 1 pairs wait already");
  (void)patient.apply({{query("q", east), passage("a", north)}});
  REQUIRE(patient.stats().parked == 0);
  REQUIRE(patient.stats().pairs == 1);
}

TEST_CASE("LiveRetriever::merge: makes room at the cap by the training queries that count for least") {
  const TemporaryDirectory directory;
  LiveParams params = small();
  params.counting.max_queries = 10;
  params.counting.retire = 0.4;
  auto retriever = LiveRetriever::create(directory / "live", params, unsynced());
  (void)retriever->apply({{passage("p", east), passage("r", north)}});
  const auto ask = [&](int i) {
    (void)retriever->apply({{query("q" + std::to_string(i), north_east, "owner " + std::to_string(i))}});
  };
  const auto click = [&](int i, int times) {
    for (; times > 0; --times) {
      REQUIRE(retriever->apply({{live::AddPair{"q" + std::to_string(i), "p"}}})[0].status == ItemStatus::applied);
    }
  };
  for (int i = 0; i < 8; ++i) ask(i);
  for (int i = 1; i < 8; ++i) click(i, 1 + (i == 4 ? 3 : 0));  // 0 has none, 4 four, the others one
  retriever->merge(one_thread);                                // 0 goes, and the oldest of those with one: 1
  REQUIRE(retriever->stats().training_queries == 6);
  REQUIRE(retriever->folder()->manifest().bases.size() == 2);  // nothing was forgotten: the base before stays
  const auto status_of_click = [&](const std::string& id) {
    return retriever->apply({{live::AddPair{id, "p"}}})[0].status;
  };
  REQUIRE(status_of_click("q0") == ItemStatus::refused);
  REQUIRE(status_of_click("q1") == ItemStatus::refused);
  REQUIRE(status_of_click("q2") == ItemStatus::applied);
  REQUIRE_FALSE(retriever->merge_due());
  for (int i = 10; i < 13; ++i) ask(i);
  REQUIRE(retriever->merge_due());  // nine of ten, and a merge leaves six
  ask(13);
  const auto refused = retriever->apply({{query("q14", north)}})[0];
  REQUIRE(refused.status == ItemStatus::refused);
  REQUIRE(refused.reason.find("there are 10 training queries already") != std::string::npos);

  retriever->rollback();  // what was retired and refused then is so still
  REQUIRE(retriever->stats().training_queries == 10);
  REQUIRE(status_of_click("q1") == ItemStatus::refused);
  retriever.reset();
  retriever = LiveRetriever::open(directory / "live", unsynced());
  REQUIRE(retriever->params() == params);
  REQUIRE(retriever->stats().training_queries == 10);
  retriever->merge(one_thread);  // 10 to 13 have no pairs
  REQUIRE(retriever->stats().training_queries == 6);
  REQUIRE(status_of_click("q13") == ItemStatus::refused);
  REQUIRE(status_of_click("q4") == ItemStatus::applied);
  REQUIRE(retriever->apply({{live::ForgetOwner{"owner 1"}}})[0].status == ItemStatus::unchanged);

  params.counting.retire = 1.0;
  REQUIRE_ERROR(ValueError, "retire is 1, expected at least 0 and below 1", LiveRetriever(params));
}

TEST_CASE("LiveView: filters by ids and tags; a set of rows is refused in another epoch") {
  LiveRetriever retriever(small());
  (void)retriever.apply(
      {{passage("a", east, "red"), passage("b", north, "blue"), passage("c", north_east, "red"), query("q", north),
        live::AddPair{"q", "b", 1.0f}, query("r", {0.1f, 1, 0}), live::AddPair{"r", "a", 1.0f}}});
  for (int merged = 0; merged < 2; ++merged) {
    const auto is_red = [](std::string_view, std::string_view tags) { return tags == "red"; };
    const auto red = retriever.search_filtered(north, 5, live::PassagePredicate(is_red));
    REQUIRE(red.size() == 2);
    const live::EpochPassages rows = retriever.view().passages_where(is_red);
    REQUIRE(retriever.search_filtered(north, 5, rows) == red);
    const live::PassagePredicate nothing = [](std::string_view, std::string_view) { return false; };
    REQUIRE(retriever.search_filtered(north, 5, nothing).empty());
    const live::PassagePredicate everything = [](std::string_view, std::string_view) { return true; };
    REQUIRE(retriever.search_filtered(north, 5, everything) == retriever.search(north, 5));
    const live::LiveView before = retriever.view();
    retriever.merge(one_thread);
    REQUIRE_ERROR(ValueError, "this is epoch", retriever.search_filtered(north, 5, rows));
    REQUIRE(before.search_filtered(north, 5, rows) == red);
  }
}

std::vector<char> bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The files under a folder that hold these bytes.
std::vector<std::string> holders(const std::filesystem::path& folder, std::string_view wanted) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const auto bytes = bytes_of(entry.path());
    if (std::string_view(bytes.data(), bytes.size()).find(wanted) != std::string_view::npos) {
      paths.push_back(entry.path().string());
    }
  }
  return paths;
}

TEST_CASE("LiveRetriever: what is forgotten is in no file after the next merge, and the base is as if it never came") {
  const TemporaryDirectory directory;
  std::vector<std::vector<IdHit<>>> answers;
  const std::vector<float> secret{0.12345f, 0.6789f, 0.3f};
  const std::string_view vector_bytes(reinterpret_cast<const char*>(secret.data()), 3 * sizeof(float));
  for (const bool has_secret : {true, false}) {
    const auto folder = directory / (has_secret ? "with" : "without");
    const auto retriever = LiveRetriever::create(folder, small(), unsynced());
    (void)retriever->apply(
        {{passage("a", east), passage("b", north), query("q", north_east), live::AddPair{"q", "a", 1.0f}}});
    Batch told;
    if (has_secret) told.events = {query("the-secret", secret, "the-owner"), live::AddPair{"the-secret", "b", 3.0f}};
    (void)retriever->apply(told);
    retriever->merge(one_thread);
    (void)retriever->apply({{query("r", {0.5f, 0.1f, 1}), live::AddPair{"r", "b", 1.0f}}});
    REQUIRE(holders(folder, "the-secret").empty() != has_secret);
    REQUIRE(holders(folder, vector_bytes).empty() != has_secret);
    Batch forgotten;
    if (has_secret) forgotten.events = {live::ForgetOwner{"the-owner"}};
    (void)retriever->apply(forgotten);
    retriever->merge(one_thread);
    REQUIRE(holders(folder, "the-secret").empty());
    REQUIRE(holders(folder, "the-owner").empty());
    REQUIRE(holders(folder, vector_bytes).empty());
    answers.push_back(retriever->search(secret, 2));
  }
  REQUIRE(answers[0] == answers[1]);
  for (const char* file : {"base-3/data.pefa", "base-3/retriever.pefa"}) {
    REQUIRE(bytes_of(directory / "with" / file) == bytes_of(directory / "without" / file));
    REQUIRE_FALSE(bytes_of(directory / "with" / file).empty());
  }
}

TEST_CASE("LiveRetriever: a backup is a folder of its own, and a folder has one writer") {
  const TemporaryDirectory directory;
  const auto retriever = LiveRetriever::create(directory / "live", small());
  (void)retriever->apply({{passage("a", east), query("q", north), live::AddPair{"q", "a", 1.0f}}, "first"});
  retriever->merge(one_thread);
  (void)retriever->apply({{passage("b", north)}, "second"});
  REQUIRE_ERROR(IoError, "is open for writing already", LiveRetriever::open(directory / "live"));
  REQUIRE_ERROR(ValueError, "is not empty", LiveRetriever::create(directory / "live", small()));
  (void)retriever->backup(directory / "copy");
  (void)retriever->apply({{passage("c", north)}, "third"});
  live::LogRecovery recovery;
  const auto copy = LiveRetriever::open(directory / "copy", {}, live::posix_file_system(), &recovery);
  REQUIRE(recovery.batches == 1);
  REQUIRE(copy->view().cursor() == "second");
  REQUIRE(copy->stats().passages == 2);
  REQUIRE(copy->params() == retriever->params());
  REQUIRE(pefa::live::LiveRetriever(small()).folder() == nullptr);
  REQUIRE_ERROR(ValueError, "it is in memory alone", LiveRetriever(small()).rollback());
}

TEST_CASE("LiveRetriever: a full log refuses, and a merge makes room") {
  const TemporaryDirectory directory;
  live::FolderOptions options = unsynced();
  options.log.quota_bytes = 4096;
  options.log.high_water = 1.0;
  options.keep_bases = 1;
  const auto retriever = LiveRetriever::create(directory / "live", small(), options);
  std::size_t kept = 0;
  try {
    for (;; ++kept) (void)retriever->apply({{passage("p" + std::to_string(kept), east)}});
  } catch (const live::LogFull&) {
  }
  REQUIRE(kept > 10);
  REQUIRE(retriever->stats().passages == kept);
  retriever->merge(one_thread);
  (void)retriever->apply({{passage("one more", north)}});
  REQUIRE(retriever->search(north, 1).front().id == "one more");
}

TEST_CASE(
    "LiveRetriever: a merge makes room in a full log while two bases are kept, and when it has queries to retire") {
  const TemporaryDirectory directory;
  live::FolderOptions options = unsynced();
  options.log.quota_bytes = 4096;
  options.log.high_water = 0.9;
  options.log.slowest = {};
  LiveParams params = small();
  params.counting.max_queries = 20;
  params.counting.retire = 0.5;
  const auto retriever = LiveRetriever::create(directory / "live", params, options);
  for (int round = 0; round < 3; ++round) {
    try {
      for (std::size_t i = 0;; ++i) (void)retriever->apply({{query("q" + std::to_string(i), east)}});
    } catch (const live::LogFull&) {
    }
    retriever->merge(one_thread);
    (void)retriever->apply({{passage("p", north)}});
  }
  REQUIRE(retriever->stats().training_queries <= 20);
}

TEST_CASE("LiveRetriever: a vector too long or short for the fits is refused, and the folder opens again") {
  for (const Whitened whitened : {Whitened::queries, Whitened::all}) {
    const TemporaryDirectory directory;
    LiveParams params = small();
    params.spec.whitened = whitened;
    auto retriever = LiveRetriever::create(directory / "live", params, unsynced());
    (void)retriever->apply({{passage("a", east), passage("b", north), query("q", east), query("r", north_east),
                             live::AddPair{"q", "a"}, live::AddPair{"r", "b"}}});
    retriever->merge(one_thread);
    for (const float length : {3e38f, 1e13f, 1e-13f}) {
      const auto results =
          retriever->apply({{query("long", {length, 0, 0}), passage("c", {0, length, 0}), live::AddPair{"long", "a"}}});
      for (const auto& result : results) REQUIRE(result.status == ItemStatus::refused);
      REQUIRE(results[0].reason.find(", expected 1e-12 to 1e+12") != std::string::npos);
    }
    (void)retriever->apply(
        {{query("s", {1e12f, 0, 0}), live::AddPair{"s", "a"}, passage("d", {0, 1e-11f, 0}), live::AddPair{"s", "d"}}});
    REQUIRE(retriever->search(east, 4).size() == 3);
    retriever.reset();
    retriever = LiveRetriever::open(directory / "live", unsynced());
    REQUIRE(retriever->stats().training_queries == 3);
    REQUIRE(retriever->search(east, 4).size() == 3);
  }
}

TEST_CASE("LiveRetriever: a passage that a whitening of fewer dimensions leaves nothing of loses nothing") {
  const TemporaryDirectory directory;
  LiveParams params = small(Method::xs);
  params.spec.whitened = Whitened::all;
  params.spec.whitening = {.scatter = Scatter::total, .rank = 1};
  auto retriever = LiveRetriever::create(directory / "live", params, unsynced());
  (void)retriever->apply({{passage("a", east), query("q", east), live::AddPair{"q", "a"}}});
  retriever->merge(one_thread);
  (void)retriever->apply({{passage("b", north), passage("c", north_east)}});  // north is no direction of the fits
  REQUIRE(retriever->search(east, 2)[1].id == "c");
  retriever.reset();
  retriever = LiveRetriever::open(directory / "live", unsynced());
  REQUIRE(retriever->stats().passages == 3);
  REQUIRE(retriever->search(east, 2)[1].id == "c");
}

TEST_CASE("LiveRetriever::create: refuses numbers that no base could be read back with") {
  const TemporaryDirectory directory;
  const auto require_refused = [&](const LiveParams& params, const std::string& field) {
    REQUIRE_ERROR(ValueError, field + " is inf, expected a finite number",
                  LiveRetriever::create(directory / "live", params));
  };
  LiveParams params = small();
  params.counting.half_life = std::numeric_limits<double>::infinity();
  require_refused(params, "counting.half_life");
  params = small();
  params.spec.gate.bandwidth = std::numeric_limits<float>::infinity();
  require_refused(params, "spec.gate.bandwidth");
  REQUIRE_FALSE(std::filesystem::exists(directory / "live"));
}

TEST_CASE("LiveRetriever: what was retired or refused is forgotten too") {
  const TemporaryDirectory directory;
  LiveParams params = small();
  params.counting.max_queries = 2;
  const auto retriever = LiveRetriever::create(directory / "live", params, unsynced());
  (void)retriever->apply({{passage("p", east), query("the-secret", north, "the-owner"), query("other", east),
                           live::AddPair{"the-secret", "p"}}});
  REQUIRE(retriever->apply({{query("the-secret-refused", north, "the-owner")}})[0].status == ItemStatus::refused);
  retriever->merge(one_thread);
  (void)retriever->apply({{live::RetireQuery{"the-secret"}}});
  retriever->merge(one_thread);
  REQUIRE_FALSE(holders(directory / "live", "the-secret").empty());
  SECTION("by the owner") {
    REQUIRE(retriever->apply({{live::ForgetOwner{"the-owner"}}})[0].status == ItemStatus::unchanged);
  }
  SECTION("by name") {
    (void)retriever->apply({{live::ForgetQuery{"the-secret"}, live::ForgetQuery{"the-secret-refused"}}});
  }
  retriever->merge(one_thread);
  REQUIRE(holders(directory / "live", "the-secret").empty());
  REQUIRE(holders(directory / "live", "the-owner").empty());
}

TEST_CASE("LiveRetriever::rollback: does not bring back a batch whose writing failed") {
  for (std::size_t call = 1; call <= 3; ++call) {
    const TemporaryDirectory directory;
    const std::filesystem::path root = std::filesystem::absolute(directory / "disk");
    std::filesystem::create_directory(root);
    MappedDisk disk(root, 5);
    auto retriever = LiveRetriever::create(root / "live", small(), {}, disk);
    (void)retriever->apply({{passage("p", east), query("q", east)}});
    retriever->merge(one_thread);
    disk.heal();
    disk.faults().fail_from = call;
    disk.faults().fail_until = call + 1;
    disk.faults().takes_effect = true;
    std::size_t kept = 0;
    try {
      (void)retriever->apply({{live::AddPair{"q", "p"}}});
      kept = 1;  // it makes fewer calls
    } catch (const IoError&) {
    }
    disk.heal();
    retriever->rollback();
    REQUIRE(retriever->stats().pairs == kept);
    REQUIRE(retriever->apply({{live::AddPair{"q", "p"}}})[0].status == ItemStatus::applied);
    retriever.reset();
    REQUIRE(LiveRetriever::open(root / "live", {}, disk, nullptr, Verify::full)->stats().pairs == 1);
  }
}

TEST_CASE("LiveRetriever: a path may end with a slash") {
  const TemporaryDirectory directory;
  const std::string live = (directory / "live").string() + "/";
  const std::string copy = (directory / "copy").string() + "/";
  auto retriever = LiveRetriever::create(live, small(), unsynced());
  (void)retriever->apply({{passage("a", east)}});
  retriever->merge(one_thread);
  (void)retriever->backup(copy);
  retriever.reset();
  for (const std::string& path : {live, copy}) {
    REQUIRE(LiveRetriever::open(path, unsynced())->search(east, 1)[0].id == "a");
  }
  REQUIRE(directory.file_count() == 2);
}

TEST_CASE("LiveRetriever: pairs that wait keep their order when their passage goes and comes again") {
  const auto score_of = [](const LiveRetriever& retriever) { return retriever.search(east, 1)[0].score; };
  LiveParams plain = small();
  plain.counting.weighting = live::Weighting::total;
  LiveRetriever expected(plain);
  (void)expected.apply({{passage("p", east), query("q", east), live::AddPair{"q", "p", 1.0f}}});
  const float one = score_of(expected);
  (void)expected.apply({{live::AddPair{"q", "p", 1.0f}}});
  REQUIRE(score_of(expected) > one);
  for (const bool query_first : {true, false}) {
    for (const bool merges : {true, false}) {
      LiveParams params = plain;
      params.counting.unknown = live::UnknownIds::park;
      params.counting.duplicates = DuplicatePolicy::last;
      LiveRetriever retriever(params);
      (void)retriever.apply({{passage("p", east), live::AddPair{"q", "p", 1.0f}, live::RemovePassage{"p"},
                              live::AddPair{"q", "p", 2.0f}}});
      if (merges) retriever.merge(one_thread);
      if (query_first) (void)retriever.apply({{query("q", east), passage("p", east)}});
      if (!query_first) (void)retriever.apply({{passage("p", east), query("q", east)}});
      REQUIRE(retriever.stats().parked == 0);
      REQUIRE(score_of(retriever) == Approx(score_of(expected)));
    }
  }
}

/// Two writers of `rounds` batches each, two readers, and merges until the writers have ended.
void require_whole_batches(int rounds) {
  const TemporaryDirectory directory;
  LiveParams params{.dim = live_dim};
  const auto retriever = LiveRetriever::create(directory / "live", params, unsynced());
  std::atomic<bool> is_over{false};
  std::atomic<std::size_t> searches{0};
  std::atomic<std::size_t> halves{0};
  std::atomic<int> writing{2};
  std::vector<std::thread> threads;
  for (unsigned writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      LiveEvents events(writer);
      for (int round = 0; round < rounds; ++round) {
        // Twins come, change and go together.
        const std::string twin = std::to_string(writer) + "-" + std::to_string(events.below(12));
        const auto vector = events.vector();
        Batch batch;
        if (events.below(3) == 0) {
          batch.events = {live::RemovePassage{"a" + twin}, live::RemovePassage{"b" + twin}};
        } else {
          batch.events = {live::UpsertPassage{"a" + twin, vector}, live::UpsertPassage{"b" + twin, vector},
                          live::UpsertQuery{"q" + twin, events.vector()}, live::AddPair{"q" + twin, "a" + twin, 1.0f},
                          live::AddPair{"q" + twin, "b" + twin, 1.0f}};
        }
        (void)retriever->apply(batch);
      }
      --writing;
    });
  }
  for (unsigned reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      LiveEvents events(100 + reader);
      do {
        const auto hits = retriever->search(events.vector(), 100);
        std::set<std::string> ids;
        for (const auto& hit : hits) ids.insert(hit.id);
        for (const std::string& id : ids) {
          if (!ids.contains((id[0] == 'a' ? "b" : "a") + id.substr(1))) ++halves;
        }
        ++searches;
      } while (!is_over);
    });
  }
  for (int merge = 0; merge < 4 || writing > 0; ++merge) retriever->merge(one_thread);
  threads[0].join();
  threads[1].join();
  is_over = true;
  threads[2].join();
  threads[3].join();
  REQUIRE(halves == 0);
  REQUIRE(searches >= 2);
  REQUIRE(retriever->stats().sequence == 2 * static_cast<std::uint64_t>(rounds));
  const auto stats = retriever->stats();
  retriever->merge(one_thread);
  REQUIRE(retriever->stats().passages == stats.passages);
}

TEST_CASE("LiveRetriever: searches see whole batches while writers write and merges merge") {
  require_whole_batches(120);
}

TEST_CASE("LiveRetriever: searches see whole batches, the long form", "[.minutes]") {
  const char* const seconds = std::getenv("PEFA_LONG_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds ? std::atoi(seconds) : 600);
  do require_whole_batches(2000);
  while (std::chrono::steady_clock::now() < end);
}

}  // namespace
}  // namespace pefa::test
