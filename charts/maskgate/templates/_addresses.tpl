{{/* The port of an http or https address. */}}
{{- define "maskgate.urlPort" -}}
{{- $authority := regexReplaceAll "^[A-Za-z0-9+.-]+://(?:[^/?#@]*@)?([^/?#]*).*$" . "${1}" -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- default (ternary "443" "80" (hasPrefix "https:" (lower .))) $port -}}
{{- end }}

{{/*
The ports of an address of Redis, as a JSON list. An address with Sentinels does not contain the master's port. The
list then has the Sentinels' ports and the two usual ports of a master.
*/}}
{{- define "maskgate.redisUrlPorts" -}}
{{- $watched := contains "+sentinel://" . -}}
{{- $ports := list -}}
{{- range splitList "," (regexReplaceAll "^[a-z+]+://([^/?]*).*$" . "${1}") -}}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" | default (ternary "26379" "6379" $watched) -}}
{{- $ports = append $ports (int $port) -}}
{{- end -}}
{{- if $watched -}}{{- $ports = concat $ports (list 6379 6380) -}}{{- end -}}
{{- uniq $ports | toJson -}}
{{- end }}

{{/* Bytes of a quantity as Kubernetes writes it: 1Gi, 1.5G, 1073741824. */}}
{{- define "maskgate.bytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" $text -}}
{{- $thousand := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 -}}
{{- $factors := merge $thousand (dict "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0) -}}
{{- mulf (float64 $number) (get $factors (trimPrefix $number $text)) | printf "%.0f" -}}
{{- end }}

{{/* Bytes of a size as Redis writes it, in small letters or large: 700mb, 1g, 1073741824. */}}
{{- define "maskgate.redisBytes" -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $factors := dict "" 1.0 "k" 1e3 "m" 1e6 "g" 1e9 "kb" 1024.0 "mb" 1048576.0 "gb" 1073741824.0 -}}
{{- mulf (float64 $number) (get $factors (trimPrefix $number . | lower)) | printf "%.0f" -}}
{{- end }}
