{{- define "maskgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/*
The beginning of the names of all objects, at most 40 characters. A longer one is cut, and a hash of the whole
distinguishes it from others that begin alike. Earlier charts added no hash: a release with such names in the cluster
keeps them.
*/}}
{{- define "maskgate.fullname" -}}
{{- $whole := .Values.fullnameOverride -}}
{{- if not $whole -}}
{{- $name := include "maskgate.name" . -}}
{{- $whole = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- end -}}
{{- $cut := $whole | trunc 40 | trimSuffix "-" -}}
{{- if le (len $whole) 40 -}}
{{- $cut -}}
{{- else -}}
{{- $held := lookup "v1" "ConfigMap" (include "maskgate.namespace" .) (printf "%s-settings" $cut) -}}
{{- if eq .Release.Name (dig "metadata" "labels" "app.kubernetes.io/instance" "" $held) -}}
{{- $cut -}}
{{- else -}}
{{- printf "%s-%s" ($whole | trunc 31 | trimSuffix "-") ($whole | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "maskgate.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{- define "maskgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "maskgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* The labels of a pod that never change. Takes (dict "root" $ "component" "api"). */}}
{{- define "maskgate.selector" -}}
app.kubernetes.io/name: {{ include "maskgate.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/*
The labels of a pod, without versions: a new chart does not restart a pod that it does not change.
Takes (dict "root" $ "component" "api" "of" .Values.api).
*/}}
{{- define "maskgate.podLabels" -}}
{{- $own := include "maskgate.selector" . | fromYaml -}}
{{- $of := default (dict) .of -}}
{{- $said := merge (dict) (default (dict) $of.podLabels) (default (dict) .root.Values.podLabels) (default (dict) .root.Values.commonLabels) -}}
{{- toYaml (merge $own $said (dict "app.kubernetes.io/part-of" "maskgate")) -}}
{{- end }}

{{/* Labels of an object. Takes (dict "root" $ "component" "api"), and may take "labels", which take precedence over commonLabels. */}}
{{- define "maskgate.labels" -}}
{{- $own := include "maskgate.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- $about := dict "app.kubernetes.io/part-of" "maskgate" "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- toYaml (merge $own (default (dict) .labels) (default (dict) .root.Values.commonLabels) $about) -}}
{{- end }}

{{/*
An object's metadata. Takes (dict "root" $ "name" … "component" "api"), and may take "labels" and "annotations" as
maps, which take precedence over those of all objects.
*/}}
{{- define "maskgate.metadata" -}}
{{- $metadata := dict "name" .name "labels" (include "maskgate.labels" . | fromYaml) -}}
{{- with .root.Values.namespaceOverride -}}
{{- $_ := set $metadata "namespace" . -}}
{{- end -}}
{{- with merge (dict) (default (dict) .annotations) (default (dict) .root.Values.commonAnnotations) -}}
{{- $_ := set $metadata "annotations" . -}}
{{- end -}}
{{- toYaml $metadata -}}
{{- end }}
