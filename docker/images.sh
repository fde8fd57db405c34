#!/usr/bin/env bash
# Builds images, prints how much larger than its base each is, and writes its bill of materials to var/images/NAME.cdx.json:
#   docker/images.sh [edge|cloud|dashboard …]
# Variables: PYTHON_IMAGE, the base; PLATFORM, such as linux/arm64, whose base may exist here as PYTHON_IMAGE-arm64; SUFFIX
# of the tag, such as -gpu; SOURCE, the address of the repository for the image's label; BUILD_OPTIONS, for docker build.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${PYTHON_IMAGE:-python:3.11-slim-bookworm}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
tag=$version${SUFFIX:-}
options=(--build-arg "VERSION=$version" --build-arg "SOURCE=${SOURCE:-${GITHUB_REPOSITORY:+${GITHUB_SERVER_URL:-}/$GITHUB_REPOSITORY}}")
if revision=$(git rev-parse HEAD 2>/dev/null); then
  options+=(--build-arg "REVISION=$revision" --build-arg "CREATED=$(git log -1 --format=%cI)")
fi
command -v docker >/dev/null || { echo "images: there is no docker here; install Docker Engine 20.10 or newer" >&2; exit 1; }
docker version --format '{{.Server.Version}}' >/dev/null || { echo "images: the engine does not answer (its error is above); is it started, and may you use it?" >&2; exit 1; }

# A builder that runs in a container (`docker buildx create`) keeps its images. The engine's own builder gives them to the
# engine, which measures and starts them.
export BUILDX_BUILDER=${BUILDX_BUILDER:-default}

here() { docker image inspect --format '{{.Os}}/{{.Architecture}}' "$1" 2>/dev/null; } # here IMAGE: the platform in its label
fetch() { # fetch IMAGE PLATFORM TAG: pulls IMAGE of PLATFORM as TAG; the name IMAGE stays with the image that it had
  local was
  was=$(docker image inspect --format '{{.Id}}' "$1" 2>/dev/null) || was=
  docker pull --quiet --platform "$2" "$1" >/dev/null ||
    { echo "images: no base for $2 (its error is above); give one as $3: docker load or pull it, then docker tag it" >&2; exit 1; }
  docker tag "$1" "$3"
  if [ -n "$was" ]; then docker tag "$was" "$1"; else docker rmi "$1" >/dev/null; fi
}
measured=$base
if [ -n "${PLATFORM:-}" ]; then
  if docker buildx version >/dev/null 2>&1; then export DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-1}; fi
  own=$base-${PLATFORM##*/}
  if [ "$(here "$base")" = "$PLATFORM" ]; then
    options+=(--platform "$PLATFORM")
  elif ! here "$own" >/dev/null && [ "${DOCKER_BUILDKIT:-0}" = 1 ]; then
    options+=(--platform "$PLATFORM") # BuildKit finds the base by itself,
    measured=                         # and keeps no image of it.
  else
    here "$own" >/dev/null || fetch "$base" "$PLATFORM" "$own"
    # The platform in the base's label, even if `docker import` wrote a wrong one: the builder before BuildKit finds its own
    # stages only by this label.
    options+=(--platform "$(here "$own")")
    base=$own measured=$own
  fi
elif ! here "$base" >/dev/null; then
  docker pull --quiet "$base" >/dev/null # for its size: BuildKit would keep no image of it
fi
options+=(--build-arg "PYTHON_IMAGE=$base")

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
  docker rm --volumes "$container" >/dev/null
done
printf '%-28s %10s %12s\n' image MiB 'beyond base'
for name in "${names[@]}"; do
  whole=$(size "maskgate/$name:$tag")
  beyond='?'
  [ -z "$measured" ] || beyond=$(mib $((whole - $(size "$measured"))))
  printf '%-28s %10s %12s\n' "maskgate/$name:$tag" "$(mib "$whole")" "$beyond"
done
