#!/usr/bin/env bash
# Remakes the pictures of this folder from the data that the repository ships: installs what is missing (Debian 12, root
# or sudo), builds the pefa command and bench_methods, evaluates λ, k and every method by exact search, times the
# indexes, and draws. draw.sh --help says how to draw your own.
#
# usage: benchmarks/plot/run.sh [BUILD]     BUILD: a folder (default: build/release); measurements stay in BUILD/plot
set -euo pipefail
case ${1:-} in
  -*)
    sed -n '2,6s/^#\( \|$\)//p' "${BASH_SOURCE[0]}"
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
    ;;
esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath --canonicalize-missing "${1:-$here/../../build/release}")
cd "$here/../.."

cmake/install-packages.sh g++ cmake ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  gnuplot-nox jq

cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=OFF -DPEFA_BUILD_BENCHMARKS=ON >/dev/null
cmake --build "$build" --target pefa_cli bench_methods

pefa=$build/bin/pefa
data=$PWD/examples/data
rm -rf "$build/plot"
mkdir -p "$build/plot"
cd "$build/plot"

settings() { # options of pefa eval, a setting a line
  local gate k lambda
  echo "--method erm --json erm.json"
  for lambda in 0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0; do
    echo "--method xs --rule correlation --whiten none --cold paper --lambda $lambda --json xs-$lambda.json"
    for gate in mean softmax; do
      for k in 4 8 16 32 64 128; do
        echo "--method xl --fold 1 --whiten none --hubness 0 --gate $gate --neighbors $k --lambda $lambda --json xl-$gate-$k-$lambda.json"
      done
    done
  done
}

# Exact search gives the same figures on every run, so that settings may run side by side.
echo "evaluating $(settings | wc -l) settings"
settings | xargs -L 1 -P "$(nproc)" "$pefa" eval --passages "$data/passages.npy" \
  --train-queries "$data/train_queries.npy" --train-relevance "$data/train_relevance.tsv" \
  --test-queries "$data/test_queries.npy" --test-relevance "$data/test_relevance.tsv" \
  --index flat --threads 1 --recall-at 10,100 --quiet >/dev/null

echo "evaluating the methods"
"$build/bin/bench_methods" --data "$data" --tsv recall_bytes.tsv >methods.txt 2>methods.log

# Times, on the other hand, need the machine for themselves.
for index in flat hnsw quantized; do
  echo "timing $index"
  widths=(--ef 10,15,20,30,40,80,160)
  [ "$index" != flat ] || widths=()  # it is exact
  "$pefa" bench --method erm --index "$index" --passages "$data/passages.npy" --test-queries "$data/test_queries.npy" \
    "${widths[@]}" --runs 10 --quiet --json "bench-$index.json" >/dev/null
done

slice="on the shipped slice of WordNet"
"$here/draw.sh" recall_lambda --title "Recall against λ $slice" "$here/recall_lambda.svg" \
  {erm,xs-*,xl-mean-{16,32,64}-*}.json
"$here/draw.sh" heat_map --title "PEFA-XL over λ and k $slice" "$here/heat_map.svg" xl-*.json
"$here/draw.sh" recall_latency --title "Recall against latency $slice" "$here/recall_latency.svg" bench-*.json
"$here/draw.sh" recall_bytes --title "Recall against memory $slice" "$here/recall_bytes.svg" recall_bytes.tsv
ls -l "$here"/*.svg
