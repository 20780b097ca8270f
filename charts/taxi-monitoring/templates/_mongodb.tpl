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

{{/*
The key of the URI. In a Secret of the chart's own each form of it has one: a pod waits for the form
that its release asks for, and does not start with the one of before, which the Job had not changed
yet. Arguments: root, component.
*/}}
{{- define "taxi.mongodb.uriKey" -}}
{{- $values := .root.Values -}}
uri
{{- if and $values.mongodb.enabled (not (index $values.mongodb.existingSecrets .component)) -}}
{{- with include "taxi.mongodb.setName" .root }}-{{ . }}{{ end -}}
{{- if include "taxi.mongodb.tlsSecret" .root }}-tls{{ end -}}
{{- end -}}
{{- end -}}

{{/* The connection of a part. Arguments: root, component. */}}
{{- define "taxi.mongodb.env" -}}
- name: TAXI_MONGODB_URI
  valueFrom:
    secretKeyRef:
      name: {{ include "taxi.mongodb.secretName" . | quote }}
      key: {{ include "taxi.mongodb.uriKey" . | quote }}
{{- end -}}

{{/*
The same as a file, which is read again when MongoDB refuses the login: of a part whose pods should
not be replaced for a changed password. Arguments: root, component.
*/}}
{{- define "taxi.mongodb.fileEnv" -}}
- name: TAXI_MONGODB_URI_FILE
  value: /etc/taxi/mongodb/uri
{{- end -}}

{{- define "taxi.mongodb.fileMount" -}}
name: mongodb-uri
mountPath: /etc/taxi/mongodb
readOnly: true
{{- end -}}

{{- define "taxi.mongodb.fileVolume" -}}
name: mongodb-uri
secret:
  secretName: {{ include "taxi.mongodb.secretName" . | quote }}
  items:
    - key: {{ include "taxi.mongodb.uriKey" . | quote }}
      path: uri
{{- end -}}

{{/* The variable and the model, for parts that serve one; the operator's policies name theirs. */}}
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

{{/* How many members there are; values of an older release have no number. */}}
{{- define "taxi.mongodb.replicas" -}}
{{- int64 (default 1 .Values.mongodb.replicas) -}}
{{- end -}}

{{/* Name of the replica set, empty for a server that stands alone. Argument: root context. */}}
{{- define "taxi.mongodb.setName" -}}
{{- if and .Values.mongodb.enabled (gt (include "taxi.mongodb.replicas" . | int) 1) -}}
{{- default "rs0" (default dict .Values.mongodb.replicaSet).name -}}
{{- end -}}
{{- end -}}

{{/* What follows a pod's name in the address by which members and clients reach it. */}}
{{- define "taxi.mongodb.domain" -}}
{{- printf "%s-mongodb.%s.svc:27017" (include "taxi.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/* Addresses of all members, by commas. */}}
{{- define "taxi.mongodb.hosts" -}}
{{- $hosts := list -}}
{{- range $number := until (include "taxi.mongodb.replicas" . | int) -}}
{{- $hosts = append $hosts (printf "%s-mongodb-%d.%s" (include "taxi.fullname" $) $number (include "taxi.mongodb.domain" $)) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- end -}}

{{/* The Secret with the CA that signed MongoDB's certificate; empty without TLS. */}}
{{- define "taxi.mongodb.tlsSecret" -}}
{{- $block := ternary .Values.mongodb (default dict .Values.externalMongodb) .Values.mongodb.enabled -}}
{{- default "" (default dict $block.tls).existingSecret -}}
{{- end -}}

{{/* Where it is mounted in every pod that asks MongoDB; URIs name it. */}}
{{- define "taxi.mongodb.tlsFolder" -}}
/etc/taxi/mongodb-tls
{{- end -}}

{{/* URI of a user of the chart's own MongoDB. Arguments: root, component, password. */}}
{{- define "taxi.mongodb.uri" -}}
{{- $set := include "taxi.mongodb.setName" .root -}}
{{- $hosts := printf "%s-mongodb:27017" (include "taxi.fullname" .root) -}}
{{- if $set }}{{ $hosts = include "taxi.mongodb.hosts" .root }}{{ end -}}
{{- printf "mongodb://%s:%s@%s/taxi?authSource=%s" .component (urlquery .password) $hosts (ternary "admin" "taxi" (eq .component "root")) -}}
{{- with $set }}&replicaSet={{ . }}{{ end -}}
{{- if include "taxi.mongodb.tlsSecret" .root }}&tls=true&tlsCAFile={{ include "taxi.mongodb.tlsFolder" .root }}/ca.crt{{ end -}}
{{- end -}}

{{/* The volume with the CA. Of the Secret of the chart's own MongoDB, which has the server's key, only the CA. */}}
{{- define "taxi.mongodb.tlsVolume" -}}
name: mongodb-tls
secret:
  secretName: {{ include "taxi.mongodb.tlsSecret" . | quote }}
  {{- if .Values.mongodb.enabled }}
  items:
    - {key: ca.crt, path: ca.crt}
  {{- end }}
{{- end -}}

{{- define "taxi.mongodb.tlsMount" -}}
name: mongodb-tls
mountPath: {{ include "taxi.mongodb.tlsFolder" . }}
readOnly: true
{{- end -}}

{{/*
A pod's spec in which every container that has MongoDB's URI has the CA, too, if there is one.
Arguments: root, spec (YAML).
*/}}
{{- define "taxi.mongodb.trusted" -}}
{{- $spec := fromYaml .spec -}}
{{- $root := .root -}}
{{- if and (include "taxi.mongodb.tlsSecret" $root) (not $spec.Error) -}}
{{- $asks := dict -}}
{{- range $container := $spec.containers -}}
{{- range $variable := $container.env -}}
{{- if has $variable.name (list "TAXI_MONGODB_URI" "TAXI_MONGODB_URI_FILE") -}}
{{- $_ := set $container "volumeMounts" (append (default list $container.volumeMounts) (include "taxi.mongodb.tlsMount" $root | fromYaml)) -}}
{{- $_ := set $asks "one" true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $asks.one -}}
{{- $_ := set $spec "volumes" (append (default list $spec.volumes) (include "taxi.mongodb.tlsVolume" $root | fromYaml)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $spec -}}
{{- end -}}
