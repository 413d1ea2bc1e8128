#!/usr/bin/env bash
# Measures pefa beside every rival of the day on the same vectors: makes a Python environment for each library in the
# build folder (PyPI), the rows that are searched, then one measurement after the other, and prints tables and pictures.
# It goes on where it was stopped. Wants the machine for itself: some hours for 100,000 rows, a minute or two for --smoke.
#
# usage: benchmarks/peers/run.sh [--data FOLDER] [--build FOLDER] [--smoke] [--passages N] [OPTION OF compare.py]...
#   --data      .npy files as examples/encode makes them (default: examples/data)
#   --build     where all of it goes (default: build/peers)
#   --smoke     one setting of each index on 2,000 rows
#   --passages  the first N rows alone
#   --spaces raw,whitened,least_squares_DIM,...   --rivals faiss,usearch,...   --queries 500   --rounds 3
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
data=$root/examples/data build=$root/build/peers name=results rows=() options=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      sed -n '2,12s/^#\( \|$\)//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --smoke)
      name=smoke rows=(--passages 2000) options+=(--smoke --spaces raw --queries 50 --rounds 1)
      shift
      continue
      ;;
  esac
  [ $# -ge 2 ] || { echo "run.sh: $1 needs a value (see run.sh --help)" >&2; exit 2; }
  case $1 in
    --data) data=$(realpath "$2") ;;
    --build) build=$(realpath --canonicalize-missing "$2") ;;
    --passages) rows=(--passages "$2") ;;
    --spaces | --rivals | --queries | --rounds) options+=("$1" "$2") ;;
    *)
      echo "run.sh: unknown option $1 (see run.sh --help)" >&2
      exit 2
      ;;
  esac
  shift 2
done

"$root/cmake/install-packages.sh" g++ cmake ninja-build libeigen3-dev libhnswlib-dev nlohmann-json3-dev gnuplot-nox jq \
  --command python3 python3 --command python3-config python3-dev --command pip3 python3-pip
mkdir -p "$build/env" "$build/log"

# environment NAME PIP-ARGUMENT...: made once. A library that pip cannot install is named in the tables, with pip's reason.
environment() {
  local home=$build/env/$1
  shift
  [ -e "$home/ready" ] && return
  rm -rf "$home"
  python3 -m venv --without-pip "$home"
  echo "installing: $*"
  if python3 -m pip --python "$home/bin/python" --disable-pip-version-check install "$@" >"$home/log" 2>&1; then
    touch "$home/ready"
  else
    { grep '^ERROR' "$home/log" || tail -n 1 "$home/log"; } | tail -n 1 | tee "$home/failed"
  fi
}
environment base numpy scipy
environment pefa numpy scikit-build-core nanobind
while read -r each packages; do
  read -ra packages <<<"$packages"
  environment "$each" "${packages[@]}"
done < <("$build/env/base/bin/python" "$here/settings.py")

# pefa's own module, compiled anew where the sources changed.
installed=$build/env/pefa/installed
if [ ! -e "$installed" ] || [ -n "$(find "$root/include" "$root/examples/python" -newer "$installed" -print -quit)" ]; then
  echo "compiling pefa's module"
  python3 -m pip --python "$build/env/pefa/bin/python" --disable-pip-version-check --quiet install \
    --no-build-isolation "-Cbuild-dir=$build/module" "$root/examples/python"
  touch "$installed"
fi

python=$build/env/base/bin/python
made="$data ${rows[*]}"
if [ "$(cat "$build/rows/made" 2>/dev/null)" != "$made" ] || [ ! -e "$build/rows/spaces" ]; then
  rm -rf "$build/rows"
  "$python" "$here/rows.py" "$data" "$build/rows" "${rows[@]}"
  echo "$made" >"$build/rows/made"
fi
results=$build/$name.json
"$python" "$here/compare.py" "$build" "$results" "${options[@]}"

"$python" "$here/table.py" "$results" --fronts --points "$build/points.json" | tee "$build/$name.md"
for space in $(jq --raw-output '[.[].space] | unique[]' "$build/points.json"); do
  jq --arg space "$space" 'map(select(.space == $space))' "$build/points.json" >"$build/points-$space.json"
  for k in 10 100; do
    "$here/../plot/draw.sh" peers --at "$k" --title "Indexes at Recall@$k of 0.99, $space" "$build/$name-$space-$k.svg" \
      "$build/points-$space.json" || echo "no picture of $space at k = $k"
  done
done
echo "tables: $build/$name.md, pictures: $build/$name-*.svg"
