// Files to NumPy and back, equal to the bit: NumPy writes each matrix in our formats and, beside it, as bare bytes
// (numpy.tofile); what we read is compared with the bytes, and what we write NumPy compares.
#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/io/vectors/big_ann.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "pefa/io/vectors/safetensors.hpp"
#include "pefa/io/vectors/vecs.hpp"
#include "support.hpp"

using namespace pefa;
using test::TemporaryDirectory;

namespace {

bool succeeds(const std::string& command) {
  return std::system((command + " > /dev/null 2>&1").c_str()) == 0;
}

/// A Python with NumPy, or "" where there is none.
std::string python_with_numpy() {
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    if (succeeds(std::string(python) + " -c 'import numpy'")) return python;
  }
  return {};
}

/// Runs a script in the directory; a failure says what Python said.
void run(const std::string& python, const TemporaryDirectory& directory, const std::string& script) {
  const auto file = directory.write("script.py", "import json, struct\nimport numpy as np\n" + script);
  const std::string command = "cd '" + (directory / "").string() + "' && " + python + " script.py > log 2>&1";
  const int status = std::system(command.c_str());
  INFO(test::read_bytes(directory / "log"));
  REQUIRE(status == 0);
}

/// The stored elements of all rows, one after the other.
template <class Scalar>
std::string elements_of(const EmbeddingView<Scalar>& rows) {
  std::string bytes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bytes.append(reinterpret_cast<const char*>(rows.row(i)), rows.dim() * sizeof(Scalar));
  }
  return bytes;
}

template <class Scalar>
std::string elements_of(const EmbeddingStore<Scalar>& rows) {
  return elements_of(rows.view());
}

}  // namespace

#define PEFA_SKIP_WITHOUT_NUMPY(python)                   \
  const std::string python = python_with_numpy();         \
  if (python.empty()) {                                   \
    WARN("skipped: there is no python3 with NumPy here"); \
    return;                                               \
  }

TEST_CASE("NumPy's files are read to the bit") {
  PEFA_SKIP_WITHOUT_NUMPY(python)
  const TemporaryDirectory directory;
  run(python, directory, R"(
rows, dim = 37, 19
a = np.random.default_rng(1).standard_normal((rows, dim))
codes = np.random.default_rng(2).integers(-127, 128, (rows, dim), dtype=np.int8)
scales = np.random.default_rng(3).random(rows, dtype=np.float32) + 0.5
for name, m in ('f2', a.astype('<f2')), ('f4', a.astype('<f4')), ('f8', a.astype('<f8')), ('i1', codes):
    np.save(name + '.npy', np.ascontiguousarray(m))
    m.tofile(name + '.raw')
np.save('i1.scales.npy', scales)
scales.tofile('scales.raw')

def big_ann(name, m):
    with open(name, 'wb') as f:
        np.array(m.shape, dtype='<u4').tofile(f)
        m.tofile(f)

unsigned = codes.view(np.uint8)
unsigned.astype('<f4').tofile('u1_as_f4.raw')
codes.astype('<f4').tofile('i1_as_f4.raw')
big_ann('x.fbin', a.astype('<f4'))
big_ann('x.f16bin', a.astype('<f2'))
big_ann('x.u8bin', unsigned)
big_ann('x.i8bin', codes)
ids = np.arange(rows * dim, dtype='<i4').reshape(rows, dim)
ids.tofile('ids.raw')
big_ann('x.ibin', ids)
with open('x.ibin', 'ab') as f:
    a.astype('<f4').tofile(f)

def with_dims(m):  # a dim before each row, as TEXMEX has it
    dims = np.full((rows, 1), dim, dtype='<i4')
    return np.hstack([dims.view(np.uint8).reshape(rows, -1), np.ascontiguousarray(m).view(np.uint8).reshape(rows, -1)])

with_dims(a.astype('<f4')).tofile('x.fvecs')
with_dims(unsigned).tofile('x.bvecs')
with_dims(ids).tofile('x.ivecs')

header = json.dumps({'__metadata__': {'by': 'numpy'},
                     'm': {'dtype': 'F64', 'shape': [rows, dim], 'data_offsets': [0, a.nbytes]}}).encode()
with open('x.safetensors', 'wb') as f:
    f.write(struct.pack('<Q', len(header)) + header + a.astype('<f8').tobytes())
)");
  const auto raw = [&](const std::string& name) { return test::read_bytes(directory / (name + ".raw")); };

  REQUIRE(elements_of(io::read_npy<Eigen::half>(directory / "f2.npy")) == raw("f2"));
  REQUIRE(elements_of(io::read_npy<float>(directory / "f4.npy")) == raw("f4"));
  REQUIRE(elements_of(io::read_npy<double>(directory / "f8.npy")) == raw("f8"));
  const auto codes = io::read_npy<std::int8_t>(directory / "i1.npy");
  REQUIRE(elements_of(codes) == raw("i1"));
  REQUIRE(std::string(reinterpret_cast<const char*>(codes.view().scales()), 37 * sizeof(float)) == raw("scales"));
  REQUIRE(elements_of(io::MappedNpy<double>(directory / "f8.npy").view()) == raw("f8"));

  REQUIRE(elements_of(io::read_big_ann<float>(directory / "x.fbin")) == raw("f4"));
  REQUIRE(elements_of(io::MappedBigAnn<float>(directory / "x.fbin").view()) == raw("f4"));
  REQUIRE(elements_of(io::read_big_ann<Eigen::half>(directory / "x.f16bin")) == raw("f2"));
  REQUIRE(elements_of(io::read_big_ann<float>(directory / "x.u8bin")) == raw("u1_as_f4"));
  REQUIRE(elements_of(io::read_big_ann<float>(directory / "x.i8bin")) == raw("i1_as_f4"));
  REQUIRE(elements_of(io::read_big_ann<std::int8_t>(directory / "x.i8bin")) == raw("i1"));
  const auto as_bytes = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  const io::GroundTruth truth = io::read_ibin(directory / "x.ibin");
  REQUIRE(as_bytes(truth.ids) == raw("ids"));
  REQUIRE(as_bytes(truth.distances) == raw("f4"));

  REQUIRE(elements_of(io::read_fvecs<float>(directory / "x.fvecs")) == raw("f4"));
  REQUIRE(elements_of(io::MappedFvecs(directory / "x.fvecs").view()) == raw("f4"));
  REQUIRE(elements_of(io::read_bvecs<float>(directory / "x.bvecs")) == raw("u1_as_f4"));
  REQUIRE(as_bytes(io::read_ivecs(directory / "x.ivecs").ids) == raw("ids"));

  REQUIRE(elements_of(io::read_safetensors<double>(directory / "x.safetensors")) == raw("f8"));
}

TEST_CASE("NumPy reads our files to the bit") {
  PEFA_SKIP_WITHOUT_NUMPY(python)
  const TemporaryDirectory directory;
  const RowMajorMatrix matrix = test::random_matrix(23, 17, 1, Normalize::none);
  const auto f4 = EmbeddingStore<float>::from(matrix);
  const auto f2 = EmbeddingStore<Eigen::half>::from(matrix);
  const auto f8 = EmbeddingStore<double>::from(matrix);
  const auto i1 = EmbeddingStore<std::int8_t>::from(matrix);
  io::write_npy(directory / "f4.npy", f4);
  io::write_npy(directory / "f2.npy", f2);
  io::write_npy(directory / "f8.npy", f8);
  io::write_npy(directory / "i1.npy", i1);
  (void)directory.write("f4.raw", elements_of(f4));
  (void)directory.write("f2.raw", elements_of(f2));
  (void)directory.write("f8.raw", elements_of(f8));
  (void)directory.write("i1.raw", elements_of(i1));
  (void)directory.write("scales.raw", std::string(reinterpret_cast<const char*>(i1.view().scales()), 23 * 4));

  const std::vector<float> ones(23, 1.0f);
  io::write_big_ann(directory / "x.fbin", f4);
  io::write_big_ann(directory / "x.f16bin", f2);
  io::write_big_ann(directory / "x.i8bin", EmbeddingView<std::int8_t>(i1.row(0), 23, 17, ones.data()));
  RowMajorMatrix unsigneds = matrix;
  for (Eigen::Index i = 0; i < unsigneds.size(); ++i) unsigneds.data()[i] = static_cast<float>(i * 7 % 256);
  io::write_big_ann(directory / "x.u8bin", EmbeddingView<float>(unsigneds));
  io::write_bvecs(directory / "x.bvecs", unsigneds);
  io::write_fvecs(directory / "x.fvecs", f4);
  io::GroundTruth truth{.query_count = 23, .k = 17, .ids = {}, .distances = {}};
  for (std::int32_t i = 0; i < 23 * 17; ++i) truth.ids.push_back(i);
  io::write_ivecs(directory / "x.ivecs", truth);
  truth.distances.assign(f4.row(0), f4.row(0) + 23 * 17);
  io::write_ibin(directory / "x.ibin", truth);
  io::write_safetensors(directory / "f8.safetensors", "a \"name\"", f8);
  io::write_safetensors(directory / "i1.safetensors", "codes", i1);

  run(python, directory, R"(
shape = 23, 17

def same(m, dtype, raw):
    assert m.shape == shape and m.dtype == np.dtype(dtype), (m.shape, m.dtype)
    assert m.tobytes() == open(raw, 'rb').read(), raw

for dtype in 'f2', 'f4', 'f8', 'i1':
    same(np.load(dtype + '.npy'), dtype, dtype + '.raw')
assert np.load('i1.scales.npy').tobytes() == open('scales.raw', 'rb').read()

def big_ann(name, dtype):
    m = np.fromfile(name, dtype=dtype, offset=8)
    return m.reshape(np.fromfile(name, dtype='<u4', count=2))

same(big_ann('x.fbin', '<f4'), 'f4', 'f4.raw')
same(big_ann('x.f16bin', '<f2'), 'f2', 'f2.raw')
same(big_ann('x.i8bin', 'i1'), 'i1', 'i1.raw')
unsigneds = (np.arange(23 * 17) * 7 % 256).astype(np.uint8).reshape(shape)
ids = np.arange(23 * 17, dtype='<i4').reshape(shape)
assert (big_ann('x.u8bin', 'u1') == unsigneds).all()

def vecs(name, dtype):
    rows = np.fromfile(name, dtype=[('dim', '<i4'), ('row', dtype, 17)])
    assert (rows['dim'] == 17).all()
    return rows['row']

same(vecs('x.fvecs', '<f4'), 'f4', 'f4.raw')
assert (vecs('x.bvecs', 'u1') == unsigneds).all()
assert (vecs('x.ivecs', '<i4') == ids).all()

truth = np.fromfile('x.ibin', dtype='<u4')
assert tuple(truth[:2]) == shape and (truth[2:2 + ids.size].reshape(shape) == ids).all()
assert truth[2 + ids.size:].tobytes() == open('f4.raw', 'rb').read()

def tensor(name, tensor, dtype):
    data = open(name, 'rb').read()
    length, = struct.unpack('<Q', data[:8])
    header = json.loads(data[8:8 + length])
    entry = header[tensor]
    begin, end = (8 + length + offset for offset in entry['data_offsets'])
    assert begin % np.dtype(dtype).itemsize == 0
    assert entry['dtype'] == {'f8': 'F64', 'f4': 'F32', 'i1': 'I8'}[dtype]
    return np.frombuffer(data[begin:end], dtype=dtype).reshape(entry['shape'])

same(tensor('f8.safetensors', 'a "name"', 'f8'), 'f8', 'f8.raw')
same(tensor('i1.safetensors', 'codes', 'i1'), 'i1', 'i1.raw')
assert tensor('i1.safetensors', 'codes.scales', 'f4').tobytes() == open('scales.raw', 'rb').read()
)");
}
