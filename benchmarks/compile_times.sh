#!/usr/bin/env bash
# What including pefa costs a host: seconds (user + system) and peak memory of compiling each file of compile_times/,
# best of 3 at -O3, and their ratio to a file that includes hnswlib and Eigen/Core alone.
#
#   benchmarks/compile_times.sh [compiler ...]      by default g++ and clang++, those that are there
#
# Memory needs GNU time as /usr/bin/time. EIGEN (default: asked of pkg-config) and HNSWLIB name other include folders.
set -euo pipefail
cd "$(dirname "$0")/.."

eigen=${EIGEN:-$(pkg-config --variable=prefix eigen3 2>/dev/null || echo /usr)/include/eigen3}
flags=(-std=c++20 -O3 -c -o /dev/null -Iinclude "-isystem$eigen" ${HNSWLIB:+"-isystem$HNSWLIB"})
rounds=3
cases=(
  "hnswlib_and_eigen  hnswlib and Eigen/Core, included"
  "everything         pefa/pefa.hpp, included"
  "host               PefaXl over QuantizedHnswIndex: build, save, open, search"
  "host_compiled      the same, with pefa::compiled"
  "open               PefaXl<>::open"
  "any                AnyRetriever: build, save, open, search"
  "any_compiled       the same, with pefa::compiled"
  "live               LiveRetriever: open, merge"
  "live_compiled      the same, with pefa::compiled"
)
[[ -e include/pefa/serve.hpp ]] && cases+=("serve              pefa/serve.hpp: open, search")

if (($#)); then
  compilers=("$@")
else
  compilers=()
  for each in g++ clang++ clang++-14; do
    command -v "$each" >/dev/null && compilers+=("$each")
    [[ $each == clang++ && ${#compilers[@]} -gt 1 ]] && break
  done
fi
has_gnu_time=$(/usr/bin/time -f %M true >/dev/null 2>&1 && echo yes || echo no)

# Prints "seconds megabytes" of one compilation; megabytes are - where nobody counts them.
measure() {
  if [[ $has_gnu_time == yes ]]; then
    local counts
    counts=$({ /usr/bin/time -f '%U %S %M' "$@" >&2; } 2>&1) || { echo "$counts" >&2 && return 1; }
    tail -n 1 <<<"$counts" | awk '{ printf "%.2f %.0f\n", $1 + $2, $3 / 1024 }'
  else
    local TIMEFORMAT='%U %S' counts
    counts=$({ time "$@" 2>&1; } 2>&1) || { echo "$counts" >&2 && return 1; }
    tail -n 1 <<<"$counts" | awk '{ printf "%.2f -\n", $1 + $2 }'
  fi
}

# The quicker of the measurements given as "seconds megabytes" lines.
best() { sort -n | head -n 1; }

for compiler in "${compilers[@]}"; do
  printf '%s, %s\n\n' "$("$compiler" --version | head -n 1)" "$(uname -m)"
  printf '| file | seconds | ratio | peak MB |\n|---|---:|---:|---:|\n'
  yardstick=
  for each in "${cases[@]}"; do
    read -r file what <<<"$each"
    read -r seconds megabytes <<<"$(for ((i = 0; i < rounds; ++i)); do
      measure "$compiler" "${flags[@]}" "benchmarks/compile_times/$file.cpp"
    done | best)"
    yardstick=${yardstick:-$seconds}
    printf '| %s | %s | %s | %s |\n' "$what" "$seconds" \
      "$(awk -v a="$seconds" -v b="$yardstick" 'BEGIN { printf "%.2f", a / b }')" "$megabytes"
  done
  echo
done
