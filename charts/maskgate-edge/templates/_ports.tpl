{{/*
The port that an address leads to, as text: the one that it names, or its scheme's own. Takes the address.
rtsp 554 and rtsps 322: RFC 7826; http 80 and https 443: RFC 9110; socks 1080: IANA.
*/}}
{{- define "maskgate-edge.portOf" -}}
{{- $scheme := regexFind "^[A-Za-z]+" . | lower -}}
{{- $port := include "maskgate-edge.authorityOf" . | regexFind ":[0-9]*$" | trimPrefix ":" -}}
{{- default (get (dict "rtsp" "554" "rtsps" "322" "http" "80" "https" "443" "socks" "1080") $scheme) $port -}}
{{- end }}

{{/* Host and port of an address, as they are written: what stands between :// and the path. */}}
{{- define "maskgate-edge.authorityOf" -}}
{{- regexFind "^[A-Za-z0-9+.-]+://[^/?#]*" . | regexFind "[^/]*$" -}}
{{- end }}

{{/*
The ports of a door's camera, as JSON: what the door says, else what is said for all, else that of its address, else,
where the address is in a Secret, those that cameras usually have.
Takes (dict "root" $ "camera" (a merged door's camera)).
*/}}
{{- define "maskgate-edge.cameraPorts" -}}
{{- if .camera.ports -}}
{{- toJson .camera.ports -}}
{{- else if .root.Values.networkPolicy.cameraPorts -}}
{{- toJson .root.Values.networkPolicy.cameraPorts -}}
{{- else if .camera.url -}}
{{- printf "[%s]" (include "maskgate-edge.portOf" .camera.url) -}}
{{- else -}}
[80,322,443,554]
{{- end -}}
{{- end }}

{{/*
Whether a door's camera sends pictures by UDP: OpenCV asks by TCP first, unless this variable says otherwise.
Takes (dict "root" $ "door" (a merged door)). Empty: no.
*/}}
{{- define "maskgate-edge.cameraUDP" -}}
{{- if .root.Values.networkPolicy.cameraUDP -}}yes{{- end -}}
{{- range .door.extraEnv -}}
{{- if and (eq .name "OPENCV_FFMPEG_CAPTURE_OPTIONS") (regexMatch "rtsp_transport;udp" (default "" .value)) -}}yes{{- end -}}
{{- end -}}
{{- end }}

{{/* Where a merged door's variables lead to a proxy, as JSON: its ports. Takes the door. */}}
{{- define "maskgate-edge.proxyPorts" -}}
{{- $ports := list -}}
{{- range .extraEnv -}}
{{- if and (regexMatch "^(?i)(https?|all)_proxy$" .name) .value -}}
{{- $ports = append $ports (include "maskgate-edge.portOf" .value | int) -}}
{{- end -}}
{{- end -}}
{{- toJson $ports -}}
{{- end }}
