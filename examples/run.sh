#!/usr/bin/env bash
# The main job in one command: installs what is missing, builds, tunes, and compares the plain embedding model with
# PEFA-XS and PEFA-XL, BM25 and their fusion on the WordNet slice that the repository ships; then shows what changes for
# three test queries.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh --command g++ g++ --command cmake cmake --command ninja ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  libzip-dev libxapian-dev wordnet-base

build=build/release
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=OFF -DPEFA_BUILD_BENCHMARKS=OFF \
  -DPEFA_WARNINGS_ARE_ERRORS=OFF >/dev/null
cmake --build "$build" --target pefa_cli wordnet_text bm25

data=examples/data
train=(--passages "$data/passages.npy" --train-queries "$data/train_queries.npy"
       --train-relevance "$data/train_relevance.tsv")
pefa=$build/bin/pefa
for texts in passages train_queries test_queries; do
  "$build/bin/wordnet_text" "$data/$texts.ids.tsv" >"$build/$texts.txt"
done

"$pefa" tune "${train[@]}" --metric recall@10 --quiet --json "$build/tune.json" >/dev/null

# How much BM25 and how much of the tuned retriever is tuned on training queries, which it must not have seen; then both
# answer the test.
for queries in train test; do
  "$build/bin/bm25" --passages "$build/passages.txt" --queries "$build/${queries}_queries.txt" --out "$build/bm25_$queries.run"
done
"$pefa" eval --out-of-fold "${train[@]}" --tuned "$build/tune.json" --quiet --out "$build/xl_train.run" >/dev/null
"$pefa" build "${train[@]}" --tuned "$build/tune.json" --quiet --out "$build/xl.pefa"
"$pefa" search "$build/xl.pefa" --queries "$data/test_queries.npy" --quiet --out "$build/xl_test.run"
"$pefa" fuse "$build/bm25_train.run" "$build/xl_train.run" --tune "$data/train_relevance.tsv" --json "$build/fusion.json"
"$pefa" fuse "$build/bm25_test.run" "$build/xl_test.run" --tuned "$build/fusion.json" --out "$build/fused_test.run"

exec "$pefa" compare "${train[@]}" \
  --test-queries "$data/test_queries.npy" --test-relevance "$data/test_relevance.tsv" \
  --tuned "$build/tune.json" --run "BM25=$build/bm25_test.run" --run "BM25 + tuned (fused)=$build/fused_test.run" \
  --show 325,500,675 --passage-texts "$build/passages.txt" --query-texts "$build/test_queries.txt"
