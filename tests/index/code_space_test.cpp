#include "pefa/index/code_space.hpp"

#include <vector>

#include "catch.hpp"
#include "pefa/index/row_codes.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodeSpace;
using pefa::detail::encode_row;

TEST_CASE("CodeSpace: a distance is the negated similarity of the decoded rows and their terms") {
  const RowMajorMatrix rows = random_matrix(2, 64, 2);
  for (const float factor : {1.0f, 2.0f}) {
    CodeSpace space(64, factor);
    REQUIRE(space.get_data_size() == 64 + 12);
    std::vector<std::vector<std::byte>> encoded(2, std::vector<std::byte>(space.get_data_size()));
    for (std::size_t i = 0; i < 2; ++i) {
      const auto row = rows.row(static_cast<Eigen::Index>(i));
      const float scale = encode_row(row.data(), 64, reinterpret_cast<std::int8_t*>(encoded[i].data()));
      space.finish_row(encoded[i].data(), {scale, 0.5f, 0.25f});
    }
    const float distance = space.get_dist_func()(encoded[0].data(), encoded[1].data(), space.get_dist_func_param());
    const float expected = factor * rows.row(0).dot(rows.row(1)) + 0.5f + 0.5f + 0.25f * 0.25f;
    REQUIRE(distance == Approx(-expected).margin(0.01));  // 64 errors of half a step each, about 0.002
  }
}
