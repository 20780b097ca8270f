{{/* Name of the Secret with a component's MongoDB URI. Arguments: root, component. */}}
{{- define "taxi.mongodb.secretName" -}}
{{- $values := .root.Values -}}
{{- if $values.mongodb.enabled -}}
{{- default (printf "%s-mongodb-%s" (include "taxi.fullname" .root) .component) (index $values.mongodb.existingSecrets .component) -}}
{{- else -}}
{{- $name := index $values.externalMongodb.existingSecrets .component -}}
{{- if not $name -}}
{{- fail (printf "externalMongodb.existingSecrets.%s: is empty; with mongodb.enabled=false it names the Secret that has the key uri" .component) -}}
{{- end -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* Those that have a user of their own, and root; parts that are off have none. */}}
{{- define "taxi.mongodb.components" -}}
{{- $switches := dict "operator" .Values.operator "report" .Values.batchReport "backup" .Values.backup "data" .Values.dataTool -}}
{{- $components := list "root" "predictor" "monitor" "train" -}}
{{- range $component := list "operator" "report" "backup" "data" -}}
{{- if (default dict (index $switches $component)).enabled }}{{ $components = append $components $component }}{{ end -}}
{{- end -}}
{{- join " " $components -}}
{{- end -}}

{{/* The connection of a part. Arguments: root, component. */}}
{{- define "taxi.mongodb.env" -}}
- name: TAXI_MONGODB_URI
  valueFrom:
    secretKeyRef:
      name: {{ include "taxi.mongodb.secretName" . | quote }}
      key: uri
{{- end -}}

{{/* The same and the model, for parts that serve one; the operator's policies name theirs. */}}
{{- define "taxi.model.env" -}}
{{ include "taxi.mongodb.env" . }}
- name: TAXI_MODEL
  value: {{ .root.Values.model.name | quote }}
{{- end -}}

{{/* Days that documents of a kind stay, 0 for ever. Arguments: root, kind (predictions, labels). */}}
{{- define "taxi.retention.days" -}}
{{- int64 (default 0 (index (default dict .root.Values.mongodb.retention) .kind)) -}}
{{- end -}}

{{/* Secret with the tokens of the monitor's doors. Argument: root context. */}}
{{- define "taxi.monitor.tokenSecretName" -}}
{{- default (printf "%s-monitor-token" (include "taxi.fullname" .)) .Values.monitor.existingTokenSecret -}}
{{- end -}}

{{/*
A value of a Secret that is there already, else a new random one.
Arguments: root, name, key, before (optional: the key that older releases had it under).
*/}}
{{- define "taxi.keptOrRandom" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .name -}}
{{- $data := default dict (default dict $found).data -}}
{{- $value := default (index $data (default "" .before)) (index $data .key) -}}
{{- if $value -}}
{{- b64dec $value -}}
{{- else -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- end -}}
