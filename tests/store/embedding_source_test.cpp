#include "pefa/store/embedding_source.hpp"

#include <concepts>
#include <utility>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

template <class Store>
concept GivesView = requires(Store&& store) {
  std::forward<Store>(store).view();
};

// A view of a store that is gone with the expression does not compile.
using Store = EmbeddingStore<float>;
static_assert(GivesView<Store&> && GivesView<const Store&>);
static_assert(!GivesView<Store> && !GivesView<const Store>);
static_assert(std::convertible_to<Store&, EmbeddingView<float>>);
static_assert(std::convertible_to<const Store&, EmbeddingView<float>>);
static_assert(!std::convertible_to<Store, EmbeddingView<float>>);
static_assert(!std::constructible_from<EmbeddingView<float>, Store>);
static_assert(!std::convertible_to<const Store, EmbeddingView<float>>);

// A build takes either, but no store of another type, and no constant one that it cannot take over.
static_assert(std::convertible_to<Store, EmbeddingSource<float>> &&
              std::convertible_to<Store&, EmbeddingSource<float>>);
static_assert(std::convertible_to<EmbeddingView<float>, EmbeddingSource<float>>);
static_assert(std::convertible_to<const RowMajorMatrix&, EmbeddingSource<float>>);
static_assert(!std::convertible_to<EmbeddingStore<double>, EmbeddingSource<float>>);
static_assert(!std::convertible_to<const Store, EmbeddingSource<float>>);

}  // namespace

TEST_CASE("EmbeddingSource: reads the caller's rows in place, and takes over a store that is passed by &&") {
  auto store = Store::from(random_matrix(5, 4, 1));
  const float* rows = store.row(0);
  EmbeddingSource<float> borrowed(store);
  REQUIRE_FALSE(borrowed.is_owned());
  REQUIRE(borrowed.view().data() == rows);
  borrowed.release();
  REQUIRE(borrowed.view().size() == 5);

  EmbeddingSource<float> owned(std::move(store));
  REQUIRE(owned.is_owned());
  EmbeddingSource<float> moved(std::move(owned));
  REQUIRE(moved.view().data() == rows);
  const Store taken = moved.take();
  REQUIRE(taken.row(0) == rows);
  REQUIRE_FALSE(moved.is_owned());
  REQUIRE(moved.view().empty());
}
