{{/*
Returns the faults of one door, one sentence per line; empty if there is none. Takes (dict "root" $ "name" … "own" … "door" (merged)).
*/}}
{{- define "maskgate-edge.faultsOfDoor" -}}
{{- $values := .root.Values -}}
{{- $at := printf "doors.%s" .name -}}
{{- $door := .door -}}
{{- $camera := .door.camera -}}
{{- if and (eq $camera.kind "network") (not $camera.url) (not $camera.existingSecret) }}
{{ $at }}: set camera.url, or camera.existingSecret with the address and its password
{{- end -}}
{{- if and (eq $camera.kind "file") (not $camera.claim) }}
{{ $at }}: camera.claim is not set: name the claim with the video or the pictures
{{- end -}}
{{- with default (dict) (default (dict) .own).camera -}}
{{- include "maskgate-edge.faultsOfAddress" (dict "at" (printf "/doors/%s/camera/url" $.name) "address" .url) -}}
{{- end -}}
{{- if not $door.nodeSelector }}
{{ $at }}: nodeSelector is empty, so the door would run on every node: name labels of the node with the camera
{{- end -}}
{{- if and (gt (len $door.enrolment.nodes) 1) (eq $door.state.kind "claim") }}
{{ $at }} has several nodes, and these cannot share one volume: set state.kind to hostPath, or make a door of each node
{{- end -}}
{{- if and (eq $door.state.kind "hostPath") $door.state.hostPath.prepare (not (and $values.securityContext.runAsUser $values.securityContext.runAsGroup)) }}
{{ $at }}: state.hostPath.prepare gives the folder to securityContext.runAsUser and runAsGroup, but one of them is null: set both, or prepare the folder yourself and set state.hostPath.prepare to false
{{- end -}}
{{- range $resource, $amount := $door.resources.requests -}}
{{- if and (contains "/" $resource) (not (hasKey $door.resources.limits $resource)) }}
{{ $at }}: resources.requests has {{ $resource }}, which Kubernetes expects in resources.limits: move it there
{{- end -}}
{{- end -}}

{{- $set := list "NODE_NAME" "EDGE_CLOUD_URL" "EDGE_STATE_DIR" "EDGE_MODEL_CACHE_DIR" "EDGE_METRICS_PORT" "EDGE_METRICS_HOST" "EDGE_HEARTBEAT_FILE" "EDGE_LOG_JSON" "EDGE_SECRETS_DIR" -}}
{{- if $values.cloud.caSecret -}}{{- $set = append $set "SSL_CERT_FILE" -}}{{- end -}}
{{- $seen := list -}}
{{- range $door.extraEnv -}}
{{- if eq .name "EDGE_SOURCE" }}
{{ $at }}: extraEnv has EDGE_SOURCE, which the chart sets: use camera.kind, with camera.existingSecret for an address with a password
{{- else if eq .name "EDGE_ENROLMENT_CODE" }}
{{ $at }}: extraEnv has EDGE_ENROLMENT_CODE: everybody who may read pods could read the code; use enrolment.existingSecret
{{- else if and (regexMatch "^(?i)(https?|all)_proxy$" .name) (contains "@" (default "" .value)) }}
{{ $at }}: extraEnv has {{ .name }} with a password in it, and everybody who may read pods could read that: take it by valueFrom from a Secret
{{- else if has .name $set }}
{{ $at }}: extraEnv has {{ .name }}, which the chart sets itself: remove it
{{- else if hasKey $door.settings .name }}
{{ $at }}: {{ .name }} is in settings and in extraEnv: remove one
{{- else if has .name $seen }}
{{ $at }}: extraEnv has {{ .name }} twice: remove one
{{- end -}}
{{- $seen = append $seen .name -}}
{{- end -}}

{{- $volumes := list "state" "cache" "secrets" "cloud-ca" "camera" "media" -}}
{{- $named := list -}}
{{- range $door.extraVolumes -}}
{{- if has .name $volumes }}
{{ $at }}: extraVolumes has {{ .name }}, a volume of the chart: choose another name
{{- else if has .name $named }}
{{ $at }}: extraVolumes has {{ .name }} twice: remove one
{{- end -}}
{{- $named = append $named .name -}}
{{- end -}}
{{- $paths := list "/var/lib/maskgate" "/var/cache/maskgate" "/run/secrets" "/etc/maskgate/cloud-ca" -}}
{{- if eq $camera.kind "device" -}}{{- $paths = append $paths $camera.path -}}{{- end -}}
{{- if eq $camera.kind "file" -}}{{- $paths = append $paths "/media" -}}{{- end -}}
{{- range $door.extraVolumeMounts -}}
{{- if not (has .name $named) }}
{{ $at }}: extraVolumeMounts mounts {{ .name }}, which extraVolumes does not have: add it there
{{- end -}}
{{- if has (clean .mountPath) $paths }}
{{ $at }}: extraVolumeMounts mounts {{ .name }} at {{ .mountPath }}, where something else is mounted: choose another mountPath
{{- end -}}
{{- $paths = append $paths (clean .mountPath) -}}
{{- end -}}
{{- include "maskgate-edge.faultsOfLabels" (dict "at" (printf "%s: podLabels" $at) "labels" $door.podLabels) -}}
{{- end }}

{{/*
Returns the fault of a camera's address. The text never repeats the address, which may hold a password.
Takes (dict "at" (where it stands) "address" …).
*/}}
{{- define "maskgate-edge.faultsOfAddress" -}}
{{- $address := default "" .address -}}
{{- $mend := "put the whole address into a Secret and name that in camera.existingSecret, because everybody who may read pods could read it here" -}}
{{- if contains "@" $address }}
at '{{ .at }}': the address of the camera has a user or a password in it (or another @): {{ $mend }}
{{- else if regexMatch "(?i)((pass(wd|word|code|phrase)?|pwd|psw|token|secret|cred(ential)?s?|signature)|[/?&;_-](pw|pin|key|apikey|auth|sig))=[^&;/\\s]" $address }}
at '{{ .at }}': the address of the camera has a password in it: {{ $mend }}
{{- else if and $address (not (regexMatch "^(?i)(rtsps?|https?)://[^/?#\\s]+([/?#]\\S*)?$" $address)) }}
at '{{ .at }}': the address of the camera begins with rtsp://, rtsps://, http:// or https:// and a host, and has no spaces
{{- else -}}
{{- include "maskgate-edge.faultsOfHost" (dict "at" .at "address" $address) -}}
{{- end -}}
{{- end }}

{{/* Returns the fault of the cloud's address, without repeating the address. Takes the address. */}}
{{- define "maskgate-edge.faultsOfCloud" -}}
{{- if not . }}
cloud.url is not set: the address of the cloud's API, such as https://gate.example.org
{{- else if contains "@" . }}
at '/cloud/url': the address of the cloud has a user or a password in it (or another @): remove it, because doors have keys of their own
{{- else if not (regexMatch "^(?i)https?://[^/?#\\s]+([/?#]\\S*)?$" .) }}
at '/cloud/url': the address of the cloud begins with http:// or https:// and a host, and has no spaces
{{- else -}}
{{- include "maskgate-edge.faultsOfHost" (dict "at" "/cloud/url" "address" .) -}}
{{- end -}}
{{- end }}

{{/* Returns the fault of the host and port of an address without a password. Takes (dict "at" … "address" …). */}}
{{- define "maskgate-edge.faultsOfHost" -}}
{{- $authority := include "maskgate-edge.authorityOf" .address -}}
{{- if $authority -}}
{{- if not (regexMatch "^(\\[[0-9A-Fa-f:.]+(%[0-9A-Za-z._~-]+)?\\]|[^\\[\\]:]+)(:[0-9]*)?$" $authority) }}
at '{{ .at }}': {{ $authority }} is no host and port: an IPv6 address stands in brackets, such as [fd00::7]:8554
{{- else if or (lt (include "maskgate-edge.portOf" .address | int) 1) (gt (include "maskgate-edge.portOf" .address | int) 65535) }}
at '{{ .at }}': {{ $authority }} has no port between 1 and 65535
{{- end -}}
{{- end -}}
{{- end }}

{{/* Returns the faults of labels: the chart finds its pods, and Helm its objects, by labels of their own. Takes (dict "at" … "labels" …). */}}
{{- define "maskgate-edge.faultsOfLabels" -}}
{{- $set := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/managed-by" "helm.sh/chart" "maskgate.io/door" -}}
{{- range $label, $_ := .labels -}}
{{- if has $label $set }}
{{ $.at }} has {{ $label }}, which the chart sets itself: remove it
{{- end -}}
{{- end -}}
{{- end }}
