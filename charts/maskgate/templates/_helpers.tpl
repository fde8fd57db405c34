{{- define "maskgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "maskgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "maskgate.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What never changes of a pod's labels. Takes (dict "root" $ "component" "api"). */}}
{{- define "maskgate.selector" -}}
app.kubernetes.io/name: {{ include "maskgate.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Without versions: a pod is not restarted for a new chart that leaves it as it is. */}}
{{- define "maskgate.podLabels" -}}
{{ include "maskgate.selector" . }}
app.kubernetes.io/part-of: maskgate
{{- end }}

{{- define "maskgate.labels" -}}
{{ include "maskgate.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Takes (dict "root" $ "image" .Values.image). */}}
{{- define "maskgate.image" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .image.registry) $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{- define "maskgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "maskgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* A number as people write it: Helm holds every number as a float. */}}
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

{{- define "maskgate.redisSecret" -}}
{{- if eq .Values.redis.mode "bundled" -}}
{{- default (printf "%s-redis" (include "maskgate.fullname" .)) .Values.redis.bundled.existingSecret -}}
{{- else -}}
{{- .Values.redis.external.existingSecret -}}
{{- end -}}
{{- end }}

{{- define "maskgate.dashboardSecret" -}}
{{- default (printf "%s-dashboard" (include "maskgate.fullname" .)) .Values.dashboard.apiKey.existingSecret -}}
{{- end }}

{{/* The security context of every pod but Redis, and of every container: the restricted profile. */}}
{{- define "maskgate.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.securityContext.runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.securityContext.runAsGroup }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "maskgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What pods of all kinds have in common. Takes (dict "root" $ "component" … "of" .Values.api). */}}
{{- define "maskgate.podCommon" -}}
serviceAccountName: {{ include "maskgate.serviceAccountName" .root }}
automountServiceAccountToken: false
# Variables such as CLOUD_PORT=tcp://…, of a Service called cloud, would be taken for settings.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Takes (dict "root" $ "component" "api"). */}}
{{- define "maskgate.spread" -}}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "maskgate.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Environment of every process of the cloud. */}}
{{- define "maskgate.cloudEnv" -}}
- {name: CLOUD_HOST, value: "0.0.0.0"}
- {name: CLOUD_PORT, value: "8000"}
- {name: CLOUD_METRICS_PORT, value: "9100"}
- {name: CLOUD_SECRETS_DIR, value: /run/secrets}
{{- if and (eq .Values.redis.mode "external") (not .Values.redis.external.existingSecret) }}
- {name: CLOUD_REDIS_URL, value: {{ .Values.redis.external.url | quote }}}
{{- end }}
{{- if include "maskgate.webhookEnabled" . }}
- {name: CLOUD_TELEGRAM_WEBHOOK_PORT, value: "8443"}
{{- end }}
{{- range .Values.extraEnv }}
- {name: {{ .name }}, value: {{ .value | quote }}}
{{- end }}
{{- end }}

{{- define "maskgate.cloudEnvFrom" -}}
- configMapRef: {name: {{ include "maskgate.fullname" . }}-settings}
{{- end }}

{{/* Secrets as files, named as the variables. `telegram` and `smtp` say who needs which. */}}
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
{{- end }}

{{- define "maskgate.cloudVolumeMounts" -}}
- {name: secrets, mountPath: /run/secrets, readOnly: true}
{{- if and (eq .Values.redis.mode "external") .Values.redis.external.caSecret }}
- {name: redis-ca, mountPath: /etc/maskgate/redis-ca, readOnly: true}
{{- end }}
{{- end }}

{{/* Restart pods when what they read at start has changed. */}}
{{- define "maskgate.podAnnotations" -}}
checksum/settings: {{ toYaml (list .root.Values.settings .root.Values.redis.mode .root.Values.redis.external .root.Values.telegram .root.Values.smtp) | sha256sum | trunc 16 }}
{{- with .of.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

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

{{/* What is led to the API from outside. */}}
{{- define "maskgate.publicPaths" -}}
- /v1
- /p
- /healthz
- /readyz
{{- end }}

{{/* A pod of the cloud's image that runs once. Takes (dict "root" $ "component" … "of" … "containers" text). */}}
{{- define "maskgate.oncePod" -}}
metadata:
  labels: {{- include "maskgate.podLabels" . | nindent 4 }}
spec:
  {{- include "maskgate.podCommon" . | nindent 2 }}
  restartPolicy: {{ default "OnFailure" .restartPolicy }}
  securityContext: {{- include "maskgate.podSecurity" .root | nindent 4 }}
  {{- with .initContainers }}
  initContainers: {{- . | nindent 4 }}
  {{- end }}
  containers:
    - {{- include "maskgate.onceContainer" . | nindent 6 }}
  volumes:
    {{- include "maskgate.cloudVolumes" . | nindent 4 }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "maskgate.onceContainer" -}}
name: {{ default .component .containerName }}
image: {{ include "maskgate.image" (dict "root" .root "image" .root.Values.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{- toYaml .args | nindent 2 }}
env: {{- include "maskgate.cloudEnv" .root | nindent 2 }}
envFrom: {{- include "maskgate.cloudEnvFrom" .root | nindent 2 }}
resources: {{- toYaml .of.resources | nindent 2 }}
securityContext: {{- include "maskgate.containerSecurity" .root | nindent 2 }}
volumeMounts:
  {{- include "maskgate.cloudVolumeMounts" .root | nindent 2 }}
  {{- with .volumeMounts }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{/*
What a Secret of the cluster holds already under a key, in base64; nothing where it is not there, or where
there is no cluster to look at. Takes (dict "root" $ "name" … "key" …).
*/}}
{{- define "maskgate.held" -}}
{{- $key := .key -}}
{{- with lookup "v1" "Secret" .root.Release.Namespace .name -}}
{{- with .data -}}
{{ get . $key }}
{{- end -}}
{{- end -}}
{{- end }}
