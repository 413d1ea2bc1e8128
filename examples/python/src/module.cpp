// AnyRetriever, tune and evaluate over NumPy's memory. __init__.py, which a user sees, brings arrays into shape; what
// is small goes through JSON.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>
#include <pefa/adapter/retriever_spec_json.hpp>
#include <pefa/eval/evaluate.hpp>
#include <pefa/eval/tune.hpp>
#include <pefa/io/ids/external_ids.hpp>
#include <pefa/serve.hpp>
#include <pefa/store/tag_condition.hpp>
#include <pefa/store/tag_table_builder.hpp>

#include <future>
#include <limits>

namespace nb = nanobind;

namespace {

template <class T, std::size_t dims>
using Array = nb::ndarray<T, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
using Matrix = Array<const float, 2>;
using Rows = Array<const pefa::Row, 1>;
using Pairs = std::tuple<Rows, Rows, Array<const float, 1>>;
using Ids = std::optional<std::vector<std::string>>;
using Tags = std::optional<std::vector<std::tuple<std::string, pefa::Row, std::variant<std::int64_t, std::string>>>>;
using Options = std::tuple<std::size_t, std::size_t, std::size_t, std::size_t, std::optional<float>>;
using Condition = std::optional<std::string>;
using Json = nlohmann::ordered_json;

/// A retriever, and the arrays that its indexes may read.
struct Held {
  pefa::AnyRetriever any;
  std::optional<Matrix> passages{}, queries{};
};

/// Runs work(stop) without the GIL and on a thread of its own, since only the main thread hears of signals, whichever
/// works. Ctrl-C sets `stop`; KeyboardInterrupt is raised when the work has ended.
template <class Work>
auto interruptible(const Work& work) {
  std::atomic<bool> stop{false};
  auto running = std::async(std::launch::async, [&] { return work(stop); });
  {
    const nb::gil_scoped_release released;
    while (running.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
      if (stop) continue;
      const nb::gil_scoped_acquire acquired;
      stop = PyErr_CheckSignals() != 0;
    }
  }
  if (stop) throw nb::python_error();
  return running.get();
}

pefa::Progress until(const std::atomic<bool>& stop) {
  return [&](std::size_t, std::size_t) { return stop ? pefa::ProgressAction::stop : pefa::ProgressAction::proceed; };
}

pefa::EmbeddingView<float> view(const Matrix& rows) {
  return {rows.data(), rows.shape(0), rows.shape(1)};
}

/// Rows that Python has found in range.
pefa::RelevanceMatrix relevance(const Pairs& arrays, std::size_t n_queries, std::size_t n_passages) {
  const auto& [queries, passages, weights] = arrays;
  std::vector<pefa::RelevancePair> pairs(weights.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {pefa::QueryId(queries(i)), pefa::PassageId(passages(i)), weights(i)};
  }
  return pefa::RelevanceMatrix::from_pairs(pairs, n_queries, n_passages);
}

pefa::TagTable tag_table(const Tags& tags, std::size_t n_rows) {
  pefa::TagTableBuilder builder(n_rows);
  for (const auto& [key, row, value] : *tags) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      builder.add_integer(row, key, *number);
    } else {
      builder.add_text(row, key, std::get<std::string>(value));
    }
  }
  return builder.build();
}

Held build(const std::string& spec_text, const Matrix& passages, const std::optional<Matrix>& queries,
           const std::optional<Pairs>& pairs, const Ids& ids, const Tags& tags, const Tags& query_tags, bool copy,
           std::size_t threads) {
  const pefa::RetrieverSpec spec = pefa::spec_from_json(Json::parse(spec_text));
  const auto rows = copy ? pefa::Rows::copy : pefa::Rows::borrow;
  // What can be refused is refused before the build, not after.
  if (ids && ids->size() != passages.shape(0)) {
    throw pefa::ShapeError("build: " + std::to_string(ids->size()) + " ids, expected one for each of " +
                           std::to_string(passages.shape(0)) + " passages");
  }
  if (query_tags && spec.method != pefa::Method::xl) {
    throw pefa::ValueError("build: query_tags are for xl, which looks its training queries up");
  }
  auto built = interruptible([&](const std::atomic<bool>& stop) {
    const pefa::BuildOptions options{pefa::ThreadExecutor(threads), until(stop)};
    if (!queries) return pefa::build(spec, view(passages), options, rows);
    const auto training = relevance(*pairs, queries->shape(0), passages.shape(0));
    return pefa::build(spec, view(passages), view(*queries), training, options, rows);
  });
  if (ids) built = built.with_ids(pefa::io::ExternalIds::from(*ids));
  if (tags) built = built.with_tags(tag_table(tags, passages.shape(0)));
  if (query_tags) built = built.with_query_tags(tag_table(query_tags, queries ? queries->shape(0) : 0));
  return copy ? Held{built} : Held{built, passages, queries};
}

Ids ids(const Held& self) {
  if (!self.any.has_ids()) return std::nullopt;
  Ids ids(std::in_place);
  for (pefa::Row row = 0; row < self.any.passage_count(); ++row) ids->push_back(self.any.id_of(pefa::PassageId(row)));
  return ids;
}

pefa::SearchOptions search_options(const Options& given) {
  const auto& [ef, rerank, query_ef, neighbors, lambda] = given;
  return {.ef = ef, .rerank = rerank, .query_ef = query_ef, .neighbors = neighbors, .lambda = lambda};
}

/// What a search may find, and who votes in it; nothing where nothing is asked.
struct Admitted {
  Admitted(const pefa::AnyRetriever& any, const Condition& where, const std::optional<Rows>& among,
           const Condition& train_where) {
    if (!where && !among && !train_where) return;
    pefa::RowSet rows = where ? any.where(*where).rows() : pefa::RowSet::all(any.passage_count());
    if (among) rows = rows & pefa::RowSet::of({among->data(), among->size()}, any.passage_count());
    passages = pefa::PassageSet(std::move(rows));
    if (train_where) voters = any.queries_where(*train_where);
  }

  template <class Searched, class Filtered>  // searched(), or filtered(filter)
  auto choose(const Searched& searched, const Filtered& filtered) const {
    if (!passages) return searched();
    return filtered(voters ? pefa::SearchFilter(*passages, *voters) : pefa::SearchFilter(*passages));
  }

  std::optional<pefa::PassageSet> passages{};
  std::optional<pefa::QuerySet> voters{};
};

void search(const Held& self, const Matrix& queries, const Array<std::int64_t, 2>& ids, const Array<float, 2>& scores,
            std::size_t threads, const Options& given, const Condition& where, const std::optional<Rows>& among,
            const Condition& train_where) {
  const Admitted admitted = [&] {
    const nb::gil_scoped_release released;
    return Admitted(self.any, where, among, train_where);
  }();
  auto options = search_options(given);
  const std::size_t k = ids.shape(1);
  const auto write = [&](std::size_t row, const std::vector<pefa::Hit>& hits) {
    for (std::size_t i = 0; i < k; ++i) {
      ids.data()[row * k + i] = i < hits.size() ? std::int64_t{hits[i].passage.row()} : -1;
      scores.data()[row * k + i] = i < hits.size() ? hits[i].score : -std::numeric_limits<float>::infinity();
    }
  };
  if (queries.shape(0) == 1) {
    const nb::gil_scoped_release released;
    const pefa::QueryView query(queries.data(), queries.shape(1));
    return write(0, admitted.choose([&] { return self.any.search(query, k, options); },
                                    [&](const pefa::SearchFilter& filter) {
                                      return self.any.search_filtered(query, k, filter, options);
                                    }));
  }
  interruptible([&](const std::atomic<bool>& stop) {
    options.limit.stop = &stop;
    constexpr std::size_t block = 1024;  // bounds what is held beside the arrays
    for (std::size_t begin = 0; begin < queries.shape(0) && !stop; begin += block) {
      const auto part = view(queries).slice(begin, std::min(queries.shape(0), begin + block));
      const pefa::ThreadExecutor executor(threads);
      const auto hits = admitted.choose([&] { return self.any.search_batch(part, k, options, executor); },
                                        [&](const pefa::SearchFilter& filter) {
                                          return self.any.search_filtered_batch(part, k, filter, options, executor);
                                        });
      for (std::size_t i = 0; i < hits.size(); ++i) write(begin + i, hits[i]);
    }
  });
}

auto explain(const Held& self, const Matrix& query, std::uint32_t passage, const Options& options) {
  const auto told = self.any.explain({query.data(), query.size()}, pefa::PassageId(passage), search_options(options));
  std::vector<std::tuple<pefa::Row, float, float, float, float>> voters;
  for (const auto& [voter, similarity, weight, relevance, contribution] : told.voters) {
    voters.emplace_back(voter.row(), similarity, weight, relevance, contribution);
  }
  return std::tuple(told.score, told.erm, told.knn, voters);
}

void save(const Held& self, const std::string& path) {
  interruptible([&](const std::atomic<bool>& stop) { self.any.save(path, {.progress = until(stop)}); });
}

Held open(const std::string& path, bool verify) {
  return {pefa::open(path, verify ? pefa::Verify::full : pefa::Verify::directory)};
}

std::string tune(const Matrix& passages, const Matrix& queries, const Pairs& pairs, const std::string& metric,
                 std::size_t at, std::size_t max_queries, std::size_t threads) {
  const auto kind = pefa::parse_enum<pefa::TuneMetric>(metric);
  if (!kind) throw pefa::ValueError("tune: " + metric + ", expected " + pefa::list_names<pefa::TuneMetric>());
  const auto report = interruptible([&](const std::atomic<bool>& stop) {
    pefa::TuneOptions options{.metric = *kind, .at = at};
    options.validation.max_queries = max_queries;
    options.executor = pefa::ThreadExecutor(threads);
    options.progress = until(stop);
    const auto training = relevance(pairs, queries.shape(0), passages.shape(0));
    return pefa::tune(view(passages), view(queries), training, options);
  });
  Json json{{"pick", pefa::to_json(report.pick)}, {"p_value", report.p_value}};
  json["gain"] = {report.gain.mean, report.gain.low, report.gain.high};
  for (const pefa::TuneEntry& each : report.grid) {
    json["grid"].push_back({{"spec", pefa::to_json(each.spec)}, {"score", each.score}, {"se", each.standard_error}});
  }
  return json.dump();
}

std::string evaluate(const Held& self, const Matrix& queries, const Pairs& pairs, std::size_t threads,
                     const std::vector<std::size_t>& cutoffs) {
  const auto report = interruptible([&](const std::atomic<bool>& stop) {
    pefa::EvaluateOptions options{.recall_at = cutoffs, .ndcg_at = cutoffs, .mrr_at = cutoffs};
    options.executor = pefa::ThreadExecutor(threads);
    options.progress = until(stop);
    const auto truth = relevance(pairs, queries.shape(0), self.any.passage_count());
    return pefa::evaluate(self.any, view(queries), truth, options);
  });
  Json metrics;
  for (const auto& [name, by] :
       {std::pair{"recall@", &report.recall}, {"ndcg@", &report.ndcg}, {"mrr@", &report.mrr}}) {
    for (const auto& [at, of] : *by) metrics[name + std::to_string(at)] = {of.mean, of.low, of.high};
  }
  return metrics.dump();
}

}  // namespace

NB_MODULE(_pefa, m) {
  nb::exception<pefa::ShapeError>(m, "ShapeError", PyExc_ValueError);
  nb::exception<pefa::ValueError>(m, "ValueError", PyExc_ValueError);
  nb::exception<pefa::FormatError>(m, "FormatError", PyExc_ValueError);
  nb::exception<pefa::IoError>(m, "IoError", PyExc_OSError);
  nb::class_<Held>(m, "Held")
      .def("passage_count", [](const Held& self) { return self.any.passage_count(); })
      .def("dim", [](const Held& self) { return self.any.dim(); })
      .def("spec", [](const Held& self) { return pefa::to_json(self.any.spec()).dump(); })
      .def("ids", &ids)
      .def("search", &search)
      .def("explain", &explain)
      .def("save", &save);
  m.def("build", &build);
  m.def("open", &open, nb::call_guard<nb::gil_scoped_release>());
  m.def("tune", &tune);
  m.def("evaluate", &evaluate);
  m.def("default_spec", [] { return pefa::to_json(pefa::RetrieverSpec()).dump(); });
}
