# Sourced by compose.sh: makes missing files of secrets, and checks all of them before anything starts.

secrets=(redis_password cloud_redis_url cloud_telegram_token cloud_telegram_webhook_secret cloud_smtp_password cloud_pass_signing_key
  dashboard_api_key edge_enrolment_code edge_source edge_door_key edge_door_hub_key dashboard_people)

random() { od -An -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
keep() { # keep NAME TEXT: writes a secret completely or not at all
  local file=$MASKGATE_SECRETS/$1
  rm -f "$file.part"
  { printf '%s' "$2" >"$file.part" && chmod 644 "$file.part" && mv "$file.part" "$file"; } || fail "$file cannot be written (the error is above)"
}
secret() { # secret NAME [TEXT]: makes the file if it is missing
  [ -e "$MASKGATE_SECRETS/$1" ] || [ -L "$MASKGATE_SECRETS/$1" ] || keep "$1" "${2:-}"
}
text_of() { # text_of NAME: the secret, without the white space around it
  local text
  text=$(cat "$MASKGATE_SECRETS/$1")
  text=${text#"${text%%[![:space:]]*}"}
  printf '%s' "${text%"${text##*[![:space:]]}"}"
}
holds() { [ -e "$MASKGATE_SECRETS/$1" ] && [ -n "$(text_of "$1")" ]; } # holds NAME: whether the secret has a text

check_secret() { # check_secret NAME: refuses a file that no service could read, or that it would read wrongly
  local file=$MASKGATE_SECRETS/$1 text
  [ ! -d "$file" ] || fail "$file is a folder and must be a file (Docker makes a folder where a file is missing); rmdir $file, and run this again"
  [ -f "$file" ] || fail "$file is not a file, or a link to nothing; remove it, and write the secret into a file of that name"
  [ -r "$file" ] || fail "$file cannot be read by $(id -un); make that user its owner: chown $(id -un) $file"
  [ "$(tr -dc '\000' <"$file" | wc -c)" -eq 0 ] || fail "$file contains zero bytes, like a text in UTF-16; save it as UTF-8"
  [ "$(head -c 3 "$file" | od -An -tx1 | tr -d ' ')" != efbbbf ] || fail "$file begins with a byte order mark; save it as UTF-8 without one"
  text=$(text_of "$1")
  [[ $1 = dashboard_people || $text != *$'\n'* ]] || fail "$file has more than one line; a secret is one line"
  [[ $1 = dashboard_people || ! $text =~ [[:cntrl:]] ]] || fail "$file contains a control character, such as a tab; write the secret again"
  case $1 in
  redis_password | dashboard_api_key | cloud_redis_url)
    [ -n "$text" ] || fail "$file is empty; write the secret into it, or remove the file, and compose.sh makes one"
    ;;
  esac
}

percent_encoded() { # percent_encoded TEXT: for the password of an address (RFC 3986, section 2.1)
  local LC_ALL=C char code at out=
  for ((at = 0; at < ${#1}; at++)); do
    char=${1:at:1}
    case $char in
    [A-Za-z0-9._~-]) out+=$char ;;
    *)
      printf -v code %d "'$char"
      printf -v char '%%%02X' $((code & 255))
      out+=$char
      ;;
    esac
  done
  printf '%s' "$out"
}

follow_the_password() { # follow_the_password: puts Redis' password into the address of our own Redis
  local address
  address=redis://:$(percent_encoded "$(text_of redis_password)")@redis:6379/0
  if [ ! -e "$MASKGATE_SECRETS/cloud_redis_url" ]; then
    keep cloud_redis_url "$address"
  elif [[ $(cat "$MASKGATE_SECRETS/cloud_redis_url") =~ ^[[:space:]]*redis://[^[:space:]]*@redis:6379/0[[:space:]]*$ && $(text_of cloud_redis_url) != "$address" ]]; then
    keep cloud_redis_url "$address"
    warn "$MASKGATE_SECRETS/cloud_redis_url is written anew, with the password in redis_password"
  fi
}

make_secrets() {
  local name
  # Only the owner may open the folder. Everybody may read its files, since Compose mounts them with their mode, and a
  # container's user must read them.
  umask 022
  mkdir -p "$MASKGATE_SECRETS" || fail "the folder of secrets cannot be made (the error is above); see MASKGATE_SECRETS"
  [ -r "$MASKGATE_SECRETS" ] && [ -x "$MASKGATE_SECRETS" ] || fail "$MASKGATE_SECRETS cannot be read by $(id -un)"
  [ "$(stat -Lc %a "$MASKGATE_SECRETS")" = 700 ] || chmod 700 "$MASKGATE_SECRETS"
  secret redis_password "$(random 32)"
  check_secret redis_password
  [ ! -e "$MASKGATE_SECRETS/cloud_redis_url" ] || check_secret cloud_redis_url
  follow_the_password
  secret dashboard_api_key "mg_$(random 6)_$(random 32)"
  secret edge_door_hub_key "$(random 32)"
  for name in "${secrets[@]}"; do
    secret "$name" # empty until somebody writes it
    check_secret "$name"
    [ "$(stat -Lc %a "$MASKGATE_SECRETS/$name")" = 644 ] || chmod 644 "$MASKGATE_SECRETS/$name" ||
      fail "$MASKGATE_SECRETS/$name cannot be made readable for its container (the error is above): chmod 644 it"
  done
  # `docker inspect` shows the digests below. Without this key, nobody can test guesses of a secret against them.
  [ -s "$MASKGATE_SECRETS/.digest_key" ] || (umask 077 && keep .digest_key "$(random 32)" && chmod 600 "$MASKGATE_SECRETS/.digest_key")
}

digest() { # digest NAME FILE: exports MASKGATE_DIGEST_NAME, which changes with the content
  local made
  made=$({ cat "$MASKGATE_SECRETS/.digest_key" && printf '\n%s\n' "$1" && cat "$2"; } | sha256sum)
  export "MASKGATE_DIGEST_${1^^}=${made:0:32}"
}
digest_secrets() { # digest_secrets: a service has its secrets' digests in a label, so Compose recreates it when one changes
  local name
  [ -s "$MASKGATE_SECRETS/.digest_key" ] || return 0
  for name in "${secrets[@]}"; do
    [ ! -f "$MASKGATE_SECRETS/$name" ] || digest "$name" "$MASKGATE_SECRETS/$name"
  done
  digest caddyfile docker/Caddyfile
}
