#!/usr/bin/env bash
# Installs both charts in a cluster of kind, runs `helm test`, and lets a door deliver events:
#   tests/deploy/kind.sh [CLUSTER]
# The cluster is there already (`kind create cluster`), and so are the images that `make images` builds. What this makes lies in the
# namespace `maskgate-test`, which is removed before and after. Needs docker, kind, kubectl and helm.
set -euo pipefail
cd "$(dirname "$0")/../.."
cluster=${1:-kind}
space=maskgate-test
redis=redis:7-bookworm
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
for program in docker kind kubectl helm; do
  command -v "$program" >/dev/null || { echo "kind-test: there is no $program here" >&2; exit 1; }
done
kubectl() { command kubectl --context "kind-$cluster" "$@"; }
helm() { command helm --kube-context "kind-$cluster" --namespace "$space" "$@"; }
tell() { # what a person would look at after a failure
  kubectl --namespace "$space" get pods,pvc --output wide || true
  kubectl --namespace "$space" get events --sort-by=.lastTimestamp | tail -40 || true
  kubectl --namespace "$space" logs --selector app.kubernetes.io/part-of=maskgate --all-containers --prefix --tail 40 || true
}
granted() { # how many passes were granted since the API's only pod started
  kubectl --namespace "$space" exec deploy/maskgate-api -- \
    python -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode())' |
    awk '/^maskgate_events_total\{.*access="granted".*\}/ { sum += $NF } END { print int(sum) }'
}
clear_away() { kubectl delete namespace "$space" --ignore-not-found --wait && kubectl delete persistentvolume maskgate-test-clips --ignore-not-found; }

kind load docker-image --name "$cluster" "maskgate/cloud:$version" "maskgate/dashboard:$version" "maskgate/edge:$version"
# An image of several platforms cannot be loaded from every Docker: then the nodes pull it.
docker image inspect "$redis" >/dev/null 2>&1 || docker pull --quiet "$redis"
kind load docker-image --name "$cluster" "$redis" || echo "kind-test: the nodes pull $redis themselves" >&2
clear_away
trap 'status=$?; [ "$status" -eq 0 ] || tell; clear_away; exit "$status"' EXIT
kubectl create namespace "$space"
kubectl label namespace "$space" pod-security.kubernetes.io/enforce=restricted

helm install maskgate charts/maskgate --set gates.main="Main entrance" --set api.replicas=1 --set worker.replicas=1 --wait --timeout 10m
helm test maskgate --logs --timeout 5m
before=$(granted) # helm test was granted one

# A door, whose camera is the demo's clip on the node.
node=$(kind get nodes --name "$cluster" | sort | head -1)
docker exec "$node" mkdir -p /var/lib/maskgate-test
docker cp demo/clip.mp4 "$node:/var/lib/maskgate-test/clip.mp4"
docker exec "$node" chmod -R a+rX /var/lib/maskgate-test
kubectl label node "$node" --overwrite maskgate.io/door=front
kubectl apply --filename - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: maskgate-test-clips}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  hostPath: {path: /var/lib/maskgate-test}
  claimRef: {namespace: $space, name: clips}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: clips, namespace: $space}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  resources: {requests: {storage: 1Gi}}
YAML
code=$(kubectl --namespace "$space" exec deploy/maskgate-api -- python -m cloud enrolment-codes create main --json |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["code"])')
printf '%s' "$code" | kubectl --namespace "$space" create secret generic door-front --from-file=enrolment-code=/dev/stdin
helm install doors charts/maskgate-edge --values tests/deploy/kind-door.yaml --wait --timeout 10m
kubectl --namespace "$space" exec ds/doors-maskgate-edge-front -- python -m edge doctor

for _ in $(seq 60); do
  now=$(granted)
  if [ "$now" -gt "$before" ]; then
    echo "kind-test: helm test passed, and the door delivered"
    exit 0
  fi
  sleep 5
done
echo "kind-test: nobody was granted a pass at the door within five minutes" >&2
exit 1
