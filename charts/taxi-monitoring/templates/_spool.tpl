{{/* What the volume of spool and model cache is. Arguments: root, component, values. */}}
{{- define "taxi.spool.volume" -}}
{{- $spool := .values.spool -}}
{{- if $spool.volumeClaimTemplate -}}
{{- $labels := include "taxi.selectorLabels" . | fromYaml -}}
{{- $spec := dict "accessModes" (list "ReadWriteOnce") "resources" (dict "requests" (dict "storage" $spool.sizeLimit)) -}}
ephemeral:
  volumeClaimTemplate:
    {{- toYaml (mergeOverwrite (dict "metadata" (dict "labels" $labels) "spec" $spec) (deepCopy $spool.volumeClaimTemplate)) | nindent 4 }}
{{- else -}}
emptyDir:
  sizeLimit: {{ $spool.sizeLimit | quote }}
{{- end -}}
{{- end -}}

{{/* Refuses a volume that a full spool and the largest model do not fit into. Arguments: root, component, values. */}}
{{- define "taxi.spool.check" -}}
{{- $spool := .values.spool -}}
{{- $needed := add $spool.maxBytes (include "taxi.bytes" "256Mi") -}}
{{- $field := "sizeLimit" -}}
{{- $size := $spool.sizeLimit -}}
{{- $then := "Kubernetes would evict the pod with its records" -}}
{{- with $spool.volumeClaimTemplate -}}
{{- /* A file system of its own takes some for itself. */ -}}
{{- $needed = div (mul $needed 11) 10 -}}
{{- $then = "rows would meet a full disk before the spool is full" -}}
{{- with dig "spec" "resources" "requests" "storage" "" . -}}
{{- $field = "volumeClaimTemplate.spec.resources.requests.storage" -}}
{{- $size = kindIs "string" . | ternary . (int64 . | toString) -}}
{{- end -}}
{{- end -}}
{{- if lt (include "taxi.bytes" $size | int64) $needed -}}
{{- fail (printf "%s.spool.%s: %s does not hold spool.maxBytes and the largest model (256Mi), and %s; give at least %dMi" .component $field $size $then (div (add $needed 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
