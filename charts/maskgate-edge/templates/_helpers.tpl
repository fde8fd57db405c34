{{- define "maskgate-edge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" -}}
{{- end }}

{{- define "maskgate-edge.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "maskgate-edge.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What never changes of a pod's labels. Takes (dict "root" $ "component" "api"). */}}
{{- define "maskgate-edge.selector" -}}
app.kubernetes.io/name: {{ include "maskgate-edge.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Without versions: a pod is not restarted for a new chart that leaves it as it is. */}}
{{- define "maskgate-edge.podLabels" -}}
{{ include "maskgate-edge.selector" . }}
app.kubernetes.io/part-of: maskgate
{{- end }}

{{- define "maskgate-edge.labels" -}}
{{ include "maskgate-edge.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Takes (dict "root" $ "image" .Values.image). */}}
{{- define "maskgate-edge.image" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .image.registry) $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{- define "maskgate-edge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "maskgate-edge.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* A number as people write it: Helm holds every number as a float. */}}
{{- define "maskgate-edge.text" -}}
{{- if not (kindIs "float64" .) -}}
{{ . }}
{{- else if eq (floor .) . -}}
{{ printf "%d" (int64 .) }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{- define "maskgate-edge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/*
A door as it is in the end: what is its own over what is everybody's, as YAML.
Takes (dict "root" $ "name" … "own" …).
*/}}
{{- define "maskgate-edge.door" -}}
{{- $all := pick .root.Values "nodeSelector" "camera" "enrolment" "settings" "resources" "tolerations" | deepCopy -}}
{{- $own := default (dict) .own | deepCopy -}}
{{- /* A door's labels and taints are its own, or everybody's: never a mixture. */ -}}
{{- range $part := list "nodeSelector" "resources" "tolerations" -}}
{{- if hasKey $own $part -}}{{- $_ := set $all $part (index $own $part) -}}{{- end -}}
{{- end -}}
{{- range $part := list "camera" "enrolment" "settings" -}}
{{- $_ := set $all $part (mergeOverwrite (index $all $part) (default (dict) (index $own $part))) -}}
{{- end -}}
{{- toYaml $all -}}
{{- end }}
