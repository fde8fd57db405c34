{{/*
Returns the conflicts between two doors, one sentence per line; empty if there is none.
Takes (dict "one" "front" "other" "back" "doors" (every merged door by its name)).
*/}}
{{- define "maskgate-edge.faultsOfPair" -}}
{{- $one := index .doors .one -}}
{{- $other := index .doors .other -}}
{{- $both := printf "doors.%s and doors.%s" .one .other -}}
{{- $codes := list -}}
{{- range (include "maskgate-edge.codesOf" $other | fromYaml).codes -}}
{{- if has . (include "maskgate-edge.codesOf" $one | fromYaml).codes -}}{{- $codes = append $codes . -}}{{- end -}}
{{- end -}}
{{- range $codes }}
{{ $both }} have the same enrolment code ({{ . }}), and a code works once: give each an enrolment.key or enrolment.existingSecret of its own; a door that is already enrolled needs no code
{{- end -}}
{{- if or (include "maskgate-edge.contains" (dict "one" $one "other" $other)) (include "maskgate-edge.contains" (dict "one" $other "other" $one)) -}}
{{- $camera := include "maskgate-edge.deviceOf" $one -}}
{{- if and $camera (eq $camera (include "maskgate-edge.deviceOf" $other)) }}
{{ $both }} can be on one node ({{ toJson $one.nodeSelector }}, {{ toJson $other.nodeSelector }}) and use the same camera ({{ $camera }}), which can serve only one: give one of them another nodeSelector, or another camera
{{- end -}}
{{- if and $one.hostNetwork $other.hostNetwork (eq (int $one.metrics.port) (int $other.metrics.port)) }}
{{ $both }} can be on one node ({{ toJson $one.nodeSelector }}, {{ toJson $other.nodeSelector }}) and use the same port of the node ({{ int $one.metrics.port }}), because hostNetwork is on: give one of them another metrics.port, or another nodeSelector
{{- end -}}
{{- $folder := include "maskgate-edge.stateFolder" (dict "name" .one "door" $one) -}}
{{- $second := include "maskgate-edge.stateFolder" (dict "name" .other "door" $other) -}}
{{- if and (eq $one.state.kind "hostPath") (eq $other.state.kind "hostPath") (or (hasPrefix (print $folder "/") (print $second "/")) (hasPrefix (print $second "/") (print $folder "/"))) }}
{{ $both }} can be on one node and keep their state in one folder ({{ $folder }}, {{ $second }}): give one of them another state.hostPath.path
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Returns "yes" if every node of one door is a node of the other, too, as far as their labels tell. Labels that overlap only by
chance, and doors with different node affinities, count as different nodes.
Takes (dict "one" … "other" …), two merged doors. Empty: no.
*/}}
{{- define "maskgate-edge.contains" -}}
{{- $rule := "requiredDuringSchedulingIgnoredDuringExecution" -}}
{{- $wide := dig "nodeAffinity" $rule (dict) (default (dict) .other.affinity) -}}
{{- $narrow := dig "nodeAffinity" $rule (dict) (default (dict) .one.affinity) -}}
{{- $within := or (not $wide) (eq (toJson $wide) (toJson $narrow)) -}}
{{- range $label, $value := .other.nodeSelector -}}
{{- if not (hasKey $.one.nodeSelector $label) -}}{{- $within = false -}}
{{- else if ne $value (index $.one.nodeSelector $label) -}}{{- $within = false -}}
{{- end -}}
{{- end -}}
{{- if $within -}}yes{{- end -}}
{{- end }}

{{/* Returns the node's device that a merged door uses, by its file or its plugin's name; empty if there is none. */}}
{{- define "maskgate-edge.deviceOf" -}}
{{- if eq .camera.kind "device" -}}
{{- clean .camera.path -}}
{{- else if eq .camera.kind "resource" -}}
{{- regexReplaceAll "^smarter-devices/(video[0-9]+)$" .camera.resource "/dev/${1}" -}}
{{- end -}}
{{- end }}

{{/* Where the codes of a merged door are, as YAML: {codes: [SECRET/KEY, …]}. */}}
{{- define "maskgate-edge.codesOf" -}}
{{- $codes := list -}}
{{- if .enrolment.existingSecret -}}
{{- range default (list .enrolment.key) .enrolment.nodes -}}
{{- $codes = append $codes (printf "%s/%s" $.enrolment.existingSecret .) -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "codes" $codes) -}}
{{- end }}

{{/* The folder on the node in which a door keeps its state. Takes (dict "name" … "door" (a merged door)). */}}
{{- define "maskgate-edge.stateFolder" -}}
{{- printf "%s/%s" (trimSuffix "/" .door.state.hostPath.path) .name -}}
{{- end }}
