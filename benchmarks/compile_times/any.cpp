// A host that leaves the index and the method to run time.
#include <pefa/pefa.hpp>

int main(int, char** argv) {
  const pefa::RowMajorMatrix rows = pefa::RowMajorMatrix::Random(100, 8);
  pefa::build({.method = pefa::Method::erm}, rows).save(argv[1]);
  return static_cast<int>(pefa::open(argv[1]).search({rows.data(), 8}, 1).size());
}
