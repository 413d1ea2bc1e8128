#!/usr/bin/env bash
# PEFA over ScaNN: installs what is missing, makes a Python environment with ScaNN in the build folder, builds
# custom_index_scann and prints what PEFA-XS and PEFA-XL find and take over it, beside the library's own indexes.
#   examples/custom_index_scann/run.sh [FOLDER]
# FOLDER has passages.npy, train_queries.npy, train_relevance.tsv, test_queries.npy and test_relevance.tsv; without one,
# the WordNet slice that the repository ships.
set -euo pipefail
[ $# -eq 0 ] || set -- "$(realpath "$1")"
cd "$(dirname "$0")/../.."

cmake/install-packages.sh g++ cmake ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  pybind11-dev python3-dev
# The interpreter that is embedded is the one of python3-dev, and so must be the environment's.
python=/usr/bin/python3
"$python" -c 'import ensurepip' 2>/dev/null || cmake/install-packages.sh python3-venv

environment=build/scann
[ -x "$environment/bin/pip" ] || "$python" -m venv "$environment"
if ! "$environment/bin/pip" --disable-pip-version-check --quiet install --only-binary :all: scann-core numpy; then
  echo "pip cannot install ScaNN (scann-core, a wheel of PyPI)" >&2
  exit 1
fi
cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=OFF -DPEFA_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build build/release --target custom_index_scann
# It finds the environment's packages by their folder.
packages=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
PYTHONPATH="$packages" build/release/bin/custom_index_scann "$@" 2> >(grep --invert-match '^\(WARNING\|[IW][0-9]\)' >&2)  # ScaNN's log
