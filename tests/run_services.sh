#!/usr/bin/env bash
# Runs a command with a real PostgreSQL, a real Redis, a real RabbitMQ, Chromium and curl at hand:
#   tests/run_services.sh python -m pytest
# Uses LTFORGE_TEST_POSTGRES_URL and LTFORGE_TEST_REDIS_URL where set, else servers on the standard
# local ports, else installs and starts Debian's packages where it may, else says what to do.
# RabbitMQ has to be on this machine, as tests make virtual hosts with rabbitmqctl; where it cannot
# be had, the tests that need it are skipped, and say so.
set -euo pipefail

PYTHON=${PYTHON:-python3}
LOCAL_POSTGRES=postgresql://postgres@127.0.0.1:5432/postgres
OWN_PORT=54329
OWN_POSTGRES=postgresql://postgres@127.0.0.1:$OWN_PORT/postgres
LOCAL_REDIS=redis://127.0.0.1:6379/0
LOCAL_RABBITMQ=amqp://guest:guest@127.0.0.1:5672//
OWN_RABBITMQ_PORT=35672
OWN_RABBITMQ=amqp://guest:guest@127.0.0.1:$OWN_RABBITMQ_PORT//

postgres_answers() {
  "$PYTHON" -c 'import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=3).close()' \
    "$1" 2>/dev/null
}

redis_answers() {
  "$PYTHON" -c 'import redis, sys; redis.Redis.from_url(sys.argv[1], socket_timeout=3).ping()' \
    "$1" 2>/dev/null
}

rabbitmq_answers() {
  "$PYTHON" -c 'import kombu, sys; kombu.Connection(sys.argv[1], connect_timeout=3).connect()' \
    "$1" 2>/dev/null
}

fail() {
  echo "tests/run_services.sh: $1" >&2
  exit 1
}

install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "installing $1 for the tests" >&2
  apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >&2
}

wait_for() {
  for _ in $(seq 50); do
    if "$@"; then return 0; fi
    sleep 0.2
  done
  return 1
}

# A cluster of our own, beside any other: only it lets local users in without a password.
start_postgres() {
  command -v pg_createcluster >/dev/null || install postgresql || return 1
  [ "$(id -u)" = 0 ] || return 1
  local version
  version=$(ls /usr/lib/postgresql | sort -n | tail -1)
  [ -d "/etc/postgresql/$version/ltforge_tests" ] ||
    pg_createcluster "$version" ltforge_tests --port "$OWN_PORT" -- --auth trust >&2
  pg_ctlcluster "$version" ltforge_tests start
}

start_redis() {
  command -v redis-server >/dev/null || install redis-server || return 1
  redis_answers "$LOCAL_REDIS" || redis-server --daemonize yes --save '' --bind 127.0.0.1 >/dev/null
}

# A node of our own, beside any other: its name and port tell them apart.
start_rabbitmq() {
  command -v rabbitmq-server >/dev/null || install rabbitmq-server || return 1
  # Debian starts the package's own node where it can.
  rabbitmq_answers "$LOCAL_RABBITMQ" && return 0
  [ "$(id -u)" = 0 ] || return 1
  export RABBITMQ_NODENAME=ltforge_tests@localhost RABBITMQ_NODE_PORT=$OWN_RABBITMQ_PORT
  export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_CONFIG_FILE=/nonexistent
  rabbitmq_answers "$OWN_RABBITMQ" || rabbitmq-server -detached >&2
}

"$PYTHON" -c 'import kombu, psycopg, redis' 2>/dev/null ||
  fail "$PYTHON lacks the project: run 'make setup', then set PYTHON=.venv/bin/python"

if [ -z "${LTFORGE_TEST_POSTGRES_URL:-}" ]; then
  LTFORGE_TEST_POSTGRES_URL=$LOCAL_POSTGRES
  if ! postgres_answers "$LOCAL_POSTGRES"; then
    LTFORGE_TEST_POSTGRES_URL=$OWN_POSTGRES
    postgres_answers "$OWN_POSTGRES" || start_postgres ||
      fail "no PostgreSQL lets user postgres in on port 5432, and none can be started here:
install Debian's package 'postgresql' or set LTFORGE_TEST_POSTGRES_URL"
  fi
fi
wait_for postgres_answers "$LTFORGE_TEST_POSTGRES_URL" ||
  fail "PostgreSQL does not answer at $LTFORGE_TEST_POSTGRES_URL"

if [ -z "${LTFORGE_TEST_REDIS_URL:-}" ]; then
  LTFORGE_TEST_REDIS_URL=$LOCAL_REDIS
  redis_answers "$LOCAL_REDIS" || start_redis ||
    fail "no Redis: install Debian's package 'redis-server' or set LTFORGE_TEST_REDIS_URL"
fi
wait_for redis_answers "$LTFORGE_TEST_REDIS_URL" ||
  fail "Redis does not answer at $LTFORGE_TEST_REDIS_URL"

LTFORGE_TEST_RABBITMQ_URL=$LOCAL_RABBITMQ
if ! rabbitmq_answers "$LOCAL_RABBITMQ" && start_rabbitmq; then
  rabbitmq_answers "$LOCAL_RABBITMQ" || LTFORGE_TEST_RABBITMQ_URL=$OWN_RABBITMQ
  wait_for rabbitmq_answers "$LTFORGE_TEST_RABBITMQ_URL" || true
fi

if [ -z "${LTFORGE_TEST_CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
  install chromium || echo "no Chromium: the tests in a browser are skipped; install Debian's package
'chromium' or set LTFORGE_TEST_CHROMIUM" >&2
fi

command -v curl >/dev/null || install curl ||
  fail "no curl, which the documentation's examples need: install Debian's package 'curl'"

export LTFORGE_TEST_POSTGRES_URL LTFORGE_TEST_REDIS_URL LTFORGE_TEST_RABBITMQ_URL
exec "$@"
