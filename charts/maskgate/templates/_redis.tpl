{{- define "maskgate.redisSecret" -}}
{{- if eq .Values.redis.mode "bundled" -}}
{{- default (printf "%s-redis" (include "maskgate.fullname" .)) .Values.redis.bundled.existingSecret -}}
{{- else -}}
{{- .Values.redis.external.existingSecret -}}
{{- end -}}
{{- end }}

{{/* It listens at all addresses, of both families; a family that the node lacks is left out. */}}
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

{{/* The ports that a value says; those that earlier charts said by default count as nothing said. */}}
{{- define "maskgate.saidRedisPorts" -}}
{{- $whole := list -}}
{{- range .Values.networkPolicy.redisPorts -}}{{- $whole = append $whole (int .) -}}{{- end -}}
{{- ternary (list) $whole (eq (join "," $whole) "6379,6380,26379") | toJson -}}
{{- end }}

{{/* Where the address of an external Redis is in a Secret alone, its port cannot be known here. */}}
{{- define "maskgate.redisPortsAreGuessed" -}}
{{- if and (eq .Values.redis.mode "external") (not (include "maskgate.saidRedisPorts" . | fromJsonArray)) -}}
{{- with .Values.redis.external -}}
{{- if or (not .url) (and .queueUrlKey (not .queueUrl)) (contains "+sentinel://" .url) (contains "+sentinel://" .queueUrl) }}yes{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Ports of an external Redis, of that of its queue, and of Sentinels, as a JSON list. */}}
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
What a Secret of the cluster holds already under a key, in base64; nothing where it is not there, or where
there is no cluster to look at. Takes (dict "root" $ "name" … "key" …).
*/}}
{{- define "maskgate.held" -}}
{{- $key := .key -}}
{{- with lookup "v1" "Secret" (include "maskgate.namespace" .root) .name -}}
{{- with .data -}}
{{ get . $key }}
{{- end -}}
{{- end -}}
{{- end }}
