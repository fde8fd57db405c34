# Sourced by compose.sh: the containers and their state.

containers() { # containers [FILTER…]: the ids of this installation's containers, also of those that have ended
  docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter label=com.docker.compose.oneoff=False "$@"
}
container() { containers --filter "label=com.docker.compose.service=$1" | head -n 1; } # container SERVICE: its id, or nothing

services_there() { # services_there: the names of the services that have a container
  local id
  for id in $(containers); do
    docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$id" 2>/dev/null || true
  done | sort -u
}

state() { # state ID: healthy, starting, unhealthy; running if there is no health check; restarting, created, exited N …
  docker inspect --format '{{with .State}}{{if eq .Status "running"}}{{with .Health}}{{.Status}}{{else}}running{{end}}{{else}}{{.Status}}{{if eq .Status "exited"}} {{.ExitCode}}{{end}}{{end}}{{end}}' "$1" 2>/dev/null || echo gone
}

show_unwell() { # show_unwell: the last log lines of each service that is not healthy
  local id now service
  for id in $(containers); do
    now=$(state "$id")
    case $now in healthy | running | starting | "exited 0" | gone) continue ;; esac
    service=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$id" 2>/dev/null) || continue
    show_log "$service" "$now" "$id"
  done
}
show_log() { # show_log SERVICE STATE ID
  {
    echo "compose: $1 is $2; the last lines of its log:"
    docker logs --tail 30 "$3" 2>&1 | sed 's/^/  /'
    docker inspect --format '{{.State.Error}}{{with .State.Health}}{{range $at, $check := .Log}}{{if and (lt $at 1) $check.ExitCode}}
its health check: {{$check.Output}}{{end}}{{end}}{{end}}' "$3" 2>/dev/null | sed '/^[[:space:]]*$/d; s/^/  /'
  } >&2
}

wait_for() { # wait_for SERVICE…: waits until each is healthy; shows the log of one that does not become healthy, and fails
  local give_up=$((SECONDS + ${MASKGATE_PATIENCE_S:-180})) service id now restarts
  for service in "$@"; do
    while :; do
      id=$(container "$service")
      now="not there"
      [ -z "$id" ] || now=$(state "$id")
      case $now in
      healthy | running) break ;;
      exited* | dead) give_up=-1 ;; # nobody restarts it
      restarting)
        restarts=$(docker inspect --format '{{.RestartCount}}' "$id" 2>/dev/null) || restarts=0
        ((restarts < 4)) || give_up=-1
        ;;
      esac
      if ((SECONDS > give_up)); then
        [ -z "$id" ] || show_log "$service" "$now" "$id"
        echo "compose: $service is $now, not healthy; its last log lines are above" >&2
        return 1
      fi
      sleep 0.5
    done
  done
}
