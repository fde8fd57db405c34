{{/*
A door as it is in the end: what is its own over what is for all doors, as YAML.
Takes (dict "root" $ "name" … "own" …).

camera, enrolment, image, metrics, settings, state, podAnnotations, podLabels: key by key, the door's own wins.
extraEnv, extraVolumes (by name), extraVolumeMounts (by mountPath): added, the door's own wins. extraEnvFrom: added.
All others: the door's own instead of that of all, never a mixture.
*/}}
{{- define "maskgate-edge.door" -}}
{{- $merged := list "camera" "enrolment" "image" "metrics" "podAnnotations" "podLabels" "settings" "state" -}}
{{- $replaced := list "affinity" "hostAliases" "hostNetwork" "nodeSelector" "priorityClassName" "resources" "runtimeClassName" "supplementalGroups" "tolerations" "updateStrategy" -}}
{{- $added := dict "extraEnv" "name" "extraVolumes" "name" "extraVolumeMounts" "mountPath" -}}
{{- $own := dict -}}
{{- /* What is left blank is not said. */ -}}
{{- range $part, $said := default (dict) .own -}}
{{- if not (kindIs "invalid" $said) -}}{{- $_ := set $own $part $said -}}{{- end -}}
{{- end -}}
{{- $door := dict -}}
{{- range $part := $merged -}}
{{- $_ := set $door $part (mergeOverwrite (default (dict) (index $.root.Values $part) | deepCopy) (default (dict) (index $own $part) | deepCopy)) -}}
{{- end -}}
{{- range $part := $replaced -}}
{{- $_ := set $door $part (ternary (index $own $part) (index $.root.Values $part) (hasKey $own $part)) -}}
{{- end -}}
{{- range $part, $key := $added -}}
{{- $mine := default (list) (index $own $part) -}}
{{- $named := list -}}
{{- range $mine -}}{{- $named = append $named (index . $key) -}}{{- end -}}
{{- $all := list -}}
{{- range default (list) (index $.root.Values $part) -}}
{{- if not (has (index . $key) $named) -}}{{- $all = append $all . -}}{{- end -}}
{{- end -}}
{{- $_ := set $door $part (concat $all $mine) -}}
{{- end -}}
{{- $_ := set $door "extraEnvFrom" (concat (default (list) .root.Values.extraEnvFrom) (default (list) $own.extraEnvFrom)) -}}

{{- /* A digest belongs to one image: a door with a tag or a repository of its own does not take that of all. */ -}}
{{- $image := default (dict) $own.image -}}
{{- if and (or $image.tag $image.repository) (not $image.digest) -}}{{- $_ := set $door.image "digest" "" -}}{{- end -}}

{{- /* An address of its own takes the place of everybody's Secret, and the other way round. */ -}}
{{- $camera := default (dict) $own.camera -}}
{{- if and $camera.url (not $camera.existingSecret) -}}{{- $_ := set $door.camera "existingSecret" "" -}}{{- end -}}
{{- if and $camera.existingSecret (not $camera.url) -}}{{- $_ := set $door.camera "url" "" -}}{{- end -}}

{{- /* smarter-devices/video2 is /dev/video2: of the two, one is enough. */ -}}
{{- $plugged := regexFind "^smarter-devices/video[0-9]+$" (default "" $door.camera.resource) | trimPrefix "smarter-devices/" -}}
{{- $path := regexFind "^/dev/video[0-9]+$" (default "" $door.camera.path) | trimPrefix "/dev/" -}}
{{- if and $plugged $camera.resource (not $camera.path) -}}
{{- $_ := set $door.camera "path" (printf "/dev/%s" $plugged) -}}
{{- else if and $path $camera.path (not $camera.resource) (or $plugged (not $door.camera.resource)) -}}
{{- $_ := set $door.camera "resource" (printf "smarter-devices/%s" $path) -}}
{{- end -}}
{{- if not $door.camera.path -}}
{{- $_ := set $door.camera "path" (ternary "/media" (printf "/dev/%s" (default "video0" $plugged)) (eq $door.camera.kind "file")) -}}
{{- end -}}
{{- if not $door.camera.resource -}}
{{- $_ := set $door.camera "resource" (printf "smarter-devices/%s" (default "video0" $path)) -}}
{{- end -}}
{{- $_ := set $door.enrolment "nodes" (default (list) $door.enrolment.nodes) -}}
{{- range $part := list "hostAliases" "supplementalGroups" "tolerations" -}}
{{- $_ := set $door $part (default (list) (index $door $part)) -}}
{{- end -}}
{{- toYaml $door -}}
{{- end }}
