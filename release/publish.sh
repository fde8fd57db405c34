#!/usr/bin/env bash
# Publish the images and charts that were built, tested and scanned before, and sign them. The steps, in this order:
#   release/publish.sh save NAME [SUFFIX]   copy the image that docker/images.sh built, and its bill of materials, into var/release
#   release/publish.sh images               push the images of var/release/images, and join both platforms under one tag
#   release/publish.sh charts               push the packages of var/release/charts
#   release/publish.sh sign                 sign the images and charts that were pushed, and attest each image's bill of materials (cosign)
#   release/publish.sh files                gather the files of the release's page, with checksums and their signature
# The variable REGISTRY names the registry, such as ghcr.io/owner. Docker and Helm have to be logged in there.
# The script needs docker with buildx, helm 3.8 or newer, python3 and cosign.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
made=var/release
# The images and charts that were pushed: a digest and a name on each line, as sha256sum writes them.
subjects=$made/subjects.txt

fail() { echo "release: $*" >&2; exit 1; }
registry() {
  [ -n "${REGISTRY:-}" ] || fail "REGISTRY is not set: set it, such as REGISTRY=ghcr.io/owner"
  printf '%s\n' "${REGISTRY,,}" # the name of an image has no capitals; the name of an owner may have some
}
digest() { docker buildx imagetools inspect "$1" --format '{{json .Manifest.Digest}}' | tr -d '"'; } # digest IMAGE:TAG
note() { # note DIGEST NAME
  [[ $1 =~ ^sha256:[0-9a-f]{64}$ ]] || fail "$2: \"$1\" is not a digest"
  echo "${1#sha256:}  $2" >>"$subjects"
}

save() { # save NAME [SUFFIX]
  local name=$1 suffix=${2:-} architecture to
  to=$(registry)/maskgate/$name
  architecture=$(docker image inspect --format '{{.Architecture}}' "maskgate/$name:$version$suffix")
  mkdir -p "$made/images" "$made/files"
  docker tag "maskgate/$name:$version$suffix" "$to:$version$suffix-$architecture"
  docker save "$to:$version$suffix-$architecture" | gzip -1 >"$made/images/$name$suffix-$architecture.tar.gz"
  cp "var/images/$name$suffix.cdx.json" "$made/files/maskgate-$name-$version$suffix-$architecture.cdx.json"
}

images() {
  local to archive tag name suffix expected
  to=$(registry)
  : >"$subjects"
  for archive in "$made"/images/*.tar.gz; do
    [ -e "$archive" ] || fail "$made/images has no image: run release/publish.sh save first"
    tag=$(docker load --input "$archive" | sed -n 's/^Loaded image: //p')
    case $tag in "$to"/maskgate/*:"$version"*) ;; *) fail "$archive holds ${tag:-no image with a name}, and not version $version for $to" ;; esac
    docker push --quiet "$tag" >/dev/null
  done
  # The tag that people pull comes last, when the images of all platforms are there.
  for name in edge cloud dashboard edge-gpu; do
    suffix= expected=2
    if [ "$name" = edge-gpu ]; then name=edge suffix=-gpu expected=1; fi
    local of=()
    for archive in "$made/images/$name$suffix"-{amd64,arm64}.tar.gz; do
      [ -e "$archive" ] || continue
      tag=${archive##*-} tag=${tag%.tar.gz}
      of+=("$to/maskgate/$name:$version$suffix-$tag")
    done
    [ "${#of[@]}" -eq "$expected" ] || fail "$name$suffix: $made/images has ${#of[@]} of its platforms, and must have $expected"
    docker buildx imagetools create --tag "$to/maskgate/$name:$version$suffix" "${of[@]}"
    note "$(digest "$to/maskgate/$name:$version$suffix")" "$to/maskgate/$name"
  done
}

charts() {
  local to package pushed name
  to=$(registry)
  for package in "$made"/charts/*-"$version".tgz; do
    [ -e "$package" ] || fail "$made/charts has no chart of $version: run make charts REGISTRY=$to"
    name=$(basename "$package" "-$version.tgz")
    pushed=$(helm push "$package" "oci://$to/maskgate/charts" 2>&1 | tee /dev/stderr | sed -n 's/^Digest: //p')
    [ -n "$pushed" ] || fail "helm did not print the digest of $name"
    note "$pushed" "$to/maskgate/charts/$name"
  done
}

sign() {
  local to sum name bill image architecture child
  to=$(registry)
  [ -s "$subjects" ] || fail "$subjects is empty: push images and charts first"
  while read -r sum name; do
    cosign sign --yes --recursive "$name@sha256:$sum" </dev/null
  done <"$subjects"
  for bill in "$made"/files/*.cdx.json; do
    image=$(basename "$bill" .cdx.json) # maskgate-edge-0.1.0-gpu-amd64
    architecture=${image##*-} image=${image%-*} image=${image#maskgate-}
    name=${image%%-*} image=$to/maskgate/$name:${image#"$name"-}
    child=$(docker buildx imagetools inspect --raw "$image" | python3 -c '
import json, sys
print(*(each["digest"] for each in json.load(sys.stdin)["manifests"] if each["platform"]["architecture"] == sys.argv[1]))' "$architecture")
    [ -n "$child" ] || fail "$image has no image for $architecture"
    cosign attest --yes --type cyclonedx --predicate "$bill" "$to/maskgate/$name@$child"
  done
}

files() {
  mkdir -p "$made/files"
  cp "$made"/charts/*-"$version".tgz "$made/files/"
  (cd "$made/files" && rm -f SHA256SUMS* && sha256sum -- * >SHA256SUMS)
  cosign sign-blob --yes --bundle "$made/files/SHA256SUMS.sigstore.json" "$made/files/SHA256SUMS" >/dev/null
}

case ${1:-} in
  save) [ $# -ge 2 ] || fail "save needs a name: edge, cloud or dashboard"; save "${@:2}" ;;
  images | charts | sign | files) "$1" ;;
  *) sed -n '2,9s/^# //p' "$0" >&2; exit 2 ;;
esac
