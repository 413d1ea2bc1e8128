// Every combination of what is fitted (least squares, whitening, hubness, balance, the local gate) in every retriever,
// against tests/reference/reference.py and against each other.
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/pefa.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

IndexSpec flat() {
  IndexSpec index;
  index.kind = IndexKind::flat;
  return index;
}

AnyRetriever build_of(const RetrieverSpec& spec) {
  const SmallProblem problem;
  return build(spec, problem.p(), problem.q(), problem.relevance);
}

QueryView test_query(const SmallProblem& problem, std::size_t i) {
  return {problem.x().row(i), problem.x().dim()};
}

RetrieverSpec xl_spec() {
  RetrieverSpec spec = RetrieverSpec::paper_xl();
  spec.index = spec.query_index = flat();
  spec.gate = {GateKind::softmax, 0.05f};
  spec.neighbors = 32;
  spec.passage_candidates = 0;
  spec.lambda = 0.1f;
  return spec;
}

RetrieverSpec xs_spec() {
  RetrieverSpec spec = RetrieverSpec::paper_xs();
  spec.index = flat();
  spec.cold = ColdPassage::erm;
  return spec;
}

/// Row "A" of the issue: least squares, λ = 0.1.
RetrieverSpec row_a(float shrinkage, float b) {
  RetrieverSpec spec = xs_spec();
  spec.lambda = 0.1f;
  spec.rule = FoldRule::least_squares;
  spec.least_squares = {.shrinkage = shrinkage, .passages_as_queries = b};
  return spec;
}

RetrieverSpec row_b() {
  RetrieverSpec spec = xl_spec();
  spec.whitened = Whitened::all;
  spec.whitening = {.scatter = Scatter::within, .shrinkage = 1.0f};
  return spec;
}

RetrieverSpec row_c() {
  RetrieverSpec spec = row_b();
  spec.hubness = 0.5f;
  return spec;
}

RetrieverSpec row_d() {
  RetrieverSpec spec = row_c();
  spec.gate = {.kind = GateKind::local, .bandwidth = 0.125f, .ridge = 0.3f};
  return spec;
}

/// .05 ERM + .3 A + .65 votes of another row.
RetrieverSpec blended(RetrieverSpec votes) {
  votes.lambda = 0.35f;
  votes.fold = 1.0f / 7.0f;
  votes.cold = ColdPassage::paper;
  votes.rule = FoldRule::least_squares;
  votes.least_squares = {.shrinkage = 0.3f};
  votes.whitened = Whitened::queries;
  return votes;
}

void require_row(const RetrieverSpec& spec, const char* row, float offset = 0.0f) {
  const SmallProblem problem;
  const AnyRetriever retriever = build_of(spec);
  const Eigen::MatrixXd wanted = matrix_of(expected()["rows"][row]);
  for (std::size_t t = 0; t < 2; ++t) {
    const std::vector<Hit> hits = retriever.search(test_query(problem, t), 60);
    REQUIRE(hits.size() == 60);
    for (const Hit& hit : hits) {
      CAPTURE(row, t, hit.passage.row());
      const auto score = wanted(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(hit.passage.row()));
      REQUIRE(hit.score + offset == Approx(score).margin(3e-5));
    }
  }
}

}  // namespace

TEST_CASE("rows A to F: every score is the reference's") {
  require_row(xs_spec(), "xs paper l.5");
  require_row(row_a(0.3f, 0.0f), "A");
  require_row(row_a(0.1f, 0.0f), "A' b0.0");
  require_row(row_a(0.1f, 0.3f), "A' b0.3");
  require_row(row_a(0.1f, 1.0f), "A' b1.0");
  require_row(row_b(), "B");
  require_row(row_c(), "C");
  require_row(row_d(), "D");
  require_row(blended(row_c()), "E");
  require_row(blended(row_d()), "F");
  RetrieverSpec total = row_b();
  total.whitening = {.scatter = Scatter::total, .shrinkage = 0.3f};
  require_row(total, "B total .3");
}

TEST_CASE("balance: at full rank every score is that of raw queries, below it the reference's up to ⟨q̂, μ⟩") {
  RetrieverSpec spec = row_a(0.1f, 0.3f);
  spec.balance = SmallProblem::dim;
  require_row(spec, "A' b0.3");
  const SmallProblem problem;
  spec.balance = 8;
  const AnyRetriever half = build_of(spec);
  const Eigen::MatrixXd wanted = matrix_of(expected()["rows"]["balanced 1/2"]);
  for (std::size_t t = 0; t < 2; ++t) {
    const std::vector<Hit> hits = half.search(test_query(problem, t), 60);
    const auto score_of = [&](const Hit& hit) {
      return wanted(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(hit.passage.row()));
    };
    const double offset = static_cast<double>(hits[0].score) - score_of(hits[0]);
    for (const Hit& hit : hits) REQUIRE(static_cast<double>(hit.score) - offset == Approx(score_of(hit)).margin(3e-5));
  }
}

namespace {

/// All that can be combined, of every method.
std::vector<RetrieverSpec> all_specs() {
  std::vector<RetrieverSpec> specs;
  const auto folds = [&](const RetrieverSpec& base) {
    for (const std::size_t balance : {0U, 16U, 9U}) {
      for (const bool is_solved : {false, true}) {
        RetrieverSpec spec = base;
        spec.balance = balance;
        spec.rule = is_solved ? FoldRule::least_squares : FoldRule::correlation;
        spec.least_squares = {.shrinkage = 0.2f, .passages_as_queries = balance == 9 ? 0.5f : 0.0f};
        specs.push_back(spec);
      }
    }
  };
  for (const Method method : {Method::xs, Method::xs_multi}) {
    for (const Whitened whitened : {Whitened::none, Whitened::all}) {
      RetrieverSpec spec = xs_spec();
      spec.method = method;
      spec.max_centroids = 3;
      spec.whitened = whitened;
      folds(spec);
    }
  }
  for (const Whitened whitened : {Whitened::none, Whitened::queries, Whitened::all}) {
    for (const GateSpec& gate :
         {GateSpec{GateKind::mean}, GateSpec{GateKind::softmax, 0.1f}, GateSpec{GateKind::local}}) {
      for (const float hubness : {0.0f, 0.5f}) {
        RetrieverSpec spec = xl_spec();
        spec.gate = gate;
        spec.hubness = hubness;
        spec.whitened = whitened;
        spec.whitening.scatter = hubness > 0.0f ? Scatter::both : Scatter::within;
        specs.push_back(spec);
        spec.fold = 0.3f;
        folds(spec);
      }
    }
  }
  RetrieverSpec condensed = row_d();
  condensed.condense = 0.9f;
  specs.push_back(condensed);
  RetrieverSpec lower = row_c();
  lower.whitening.rank = 7;
  specs.push_back(lower);
  RetrieverSpec cosine = xl_spec();
  cosine.similarity = KnnSimilarity::cosine;
  cosine.hubness = 0.4f;
  specs.push_back(cosine);
  cosine.gate = {GateKind::local};
  specs.push_back(cosine);
  return specs;
}

void require_same(const std::vector<Hit>& a, const std::vector<Hit>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].score == b[i].score);
    REQUIRE(a[i].passage == b[i].passage);
  }
}

}  // namespace

TEST_CASE("every combination: a batch, an archive and every index answer alike, and explain() adds up") {
  const SmallProblem problem;
  for (RetrieverSpec spec : all_specs()) {
    const std::string text = describe(spec);
    CAPTURE(text, static_cast<int>(spec.whitened), static_cast<int>(spec.gate.kind), spec.hubness, spec.balance);
    const AnyRetriever retriever = build_of(spec);
    std::stringstream archive;
    retriever.save(archive);
    const AnyRetriever opened = open(io::ArchiveReader::read(archive));
    REQUIRE(retriever.dim() == SmallProblem::dim);
    REQUIRE(opened.dim() == SmallProblem::dim);
    REQUIRE(to_json(opened.spec()) == to_json(retriever.spec()));
    const auto batch = retriever.search_batch(problem.x(), 10);
    for (std::size_t t = 0; t < problem.x().size(); ++t) {
      const QueryView query = test_query(problem, t);
      const std::vector<Hit> hits = retriever.search(query, 10);
      require_same(hits, opened.search(query, 10));
      REQUIRE(batch[t].size() == hits.size());
      const std::vector<Hit> exact = retriever.exact_search(query, 10);
      for (std::size_t i = 0; i < hits.size(); ++i) {
        REQUIRE(batch[t][i].score == Approx(hits[i].score).margin(1e-5));
        REQUIRE(exact[i].score == Approx(hits[i].score).margin(1e-5));
        const Explanation why = retriever.explain(query, hits[i].passage);
        REQUIRE(why.score == Approx(hits[i].score).margin(1e-5));
      }
    }
    for (const IndexKind kind : {IndexKind::hnsw, IndexKind::quantized}) {
      spec.index.kind = spec.query_index.kind = kind;
      const AnyRetriever graph = build_of(spec);
      for (std::size_t t = 0; t < problem.x().size(); ++t) {
        const std::vector<Hit> hits = retriever.search(test_query(problem, t), 10);
        const std::vector<Hit> found = graph.search(test_query(problem, t), 10);
        REQUIRE(found.size() == hits.size());
        for (std::size_t i = 0; i < hits.size(); ++i) REQUIRE(found[i].score == Approx(hits[i].score).margin(2e-5));
      }
    }
  }
}

TEST_CASE("fold_one: the row that the index has") {
  const SmallProblem problem;
  for (const Whitened whitened : {Whitened::none, Whitened::all}) {
    for (const std::size_t balance : {0U, 9U}) {
      for (const bool is_solved : {false, true}) {
        PefaXs<float, FlatIndex<>>::Params params{.lambda = 0.2f, .whitened = whitened, .balance = balance};
        params.rule = is_solved ? FoldRule::least_squares : FoldRule::correlation;
        const auto xs = PefaXs<float, FlatIndex<>>::build(problem.p(), problem.q(), problem.relevance, params);
        for (const std::size_t j : {0U, 7U, 55U}) {
          const auto entries = problem.relevance.queries_of(PassageId(static_cast<Row>(j)));
          EmbeddingStore<float> asked(SmallProblem::dim);
          for (const auto i : entries.columns)
            asked.append(problem.q().slice(static_cast<std::size_t>(i), static_cast<std::size_t>(i) + 1));
          const auto row = xs.fold_one({problem.p().row(j), SmallProblem::dim}, asked.view(), entries.weights);
          REQUIRE(row.size() == xs.index().dim());
          for (std::size_t d = 0; d < row.size(); ++d) {
            REQUIRE(row[d] == Approx(xs.index().rows().row(j)[d]).margin(1e-6));
          }
        }
      }
    }
  }
  const auto xs = PefaXs<float, FlatIndex<>>::build(problem.p(), problem.q(), problem.relevance);
  REQUIRE_ERROR(ShapeError, "PefaXs::fold_one: 1 weights for 0 queries",
                (void)xs.fold_one({problem.p().row(0), 16}, problem.q().slice(0, 0), std::vector<float>{1.0f}));
  REQUIRE_ERROR(ShapeError, "query has dim 3", (void)xs.fold_one({problem.p().row(0), 3}, problem.q().slice(0, 0), {}));
}

TEST_CASE("fold_one_query: the row that the index would have of it") {
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
  const SmallProblem problem;
  for (const float hubness : {0.0f, 0.5f}) {
    const auto xl =
        Xl::build(problem.p(), problem.q(), problem.relevance, {.hubness = hubness, .whitened = Whitened::queries});
    const auto row = xl.fold_one_query({problem.q().row(3), SmallProblem::dim});
    REQUIRE(row.size() == xl.query_index().dim());
    for (std::size_t d = 0; d < SmallProblem::dim; ++d) {
      REQUIRE(row[d] == Approx(xl.query_index().rows().row(3)[d]).margin(1e-6));
    }
  }
}

TEST_CASE("what does not fit together is refused, with what was expected") {
  const SmallProblem problem;
  const auto refused = [&](RetrieverSpec spec, const char* part) {
    CAPTURE(part);
    REQUIRE_ERROR(ValueError, part, (void)build_of(spec));
  };
  RetrieverSpec spec = row_c();
  spec.hubness = -1.0f;
  refused(spec, "hubness is -1, expected finite and at least 0");
  using Xl = PefaXl<float, FlatIndex<>>;
  REQUIRE_ERROR(ValueError, "hubness is 0.5, which moves inner products; with the similarity l2 expected 0",
                (void)Xl::build(problem.p(), problem.q(), problem.relevance,
                                {.similarity = KnnSimilarity::l2, .hubness = 0.5f, .query_index = {Metric::l2}}));
  spec = row_b();
  spec.whitening.shrinkage = -0.5f;
  refused(spec, "shrinkage is -0.5");
  spec.whitening = {.rank = 17};
  refused(spec, "rank is 17, expected at most 16");
  spec = row_a(-1.0f, 0.0f);
  refused(spec, "LeastSquares::fit: shrinkage is -1");
  spec = row_a(0.1f, -1.0f);
  refused(spec, "passages_as_queries is -1");
  spec = row_a(0.1f, 0.0f);
  spec.balance = 17;
  refused(spec, "Balance::fit: rank is 17, expected at most 16");
  spec = xl_spec();
  spec.gate = {.kind = GateKind::local, .ridge = 0.0f};
  refused(spec, "ridge is 0, expected finite and above 0");
  const RowMajorMatrix longer = 3.0f * problem.queries;
  spec.gate = {GateKind::local};
  REQUIRE_ERROR(ValueError, "has length 3, expected 1; whiten them, or use KnnSimilarity::cosine",
                (void)build(spec, problem.p(), EmbeddingView<float>(longer), problem.relevance));
  using Xs = PefaXs<float, FlatIndex<>>;
  REQUIRE_ERROR(ValueError, "PefaXs::build: whitened is queries",
                (void)Xs::build(problem.p(), problem.q(), problem.relevance, {.whitened = Whitened::queries}));
}

TEST_CASE("searches of fitted retrievers refuse what raw ones refuse") {
  const SmallProblem problem;
  for (const RetrieverSpec& spec : {row_d(), blended(row_c()), row_a(0.1f, 0.0f)}) {
    RetrieverSpec balanced = spec;
    balanced.balance = 9;
    const AnyRetriever retriever = build_of(balanced);
    std::vector<float> query(16, 1.0f);
    REQUIRE_ERROR(ShapeError, "query has dim 15, expected 16", (void)retriever.search({query.data(), 15}, 3));
    REQUIRE_ERROR(ValueError, "k is 0", (void)retriever.search(query, 0));
    query[3] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE_ERROR(ValueError, "query has a NaN or infinite element", (void)retriever.search(query, 3));
    REQUIRE_ERROR(ValueError, "query has a NaN or infinite element",
                  (void)retriever.search_batch({query.data(), 1, 16}, 3));
    REQUIRE_ERROR(ValueError, "zero vector", (void)retriever.search(std::vector<float>(16, 0.0f), 3));
  }
}

TEST_CASE("half floats keep their meaning under every fit") {
  const SmallProblem problem;
  using Half = Eigen::half;
  const auto halves = EmbeddingStore<Half>::from(problem.p());
  const auto half_queries = EmbeddingStore<Half>::from(problem.q());
  const auto build_of = [&](auto scalar, const auto& passages, const auto& queries, Whitened whitened, float fold) {
    using Scalar = decltype(scalar);
    return PefaXl<Scalar, FlatIndex<Scalar>, FlatIndex<Scalar>, LocalRegressionGate>::build(
        passages, queries, problem.relevance,
        {.fold = {.lambda = fold, .rule = FoldRule::least_squares}, .hubness = 0.5f, .whitened = whitened});
  };
  for (const Whitened whitened : {Whitened::queries, Whitened::all}) {
    for (const float fold : {0.3f, 1.0f}) {
      const auto full = build_of(0.0f, problem.p(), problem.q(), whitened, fold);
      const auto half = build_of(Half{}, halves.view(), half_queries.view(), whitened, fold);
      for (std::size_t t = 0; t < problem.x().size(); ++t) {
        const auto a = full.search(test_query(problem, t), 5);
        const auto b = half.search(test_query(problem, t), 5);
        for (std::size_t i = 0; i < 5; ++i) REQUIRE(a[i].score == Approx(b[i].score).margin(5e-3));
      }
    }
  }
}
