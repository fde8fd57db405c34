# Sourced by compose.sh: the files of secrets, made where they are missing and examined before anything starts.

secrets=(redis_password cloud_redis_url cloud_telegram_token cloud_telegram_webhook_secret cloud_smtp_password dashboard_api_key
  edge_enrolment_code edge_source dashboard_people)

random() { od -An -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
keep() { # keep NAME TEXT: writes a secret, whole or not at all
  local file=$MASKGATE_SECRETS/$1
  rm -f "$file.part"
  { printf '%s' "$2" >"$file.part" && chmod 644 "$file.part" && mv "$file.part" "$file"; } || fail "$file cannot be written (the error is above)"
}
secret() { # secret NAME [TEXT]: makes the file unless it is there
  [ -e "$MASKGATE_SECRETS/$1" ] || [ -L "$MASKGATE_SECRETS/$1" ] || keep "$1" "${2:-}"
}
text_of() { # text_of NAME: the secret, without the white space around it
  local text
  text=$(cat "$MASKGATE_SECRETS/$1")
  text=${text#"${text%%[![:space:]]*}"}
  printf '%s' "${text%"${text##*[![:space:]]}"}"
}
holds() { [ -e "$MASKGATE_SECRETS/$1" ] && [ -n "$(text_of "$1")" ]; } # holds NAME: whether there is anything in it

check_secret() { # check_secret NAME: refuses what no service could read, or would read wrongly
  local file=$MASKGATE_SECRETS/$1 text
  [ ! -d "$file" ] || fail "$file is a folder and has to be a file (Docker makes a folder of a file that is missing); rmdir $file, and say this again"
  [ -f "$file" ] || fail "$file is no file, or a link to nothing; remove it, and write the secret into a file of that name"
  [ -r "$file" ] || fail "$file cannot be read by $(id -un); give it to whoever runs this: chown $(id -un) $file"
  [ "$(tr -dc '\000' <"$file" | wc -c)" -eq 0 ] || fail "$file holds zero bytes, as a text in UTF-16 does; save it as UTF-8"
  [ "$(head -c 3 "$file" | od -An -tx1 | tr -d ' ')" != efbbbf ] || fail "$file begins with a byte order mark; save it as UTF-8 without one"
  text=$(text_of "$1")
  [[ $1 = dashboard_people || $text != *$'\n'* ]] || fail "$file holds more than one line; a secret is one line"
  [[ $1 = dashboard_people || ! $text =~ [[:cntrl:]] ]] || fail "$file holds a control character, such as a tab; write the secret anew"
  case $1 in
  redis_password | dashboard_api_key | cloud_redis_url)
    [ -n "$text" ] || fail "$file is empty; write the secret into it, or remove the file, and one is made"
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

follow_the_password() { # follow_the_password: the address of our own Redis has the password that Redis starts with
  local address
  address=redis://:$(percent_encoded "$(text_of redis_password)")@redis:6379/0
  if [ ! -e "$MASKGATE_SECRETS/cloud_redis_url" ]; then
    keep cloud_redis_url "$address"
  elif [[ $(cat "$MASKGATE_SECRETS/cloud_redis_url") =~ ^[[:space:]]*redis://[^[:space:]]*@redis:6379/0[[:space:]]*$ && $(text_of cloud_redis_url) != "$address" ]]; then
    keep cloud_redis_url "$address"
    warn "$MASKGATE_SECRETS/cloud_redis_url is written anew, with what is in redis_password"
  fi
}

make_secrets() {
  local name
  # The folder shuts others out. Its files are readable, since Compose shows them to a container's user as they are.
  umask 022
  mkdir -p "$MASKGATE_SECRETS" || fail "the folder of secrets cannot be made (the error is above); see MASKGATE_SECRETS"
  [ -r "$MASKGATE_SECRETS" ] && [ -x "$MASKGATE_SECRETS" ] || fail "$MASKGATE_SECRETS cannot be read by $(id -un)"
  [ "$(stat -Lc %a "$MASKGATE_SECRETS")" = 700 ] || chmod 700 "$MASKGATE_SECRETS"
  secret redis_password "$(random 32)"
  check_secret redis_password
  [ ! -e "$MASKGATE_SECRETS/cloud_redis_url" ] || check_secret cloud_redis_url
  follow_the_password
  secret dashboard_api_key "mg_$(random 6)_$(random 32)"
  for name in "${secrets[@]}"; do
    secret "$name" # empty until somebody has it
    check_secret "$name"
    [ "$(stat -Lc %a "$MASKGATE_SECRETS/$name")" = 644 ] || chmod 644 "$MASKGATE_SECRETS/$name" ||
      fail "$MASKGATE_SECRETS/$name cannot be made readable for its container (the error is above): chmod 644 it"
  done
  # With it nobody can try out guesses of a secret on the digests below, which `docker inspect` shows.
  [ -s "$MASKGATE_SECRETS/.digest_key" ] || (umask 077 && keep .digest_key "$(random 32)" && chmod 600 "$MASKGATE_SECRETS/.digest_key")
}

digest() { # digest NAME FILE: exports MASKGATE_DIGEST_NAME, which is another one once the content is another
  local made
  made=$({ cat "$MASKGATE_SECRETS/.digest_key" && printf '\n%s\n' "$1" && cat "$2"; } | sha256sum)
  export "MASKGATE_DIGEST_${1^^}=${made:0:32}"
}
digest_secrets() { # digest_secrets: a service has those of its secrets in a label, so Compose makes it anew when one changes
  local name
  [ -s "$MASKGATE_SECRETS/.digest_key" ] || return 0
  for name in "${secrets[@]}"; do
    [ ! -f "$MASKGATE_SECRETS/$name" ] || digest "$name" "$MASKGATE_SECRETS/$name"
  done
  digest caddyfile docker/Caddyfile
}
