#!/usr/bin/env bash
# What takes too long for every change: ten minutes of writers, readers and merges of a live retriever under
# ThreadSanitizer.
#   tests/long.sh [SECONDS]     default 600
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh clang-14 libclang-rt-14-dev cmake ninja-build libeigen3-dev libhnswlib-dev nlohmann-json3-dev \
  libzip-dev pkg-config catch2
cmake --preset tsan -DCMAKE_UNITY_BUILD=ON -DCMAKE_CXX_COMPILER=clang++-14
cmake --build --preset tsan --target pefa_thread_tests
PEFA_LONG_SECONDS=${1:-600} TSAN_OPTIONS="halt_on_error=1 detect_deadlocks=0" \
  build/tsan/bin/pefa_thread_tests 'LiveRetriever: searches see whole batches, the long form'
