// FlatIndex as a host's own index might wrap it: what the concepts ask for and no more. A test's index derives from it
// and adds what it is about.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "pefa/index/flat_index.hpp"

namespace pefa::test {

/// @tparam Index  the class that derives; it is made from a FlatIndex
template <class Index>
class HostIndexOver {
 public:
  using Params = FlatParams;
  static Index build(const EmbeddingView<float>& rows, const Params& params, const BuildOptions& options) {
    return Index(FlatIndex<>::build(rows, params, options));
  }
  std::vector<Neighbor> search(QueryView query, std::size_t k, const IndexSearchOptions& options) const {
    return flat_.search(query, k, options);
  }
  std::size_t size() const { return flat_.size(); }
  std::size_t dim() const { return flat_.dim(); }
  Metric metric() const { return flat_.metric(); }
  std::size_t memory_bytes() const { return flat_.memory_bytes(); }
  const FlatIndex<>& flat() const { return flat_; }

  explicit HostIndexOver(FlatIndex<> flat) : flat_(std::move(flat)) {}

 private:
  FlatIndex<> flat_;
};

}  // namespace pefa::test
