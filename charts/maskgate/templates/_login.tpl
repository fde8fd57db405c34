{{/* The log-in in front of the dashboard: a container of its pod, the only one that listens beyond the pod. */}}
{{- define "maskgate.loginKind" -}}
{{- $said := (default (dict) .Values.dashboard.login).kind -}}
{{- ternary (default "none" $said) "none" .Values.dashboard.enabled -}}
{{- end }}

{{- define "maskgate.loginEnabled" -}}
{{- if ne (include "maskgate.loginKind" .) "none" }}yes{{ end -}}
{{- end }}

{{- define "maskgate.loginPort" -}}
{{- ternary "8080" "4180" (eq .Values.dashboard.login.kind "basic") -}}
{{- end }}

{{/* A Secret lists the people, a line for each, in the format of Compose's dashboard_people. */}}
{{- define "maskgate.caddyfile" -}}
{
	admin off
	auto_https off
}
:8080 {
	handle /ping {
		respond ok
	}
	handle {
		basicauth {
			import /run/secrets/people
		}
		reverse_proxy 127.0.0.1:8501
	}
}
{{- end }}

{{- define "maskgate.oauth2ProxyArgs" -}}
{{- $proxy := .Values.dashboard.login.oauth2Proxy -}}
- --http-address=:4180
- --upstream=http://127.0.0.1:8501
- --reverse-proxy=true
- --skip-provider-button=true
- --silence-ping-logging=true
- --provider={{ $proxy.provider }}
{{- with $proxy.issuerUrl }}
- --oidc-issuer-url={{ . }}
{{- end }}
- {{ printf "--client-id=%s" $proxy.clientId | quote }}
- --client-secret-file=/run/secrets/client-secret
- --cookie-secret-file=/run/secrets/cookie-secret
{{- /* oauth2-proxy does not start without a domain, even if only groups decide. */}}
{{- range default (list "*") $proxy.emailDomains }}
- {{ printf "--email-domain=%s" . | quote }}
{{- end }}
{{- range $proxy.allowedGroups }}
- {{ printf "--allowed-group=%s" . | quote }}
{{- end }}
{{- range $proxy.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "maskgate.loginContainer" -}}
{{- $login := .Values.dashboard.login -}}
{{- $basic := eq $login.kind "basic" -}}
{{- $image := ternary $login.basic.image $login.oauth2Proxy.image $basic -}}
name: login
image: {{ include "maskgate.image" (dict "root" . "image" $image) }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- if $basic }}
command: [caddy, run, --config, /etc/caddy/Caddyfile, --adapter, caddyfile]
env:
  - {name: HOME, value: /tmp}
  - {name: XDG_CONFIG_HOME, value: /tmp}
  - {name: XDG_DATA_HOME, value: /tmp}
{{- else }}
args: {{- include "maskgate.oauth2ProxyArgs" . | nindent 2 }}
{{- end }}
ports:
  - {name: http, containerPort: {{ include "maskgate.loginPort" . }}, protocol: TCP}
startupProbe:
  httpGet: {path: /ping, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /ping, port: http}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: {{ ternary "/ping" "/ready" $basic }}, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 2
resources: {{- toYaml $login.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
  {{- if $basic }}
  # The program in Caddy's image has this capability and does not start without it. Here Caddy has no use for the
  # capability, and the restricted profile allows it.
  capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
  {{- else }}
  capabilities: {drop: [ALL]}
  {{- end }}
volumeMounts:
  - {name: login, mountPath: /run/secrets, readOnly: true}
  {{- if $basic }}
  - {name: login-config, mountPath: /etc/caddy, readOnly: true}
  - {name: login-tmp, mountPath: /tmp}
  {{- end }}
{{- end }}

{{- define "maskgate.loginVolumes" -}}
{{- $login := .Values.dashboard.login -}}
- name: login
  secret:
    secretName: {{ $login.existingSecret }}
    defaultMode: 0440
    items:
      {{- if eq $login.kind "basic" }}
      - {key: {{ $login.basic.peopleKey }}, path: people}
      {{- else }}
      - {key: {{ $login.oauth2Proxy.clientSecretKey }}, path: client-secret}
      - {key: {{ $login.oauth2Proxy.cookieSecretKey }}, path: cookie-secret}
      {{- end }}
{{- if eq $login.kind "basic" }}
- name: login-config
  configMap: {name: {{ include "maskgate.fullname" . }}-login, defaultMode: 0444}
- name: login-tmp
  emptyDir: {medium: Memory, sizeLimit: 4Mi}
{{- end }}
{{- end }}
