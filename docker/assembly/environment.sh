#!/bin/sh
# Makes /image/opt/maskgate, an image's Python environment, from its lock: environment.sh LOCK PRUNE [KEEP]
# A line of PRUNE is a pattern below site-packages. If only one kind of machine (uname -m) has these files, it follows.
# KEEP is a pattern of names (for `grep -E`) that stay although PRUNE lists them.
# Two builds of one lock give the same bytes: the result contains no time, no order of a folder and no cache of the build.
set -eu
lock=$1 prune=$2 keep=${3:-}
environment=/opt/maskgate

# The environment is made at its final path, since a venv contains its path, and copied under /image at the end.
python3 -m venv --without-pip "$environment"
python3 -m pip --python "$environment/bin/python" install --quiet --disable-pip-version-check --no-cache-dir \
  --root-user-action=ignore --no-compile --no-deps --require-hashes --only-binary :all: -r "$lock"

packages=$(echo "$environment"/lib/python3.*/site-packages)
sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$prune" | while read -r pattern machine; do
  if [ -n "$machine" ] && [ "$machine" != "$(uname -m)" ]; then continue; fi
  if [ -n "$keep" ] && echo "$pattern" | grep -qE "$keep"; then continue; fi
  # shellcheck disable=SC2086
  set -- "$packages"/$pattern
  [ -e "$1" ] || { echo "$prune: $pattern matches no installed file: remove or correct the line" >&2; exit 1; }
  rm -rf "$@"
done
find "$packages" -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
rm -f "$environment"/bin/activate* "$environment"/bin/Activate.ps1
# The packages' code is compiled here, since the file system of a container is read-only.
find "$packages" -name '*.py' -print | LC_ALL=C sort >/tmp/sources
"$environment/bin/python" -m compileall -q --invalidation-mode unchecked-hash -i /tmp/sources
mkdir -p /image/opt
cp -a "$environment" /image/opt/
./timeless.sh /image
