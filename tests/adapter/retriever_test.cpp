#include "pefa/adapter/retriever.hpp"

#include "catch.hpp"

using namespace pefa;

namespace {

/// The archetype: the smallest class that is a Retriever.
struct SmallestRetriever {
  std::vector<Hit> search(QueryView, std::size_t, const SearchOptions&) const { return {}; }
  std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t, const SearchOptions&,
                                             const AnyExecutor&) const {
    return std::vector<std::vector<Hit>>(queries.size());
  }
  std::size_t passage_count() const { return 0; }
  std::size_t dim() const { return 1; }
  std::size_t memory_bytes() const { return 0; }
};
static_assert(Retriever<SmallestRetriever>);

struct WithoutBatch {
  std::vector<Hit> search(QueryView, std::size_t, const SearchOptions&) const { return {}; }
  std::size_t passage_count() const { return 0; }
  std::size_t dim() const { return 1; }
  std::size_t memory_bytes() const { return 0; }
};
static_assert(!Retriever<WithoutBatch>);

}  // namespace

TEST_CASE("stage: whatever a stage counts, it fills its part of the whole and no more") {
  std::vector<std::pair<std::size_t, std::size_t>> seen;
  const Progress whole = [&](std::size_t done, std::size_t total) {
    seen.emplace_back(done, total);
    return ProgressAction::stop;
  };
  const Progress part = detail::stage(whole, 10, 30, 40);
  REQUIRE(part(5, 20) == ProgressAction::stop);
  (void)part(20, 20);
  (void)detail::stage(whole, 10, 30, 40)(299, 300);
  REQUIRE(seen == std::vector<std::pair<std::size_t, std::size_t>>{{15, 40}, {30, 40}, {29, 40}});
  REQUIRE_FALSE(detail::stage({}, 10, 30, 40));
}
