#!/usr/bin/env bash
# Builds images, says how large each is beyond its base, and writes its bill of materials to var/images/NAME.cdx.json:
#   docker/images.sh [edge|cloud|dashboard …]
# From the environment: PYTHON_IMAGE, the base; PLATFORM, such as linux/arm64; SUFFIX of the tag, such as -gpu;
# BUILD_OPTIONS, for docker build.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${PYTHON_IMAGE:-python:3.11-slim-bookworm}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
tag=$version${SUFFIX:-}
options=(--build-arg "PYTHON_IMAGE=$base" --build-arg "VERSION=$version")
[ -z "${PLATFORM:-}" ] || options+=(--platform "$PLATFORM")
if revision=$(git rev-parse HEAD 2>/dev/null); then
  options+=(--build-arg "REVISION=$revision" --build-arg "CREATED=$(git log -1 --format=%cI)")
fi
command -v docker >/dev/null || { echo "images: there is no docker here; install Docker Engine 20.10 or newer" >&2; exit 1; }
docker version --format '{{.Server.Version}}' >/dev/null || { echo "images: the engine does not answer (its error is above); is it started, and may you use it?" >&2; exit 1; }

size() { docker image inspect --format '{{.Size}}' "$1"; }
mib() { echo $((($1 + 524288) / 1048576)); }
names=("$@")
((${#names[@]})) || names=(edge cloud dashboard)
mkdir -p var/images
for name in "${names[@]}"; do
  echo "images: building maskgate/$name:$tag" >&2
  # shellcheck disable=SC2086
  docker build --quiet --file "docker/$name.Dockerfile" --tag "maskgate/$name:$tag" "${options[@]}" ${BUILD_OPTIONS:-} . >/dev/null
  container=$(docker create "maskgate/$name:$tag")
  docker cp --quiet "$container:/usr/share/maskgate/sbom.cdx.json" "var/images/$name${SUFFIX:-}.cdx.json" 2>/dev/null ||
    docker cp "$container:/usr/share/maskgate/sbom.cdx.json" "var/images/$name${SUFFIX:-}.cdx.json" >/dev/null
  docker rm "$container" >/dev/null
done
printf '%-28s %10s %12s\n' image MiB 'beyond base'
for name in "${names[@]}"; do
  whole=$(size "maskgate/$name:$tag")
  printf '%-28s %10s %12s\n' "maskgate/$name:$tag" "$(mib "$whole")" "$(mib $((whole - $(size "$base"))))"
done
