#!/usr/bin/env bash
# Installs the Debian packages named as arguments that are not there yet; as root, or through sudo.
#   cmake/install-packages.sh [PACKAGE | --command COMMAND PACKAGE]...
# After --command it is the command that counts: where it is there, whoever brought it, its package is not asked for.
# (npm comes with Node.js from elsewhere than Debian, and Debian's npm cannot be installed beside that.)
set -euo pipefail

missing=()
while [ $# -gt 0 ]; do
  if [ "$1" = --command ]; then
    [ $# -ge 3 ] || { echo "$0: --command takes a command and the package that has it" >&2; exit 2; }
    command -v "$2" >/dev/null || missing+=("$3")
    shift 3
  else
    dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' || missing+=("$1")
    shift
  fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "no apt-get here: these packages of Debian, or what this system calls them, are needed: ${missing[*]}" >&2
  exit 0  # CMake names what it does not find
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install these packages first: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo DEBIAN_FRONTEND=noninteractive)
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update --quiet=2
"${as_root[@]}" apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null
