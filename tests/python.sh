#!/usr/bin/env bash
# Installs the Python module of examples/python in an environment of its own, as a user would, and runs its tests.
# Skips where pip reaches no index to install from. Where tests/run.sh was run, its pefa::compiled is taken.
#   tests/python.sh [PYTEST ARGUMENT]...
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/install-packages.sh g++ ninja-build libeigen3-dev libhnswlib-dev nlohmann-json3-dev --command python3 python3
python3 -c 'import ensurepip' 2>/dev/null || cmake/install-packages.sh python3-venv

build=build/python
[ -x "$build/venv/bin/pip" ] || python3 -m venv "$build/venv"
pip=("$build/venv/bin/pip" --disable-pip-version-check --quiet --retries 1 --timeout 30)
if ! "${pip[@]}" install scikit-build-core nanobind numpy scipy pytest; then
  echo "SKIPPED: pip cannot install what the Python module is built with"
  exit 0
fi
package=build/release/cmake
[ -e "$package/../libpefa_compiled.a" ] && package=("-Ccmake.define.pefa_DIR=$PWD/$package") || package=()
# Without isolation, so that what did not change is not compiled anew.
"${pip[@]}" install --no-build-isolation -Cbuild-dir="$PWD/$build/module" "${package[@]}" ./examples/python
"$build/venv/bin/python" -m pytest -p no:cacheprovider --quiet examples/python/tests "$@"
