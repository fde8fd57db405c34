{{/* A number without an exponent: Helm holds every number as a float. */}}
{{- define "maskgate.text" -}}
{{- if not (kindIs "float64" .) -}}
{{ . }}
{{- else if eq (floor .) . -}}
{{ printf "%d" (int64 .) }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{- define "maskgate.botEnabled" -}}
{{- if .Values.telegram.existingSecret }}yes{{ end -}}
{{- end }}

{{- define "maskgate.webhookEnabled" -}}
{{- if and .Values.telegram.existingSecret .Values.telegram.webhookSecretKey }}yes{{ end -}}
{{- end }}

{{- define "maskgate.dashboardSecret" -}}
{{- default (printf "%s-dashboard" (include "maskgate.fullname" .)) .Values.dashboard.apiKey.existingSecret -}}
{{- end }}

{{/* Whether the setup job makes the dashboard's key known to the cloud. */}}
{{- define "maskgate.dashboardKeyIsAdded" -}}
{{- if and .Values.dashboard.enabled (or .Values.dashboard.apiKey.register (not .Values.dashboard.apiKey.existingSecret)) }}yes{{ end -}}
{{- end }}

{{/* Environment of every process of the cloud. Takes (dict "root" $ "of" .Values.api). */}}
{{- define "maskgate.cloudEnv" -}}
{{- $own := include "maskgate.cloudOwnEnv" .root | fromYamlArray -}}
{{- include "maskgate.variables" (list $own (default (list) .root.Values.extraEnv) (default (list) .of.extraEnv)) -}}
{{- end }}

{{- define "maskgate.cloudOwnEnv" -}}
- {name: CLOUD_HOST, value: {{ .Values.bindAddress | quote }}}
- {name: CLOUD_PORT, value: "8000"}
- {name: CLOUD_METRICS_PORT, value: "9100"}
- {name: CLOUD_SECRETS_DIR, value: /run/secrets}
{{- if and (eq .Values.redis.mode "external") (not .Values.redis.external.existingSecret) }}
- {name: CLOUD_REDIS_URL, value: {{ .Values.redis.external.url | quote }}}
{{- end }}
{{- if and (eq .Values.redis.mode "external") .Values.redis.external.queueUrl (not .Values.redis.external.queueUrlKey) }}
- {name: CLOUD_QUEUE_URL, value: {{ .Values.redis.external.queueUrl | quote }}}
{{- end }}
{{- if include "maskgate.webhookEnabled" . }}
- {name: CLOUD_TELEGRAM_WEBHOOK_PORT, value: "8443"}
{{- end }}
{{- end }}

{{- define "maskgate.cloudEnvFrom" -}}
- configMapRef: {name: {{ include "maskgate.fullname" .root }}-settings}
{{- with concat (default (list) .root.Values.extraEnvFrom) (default (list) .of.extraEnvFrom) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Secrets as files with the names of the variables. `telegram`, `smtp` and `signs` say which process needs which secret. */}}
{{- define "maskgate.cloudVolumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- $redis := include "maskgate.redisSecret" .root }}
      {{- if $redis }}
      - secret:
          name: {{ $redis }}
          items:
            {{- if eq .root.Values.redis.mode "bundled" }}
            - {key: {{ .root.Values.redis.bundled.urlKey }}, path: cloud_redis_url}
            {{- else }}
            - {key: {{ .root.Values.redis.external.urlKey }}, path: cloud_redis_url}
            {{- with .root.Values.redis.external.queueUrlKey }}
            - {key: {{ . }}, path: cloud_queue_url}
            {{- end }}
            {{- end }}
      {{- end }}
      {{- if and .telegram (include "maskgate.botEnabled" .root) }}
      - secret:
          name: {{ .root.Values.telegram.existingSecret }}
          items:
            - {key: {{ .root.Values.telegram.tokenKey }}, path: cloud_telegram_token}
            {{- if and (eq .telegram "webhook") .root.Values.telegram.webhookSecretKey }}
            - {key: {{ .root.Values.telegram.webhookSecretKey }}, path: cloud_telegram_webhook_secret}
            {{- end }}
      {{- end }}
      {{- if and .smtp .root.Values.smtp.existingSecret }}
      - secret:
          name: {{ .root.Values.smtp.existingSecret }}
          items:
            - {key: {{ .root.Values.smtp.passwordKey }}, path: cloud_smtp_password}
      {{- end }}
      {{- if and .signs .root.Values.passes.existingSecret }}
      - secret:
          name: {{ .root.Values.passes.existingSecret }}
          items:
            - {key: {{ .root.Values.passes.signingKeyKey }}, path: cloud_pass_signing_key}
      {{- end }}
      {{- if .dashboardKey }}
      - secret:
          name: {{ include "maskgate.dashboardSecret" .root }}
          items:
            - {key: {{ .root.Values.dashboard.apiKey.key }}, path: dashboard_api_key}
      {{- end }}
{{- if and (eq .root.Values.redis.mode "external") .root.Values.redis.external.caSecret }}
- name: redis-ca
  secret:
    secretName: {{ .root.Values.redis.external.caSecret }}
    defaultMode: 0440
    items:
      - {key: {{ .root.Values.redis.external.caKey }}, path: ca.crt}
{{- end }}
{{- with concat (default (list) .root.Values.extraVolumes) (default (list) .of.extraVolumes) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "maskgate.cloudVolumeMounts" -}}
- {name: secrets, mountPath: /run/secrets, readOnly: true}
{{- if and (eq .root.Values.redis.mode "external") .root.Values.redis.external.caSecret }}
- {name: redis-ca, mountPath: /etc/maskgate/redis-ca, readOnly: true}
{{- end }}
{{- with concat (default (list) .root.Values.extraVolumeMounts) (default (list) .of.extraVolumeMounts) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations that change with everything that pods read at start, so that a change restarts the pods. */}}
{{- define "maskgate.podAnnotations" -}}
{{- $read := list (default (dict) .root.Values.settings) .root.Values.redis.mode (omit .root.Values.redis.external "queueUrl") .root.Values.telegram .root.Values.smtp }}
{{- if .root.Values.passes.existingSecret }}{{ $read = append $read .root.Values.passes }}{{ end }}
checksum/settings: {{ toYaml $read | sha256sum | trunc 16 }}
{{- with .of.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Host names with the Secret of each one's certificate, as JSON. Takes .Values.ingress.api or .dashboard. */}}
{{- define "maskgate.ingressHosts" -}}
{{- $all := list -}}
{{- with .host -}}{{- $all = append $all (dict "host" . "tlsSecret" $.tlsSecret) -}}{{- end -}}
{{- range .hosts -}}
{{- $host := ternary . (dict "host" .) (kindIs "map" .) -}}
{{- $all = append $all (dict "host" $host.host "tlsSecret" (default $.tlsSecret $host.tlsSecret)) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{/* The tls of an Ingress: hosts with one Secret share an entry, since cert-manager asks for a certificate for each entry. */}}
{{- define "maskgate.ingressTls" -}}
{{- $secrets := dict -}}
{{- range include "maskgate.ingressHosts" . | fromJsonArray -}}
{{- with .tlsSecret -}}
{{- $_ := set $secrets . (list) -}}
{{- end -}}
{{- end -}}
{{- range include "maskgate.ingressHosts" . | fromJsonArray -}}
{{- if .tlsSecret -}}
{{- $_ := set $secrets .tlsSecret (append (get $secrets .tlsSecret) .host | uniq) -}}
{{- end -}}
{{- end -}}
{{- if $secrets }}
tls:
  {{- range $secret, $hosts := $secrets }}
  - secretName: {{ $secret }}
    hosts: {{- toYaml $hosts | nindent 6 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The paths of the API that are published. */}}
{{- define "maskgate.publicPaths" -}}
- /v1
- /p
- /healthz
- /readyz
{{- end }}
