#!/usr/bin/env bash
# Builds and runs the tests of HnswIndex, and the consumer with its two units, against hnswlib 0.7 and 0.8 beside Debian's
# 0.6.2. The headers come from the npm package hnswlib-node, which carries them; without npm this is skipped.
# Usage: tests/newer_hnswlib.sh BUILD_DIRECTORY (of a finished build)
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
command -v npm >/dev/null || { echo "skipped: npm, which brings newer hnswlib headers, is not installed"; exit 0; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 1.4.2 3.0.0; do # of hnswlib-node: they carry hnswlib 0.7 and 0.8
  mkdir "$work/$version"
  (cd "$work/$version" && npm pack --silent "hnswlib-node@$version" >/dev/null && tar xzf ./*.tgz)
  headers=$work/$version/package/src
  flags=()
  [ -e "$headers/hnswlib/stop_condition.h" ] || flags=(-DPEFA_HNSWLIB_0_7)
  g++ -std=c++20 -O1 -Wall -Wextra "${flags[@]}" -I"$headers" -I"$source_dir/include" -I"$source_dir/tests" \
    -isystem /usr/include/eigen3 -DPEFA_SHARED_DATA='""' -DPEFA_SHIPPED_DATA='""' \
    "$source_dir"/tests/index/{hnsw_index,hnswlib_archive}_test.cpp -o "$work/$version/test" -lCatch2WithMain -pthread
  "$work/$version/test"
  cmake -S "$source_dir/tests/consumer/project" -B "$work/$version/build" -Dpefa_DIR="$build/cmake" \
    -DHNSWLIB_INCLUDE_DIR="$headers" >/dev/null
  cmake --build "$work/$version/build" >/dev/null
  "$work/$version/build/consumer"
done
