#!/usr/bin/env bash
# Maskgate on this machine, with Compose:
#   docker/compose.sh up              makes what is missing (images, secrets), starts everything, waits until it is well
#   docker/compose.sh edge            starts the camera at this machine too, enrolled at the first gate; up starts it from then on
#   docker/compose.sh edge off        stops the camera, and up leaves it alone
#   docker/compose.sh cloud WORDS…    runs a command of the cloud: cloud keys create "Ana" --role admin
#   docker/compose.sh backups         lists the backups; backups get NAME copies one to here, backups put FILE one from here
#   docker/compose.sh down            stops and removes the containers; data and secrets stay
#   docker/compose.sh WORDS…          anything else is for Compose: logs -f api, ps, restart worker
# OVERLAYS="tls camera gpu" adds docker/compose.NAME.yaml, and is remembered; OVERLAYS=none takes them away. docker/.env has
# settings (docker/env.example).
set -euo pipefail
came_from=$PWD
cd "$(dirname "$(readlink -f "$0")")/.."
fail() { echo "compose: $*" >&2; exit 1; }
warn() { echo "compose: $*" >&2; }
case "${1:-}" in "" | -h | --help) sed -n '2,11s/^# \{0,1\}//p' docker/compose.sh && exit ;; esac

for part in settings secrets ports containers; do
  # shellcheck source=/dev/null
  . "docker/compose/$part.sh"
done

command -v docker >/dev/null || fail "there is no docker here; install Docker Engine 20.10 or newer"
if version=$(docker compose version --short 2>/dev/null); then compose=(docker compose)
elif command -v docker-compose >/dev/null; then compose=(docker-compose) version=$(docker-compose version --short)
else fail "there is no Compose here; install Docker's compose plugin, or docker-compose 1.29 or newer"; fi
[[ ! $version =~ ^v?1\.([0-9]+)\. ]] || ((BASH_REMATCH[1] >= 29)) || fail "Compose $version is too old; install Docker's compose plugin, or docker-compose 1.29 or newer"
engine=$(docker version --format '{{.Server.Version}}') || fail "the engine does not answer (its error is above); is it started, and may you use it?"
[[ ! $engine =~ ^([0-9]+)\.([0-9]+) ]] || ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] >= 2010)) || fail "Docker Engine $engine is too old; install 20.10 or newer"

[[ -z ${MASKGATE_SECRETS:-} || $MASKGATE_SECRETS == /* ]] || MASKGATE_SECRETS=$came_from/$MASKGATE_SECRETS
[ ! -e docker/.env ] || read_settings docker/.env
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-maskgate}
[[ $COMPOSE_PROJECT_NAME =~ ^[a-z0-9][a-z0-9_-]*$ ]] || fail "COMPOSE_PROJECT_NAME is $COMPOSE_PROJECT_NAME; give small letters, digits, - and _ alone"
# Compose 1.29 gives up after a minute otherwise, which a busy machine may need.
export COMPOSE_HTTP_TIMEOUT=${COMPOSE_HTTP_TIMEOUT:-300}
MASKGATE_VERSION=${MASKGATE_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)}
MASKGATE_SECRETS=${MASKGATE_SECRETS:-var/compose/secrets}
[[ $MASKGATE_SECRETS == /* ]] || MASKGATE_SECRETS=$PWD/$MASKGATE_SECRETS
export MASKGATE_VERSION MASKGATE_SECRETS
gate=${MASKGATE_GATE:-main}
[ ! -e docker/.env ] || check_settings docker/.env
check_address
check_memory
limit_processors

# What was asked for last time: overlays of everything, overlays of the camera, and whether there is a camera.
memory=var/compose/state/$COMPOSE_PROJECT_NAME
remembered() { [ ! -e "$memory/$1" ] || cat "$memory/$1"; }
remember() { # remember NAME TEXT
  mkdir -p "$memory" && printf '%s\n' "$2" >"$memory/$1" || fail "$memory/$1 cannot be written (the error is above)"
}
overlays=()
add_overlays() { # add_overlays NAME…
  local name
  for name in "$@"; do
    [ "$name" != none ] || continue
    [[ " ${overlays[*]} " != *" $name "* ]] || continue
    [ -f "docker/compose.$name.yaml" ] || fail "there is no docker/compose.$name.yaml; OVERLAYS takes tls, camera, gpu, or none"
    overlays+=("$name")
  done
}
choose_overlays() { # choose_overlays everything|camera: those of OVERLAYS, else those of last time; and what else was remembered
  local before each
  for each in everything camera; do
    before=$(remembered "overlays-$each")
    if [[ $each = "$1" && -n ${OVERLAYS:-} ]]; then
      # shellcheck disable=SC2086
      add_overlays $OVERLAYS
      [[ -z $before || $before = none || $before = "$OVERLAYS" ]] || warn "OVERLAYS was \"$before\" before, and is \"$OVERLAYS\" now"
    elif [[ -n $before && $before != none ]]; then
      [ "$each" != "$1" ] || warn "OVERLAYS is \"$before\", as before; OVERLAYS=none is for none"
      # shellcheck disable=SC2086
      add_overlays $before
    fi
  done
}
remember_overlays() { [ -z "${OVERLAYS:-}" ] || remember "overlays-$1" "$OVERLAYS"; }

put_together() { # put_together: the command of Compose, with its files
  local name file
  compose+=(--project-directory docker)
  [ ! -e docker/.env ] || compose+=(--env-file docker/.env)
  compose+=(-f docker/compose.yaml)
  if [ -f "$MASKGATE_SECRETS/edge_source" ] && holds edge_source; then
    [ -z "${MASKGATE_SOURCE:-}" ] || [ "$MASKGATE_SOURCE" = "$(text_of edge_source)" ] ||
      fail "MASKGATE_SOURCE and $MASKGATE_SECRETS/edge_source name two cameras; take one of them out"
    [[ " ${overlays[*]} " != *" camera "* ]] ||
      fail "OVERLAYS=camera and $MASKGATE_SECRETS/edge_source name two cameras; empty the file, or take the overlay away"
    compose+=(-f docker/compose.source.yaml)
  fi
  for name in "${overlays[@]}"; do
    [ "$name" = source ] || compose+=(-f "docker/compose.$name.yaml")
  done
  for file in ${MASKGATE_COMPOSE_FILES:-}; do compose+=(-f "$file"); done
}
# Services of all profiles, for whatever is about what is there already.
all_profiles() { compose+=(--profile telegram --profile edge); }

one_at_a_time() { # one_at_a_time: waits until no other command changes this installation
  mkdir -p "$memory" || fail "$memory cannot be made (the error is above)"
  command -v flock >/dev/null || return 0
  exec 9>"$memory/lock"
  flock -n 9 || { warn "another command is changing this installation; waiting for its end"; flock 9; }
}
prepared() { # prepared everything|camera: secrets and files, for what starts something
  one_at_a_time
  make_secrets
  digest_secrets
  choose_overlays "$1"
  put_together
  warn_of_passwords docker/.env
}
as_is() { # as_is: files as they were used last, for what starts nothing anew
  choose_overlays nothing
  # shellcheck disable=SC2086
  add_overlays ${OVERLAYS:-}
  digest_secrets
  put_together
}
has() { [[ " ${overlays[*]} " == *" $1 "* ]]; } # has OVERLAY
need_image() {
  docker image inspect "maskgate/$1:$MASKGATE_VERSION" >/dev/null 2>&1 || docker/images.sh "$1"
}
is_set_up() { [ -s "$MASKGATE_SECRETS/cloud_redis_url" ] && docker image inspect "maskgate/cloud:$MASKGATE_VERSION" >/dev/null 2>&1; }

cloud() { # cloud WORDS…: a command of the cloud, in the API's container, or in one for this alone where the API does not run
  local id
  id=$(container api)
  if [ -n "$id" ] && [[ $(state "$id") =~ ^(healthy|starting|unhealthy|running)$ ]]; then
    local terminal=()
    if [ -t 0 ] && [ -t 1 ]; then terminal=(--tty); fi
    docker exec --interactive "${terminal[@]}" "$id" python -m cloud "$@"
  else
    [[ " $* " == *" --help "* ]] || need_redis
    once api "$@"
  fi
}
once() { # once WORDS…: a container for this alone; no service is started for it
  "${compose[@]}" run --rm --no-deps -T "$@"
}
need_redis() {
  is_set_up || fail "nothing is set up here yet; say make up first"
  local id
  id=$(container redis)
  [[ -n $id && $(state "$id") = healthy ]] || {
    warn "Redis does not run; it is started, and runs until make down"
    make_secrets
    "${compose[@]}" up -d redis >&2 && wait_for redis || fail "Redis did not start"
  }
}

started() { # started WORDS…: Compose's up; where that fails, shows why, and leaves nothing half up that was not up before
  local there=$before
  "${compose[@]}" up -d "$@" && return
  show_unwell
  if [ -z "$there" ]; then
    warn "it was not all started (see above), so what was started is taken down again; data and secrets stay"
    "${compose[@]}" --profile telegram --profile edge down --remove-orphans >&2 || true
  fi
  fail "Compose could not start it; the reason is above"
}
unwell() { fail "not everything is well (see above). What runs goes on running: docker/compose.sh ps shows it, make down stops it"; }

start_edge() { # start_edge kept|anew: the camera, with a new code where its enrolment may be gone
  local id
  id=$(container edge)
  if [[ -z $id || $(state "$id") != healthy ]]; then
    if [ "$1" = anew ]; then
      # Of no account to a device that is enrolled.
      local code
      code=$(cloud enrolment-codes create "$gate" --json) || fail "there is no code for the camera (the error is above)"
      keep edge_enrolment_code "$(sed 's/.*"code": *"\([^"]*\)".*/\1/' <<<"$code")"
      digest edge_enrolment_code "$MASKGATE_SECRETS/edge_enrolment_code"
    fi
  fi
  "${compose[@]}" --profile edge up -d --no-deps edge || { show_unwell; return 1; }
  wait_for edge
}

case "$1" in
up)
  shift
  for word in "$@"; do [[ $word == -* ]] || fail "up starts everything and takes no names; docker/compose.sh start $word starts one service"; done
  prepared everything
  ! has tls || check_tls
  before=$(containers)
  ports=(api MASKGATE_API_PORT 8000 "$MASKGATE_BIND" dashboard MASKGATE_DASHBOARD_PORT 8501 "$MASKGATE_BIND")
  ! has tls || ports+=(caddy MASKGATE_HTTP_PORT 80 0.0.0.0 caddy MASKGATE_HTTPS_PORT 443 0.0.0.0)
  check_ports "${ports[@]}"
  need_image cloud
  need_image dashboard
  [ -z "$(container edge)" ] || remember camera on
  enrolment=$(docker volume inspect --format kept "${COMPOSE_PROJECT_NAME}_edge" 2>/dev/null) || enrolment=anew
  services=(api worker dashboard) options=()
  if has tls; then services+=(caddy); fi
  if [ "${MASKGATE_BACKUP:-}" = off ]; then options+=(--scale backup=0); else services+=(backup); fi
  if holds cloud_telegram_token; then
    compose+=(--profile telegram)
    services+=(bot)
  elif [ -n "$(container bot)" ]; then
    "${compose[@]}" --profile telegram rm --stop --force bot >&2
    warn "the bot is gone: $MASKGATE_SECRETS/cloud_telegram_token is empty"
  fi
  remember_overlays everything
  # Redis first: what it says of itself is shown, where Compose would only say that it is not healthy.
  started redis
  wait_for redis || unwell
  started --remove-orphans "${options[@]}" "$@"
  wait_for "${services[@]}" || unwell
  here=$(host_for_here)
  if has tls; then
    echo "The dashboard:  https://$MASKGATE_HOST${MASKGATE_HTTPS_SUFFIX:-}/?gate=$gate, for those in $MASKGATE_SECRETS/dashboard_people"
    echo "The API:        https://$MASKGATE_HOST${MASKGATE_HTTPS_SUFFIX:-}/v1"
    echo "At this machine: http://$here:${MASKGATE_DASHBOARD_PORT:-8501}/?gate=$gate and http://$here:${MASKGATE_API_PORT:-8000}/docs"
  else
    echo "The dashboard:  http://$here:${MASKGATE_DASHBOARD_PORT:-8501}/?gate=$gate"
    echo "The API:        http://$here:${MASKGATE_API_PORT:-8000}/docs"
  fi
  echo "An admin key:   docker/compose.sh cloud keys create \"Your name\" --role admin"
  if [ "${MASKGATE_BACKUP:-}" = off ]; then echo "Backups:        none are made by themselves, since MASKGATE_BACKUP is off"
  else echo "Backups:        ${MASKGATE_BACKUP:-03:17}, the newest ${MASKGATE_BACKUP_KEEP:-14} are kept; docker/compose.sh backups lists them"; fi
  [[ " ${services[*]} " == *" bot "* ]] || echo "Telegram:       put a bot's token into $MASKGATE_SECRETS/cloud_telegram_token, then make up"
  warn_of_visitors
  if [ "$(remembered camera)" = on ]; then
    start_edge "$enrolment" || unwell
    echo "The camera:     watches gate $gate again, as make edge said; docker/compose.sh edge off ends that"
  else
    echo "A camera here:  make edge; for one elsewhere: docker/compose.sh cloud enrolment-codes create $gate"
  fi
  ;;
edge)
  if [ "${2:-}" = off ]; then
    one_at_a_time
    as_is
    remember camera off
    "${compose[@]}" --profile edge rm --stop --force edge
    echo "The camera is gone, and make up leaves it alone until make edge. It stays enrolled."
    exit
  fi
  [ -z "${2:-}" ] || fail "edge takes no more words but off"
  api=$(container api)
  [[ -n $api && $(state "$api") =~ ^(healthy|starting)$ ]] || fail "the API does not run here; say make up first"
  prepared camera
  has gpu || need_image edge
  remember_overlays camera
  start_edge anew || unwell
  remember camera on
  echo "The camera watches gate $gate. What it sees: docker/compose.sh logs -f edge. make up starts it too from now on."
  ;;
cloud)
  shift
  as_is
  if [[ ${1:-} = restore && ${*: -1} != /var/backups/* && -f $came_from/${*: -1} ]]; then
    fail "${*: -1} lies on this machine, where the cloud's containers do not see it: docker/compose.sh backups put ${*: -1}"
  fi
  cloud "$@"
  ;;
backups)
  as_is
  is_set_up || fail "nothing is set up here yet; say make up first"
  folder=/var/backups/maskgate
  case "${2:-}" in
  "") once --entrypoint sh api -c "cd $folder && ls -l --time-style=long-iso" ;;
  get)
    [[ ${3:-} =~ ^[A-Za-z0-9._:-]+$ ]] || fail "say which: docker/compose.sh backups get NAME; docker/compose.sh backups lists them"
    umask 077
    once --entrypoint cat api "$folder/$3" >"$came_from/$3.part" </dev/null || { rm -f "$came_from/$3.part"; fail "there is no backup $3; docker/compose.sh backups lists them"; }
    mv "$came_from/$3.part" "$came_from/$3"
    echo "$3 is here now, readable by you alone."
    ;;
  put)
    file=${3:-}
    [[ -z $file || $file == /* ]] || file=$came_from/$file
    [[ -f $file && -r $file ]] || fail "say which file: docker/compose.sh backups put FILE${3:+; there is no file $3 that can be read}"
    [[ ${file##*/} =~ ^[A-Za-z0-9._:-]+$ ]] || fail "${file##*/}: name it with letters, digits and . _ : - alone"
    # The process that reads it has to be its owner, and it is not for others.
    once --entrypoint sh api -c 'umask 077 && cat >"$1.part" && mv "$1.part" "$1"' put "$folder/${file##*/}" <"$file"
    echo "It is $folder/${file##*/} now: docker/compose.sh cloud restore --force $folder/${file##*/}"
    ;;
  *) fail "backups takes get NAME, put FILE, or nothing" ;;
  esac
  ;;
down)
  shift
  one_at_a_time
  as_is
  there=$(services_there)
  "${compose[@]}" --profile telegram --profile edge down --remove-orphans "$@"
  there=$(tr '\n' ' ' <<<"$there")
  if [ -n "${there// /}" ]; then
    echo "Taken down:     $there"
    [[ " $there" != *" edge "* ]] || echo "The camera:     comes back with make up; docker/compose.sh edge off before that, and it does not"
  else
    echo "Nothing of $COMPOSE_PROJECT_NAME was up here."
  fi
  if [[ " $* " =~ \ (-v|--volumes)\  ]]; then
    rm -rf "$memory"
    echo "Removed:        all data, backups and the camera's enrolment with it; $MASKGATE_SECRETS stays"
  else
    echo "Kept:           data, backups and secrets"
  fi
  ;;
*)
  make_secrets
  as_is
  all_profiles
  "${compose[@]}" "$@"
  ;;
esac
