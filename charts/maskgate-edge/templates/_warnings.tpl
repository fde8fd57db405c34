{{/*
What somebody should know of a door that is no fault, one sentence a line; empty: nothing.
Takes (dict "root" $ "name" … "door" (merged)).
*/}}
{{- define "maskgate-edge.warningsOfDoor" -}}
{{- $values := .root.Values -}}
{{- $at := printf "WARNING: doors.%s" .name -}}
{{- $door := .door -}}
{{- $camera := .door.camera -}}
{{- if eq $door.state.kind "emptyDir" }}
{{ $at }}: state.kind=emptyDir: the door loses its key, and what is not delivered, with its pod.
{{- end -}}
{{- if and (eq $camera.kind "network") $values.networkPolicy.enabled (not $door.hostNetwork) $camera.existingSecret (not $camera.url) (not $camera.ports) (not $values.networkPolicy.cameraPorts) }}
{{ $at }}: the camera's address is in a Secret, so its port cannot be seen here; 80, 322, 443 and 554 are open. Name another in camera.ports.
{{- end -}}
{{- if and (ne $camera.kind "network") (or $camera.url $camera.existingSecret) }}
{{ $at }}: camera.kind={{ $camera.kind }}, so the camera's address is not used. Set camera.kind=network for it.
{{- end -}}
{{- range $door.extraEnv -}}
{{- if and (regexMatch "^(?i)(https?|all)_proxy$" .name) .valueFrom $values.networkPolicy.enabled (not $door.hostNetwork) (not $values.networkPolicy.proxyPorts) }}
{{ $at }}: the port in {{ .name }} cannot be seen here. Name it in networkPolicy.proxyPorts.
{{- end -}}
{{- end -}}
{{- if and $door.hostNetwork (eq (int $door.metrics.port) 9100) }}
{{ $at }}: hostNetwork with port 9100, which node-exporter uses on many nodes: a door that cannot have it does not start. Choose metrics.port.
{{- end -}}
{{- $device := get $door.settings "EDGE_INFERENCE_DEVICE" | default "CPU" -}}
{{- if and (hasPrefix "GPU" $device) (not $door.image.digest) (not (contains "gpu" (default "" $door.image.tag))) (not (contains "gpu" $door.image.repository)) }}
{{ $at }}: EDGE_INFERENCE_DEVICE={{ $device }} needs an image with the driver, such as image.tag={{ .root.Chart.AppVersion }}-gpu (`make images-gpu`).
{{- end -}}
{{- end }}
