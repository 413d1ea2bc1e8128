#include "pefa/adapter/hubness.hpp"

#include "catch.hpp"
#include "pefa/adapter/whitening.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

void require_values(const std::vector<float>& values, const nlohmann::json& wanted, std::size_t step) {
  REQUIRE(wanted.size() == (values.size() + step - 1) / step);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    REQUIRE(values[i * step] == Approx(wanted[i].get<float>()).margin(2e-6));
  }
}

}  // namespace

TEST_CASE("seeded_sample: is the reference's, ascending, and all rows where there are few") {
  REQUIRE(detail::seeded_sample(200, 50, 7) == expected()["sample"].get<std::vector<Row>>());
  REQUIRE(detail::seeded_sample(3, 50, 7) == std::vector<Row>{0, 1, 2});
  REQUIRE(detail::seeded_sample(200, 50, 8) != detail::seeded_sample(200, 50, 7));
}

TEST_CASE("Hubness: the values are the reference's, among all and among a sample") {
  const SmallProblem problem;
  const auto queries = Whitening::fit(problem.q(), problem.relevance).apply(problem.q());
  require_values(Hubness::fit(queries.view()).of_all(queries.view()), expected()["hubness"], 5);
  const HubnessParams few{.nearest = 4, .sample_size = 50, .seed = 7};
  require_values(Hubness::fit(queries.view(), few).of_all(queries.view()), expected()["hubness_of_sample"], 5);
}

TEST_CASE("Hubness: a new query has the value it would have among the others") {
  const SmallProblem problem;
  const auto without = Hubness::fit(problem.q().slice(0, 199));
  const auto with = Hubness::fit(problem.q());
  REQUIRE(without.of({problem.q().row(199), 16}) == Approx(with.of_all(problem.q())[199]).margin(1e-6));
}

TEST_CASE("Hubness: copies are near each other, and a query alone is near none") {
  RowMajorMatrix queries = random_matrix(40, 16, 1);
  for (Eigen::Index i = 0; i < 20; ++i) queries.row(i) = queries.row(0);
  const EmbeddingView<float> q(queries);
  const auto values = Hubness::fit(q).of_all(q);
  for (std::size_t i = 0; i < 20; ++i) REQUIRE(values[i] == Approx(1.0f));
  for (std::size_t i = 20; i < 40; ++i) REQUIRE(values[i] < 0.8f);
  REQUIRE(Hubness::fit(q.slice(0, 1)).of_all(q.slice(0, 1)) == std::vector<float>{0.0f});
}

TEST_CASE("Hubness: the same bits for any number of threads") {
  const SmallProblem problem;
  const auto fitted = Hubness::fit(problem.q());
  REQUIRE(fitted.of_all(problem.q(), {AnyExecutor::serial()}) == fitted.of_all(problem.q(), {ThreadExecutor(3)}));
}

TEST_CASE("Hubness: what cannot be is refused") {
  const SmallProblem problem;
  REQUIRE_ERROR(ValueError, "no training queries", Hubness::fit(problem.q().slice(0, 0)));
  REQUIRE_ERROR(ValueError, "the nearest 0", Hubness::fit(problem.q(), {.nearest = 0}));
  REQUIRE_ERROR(ValueError, "a sample of 1", Hubness::fit(problem.q(), {.sample_size = 1}));
}
