{{/* Takes (dict "root" $ "image" .Values.image). A registry for all images takes precedence. */}}
{{- define "maskgate.image" -}}
{{- $name := .image.repository -}}
{{- $registry := default .image.registry (default (dict) .root.Values.global).imageRegistry -}}
{{- if $registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $registry) $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{/* Secrets to pull images with, each as {name: …}. The values have names, or {name: …}. */}}
{{- define "maskgate.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (default (list) (default (dict) .Values.global).imagePullSecrets) (default (list) .Values.imagePullSecrets) -}}
{{- $names = append $names (ternary . (dict "name" .) (kindIs "map" .)) -}}
{{- end -}}
{{- with uniq $names -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}
