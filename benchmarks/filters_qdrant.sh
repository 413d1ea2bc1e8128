#!/usr/bin/env bash
# Qdrant's filtered searches (qdrant-edge, its engine in process, from PyPI, in an environment in the build folder) under
# the filters of bench_filters: recall@10, p50 and p99 by share and kind of filter, as that program prints them.
#
#   bench_filters --data DATA --queries 96 --ef-construction 200 --cases CASES ...
#   benchmarks/filters_qdrant.sh DATA CASES [--rounds 3] [--ef 300]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ $# -ge 2 ] || { echo "usage: benchmarks/filters_qdrant.sh DATA CASES [--rounds 3] [--ef 300]" >&2; exit 2; }
environment=$root/build/filters_qdrant
python3 -c 'import ensurepip' 2>/dev/null || "$root/cmake/install-packages.sh" python3-venv
[ -x "$environment/bin/pip" ] || python3 -m venv "$environment"
"$environment/bin/pip" --disable-pip-version-check --quiet install 'qdrant-edge-py>=0.9' numpy
exec "$environment/bin/python" "$root/benchmarks/filters_qdrant.py" "$@"
