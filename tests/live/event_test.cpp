#include "pefa/live/event.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using namespace pefa::live;

namespace {

Batch batch_of(Event event) {
  return {{ForgetQuery{"a"}, std::move(event)}, ""};
}

}  // namespace

TEST_CASE("live::validate: what is right in itself passes, up to the largest sizes") {
  const std::string longest(max_id_bytes, 'x');
  validate({});
  validate({{UpsertPassage{.id = longest, .vector = {1.0f}, .tags = std::string(max_tag_bytes, 't'), .time = -5},
             RemovePassage{.id = longest}, UpsertQuery{.id = "q", .vector = {0.0f}, .owner = longest},
             AddPair{.query = "q", .passage = longest, .weight = std::numeric_limits<float>::denorm_min()},
             RetractPair{.query = longest, .passage = "p"}, ForgetQuery{.id = "q"}, ForgetOwner{.owner = longest}},
            std::string(max_cursor_bytes, 'c')});
}

TEST_CASE("live::validate: names the event that is wrong, and what is wrong with it") {
  const std::string too_long(max_id_bytes + 1, 'x');
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Event& event :
       {Event(UpsertPassage{.id = "", .vector = {1.0f}}), Event(RemovePassage{}),
        Event(UpsertQuery{.id = "", .vector = {1.0f}}), Event(AddPair{.query = "q", .passage = ""}),
        Event(AddPair{.query = "", .passage = "p"}), Event(RetractPair{.query = "", .passage = "p"}),
        Event(ForgetQuery{}), Event(ForgetOwner{}), Event(RetireQuery{})}) {
    REQUIRE_ERROR(ValueError, "event 1: an id is empty", validate(batch_of(event)));
  }
  REQUIRE_ERROR(ValueError, "more than 65,535 bytes", validate(batch_of(RemovePassage{.id = too_long})));
  REQUIRE_ERROR(ValueError, "owner has more than", validate(batch_of(UpsertQuery{"q", {1.0f}, too_long})));
  REQUIRE_ERROR(ValueError, "not 1 to 1,048,576 numbers", validate(batch_of(UpsertPassage{.id = "p", .vector = {}})));
  REQUIRE_ERROR(ValueError, "not 1 to 1,048,576 numbers",
                validate(batch_of(UpsertQuery{.id = "q", .vector = std::vector<float>(max_vector_dim + 1)})));
  for (const float bad : {inf, -inf, nan}) {
    REQUIRE_ERROR(ValueError, "not finite", validate(batch_of(UpsertPassage{.id = "p", .vector = {0.0f, bad}})));
  }
  for (const float bad : {inf, -inf, nan, 0.0f, -0.0f, -1.0f}) {
    REQUIRE_ERROR(ValueError, "its weight is not", validate(batch_of(AddPair{"q", "p", bad})));
  }
  REQUIRE_ERROR(ValueError, "its tags have more",
                validate(batch_of(UpsertPassage{"p", {1.0f}, std::string(max_tag_bytes + 1, 't')})));
  REQUIRE_ERROR(ValueError, "a cursor of 1048577 bytes", validate({{}, std::string(max_cursor_bytes + 1, 'c')}));
}
