// Batches of random events, for tests that only need some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "pefa/live/event.hpp"

namespace pefa::test {

/// Up to eight events of any kind; the same ones for a seed.
inline live::Batch random_batch(unsigned seed) {
  std::mt19937 random(seed);
  const auto text = [&random](std::size_t least) {
    std::string made;
    for (std::size_t n = least + random() % 12; n > 0; --n) made.push_back(static_cast<char>(random() % 256));
    return made;
  };
  const auto vector = [&random] {
    std::vector<float> made(1 + random() % 16);
    for (float& x : made) x = static_cast<float>(random() % 1000) / 500.0f - 1.0f;
    return made;
  };
  live::Batch batch{{}, text(0)};
  for (std::size_t n = random() % 9; n > 0; --n) {
    const auto time = static_cast<std::int64_t>(random()) - 1'000'000'000;
    std::string id = text(1);
    switch (random() % 8) {
      case 0: batch.events.emplace_back(live::UpsertPassage{id, vector(), text(0), time}); break;
      case 1: batch.events.emplace_back(live::RemovePassage{id, time}); break;
      case 2: batch.events.emplace_back(live::UpsertQuery{id, vector(), text(0), time}); break;
      case 3:
        batch.events.emplace_back(live::AddPair{id, text(1), 0.5f + static_cast<float>(random() % 9), time});
        break;
      case 4: batch.events.emplace_back(live::RetractPair{id, text(1), time}); break;
      case 5: batch.events.emplace_back(live::ForgetQuery{id, time}); break;
      case 6: batch.events.emplace_back(live::ForgetOwner{id, time}); break;
      default: batch.events.emplace_back(live::RetireQuery{id, time}); break;
    }
  }
  return batch;
}

}  // namespace pefa::test
