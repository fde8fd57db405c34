{{/* Host names under which browsers reach the dashboard, as JSON. */}}
{{- define "maskgate.dashboardHosts" -}}
{{- $hosts := concat (list "localhost" "127.0.0.1") (default (list) .Values.dashboard.hosts) -}}
{{- if .Values.ingress.enabled -}}
{{- range include "maskgate.ingressHosts" .Values.ingress.dashboard | fromJsonArray -}}{{- $hosts = append $hosts .host -}}{{- end -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
{{- $hosts = concat $hosts (default (list) .Values.gateway.dashboardHostnames) -}}
{{- end -}}
{{- uniq $hosts | toJson -}}
{{- end }}

{{/* Streamlit splits a variable's list at spaces; a list with commas would be a single name. */}}
{{- define "maskgate.dashboardOwnEnv" -}}
- {name: DASHBOARD_API_URL, value: "http://{{ include "maskgate.fullname" . }}-api:{{ .Values.api.service.port }}"}
- {name: DASHBOARD_SECRETS_DIR, value: /run/secrets}
- {name: STREAMLIT_SERVER_ADDRESS, value: {{ include "maskgate.loginEnabled" . | empty | ternary .Values.bindAddress "127.0.0.1" | quote }}}
- {name: STREAMLIT_SERVER_PORT, value: "8501"}
- {name: STREAMLIT_SERVER_ALLOWED_HOSTS, value: {{ include "maskgate.dashboardHosts" . | fromJsonArray | join " " | quote }}}
{{- range $name, $value := .Values.dashboard.settings }}
- {name: {{ $name }}, value: {{ include "maskgate.text" $value | quote }}}
{{- end }}
{{- end }}
