# To be sourced: leaves the pefa command in PEFA, built here where PEFA names none.
if [ -z "${PEFA:-}" ]; then
  pefa_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  "$pefa_root/cmake/install-packages.sh" g++ cmake ninja-build libeigen3-dev libhnswlib-dev libcli11-dev \
    nlohmann-json3-dev libfmt-dev libzip-dev
  cmake -S "$pefa_root" -B "$pefa_root/build/release" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPEFA_BUILD_TESTS=OFF \
    -DPEFA_BUILD_BENCHMARKS=OFF -DPEFA_WARNINGS_ARE_ERRORS=OFF >/dev/null
  cmake --build "$pefa_root/build/release" --target pefa_cli
  PEFA=$pefa_root/build/release/bin/pefa
fi
