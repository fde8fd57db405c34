#!/usr/bin/env bash
# Maskgate on this machine, with Compose:
#   docker/compose.sh up              makes what is missing (images, secrets), starts everything, waits until it is well
#   docker/compose.sh edge            starts the camera at this machine too, enrolled at the first gate
#   docker/compose.sh cloud WORDS…    runs a command of the cloud: cloud keys create "Ana" --role admin
#   docker/compose.sh down            stops and removes the containers; data and secrets stay
#   docker/compose.sh WORDS…          anything else is for Compose: logs -f api, ps, restart worker
# OVERLAYS="tls camera gpu" adds docker/compose.NAME.yaml. docker/.env has settings (docker/env.example).
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "compose: $*" >&2; exit 1; }

command -v docker >/dev/null || fail "there is no docker here; install Docker Engine 20.10 or newer"
if docker compose version >/dev/null 2>&1; then compose=(docker compose)
elif command -v docker-compose >/dev/null; then compose=(docker-compose)
else fail "there is no Compose here; install Docker's compose plugin, or docker-compose 1.29 or newer"; fi
docker version --format '{{.Server.Version}}' >/dev/null || fail "the engine does not answer (its error is above); is it started, and may you use it?"

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-maskgate}
# Compose 1.29 gives up after a minute otherwise, which a busy machine may need.
export COMPOSE_HTTP_TIMEOUT=${COMPOSE_HTTP_TIMEOUT:-300}
MASKGATE_VERSION=${MASKGATE_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)}
MASKGATE_SECRETS=${MASKGATE_SECRETS:-$PWD/var/compose/secrets}
export MASKGATE_VERSION MASKGATE_SECRETS
compose+=(--project-directory docker)
[ ! -f docker/.env ] || compose+=(--env-file docker/.env)
compose+=(-f docker/compose.yaml)
for overlay in ${OVERLAYS:-}; do
  [ -f "docker/compose.$overlay.yaml" ] || fail "there is no docker/compose.$overlay.yaml; OVERLAYS takes tls, camera, gpu"
  compose+=(-f "docker/compose.$overlay.yaml")
done
for file in ${MASKGATE_COMPOSE_FILES:-}; do compose+=(-f "$file"); done

random() { od -An -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
secret() { # secret NAME [TEXT]: makes the file unless it is there
  [ -e "$MASKGATE_SECRETS/$1" ] || printf '%s' "${2:-}" >"$MASKGATE_SECRETS/$1"
}
make_secrets() {
  # The folder shuts others out. Its files are readable, since Compose shows them to a container's user as they are.
  umask 022
  mkdir -p "$MASKGATE_SECRETS"
  chmod 700 "$MASKGATE_SECRETS"
  secret redis_password "$(random 32)"
  secret cloud_redis_url "redis://:$(cat "$MASKGATE_SECRETS/redis_password")@redis:6379/0"
  secret dashboard_api_key "mg_$(random 6)_$(random 32)"
  # Empty until somebody has them.
  for name in cloud_telegram_token cloud_telegram_webhook_secret cloud_smtp_password edge_enrolment_code dashboard_people; do
    secret "$name"
  done
  chmod 644 "$MASKGATE_SECRETS"/*
}
need_image() {
  docker image inspect "maskgate/$1:$MASKGATE_VERSION" >/dev/null 2>&1 || docker/images.sh "$1"
}
wait_for() { # wait_for SERVICE…: until each is healthy
  local give_up=$((SECONDS + ${MASKGATE_PATIENCE_S:-180})) service container status
  for service in "$@"; do
    while :; do
      container=$("${compose[@]}" ps -q "$service" 2>/dev/null | head -n 1)
      status=$([ -z "$container" ] || docker inspect --format '{{.State.Health.Status}}' "$container")
      [ "$status" != healthy ] || break
      if ((SECONDS > give_up)); then
        "${compose[@]}" logs --tail 20 "$service" >&2
        fail "$service is ${status:-not there}, not healthy; its last lines are above"
      fi
      sleep 0.5
    done
  done
}
cloud() { # a command of the cloud, by the API's container
  "${compose[@]}" exec -T api python -m cloud "$@"
}

case "${1:-}" in
up)
  make_secrets
  need_image cloud
  need_image dashboard
  [[ " ${OVERLAYS:-} " != *" tls "* || -s $MASKGATE_SECRETS/dashboard_people ]] ||
    fail "$MASKGATE_SECRETS/dashboard_people is empty: write a line for each person, a name and what \`docker run --rm -it caddy:2 caddy hash-password\` prints"
  services=(api worker dashboard)
  if [ -s "$MASKGATE_SECRETS/cloud_telegram_token" ]; then
    compose+=(--profile telegram)
    services+=(bot)
  fi
  "${compose[@]}" up -d --remove-orphans
  wait_for "${services[@]}"
  dashboard=$("${compose[@]}" port dashboard 8501)
  api=$("${compose[@]}" port api 8000)
  echo "The dashboard:  http://${dashboard/0.0.0.0/127.0.0.1}/?gate=${MASKGATE_GATE:-main}"
  echo "The API:        http://${api/0.0.0.0/127.0.0.1}/docs"
  echo "An admin key:   docker/compose.sh cloud keys create \"Your name\" --role admin"
  echo "A camera here:  make edge; for one elsewhere: docker/compose.sh cloud enrolment-codes create ${MASKGATE_GATE:-main}"
  [[ " ${services[*]} " == *" bot "* ]] || echo "Telegram:       put a bot's token into $MASKGATE_SECRETS/cloud_telegram_token, then make up"
  ;;
edge)
  [ -e "$MASKGATE_SECRETS/edge_enrolment_code" ] || fail "nothing is set up here yet; say make up first"
  [[ " ${OVERLAYS:-} " == *" gpu "* ]] || need_image edge
  compose+=(--profile edge)
  # Made anew each time, and of no account to a device that is enrolled.
  cloud enrolment-codes create "${MASKGATE_GATE:-main}" --json | sed 's/.*"code": *"\([^"]*\)".*/\1/' >"$MASKGATE_SECRETS/edge_enrolment_code"
  "${compose[@]}" up -d edge
  wait_for edge
  echo "The camera watches gate ${MASKGATE_GATE:-main}. What it sees: docker/compose.sh logs -f edge"
  ;;
cloud)
  shift
  cloud "$@"
  ;;
down)
  shift
  make_secrets
  "${compose[@]}" --profile telegram --profile edge down --remove-orphans "$@"
  ;;
"" | -h | --help)
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  ;;
*)
  make_secrets
  "${compose[@]}" --profile telegram --profile edge "$@"
  ;;
esac
