#!/usr/bin/env bash
# cmake/install-packages.sh among stand-ins for dpkg-query and apt-get: what it asks for, and what it leaves.
set -euo pipefail
script=$(cd "$(dirname "$0")/.." && pwd)/cmake/install-packages.sh
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/bin"
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1" && chmod +x "$work/bin/$1"; }
stand_in id 'echo 0'
stand_in dpkg-query 'for last; do :; done; [ "$last" = there ] && echo "install ok installed"'  # one package is there
stand_in apt-get "echo \"\$*\" >>'$work/asked'"
stand_in tool true

expect() {  # what is expected to be asked for, then the arguments
  local expected=$1
  shift
  : >"$work/asked"
  PATH="$work/bin:/usr/bin:/bin" bash "$script" "$@" >/dev/null
  local asked
  asked=$(sed -n 's/^install --yes --quiet=2 --no-install-recommends //p' "$work/asked")
  [ "$asked" = "$expected" ] || { echo "of '$*' expected '$expected' to be asked for, got '$asked'" >&2; exit 1; }
}
expect '' there
expect 'absent' there absent
expect '' --command tool absent             # the command is there without its package
expect 'absent' --command no-such-tool absent
expect 'first second' first --command tool absent --command no-such-tool second there
if PATH="$work/bin:/usr/bin:/bin" bash "$script" --command tool 2>/dev/null; then
  echo "a --command without a package was accepted" >&2
  exit 1
fi
