#!/usr/bin/env bash
# Draws one picture as SVG from what the pefa command wrote.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: draw.sh KIND [--at K,...] [--title TEXT] OUT.svg INPUT...

KIND            INPUT
recall_lambda   JSON of `pefa eval`: the plain model (erm) once, xs and xl at several λ and k; a panel for each --at
heat_map        JSON of `pefa eval` for xl at several λ and k; a panel for each gate, Recall at --at
                both also take the one JSON of `pefa tune --metric recall@K`, drawn with --at K
recall_latency  JSON of `pefa bench`, one index a file
recall_bytes    a table, one line a measurement: method<TAB>bytes<TAB>recall[<TAB>label]; # begins a comment,
                measurements of one method are joined by a line, the label stands beside the point
encoders        JSON of `bench_encoders`: bars of Recall at --at, a cluster a set
label_budget    JSON of `bench_encoders --details`: Recall@10 over the share of the training queries, a panel a set
peers           the points that peers/table.py writes: milliseconds at Recall of 0.99 over bytes and over build seconds

--at      cut-offs K of Recall@K (default: 10,100 for recall_lambda, 10 for heat_map and on the axis of recall_bytes;
          recall_latency takes K from its files)
--title   the heading, instead of the default one

Exit code 1 is a problem with the input, 2 one with the command line.
HELP
}

# fail CODE TEXT: ends with one line on stderr.
fail() {
  echo "draw.sh: $2" >&2
  exit "$1"
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kind=${1:-}
case $kind in
  -h | --help)
    usage
    exit 0
    ;;
  recall_lambda) at=10,100 title="Recall against the weight λ of the plain model" ;;
  heat_map) at=10 title="PEFA-XL over λ and k" ;;
  recall_latency) at=10 title="Recall against latency on one thread" ;;
  recall_bytes) at=10 title="Recall against memory" ;;
  encoders) at=10 title="What the adapters make of four encoders" ;;
  label_budget) at=10 title="How few training queries are enough" ;;
  peers) at=100 title="Latency at equal recall over bytes and over the build" ;;
  *)
    usage >&2
    exit 2
    ;;
esac
shift
while [[ ${1:-} == --* ]]; do
  [ $# -ge 2 ] || fail 2 "$1 needs a value"
  case $1 in
    --at) at=$2 ;;
    --title) title=$2 ;;
    *) fail 2 "unknown option $1 (see draw.sh --help)" ;;
  esac
  shift 2
done
[[ $at =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ ]] || fail 2 "--at $at: expected cut-offs such as 10,100"
[ $# -ge 2 ] || fail 2 "expected OUT.svg and at least one input (see draw.sh --help)"
out=$1
shift
for input in "$@"; do
  [ -r "$input" ] || fail 1 "$input: cannot be read; does it exist?"
done
for tool in gnuplot jq awk; do
  command -v "$tool" >/dev/null || fail 1 "$tool is not installed (Debian: gnuplot-nox, jq, mawk)"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TITLE
TITLE=$(jq --null-input --raw-output --arg title "$title" '$title | @html')

# Through a variable, which loses the empty lines at the end that gnuplot would count as one more block.
if [ "$kind" = recall_bytes ]; then
  blocks=$(awk -f "$here/recall_bytes.awk" "$@") || fail 1 "no picture: the table is not as expected"
else
  blocks=$(jq --null-input --raw-output --arg at "$at" -L "$here" -f "$here/$kind.jq" "$@") ||
    fail 1 "no picture: the input is not as expected"
fi
printf '%s\n' "$blocks" >"$scratch/data.tsv"
# gnuplot looks for what a script loads in the folders of GNUPLOT_LIB.
GNUPLOT_LIB=$here gnuplot -c "$here/$kind.gp" "$scratch/data.tsv" "$scratch/gnuplot.svg" "$title" "${at//,/ }" ||
  fail 1 "no picture: gnuplot failed"
grep -q '</svg>' "$scratch/gnuplot.svg" || fail 1 "no picture: gnuplot wrote an incomplete file"
awk -f "$here/tidy_svg.awk" "$scratch/gnuplot.svg" >"$scratch/out.svg"

mkdir -p "$(dirname "$out")"
mv "$scratch/out.svg" "$out.part.$$"
mv "$out.part.$$" "$out"
