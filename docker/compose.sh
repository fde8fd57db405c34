#!/usr/bin/env bash
# Maskgate on this machine, with Compose:
#   docker/compose.sh up              makes missing images and secrets, starts everything, waits until all is healthy
#   docker/compose.sh edge            also starts the camera at this machine, enrolled at the first gate; later, up starts it too
#   docker/compose.sh edge off        removes the camera; up no longer starts it
#   docker/compose.sh cloud WORDS…    runs a command of the cloud: cloud keys create "Ana" --role admin
#   docker/compose.sh backups         lists the backups; backups get NAME copies one here, backups put FILE copies one there
#   docker/compose.sh down            stops and removes the containers; data and secrets stay
#   docker/compose.sh WORDS…          passes anything else to Compose: logs -f api, ps, restart worker
# OVERLAYS="tls camera gpu door hub" adds docker/compose.NAME.yaml, now and next time; OVERLAYS=none removes them. docker/.env has
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
[[ $COMPOSE_PROJECT_NAME =~ ^[a-z0-9][a-z0-9_-]*$ ]] || fail "COMPOSE_PROJECT_NAME is $COMPOSE_PROJECT_NAME; use only small letters, digits, - and _"
# By default Compose 1.29 gives up after a minute, and a busy machine may need longer.
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

# The choices of last time: overlays of everything, overlays of the camera, and whether there is a camera.
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
    [ -f "docker/compose.$name.yaml" ] || fail "there is no docker/compose.$name.yaml; OVERLAYS takes tls, camera, gpu, door, hub, or none"
    overlays+=("$name")
  done
}
choose_overlays() { # choose_overlays everything|camera: the overlays in OVERLAYS, else those of last time; and the other kind's of last time
  local before each
  for each in everything camera; do
    before=$(remembered "overlays-$each")
    if [[ $each = "$1" && -n ${OVERLAYS:-} ]]; then
      # shellcheck disable=SC2086
      add_overlays $OVERLAYS
      [[ -z $before || $before = none || $before = "$OVERLAYS" ]] || warn "OVERLAYS was \"$before\" before, and is \"$OVERLAYS\" now"
    elif [[ -n $before && $before != none ]]; then
      [ "$each" != "$1" ] || warn "OVERLAYS is \"$before\", as before; OVERLAYS=none removes them"
      # shellcheck disable=SC2086
      add_overlays $before
    fi
  done
}
remember_overlays() { [ -z "${OVERLAYS:-}" ] || remember "overlays-$1" "$OVERLAYS"; }

put_together() { # put_together: adds the files to the command of Compose
  local name file
  compose+=(--project-directory docker)
  [ ! -e docker/.env ] || compose+=(--env-file docker/.env)
  compose+=(-f docker/compose.yaml)
  if [ -f "$MASKGATE_SECRETS/edge_source" ] && holds edge_source; then
    [ -z "${MASKGATE_SOURCE:-}" ] || [ "$MASKGATE_SOURCE" = "$(text_of edge_source)" ] ||
      fail "MASKGATE_SOURCE and $MASKGATE_SECRETS/edge_source name two cameras; remove one of them"
    [[ " ${overlays[*]} " != *" camera "* ]] ||
      fail "OVERLAYS=camera and $MASKGATE_SECRETS/edge_source name two cameras; empty the file, or remove the overlay"
    compose+=(-f docker/compose.source.yaml)
  fi
  for name in "${overlays[@]}"; do
    [ "$name" = source ] || compose+=(-f "docker/compose.$name.yaml")
  done
  for file in ${MASKGATE_COMPOSE_FILES:-}; do compose+=(-f "$file"); done
}
# Services of all profiles, for commands about existing containers.
all_profiles() { compose+=(--profile telegram --profile edge); }

one_at_a_time() { # one_at_a_time: waits until no other command changes this installation
  mkdir -p "$memory" || fail "$memory cannot be made (the error is above)"
  command -v flock >/dev/null || return 0
  exec 9>"$memory/lock"
  flock -n 9 || { warn "another command is changing this installation; waiting for its end"; flock 9; }
}
prepared() { # prepared everything|camera: secrets and files, for a command that starts something
  one_at_a_time
  make_secrets
  digest_secrets
  choose_overlays "$1"
  put_together
  warn_of_passwords docker/.env
}
as_is() { # as_is: the files of last time, for a command that starts nothing
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

cloud() { # cloud WORDS…: a command of the cloud in the API's container, or in a container of its own if the API does not run
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
once() { # once WORDS…: a container for one command; no service is started for it
  "${compose[@]}" run --rm --no-deps -T "$@"
}
need_redis() {
  is_set_up || fail "nothing is set up here yet; run make up first"
  local id
  id=$(container redis)
  [[ -n $id && $(state "$id") = healthy ]] || {
    warn "Redis does not run; it is started, and runs until make down"
    make_secrets
    "${compose[@]}" up -d redis >&2 && wait_for redis || fail "Redis did not start"
  }
}

started() { # started WORDS…: Compose's up. If it fails, shows why, and removes what it started, unless something ran before
  local there=$before
  "${compose[@]}" up -d "$@" && return
  show_unwell
  if [ -z "$there" ]; then
    warn "not everything started (see above), so the started services are taken down again; data and secrets stay"
    "${compose[@]}" --profile telegram --profile edge down --remove-orphans >&2 || true
  fi
  fail "Compose could not start the services; the reason is above"
}
unwell() { fail "not every service is healthy (see above). The others continue to run: docker/compose.sh ps shows them, make down stops them"; }

start_edge() { # start_edge kept|anew: the camera; with `anew` it gets a new code, since its enrolment may be gone
  local id
  id=$(container edge)
  if [[ -z $id || $(state "$id") != healthy ]]; then
    if [ "$1" = anew ]; then
      # A device that is enrolled ignores the code.
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
  ! has door || holds edge_door_key ||
    fail "OVERLAYS=door needs the key of a scanner in $MASKGATE_SECRETS/edge_door_key; docker/compose.sh cloud keys create \"Door\" --role scanner --gate $gate prints one"
  before=$(containers)
  ports=(api MASKGATE_API_PORT 8000 "$MASKGATE_BIND" dashboard MASKGATE_DASHBOARD_PORT 8501 "$MASKGATE_BIND")
  ! has tls || ports+=(caddy MASKGATE_HTTP_PORT 80 0.0.0.0 caddy MASKGATE_HTTPS_PORT 443 0.0.0.0)
  ! has hub || ports+=(hub MASKGATE_HUB_PORT 8765 "${MASKGATE_HUB_BIND:-127.0.0.1}")
  check_ports "${ports[@]}"
  need_image cloud
  need_image dashboard
  if has door || has hub; then need_image edge; fi
  [ -z "$(container edge)" ] || remember camera on
  enrolment=$(docker volume inspect --format kept "${COMPOSE_PROJECT_NAME}_edge" 2>/dev/null) || enrolment=anew
  services=(api worker dashboard) options=()
  for each in tls=caddy door=door hub=hub; do
    ! has "${each%=*}" || services+=("${each#*=}")
  done
  if [ "${MASKGATE_BACKUP:-}" = off ]; then options+=(--scale backup=0); else services+=(backup); fi
  if holds cloud_telegram_token; then
    compose+=(--profile telegram)
    services+=(bot)
  elif [ -n "$(container bot)" ]; then
    "${compose[@]}" --profile telegram rm --stop --force bot >&2
    warn "the bot is gone: $MASKGATE_SECRETS/cloud_telegram_token is empty"
  fi
  remember_overlays everything
  # Redis starts first, so that its own log is shown if it fails: Compose would only say that it is not healthy.
  started redis
  wait_for redis || unwell
  started --remove-orphans "${options[@]}" "$@"
  wait_for "${services[@]}" || unwell
  here=$(host_for_here)
  if has tls; then
    echo "The dashboard:  https://$MASKGATE_HOST${MASKGATE_HTTPS_SUFFIX:-}/?gate=$gate, for the people in $MASKGATE_SECRETS/dashboard_people"
    echo "The API:        https://$MASKGATE_HOST${MASKGATE_HTTPS_SUFFIX:-}/v1"
    echo "At this machine: http://$here:${MASKGATE_DASHBOARD_PORT:-8501}/?gate=$gate and http://$here:${MASKGATE_API_PORT:-8000}/docs"
  else
    echo "The dashboard:  http://$here:${MASKGATE_DASHBOARD_PORT:-8501}/?gate=$gate"
    echo "The API:        http://$here:${MASKGATE_API_PORT:-8000}/docs"
  fi
  echo "An admin key:   docker/compose.sh cloud keys create \"Your name\" --role admin"
  if [ "${MASKGATE_BACKUP:-}" = off ]; then echo "Backups:        none are made at night, since MASKGATE_BACKUP is off"
  else echo "Backups:        ${MASKGATE_BACKUP:-03:17}, the newest ${MASKGATE_BACKUP_KEEP:-14} are kept; docker/compose.sh backups lists them"; fi
  [[ " ${services[*]} " == *" bot "* ]] || echo "Telegram:       put a bot's token into $MASKGATE_SECRETS/cloud_telegram_token, then make up"
  warn_of_visitors
  if [ "$(remembered camera)" = on ]; then
    start_edge "$enrolment" || unwell
    echo "The camera:     watches gate $gate again, since make edge was run before; docker/compose.sh edge off ends that"
  else
    echo "A camera here:  make edge; a camera elsewhere: docker/compose.sh cloud enrolment-codes create $gate"
  fi
  ;;
edge)
  if [ "${2:-}" = off ]; then
    one_at_a_time
    as_is
    remember camera off
    "${compose[@]}" --profile edge rm --stop --force edge
    echo "The camera is removed, and stays enrolled. make up does not start it; make edge does."
    exit
  fi
  [ -z "${2:-}" ] || fail "edge takes no word but off"
  api=$(container api)
  [[ -n $api && $(state "$api") =~ ^(healthy|starting)$ ]] || fail "the API does not run here; run make up first"
  prepared camera
  has gpu || need_image edge
  remember_overlays camera
  start_edge anew || unwell
  remember camera on
  echo "The camera watches gate $gate. docker/compose.sh logs -f edge shows what it sees. From now on make up starts it too."
  ;;
cloud)
  shift
  as_is
  if [[ ${1:-} = restore && ${*: -1} != /var/backups/* && -f $came_from/${*: -1} ]]; then
    fail "${*: -1} lies on this machine, where the cloud's containers do not see it; copy it there: docker/compose.sh backups put ${*: -1}"
  fi
  cloud "$@"
  ;;
backups)
  as_is
  is_set_up || fail "nothing is set up here yet; run make up first"
  folder=/var/backups/maskgate
  case "${2:-}" in
  "") once --entrypoint sh api -c "cd $folder && ls -l --time-style=long-iso" ;;
  get)
    [[ ${3:-} =~ ^[A-Za-z0-9._:-]+$ ]] || fail "name a backup: docker/compose.sh backups get NAME; docker/compose.sh backups lists them"
    umask 077
    once --entrypoint cat api "$folder/$3" >"$came_from/$3.part" </dev/null || { rm -f "$came_from/$3.part"; fail "there is no backup $3; docker/compose.sh backups lists them"; }
    mv "$came_from/$3.part" "$came_from/$3"
    echo "$3 is here now, and only you can read it."
    ;;
  put)
    file=${3:-}
    [[ -z $file || $file == /* ]] || file=$came_from/$file
    [[ -f $file && -r $file ]] || fail "name a file: docker/compose.sh backups put FILE${3:+; there is no file $3 that can be read}"
    [[ ${file##*/} =~ ^[A-Za-z0-9._:-]+$ ]] || fail "${file##*/}: use only letters, digits and . _ : - in its name"
    # The process that reads the file must own it, and nobody else may read it.
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
    [[ " $there" != *" edge "* ]] || echo "The camera:     starts again with make up; docker/compose.sh edge off prevents that"
  else
    echo "Nothing of $COMPOSE_PROJECT_NAME ran here."
  fi
  if [[ " $* " =~ \ (-v|--volumes)\  ]]; then
    rm -rf "$memory"
    echo "Removed:        all data, the backups and the camera's enrolment; $MASKGATE_SECRETS stays"
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
