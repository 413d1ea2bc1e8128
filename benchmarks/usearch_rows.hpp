// usearch's index of float rows, for the programs that measure it beside pefa's.
#pragma once

#if PEFA_BENCH_USEARCH

#include <cstdio>
#include <string>
#include <usearch/index_dense.hpp>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::bench {

/// By inner product; built on all threads of an executor.
class UsearchRows {
 public:
  UsearchRows(const EmbeddingView<float>& rows, std::size_t degree, std::size_t construction,
              const ThreadExecutor& threads) {
    const Native::metric_t metric(rows.dim(), unum::usearch::metric_kind_t::ip_k, unum::usearch::scalar_kind_t::f32_k);
    std::printf("usearch's kernels: %s\n", metric.isa_name());
    auto made = Native::make(metric, unum::usearch::index_dense_config_t(degree, construction));
    require(std::move(made.error));
    index_ = std::move(made.index);
    index_.reserve(unum::usearch::index_limits_t(rows.size(), threads.concurrency()));
    threads.run(rows.size(), [&](std::size_t i) { require(index_.add(i, rows.row(i)).error); });
  }

  [[nodiscard]] std::vector<Row> search(QueryView query, std::size_t k, std::size_t ef) {
    index_.change_expansion_search(ef);
    return rows_of(index_.search(query.data(), k), k);
  }

  /// @param admits  a predicate of rows
  template <class Admits>
  [[nodiscard]] std::vector<Row> search_filtered(QueryView query, std::size_t k, std::size_t ef, const Admits& admits) {
    index_.change_expansion_search(ef);
    const auto by_key = [&](Native::vector_key_t key) { return admits(static_cast<Row>(key)); };
    return rows_of(index_.filtered_search(query.data(), k, by_key), k);
  }

  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_usage(); }

 private:
  using Native = unum::usearch::index_dense_t;

  /// Throws what a call says went wrong, if anything.
  static void require(unum::usearch::error_t error) {
    if (error) throw Error(std::string("usearch: ") + error.release());
  }

  static std::vector<Row> rows_of(Native::search_result_t found, std::size_t k) {
    require(std::move(found.error));
    std::vector<Native::vector_key_t> keys(k);
    keys.resize(found.dump_to(keys.data()));
    return {keys.begin(), keys.end()};
  }

  Native index_;
};

}  // namespace pefa::bench

#endif
