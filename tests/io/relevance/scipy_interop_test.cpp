// What SciPy and NumPy write, this library reads, and the other way round. Skipped where python3 has no SciPy.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/io/relevance/scipy_npz.hpp"
#include "pefa/io/relevance/sparse_csr.hpp"
#include "pefa/io/results/hits_npy.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

/// The first Python that imports SciPy; empty where none does.
const std::string& python() {
  static const std::string found = [] {
    for (const std::string& candidate : {std::string("python3"), std::string("/usr/bin/python3")}) {
      if (std::system((candidate + " -c 'import scipy.sparse' >/dev/null 2>&1").c_str()) == 0) return candidate;
    }
    return std::string();
  }();
  return found;
}

/// Whether a script ends well; its arguments are the folder's path.
bool runs(const test::TemporaryDirectory& directory, const std::string& script) {
  const auto file = directory.write("script.py", script);
  return std::system((python() + " '" + file.string() + "' '" + (directory / "").string() + "'").c_str()) == 0;
}

#define SKIP_WITHOUT_SCIPY()                                       \
  if (python().empty()) {                                          \
    WARN("skipped: python3 has no SciPy (Debian: python3-scipy)"); \
    return;                                                        \
  }

}  // namespace

TEST_CASE("SciPy's save_npz: every format, index type, value type and compression is read equal") {
  SKIP_WITHOUT_SCIPY();
  const test::TemporaryDirectory directory;
  // Beside each .npz lies the same matrix as the plain sparse file of the big-ann-benchmarks, written by NumPy.
  REQUIRE(runs(directory, R"(
import sys, numpy as np, scipy.sparse as sp
folder = sys.argv[1]
rng = np.random.default_rng(1)
number = 0
for value in (np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64):
    base = sp.random(57, 83, 0.08, format='csr', random_state=rng)
    base.data = rng.integers(1, 100, base.nnz) / (8 if np.issubdtype(value, np.floating) else 1)
    for index in (np.int32, np.int64):
        for form in ('csr', 'csc', 'coo'):
            for compressed in (True, False):
                m = base.astype(value).asformat(form)
                for name in ('indptr', 'indices', 'row', 'col'):
                    if hasattr(m, name): setattr(m, name, getattr(m, name).astype(index))
                sp.save_npz(f'{folder}/{number}.npz', m, compressed=compressed)
                r = sp.csr_matrix(m).astype(np.float32)
                r.sort_indices()
                with open(f'{folder}/{number}.csr', 'wb') as f:
                    np.array([*r.shape, r.nnz], np.int64).tofile(f)
                    r.indptr.astype(np.int64).tofile(f)
                    r.indices.astype(np.int32).tofile(f)
                    r.data.tofile(f)
                number += 1
print(number, file=open(f'{folder}/count', 'w'))
)"));
  const int count = std::stoi(test::read_bytes(directory / "count"));
  REQUIRE(count == 8 * 2 * 3 * 2);
  for (int i = 0; i < count; ++i) {
    const RelevanceMatrix ours = io::read_scipy_npz(directory / (std::to_string(i) + ".npz"));
    const RelevanceMatrix plain = io::read_sparse_csr(directory / (std::to_string(i) + ".csr"));
    REQUIRE(ours.rows() == 57);
    REQUIRE(ours.cols() == 83);
    REQUIRE(ours.pair_count() > 300);
    REQUIRE(test::dense(ours) == test::dense(plain));
    io::write_sparse_csr(directory / (std::to_string(i) + ".back.csr"), ours);
    REQUIRE(test::read_bytes(directory / (std::to_string(i) + ".back.csr")) ==
            test::read_bytes(directory / (std::to_string(i) + ".csr")));
  }
}

TEST_CASE("SciPy's load_npz: reads what write_scipy_npz wrote, to the bit") {
  SKIP_WITHOUT_SCIPY();
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(200, 300, 5, 1, 20).row_normalized();
  io::write_scipy_npz(directory / "stored.npz", relevance, io::NpzCompression::stored);
  io::write_scipy_npz(directory / "deflated.npz", relevance, io::NpzCompression::deflated);
  const RelevanceMatrix empty = RelevanceMatrix::from_pairs({}, 3, 4);
  io::write_scipy_npz(directory / "empty.npz", empty);
  io::write_sparse_csr(directory / "y.csr", relevance);
  REQUIRE(runs(directory, R"(
import sys, numpy as np, scipy.sparse as sp
folder = sys.argv[1]
raw = open(f'{folder}/y.csr', 'rb').read()
rows, cols, nnz = np.frombuffer(raw, np.int64, 3)
indptr = np.frombuffer(raw, np.int64, rows + 1, 24)
indices = np.frombuffer(raw, np.int32, nnz, 24 + 8 * (rows + 1))
data = np.frombuffer(raw, np.float32, nnz, 24 + 8 * (rows + 1) + 4 * nnz)
assert (rows, cols) == (200, 300) and nnz > 500
for name in ('stored', 'deflated'):
    m = sp.load_npz(f'{folder}/{name}.npz')
    assert m.format == 'csr' and m.shape == (200, 300) and m.dtype == np.float32
    m.check_format(full_check=True)
    assert m.has_sorted_indices
    assert (m.indptr == indptr).all() and (m.indices == indices).all()
    assert m.data.tobytes() == data.tobytes()
m = sp.load_npz(f'{folder}/empty.npz')
assert m.shape == (3, 4) and m.nnz == 0
)"));
}

TEST_CASE("NumPy: reads what write_hits_npy wrote, and writes what read_hits_npy reads") {
  SKIP_WITHOUT_SCIPY();
  const test::TemporaryDirectory directory;
  const std::vector<std::vector<Hit>> results = {{{PassageId(4), 0.5f}, {PassageId(0), -2.0f}}, {}};
  io::write_hits_npy(directory / "run.npy", results, 3);
  REQUIRE(runs(directory, R"(
import sys, numpy as np
folder = sys.argv[1]
ids = np.load(f'{folder}/run.ids.npy')
scores = np.load(f'{folder}/run.scores.npy')
assert ids.dtype == np.int64 and scores.dtype == np.float32
assert (ids == [[4, 0, -1], [-1, -1, -1]]).all()
assert (scores == np.array([[0.5, -2, -np.inf], [-np.inf] * 3])).all()
np.save(f'{folder}/back.ids.npy', ids)
np.save(f'{folder}/back.scores.npy', scores)
)"));
  REQUIRE(io::read_hits_npy(directory / "back.npy", 5) == results);
}
