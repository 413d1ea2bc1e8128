#!/usr/bin/env bash
# The main job in one command: installs what is missing, builds, and compares the plain embedding model with PEFA-XS and
# PEFA-XL on the WordNet slice that the repository ships; then shows what changes for three test queries.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh g++ cmake ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  libzip-dev wordnet-base

build=build/release
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=OFF -DPEFA_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build "$build" --target pefa_cli wordnet_text

data=examples/data
"$build/bin/wordnet_text" "$data/passages.ids.tsv" >"$build/passages.txt"
"$build/bin/wordnet_text" "$data/test_queries.ids.tsv" >"$build/test_queries.txt"
exec "$build/bin/pefa" compare \
  --passages "$data/passages.npy" \
  --train-queries "$data/train_queries.npy" --train-relevance "$data/train_relevance.tsv" \
  --test-queries "$data/test_queries.npy" --test-relevance "$data/test_relevance.tsv" \
  --show 325,500,675 --passage-texts "$build/passages.txt" --query-texts "$build/test_queries.txt"
