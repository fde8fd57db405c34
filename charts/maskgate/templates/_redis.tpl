{{- define "maskgate.redisSecret" -}}
{{- if eq .Values.redis.mode "bundled" -}}
{{- default (printf "%s-redis" (include "maskgate.fullname" .)) .Values.redis.bundled.existingSecret -}}
{{- else -}}
{{- .Values.redis.external.existingSecret -}}
{{- end -}}
{{- end }}

{{/* Redis listens on all addresses of both families, and leaves out a family that the node lacks. */}}
{{- define "maskgate.redisConf" -}}
bind * -::*
port 6379
dir /data
appendonly yes
appendfsync {{ .Values.redis.bundled.fsync }}
hash-max-listpack-value 1024
save ""
maxmemory-policy noeviction
{{- with .Values.redis.bundled.maxMemory }}
maxmemory {{ . }}
{{- end }}
{{- end }}

{{/* The ports in a value. The defaults of earlier charts count as an empty value. */}}
{{- define "maskgate.saidRedisPorts" -}}
{{- $whole := list -}}
{{- range .Values.networkPolicy.redisPorts -}}{{- $whole = append $whole (int .) -}}{{- end -}}
{{- ternary (list) $whole (eq (join "," $whole) "6379,6380,26379") | toJson -}}
{{- end }}

{{/* If only a Secret has the address of an external Redis, the chart cannot know its port. */}}
{{- define "maskgate.redisPortsAreGuessed" -}}
{{- if and (eq .Values.redis.mode "external") (not (include "maskgate.saidRedisPorts" . | fromJsonArray)) -}}
{{- with .Values.redis.external -}}
{{- if or (not .url) (and .queueUrlKey (not .queueUrl)) (contains "+sentinel://" .url) (contains "+sentinel://" .queueUrl) }}yes{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Ports of an external Redis, of the queue's Redis, and of Sentinels, as a JSON list. */}}
{{- define "maskgate.redisPorts" -}}
{{- $usual := list 6379 6380 26379 -}}
{{- $ports := include "maskgate.saidRedisPorts" . | fromJsonArray -}}
{{- if not $ports -}}
{{- with .Values.redis.external -}}
{{- $ports = ternary (include "maskgate.redisUrlPorts" .url | fromJsonArray) $usual (ne .url "") -}}
{{- if .queueUrl -}}
{{- $ports = concat $ports (include "maskgate.redisUrlPorts" .queueUrl | fromJsonArray) -}}
{{- else if .queueUrlKey -}}
{{- $ports = concat $ports $usual -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $whole := list -}}
{{- range $ports -}}{{- $whole = append $whole (int .) -}}{{- end -}}
{{- uniq $whole | toJson -}}
{{- end }}

{{/*
The value under a key of a Secret in the cluster, in base64; empty if the Secret is missing, or if there is no
cluster to look at. Takes (dict "root" $ "name" … "key" …).
*/}}
{{- define "maskgate.held" -}}
{{- $key := .key -}}
{{- with lookup "v1" "Secret" (include "maskgate.namespace" .root) .name -}}
{{- with .data -}}
{{ get . $key }}
{{- end -}}
{{- end -}}
{{- end }}
