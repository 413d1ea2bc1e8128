#!/usr/bin/env bash
# Compiles the tests of simd/ for 64-bit Arm and runs them under qemu: on a CPU with the DotProd extension and on one
# without. Needs Catch2 as a single header (version 2); where only version 3 is installed this is skipped.
# Usage: tests/neon.sh
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user catch2 libeigen3-dev
[ -e /usr/include/catch2/catch.hpp ] || { echo "skipped: there is no catch2/catch.hpp"; exit 0; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Of this machine's headers the cross compiler sees these two libraries only: the rest is of another architecture.
mkdir "$work/include"
ln -s /usr/include/catch2 /usr/include/eigen3 "$work/include"
compile=(aarch64-linux-gnu-g++ -std=c++20 -O1 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror
  -isystem "$work/include" -isystem "$work/include/eigen3" -Iinclude -Itests
  -DPEFA_SHARED_DATA='""' -DPEFA_SHIPPED_DATA='""')

printf '#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n' >"$work/main.cpp"
"${compile[@]}" -c "$work/main.cpp" -o "$work/main.o"
for test in tests/simd/*_test.cpp; do
  "${compile[@]}" -c "$test" -o "$work/$(basename "$test").o"
done
"${compile[@]}" "$work"/*.o -o "$work/tests"

for cpu in cortex-a57 max; do
  echo "on $cpu:"
  qemu-aarch64 -cpu "$cpu" -L /usr/aarch64-linux-gnu "$work/tests" | tee "$work/log"
done
# The log is that of the last CPU, which has everything.
! grep -E 'cannot test:.* (neon|dotprod)' "$work/log" || { echo "DotProd was not tested" >&2; exit 1; }
