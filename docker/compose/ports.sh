# Sourced by compose.sh: checks that the ports are free on this machine.

listeners() { # listeners PORT: the addresses at which a process of this machine listens, in the format of /proc/net
  awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port { sub(/:.*/, "", $2); print $2 }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
}

same_address() { # same_address HEX BIND: whether a listener at HEX takes the port at BIND
  local hex=$1 bind=$2 mapped=0000000000000000FFFF0000
  [ ${#hex} -ne 32 ] || hex=${hex#"$mapped"}
  case $hex in
  00000000) [[ $bind != "["* || $bind = "[::]" ]] ;; # 0.0.0.0
  00000000000000000000000000000000) true ;;          # ::, which also answers for IPv4
  *)
    case $bind in
    0.0.0.0 | "[::]") true ;;
    "[::1]") [ "$hex" = 00000000000000000000000001000000 ] ;;
    "["*) false ;;
    *)
      local IFS=.
      # shellcheck disable=SC2086 # in little-endian order
      set -- $bind
      [ "$hex" = "$(printf '%02X%02X%02X%02X' "$4" "$3" "$2" "$1")" ]
      ;;
    esac
    ;;
  esac
}

is_local() { # is_local: whether the engine runs on this machine and uses its ports
  local host=${DOCKER_HOST:-}
  [ -n "$host" ] || host=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || host=
  [[ -z $host || $host == unix://* ]]
}

check_ports() { # check_ports SERVICE SETTING DEFAULT BIND …, four words for each port
  local service setting port bind holder hex name project owner ports
  local -A asked=()
  while (($#)); do
    service=$1 setting=$2 port=${!2:-$3} bind=$4
    shift 4
    [[ $port =~ ^[0-9]{1,5}$ ]] && ((10#$port >= 1 && 10#$port <= 65535)) || fail "$setting is $port, which is no port; set a number from 1 to 65535"
    [ -z "${asked[$port]:-}" ] || fail "$setting and ${asked[$port]} are both $port; change one of them in docker/.env"
    asked[$port]=$setting
    holder=
    while IFS=$'\t' read -r name project owner ports; do
      [[ $ports == *":$port->"* ]] || continue
      # Our own service frees its port when it is recreated.
      if [ "$project" = "$COMPOSE_PROJECT_NAME" ] && [ "$owner" = "$service" ]; then continue 2; fi
      [[ $bind != 127.0.0.1 || $ports == *"0.0.0.0:$port->"* || $ports == *"127.0.0.1:$port->"* ]] || continue
      holder=" by the container $name"
    done < <(docker ps --format '{{.Names}}\t{{.Label "com.docker.compose.project"}}\t{{.Label "com.docker.compose.service"}}\t{{.Ports}}')
    if [ -z "$holder" ] && is_local; then
      for hex in $(listeners "$port"); do
        ! same_address "$hex" "$bind" || holder=" (ss -ltnp 'sport = :$port' says by what)"
      done
    fi
    [ -z "$holder" ] || fail "port $port, for $service, is taken$holder; set $setting to another port in docker/.env, or end the program that uses it. Nothing was started"
  done
}
