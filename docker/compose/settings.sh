# Sourced by compose.sh: the settings in docker/.env. Each value is exported, so Compose 1.29 and Compose 2 get the same value.

declare -A settings_lines=() # the line of docker/.env that set a name

read_settings() { # read_settings FILE: exports each NAME=value that the environment does not set; refuses any other line
  local file=$1 line name value number=0
  local -A given=()
  [ -r "$file" ] && [ ! -d "$file" ] || fail "$file cannot be read; is it a file, and may you read it?"
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%$'\r'}
    ((number > 1)) || line=${line#$'\xef\xbb\xbf'}
    [[ ! $line =~ ^[[:space:]]*(#.*)?$ ]] || continue
    # The message does not show the line: it may be a password.
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$ ]] ||
      fail "$file, line $number: this is not NAME=value"
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    case $value in
    \"* | \'*)
      [[ $value =~ ^(\"([^\"]*)\"|\'([^\']*)\')[[:space:]]*(#.*)?$ ]] ||
        fail "$file, line $number: the quotes around the value of $name do not match; put a value that contains quotes between quotes of the other kind"
      value=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
      ;;
    \#*) value= ;;
    *)
      value=${value%%[[:space:]]#*}
      value=${value%"${value##*[![:space:]]}"}
      ;;
    esac
    given[$name]=$value
    settings_lines[$name]=$number
  done <"$file"
  for name in "${!given[@]}"; do
    [ -n "${!name+set}" ] || export "$name=${given[$name]}"
  done
}

secret_for() { # secret_for NAME: the secret that belongs to a variable of this name; fails if there is none
  local name tail
  [ "$1" != MASKGATE_SOURCE ] || return 1
  for name in "${secrets[@]}"; do
    tail=${name^^}
    tail=${tail#*_}
    case $1 in
    "${name^^}" | "MASKGATE_${name^^}" | "MASKGATE_$tail") ;;
    "$tail") [[ $tail == *_* ]] || continue ;;
    *) continue ;;
    esac
    echo "$name"
    return
  done
  return 1
}

check_settings() { # check_settings FILE: refuses secrets in the file, and warns of names that nothing reads
  local file=$1 name secret known
  known=$(grep -oh 'MASKGATE_[A-Z_]*' docker/*.yaml docker/compose.sh docker/compose/*.sh docker/env.example ${MASKGATE_COMPOSE_FILES:-})
  for name in "${!settings_lines[@]}"; do
    if secret=$(secret_for "$name"); then
      fail "$file, line ${settings_lines[$name]}: $name is a secret and has no effect there; write its value into $MASKGATE_SECRETS/$secret and remove the line"
    fi
    case $name in
    MASKGATE_*) grep -qx "$name" <<<"$known" || warn "$file, line ${settings_lines[$name]}: nothing reads $name; docker/env.example has the names that are read" ;;
    CLOUD_* | EDGE_* | DASHBOARD_*) warn "$file, line ${settings_lines[$name]}: $name has no effect there; docker/env.example has the names that are read" ;;
    esac
  done
}

has_password() { # has_password ADDRESS: whether it has a log-in before its host, or a password among its parameters
  [[ $1 == *://*@* || ${1,,} =~ (^|[?\&/_-])(password|passwd|pwd|pass|token)= ]]
}

warn_of_passwords() { # warn_of_passwords FILE: warns of addresses with a password in FILE or in the environment
  local file=$1 name where exposed=
  for name in MASKGATE_SOURCE MASKGATE_EDGE_CLOUD_URL MASKGATE_TELEGRAM_API_URL MASKGATE_PUBLIC_URL; do
    has_password "${!name:-}" || continue
    where="the environment"
    if [ -n "${settings_lines[$name]:-}" ]; then where=$file exposed=1; fi
    if [ "$name" = MASKGATE_SOURCE ]; then
      warn "MASKGATE_SOURCE in $where holds a password, which \`docker inspect\` shows; write the whole address into $MASKGATE_SECRETS/edge_source and remove MASKGATE_SOURCE"
    else
      warn "$name in $where holds a password, which \`docker inspect\` shows"
    fi
  done
  [ -z "$exposed" ] || [[ ! $(stat -Lc %a "$file") =~ [4-7].?$ ]] || warn "other users of this machine can read $file: chmod 600 $file"
}

check_address() { # check_address: checks that MASKGATE_BIND is an address; puts IPv6 into the brackets that Compose needs
  local bind=${MASKGATE_BIND:-127.0.0.1}
  bind=${bind#[} bind=${bind%]}
  if [[ $bind == *:* && $bind =~ ^[0-9A-Fa-f:.]+$ ]]; then
    MASKGATE_BIND="[$bind]"
  elif [[ $bind =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]]; then
    MASKGATE_BIND=$bind
  else
    fail "MASKGATE_BIND is $bind, which is no IP address; set one of this machine's, such as 127.0.0.1, or 0.0.0.0 for all of them"
  fi
  export MASKGATE_BIND
}

host_for_here() { # host_for_here: the host under which this machine reaches MASKGATE_BIND
  case $MASKGATE_BIND in
  0.0.0.0) echo 127.0.0.1 ;;
  "[::]") echo "[::1]" ;;
  *) echo "$MASKGATE_BIND" ;;
  esac
}

warn_of_visitors() { # warn_of_visitors: warns if others reach the dashboard without a log-in
  case $MASKGATE_BIND in 127.* | "[::1]") return ;; esac
  warn "MASKGATE_BIND=$MASKGATE_BIND: EVERYBODY who reaches port ${MASKGATE_DASHBOARD_PORT:-8501} of that address sees the dashboard and may use it, without a log-in and without TLS"
  warn "for a log-in and TLS: leave MASKGATE_BIND at 127.0.0.1 and use OVERLAYS=tls (docs/install.md)"
  [ -n "${MASKGATE_DASHBOARD_HOSTS:-}" ] || warn "browsers elsewhere are refused until MASKGATE_DASHBOARD_HOSTS has the names that they use, beside 127.0.0.1 and localhost"
}

check_tls() { # check_tls: checks what OVERLAYS=tls needs
  local line number=0
  [ -n "${MASKGATE_HOST:-}" ] || fail "OVERLAYS=tls needs MASKGATE_HOST in docker/.env: the name under which browsers reach this machine, such as gate.example.org"
  [[ $MASKGATE_HOST =~ ^[A-Za-z0-9.-]+$ ]] || fail "MASKGATE_HOST is $MASKGATE_HOST; give the name alone, such as gate.example.org, without https:// and without a port"
  holds dashboard_people ||
    fail "$MASKGATE_SECRETS/dashboard_people is empty: write a line for each person, a name and what \`docker run --rm -it caddy:2 caddy hash-password\` prints"
  while read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%$'\r'}
    [[ -z $line || $line == \#* || $line =~ ^[^[:space:]]+[[:space:]]+[^[:space:]]{50,}$ ]] ||
      fail "$MASKGATE_SECRETS/dashboard_people, line $number: this is not a name and a hash of a password; \`docker run --rm -it caddy:2 caddy hash-password\` makes one"
  done <"$MASKGATE_SECRETS/dashboard_people"
  [ "${MASKGATE_HTTPS_PORT:-443}" = 443 ] || export MASKGATE_HTTPS_SUFFIX=":$MASKGATE_HTTPS_PORT"
}

mebibytes() { # mebibytes NAME: the size in the variable NAME, in the format of Redis and Docker
  local text=${!1,,} unit
  [[ $text =~ ^([0-9]+)(b|k|kb|m|mb|g|gb)?$ ]] || fail "$1 is ${!1}; set a size such as 512mb or 2gb"
  unit=${BASH_REMATCH[2]}
  case $unit in
  g | gb) echo $((BASH_REMATCH[1] * 1024)) ;;
  m | mb) echo "${BASH_REMATCH[1]}" ;;
  k | kb) echo $((BASH_REMATCH[1] / 1024)) ;;
  *) echo $((BASH_REMATCH[1] / 1048576)) ;;
  esac
}

check_memory() { # check_memory: checks that the limit of Redis' container leaves room for Redis' data
  local held limit
  export MASKGATE_REDIS_MEMORY=${MASKGATE_REDIS_MEMORY:-512mb}
  held=$(mebibytes MASKGATE_REDIS_MEMORY)
  ((held > 0)) || fail "MASKGATE_REDIS_MEMORY is $MASKGATE_REDIS_MEMORY, which is no size; set one such as 512mb"
  if [ -n "${MASKGATE_REDIS_LIMIT:-}" ]; then
    limit=$(mebibytes MASKGATE_REDIS_LIMIT)
    ((limit > held)) || fail "MASKGATE_REDIS_LIMIT=$MASKGATE_REDIS_LIMIT is not above MASKGATE_REDIS_MEMORY=$MASKGATE_REDIS_MEMORY: Redis would be killed before it is full"
  else
    # Half as much again is for buffers, and for the pages that a rewrite of the append-only file copies.
    limit=$((held * 3 / 2 + 128))
    export MASKGATE_REDIS_LIMIT=$((limit > 1024 ? limit : 1024))m
  fi
}

limit_processors() { # limit_processors: exports MASKGATE_…_CPUS, at most the machine's number, since Docker refuses more
  local cores quota each name wanted
  read -r cores quota < <(docker info --format '{{.NCPU}} {{.CPUCfsQuota}}') || true
  [[ ${cores:-} =~ ^[1-9][0-9]*$ ]] || return 0
  [ "$quota" = true ] || warn "this kernel cannot limit processors (no CFS quota), so no limit is set"
  for each in REDIS=1 API=1 WORKER=1 BOT=0.5 DASHBOARD=1 SETUP=1 BACKUP=0.5 CADDY=1 EDGE=3 DOOR=1 HUB=0.5; do
    name=MASKGATE_${each%=*}_CPUS
    wanted=${!name:-${each#*=}}
    [[ $wanted =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "$name is $wanted; set a number of processors such as 1.5, or 0 for no limit"
    if [ "$quota" != true ]; then
      wanted=0
    elif awk "BEGIN { exit !($wanted > $cores) }"; then
      [ -z "${!name:-}" ] || warn "$name is $wanted, and this machine has $cores; $cores is used"
      wanted=$cores
    fi
    export "$name=$wanted"
  done
}
