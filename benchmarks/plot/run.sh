#!/usr/bin/env bash
# Remakes every picture of this folder from the data that the repository ships: installs what is missing (Debian 12, root
# or sudo), builds the command, sweeps λ and k by exact search, measures the indexes, and draws.
#
# usage: benchmarks/plot/run.sh [BUILD]     (default: build/release; what is measured stays in BUILD/plot)
set -euo pipefail
case ${1:-} in
  -*) sed -n '2,5s/^# \{0,1\}//p' "$0"; [[ $1 == -h || $1 == --help ]]; exit ;;
esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath --canonicalize-missing "${1:-$here/../../build/release}")
cd "$here/../.."

cmake/install-packages.sh g++ cmake ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  gnuplot-nox jq

cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=OFF -DPEFA_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build "$build" --target pefa_cli

measured=$build/plot
rm -rf "$measured"
mkdir -p "$measured"
data=$PWD/examples/data
inputs=(--passages "$data/passages.npy"
  --train-queries "$data/train_queries.npy" --train-relevance "$data/train_relevance.tsv"
  --test-queries "$data/test_queries.npy" --test-relevance "$data/test_relevance.tsv")

settings() { # options of pefa eval, a setting a line
  local lambdas gate k lambda
  lambdas=$(seq -f %.1f 0 0.1 1)
  echo "--method erm --json erm.json"
  for lambda in $lambdas; do
    echo "--method xs --lambda $lambda --json xs-$lambda.json"
    for gate in mean softmax; do
      for k in 4 8 16 32 64 128; do
        echo "--method xl --gate $gate --neighbors $k --lambda $lambda --json xl-$gate-$k-$lambda.json"
      done
    done
  done
}

# Exact search gives the same figures on every run, so that settings may run side by side.
echo "evaluating $(settings | wc -l) settings"
settings | (cd "$measured" && xargs -L 1 -P "$(nproc)" "$build/bin/pefa" eval "${inputs[@]}" --index flat --threads 1 \
  --recall-at 10,100 --quiet >tables.txt)

"$here/draw.sh" recall_lambda "$here/recall_lambda.svg" \
  "$measured"/{erm,xs-*,xl-mean-16-*,xl-mean-32-*,xl-mean-64-*}.json
"$here/draw.sh" heat_map "$here/heat_map.svg" "$measured"/xl-*.json
