#!/usr/bin/env bash
# Fetches usearch, a rival of bench_peers and bench_filters, and compiles NumKong, where its kernels are: a few minutes. usearch's own
# loops, which its headers fall back to, compilers do not vectorise.
# Usage: benchmarks/get_usearch.sh DIRECTORY (in the build folder), then cmake -DPEFA_USEARCH=DIRECTORY
# Needs npm, node and a C compiler ($CC, else cc).
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: get_usearch.sh DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
npm pack --silent usearch@2.25.3 >/dev/null
tar xzf usearch-*.tgz --strip-components=1

export CC=${CC:-cc}
numkong=$PWD/numkong
(cd "$numkong" && node probes/probe.js >/dev/null) # writes nk_probes.h: the instructions that the compiler knows
mkdir -p objects
for source in "$numkong"/c/*.c; do
  "$CC" -std=c11 -O3 -w -Wno-psabi -DNK_NATIVE_F16=0 -DNK_NATIVE_BF16=0 -DNK_DYNAMIC_DISPATCH=1 -I"$numkong/include" \
    -include "$numkong/nk_probes.h" -c "$source" -o "objects/$(basename "$source" .c).o"
done
ar rcs libnumkong.a objects/*.o
