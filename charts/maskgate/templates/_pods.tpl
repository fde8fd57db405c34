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

{{/* The parts that pods of all kinds share. Takes (dict "root" $ "component" … "of" .Values.api). */}}
{{- define "maskgate.podCommon" -}}
serviceAccountName: {{ include "maskgate.serviceAccountName" .root }}
automountServiceAccountToken: false
# A Service called cloud would give pods variables such as CLOUD_PORT=tcp://…, which look like settings.
enableServiceLinks: false
{{- with include "maskgate.pullSecrets" .root }}
imagePullSecrets: {{- . | nindent 2 }}
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

{{/* Variables from several lists. Of two variables with one name, the later counts. */}}
{{- define "maskgate.variables" -}}
{{- $held := dict -}}
{{- $names := list -}}
{{- range . -}}
{{- range . -}}
{{- if not (hasKey $held .name) -}}{{- $names = append $names .name -}}{{- end -}}
{{- $_ := set $held .name . -}}
{{- end -}}
{{- end -}}
{{- $all := list -}}
{{- range $names -}}{{- $all = append $all (get $held .) -}}{{- end -}}
{{- toYaml $all -}}
{{- end }}

{{/* Nodes and resources of the jobs of a release: the worker's, without the values that only a worker has. */}}
{{- define "maskgate.jobsOf" -}}
{{- omit .Values.worker "podLabels" "podAnnotations" "extraEnv" "extraEnvFrom" "extraVolumes" "extraVolumeMounts" | toYaml -}}
{{- end }}

{{/* Takes .Values.api.service, or another Service's values. */}}
{{- define "maskgate.ipFamilies" -}}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A pod of the cloud's image that runs once. Takes (dict "root" $ "component" … "of" … "containers" text). */}}
{{- define "maskgate.oncePod" -}}
metadata:
  labels: {{- include "maskgate.podLabels" . | nindent 4 }}
  {{- with .of.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
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
env: {{- include "maskgate.cloudEnv" . | nindent 2 }}
envFrom: {{- include "maskgate.cloudEnvFrom" . | nindent 2 }}
resources: {{- toYaml .of.resources | nindent 2 }}
securityContext: {{- include "maskgate.containerSecurity" .root | nindent 2 }}
volumeMounts:
  {{- include "maskgate.cloudVolumeMounts" . | nindent 2 }}
  {{- with .volumeMounts }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}
