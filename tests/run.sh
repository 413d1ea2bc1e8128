#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs the tests of the library, the command and the examples; .ci/run
# has those of the engines, Python, Arm and the sanitizers, tests/long.sh those that take minutes. Arguments go to ctest (tests/run.sh -R index).
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh --command g++ g++ --command cmake cmake --command ninja ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  catch2 libfaiss-dev liblapack-dev libzip-dev pkg-config python3 python3-numpy python3-scipy \
  help2man libxapian-dev wordnet-base

# Several tests a unit: faster for the whole, slower for who changes one file (leave CMAKE_UNITY_BUILD out there).
build=build/release
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON -DPEFA_WARNINGS_ARE_ERRORS=ON \
  -DPEFA_BUILD_TESTS=ON -DPEFA_BUILD_EXAMPLES=ON -DPEFA_BUILD_BENCHMARKS=OFF
cmake --build "$build"
ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" "$@"
