{{/*
Returns the warnings about one door, one sentence per line; empty if there is none. A warning is no fault.
Takes (dict "root" $ "name" … "door" (merged)).
*/}}
{{- define "maskgate-edge.warningsOfDoor" -}}
{{- $values := .root.Values -}}
{{- $at := printf "WARNING: doors.%s" .name -}}
{{- $door := .door -}}
{{- $camera := .door.camera -}}
{{- if eq $door.state.kind "emptyDir" }}
{{ $at }}: state.kind=emptyDir: the door loses its key and its undelivered events with its pod.
{{- end -}}
{{- if and (eq $camera.kind "network") $values.networkPolicy.enabled (not $door.hostNetwork) $camera.existingSecret (not $camera.url) (not $camera.ports) (not $values.networkPolicy.cameraPorts) }}
{{ $at }}: the camera's address is in a Secret, so the chart cannot read its port; 80, 322, 443 and 554 are open. Name another port in camera.ports.
{{- end -}}
{{- if and (ne $camera.kind "network") (or $camera.url $camera.existingSecret) }}
{{ $at }}: camera.kind={{ $camera.kind }}, so the camera's address has no effect. Set camera.kind=network to use it.
{{- end -}}
{{- range $door.extraEnv -}}
{{- if and (regexMatch "^(?i)(https?|all)_proxy$" .name) .valueFrom $values.networkPolicy.enabled (not $door.hostNetwork) (not $values.networkPolicy.proxyPorts) }}
{{ $at }}: the chart cannot read the port in {{ .name }}. Name the port in networkPolicy.proxyPorts.
{{- end -}}
{{- end -}}
{{- if and $door.hostNetwork (eq (int $door.metrics.port) 9100) }}
{{ $at }}: hostNetwork with port 9100, which node-exporter uses on many nodes: a door does not start if its port is taken. Choose another metrics.port.
{{- end -}}
{{- $device := get $door.settings "EDGE_INFERENCE_DEVICE" | default "CPU" -}}
{{- if and (hasPrefix "GPU" $device) (not $door.image.digest) (not (contains "gpu" (default "" $door.image.tag))) (not (contains "gpu" $door.image.repository)) }}
{{ $at }}: EDGE_INFERENCE_DEVICE={{ $device }} needs an image with the driver, such as image.tag={{ .root.Chart.AppVersion }}-gpu (`make images-gpu`).
{{- end -}}
{{- end }}
