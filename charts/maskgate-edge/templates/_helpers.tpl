{{/* Part of the selectors, which cannot change: a long name is cut without a hash here. */}}
{{- define "maskgate-edge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" -}}
{{- end }}

{{/* The beginning of every object's name, before it is cut. */}}
{{- define "maskgate-edge.longName" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := include "maskgate-edge.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
The beginning of every object's name: 30 characters, so that a door's name fits behind it. A longer name is
cut and ends in a hash of the whole, so that two long names that begin alike stay apart. A release whose
objects were named without the hash, by charts up to 0.1.0, keeps these names: its volumes hold the doors' keys.
*/}}
{{- define "maskgate-edge.fullname" -}}
{{- $long := include "maskgate-edge.longName" . -}}
{{- if le (len $long) 30 -}}
{{- $long | trimSuffix "-" -}}
{{- else -}}
{{- $before := $long | trunc 30 | trimSuffix "-" -}}
{{- $name := printf "%s-%s" ($long | trunc 21 | trimSuffix "-") (sha256sum $long | trunc 8) -}}
{{- if .Release.IsUpgrade -}}
{{- $namespace := include "maskgate-edge.namespace" . -}}
{{- $release := .Release.Name -}}
{{- range $door, $_ := .Values.doors -}}
{{- $held := lookup "apps/v1" "DaemonSet" $namespace (printf "%s-%s" $before $door) -}}
{{- if $held -}}
{{- if eq $release (dig "metadata" "annotations" "meta.helm.sh/release-name" "" $held) -}}
{{- $name = $before -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $name -}}
{{- end -}}
{{- end }}

{{- define "maskgate-edge.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{/* What never changes of a pod's labels. Takes (dict "root" $ "component" "door-front"). */}}
{{- define "maskgate-edge.selector" -}}
app.kubernetes.io/name: {{ include "maskgate-edge.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
A pod's labels, without versions: a pod is not restarted for a new chart that leaves it as it is.
Takes (dict "root" $ "component" … "extra" (dict …)); `extra` wins over commonLabels.
*/}}
{{- define "maskgate-edge.podLabels" -}}
{{- $own := include "maskgate-edge.selector" . | fromYaml -}}
{{- toYaml (merge $own (default (dict) .extra) (default (dict) .root.Values.commonLabels) (dict "app.kubernetes.io/part-of" "maskgate")) -}}
{{- end }}

{{/* An object's labels. Takes what maskgate-edge.podLabels takes. */}}
{{- define "maskgate-edge.labels" -}}
{{- $own := include "maskgate-edge.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- $about := dict "app.kubernetes.io/part-of" "maskgate" "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- toYaml (merge $own (default (dict) .extra) (default (dict) .root.Values.commonLabels) $about) -}}
{{- end }}

{{/*
An object's metadata. Takes (dict "root" $ "name" "doors-front" "component" … "extra" (dict …) "annotations" (dict …));
all but root and name may be left out; `extra` are labels, and the annotations given win over commonAnnotations.
*/}}
{{- define "maskgate-edge.metadata" -}}
name: {{ .name | quote }}
{{- with .root.Values.namespaceOverride }}
namespace: {{ . | quote }}
{{- end }}
labels: {{- include "maskgate-edge.labels" . | nindent 2 }}
{{- with mergeOverwrite (default (dict) .root.Values.commonAnnotations | deepCopy) (default (dict) .annotations) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Takes (dict "root" $ "image" .Values.image). */}}
{{- define "maskgate-edge.image" -}}
{{- $name := .image.repository -}}
{{- $registry := default .image.registry (default (dict) .root.Values.global).imageRegistry -}}
{{- if $registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $registry) $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{/* Secrets to pull images with, each as {name: …}; they may be said as names or so. */}}
{{- define "maskgate-edge.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (default (list) (default (dict) .Values.global).imagePullSecrets) (default (list) .Values.imagePullSecrets) -}}
{{- $names = append $names (ternary . (dict "name" .) (kindIs "map" .)) -}}
{{- end -}}
{{- with uniq $names -}}
{{- toYaml . -}}
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

{{/* The beginning of the pods of entrances and of the hub. Takes (dict "root" $). */}}
{{- define "maskgate-edge.readerPod" -}}
serviceAccountName: {{ include "maskgate-edge.serviceAccountName" .root | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "maskgate-edge.pullSecrets" .root }}
imagePullSecrets: {{- . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
{{- end }}

{{/* The security context of these pods. Takes (dict "root" $ "groups" (list …)). */}}
{{- define "maskgate-edge.readerSecurity" -}}
runAsNonRoot: true
{{- with .root.Values.securityContext.runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .root.Values.securityContext.runAsGroup }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- with .groups }}
supplementalGroups: {{ toJson . }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Where a door writes its signs of life: memory that every container has, so that no flash card wears out. */}}
{{- define "maskgate-edge.heartbeatFile" -}}
/dev/shm/maskgate-heartbeat
{{- end }}

{{/* The address by which a probe in the container reads the metrics. Takes (dict "root" $ "port" 9100). */}}
{{- define "maskgate-edge.metricsAddress" -}}
{{- $host := include "maskgate-edge.metricsHost" .root -}}
{{- $host = get (dict "0.0.0.0" "127.0.0.1" "::" "::1") $host | default $host -}}
{{- printf "http://%s:%d/metrics" (ternary (printf "[%s]" $host) $host (contains ":" $host)) (int .port) -}}
{{- end }}

{{/* Where the metrics listen: bindAddress, or the container alone. */}}
{{- define "maskgate-edge.metricsHost" -}}
{{- if .Values.metrics.expose -}}
{{- default "0.0.0.0" .Values.bindAddress -}}
{{- else -}}
{{- ternary "::1" "127.0.0.1" (contains ":" (default "" .Values.bindAddress)) -}}
{{- end -}}
{{- end }}
