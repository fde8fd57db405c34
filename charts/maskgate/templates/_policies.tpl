{{/* The pods of some components of this release. Takes (dict "root" $ "components" (list "api" "worker")). */}}
{{- define "maskgate.podsOf" -}}
matchLabels: {{- include "maskgate.selector" (dict "root" .root) | nindent 2 }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: [{{ join ", " .components }}]}
{{- end }}

{{/* A policy's name and labels. Takes (dict "root" $ "name" "all-to-dns" "component" …). */}}
{{- define "maskgate.policyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{- include "maskgate.metadata" (dict "root" .root "component" .component "name" (printf "%s-%s" (include "maskgate.fullname" .root) .name)) | nindent 2 }}
{{- end }}

{{/* The internet as peers: IPv4; also IPv6, if a value names it or if pods listen on an IPv6 address. */}}
{{- define "maskgate.internet" -}}
{{- $internet := .Values.networkPolicy.internet -}}
{{- $six := default (ternary "::/0" "" (contains ":" .Values.bindAddress)) $internet.cidr6 -}}
{{- $blocks := list (dict "cidr" $internet.cidr "except" $internet.except) -}}
{{- if and $six (not (contains ":" $internet.cidr)) -}}
{{- $blocks = append $blocks (dict "cidr" $six "except" $internet.except6) -}}
{{- end -}}
{{- range $blocks }}
{{- $family := contains ":" .cidr }}
{{- $except := list }}
{{- range .except }}{{ if eq $family (contains ":" .) }}{{ $except = append $except . }}{{ end }}{{ end }}
- ipBlock:
    cidr: {{ .cidr | quote }}
    {{- with $except }}
    except: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end -}}
{{- end }}

{{/* Namespaces of an ingress controller, as peers. */}}
{{- define "maskgate.ingressNamespaces" -}}
{{- range .Values.networkPolicy.ingressNamespaces }}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
{{- end }}
{{- end }}

{{/* Who may call the API and the bot's webhook: everybody, unless clients are named. Both ask for a key in any case. */}}
{{- define "maskgate.apiClients" -}}
{{- with .Values.networkPolicy.clients }}
{{- toYaml . }}
{{- include "maskgate.ingressNamespaces" $ }}
{{- end }}
{{- end }}

{{/* Who may open the dashboard: nobody, unless somebody is named. */}}
{{- define "maskgate.dashboardClients" -}}
{{- with concat (default (list) .Values.networkPolicy.clients) (default (list) .Values.networkPolicy.dashboardClients) }}
{{- toYaml . }}
{{- end }}
{{- include "maskgate.ingressNamespaces" . }}
{{- end }}

{{/* The published way to the dashboard, in words; empty if there is none. */}}
{{- define "maskgate.dashboardWayIn" -}}
{{- if .Values.dashboard.enabled -}}
{{- if and .Values.ingress.enabled (or .Values.ingress.dashboard.host .Values.ingress.dashboard.hosts) -}}
an Ingress (ingress.dashboard)
{{- else if and .Values.gateway.enabled .Values.gateway.dashboardHostnames -}}
an HTTPRoute (gateway.dashboardHostnames)
{{- else if ne .Values.dashboard.service.type "ClusterIP" -}}
a Service of type {{ .Values.dashboard.service.type }} (dashboard.service.type)
{{- end -}}
{{- end -}}
{{- end }}

{{/* The values of some variables in all extraEnv, the common one and those of components, as JSON. Takes (dict "root" $ "names" …). */}}
{{- define "maskgate.saidVariables" -}}
{{- $names := .names -}}
{{- $values := list -}}
{{- with .root.Values -}}
{{- range list . .api .worker .bot -}}
{{- range .extraEnv -}}
{{- if and (has (upper .name) $names) .value -}}{{- $values = append $values .value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $values -}}
{{- end }}

{{/* The ports in the addresses of these variables, as JSON. Takes the same, and "said" (list), which takes precedence. */}}
{{- define "maskgate.variablePorts" -}}
{{- $ports := list -}}
{{- range .said -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- if not $ports -}}
{{- range include "maskgate.saidVariables" . | fromJsonArray -}}
{{- $ports = append $ports (include "maskgate.urlPort" . | int) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end }}

{{- define "maskgate.tcp" -}}
{{- range . }}
- {port: {{ int . }}, protocol: TCP}
{{- end }}
{{- end }}
