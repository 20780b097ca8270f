{{- define "taxi.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Start of all object names: the release's name. 40 characters leave room for suffixes. */}}
{{- define "taxi.fullname" -}}
{{- $name := default .Release.Name .Values.fullnameOverride -}}
{{- if gt (len $name) 40 -}}
{{- fail (printf "fullnameOverride: %q has more than 40 characters; give a shorter one" $name) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "fullnameOverride: no Service can be named after %q: names begin with a letter and have letters, digits and dashes; give one that does" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Labels that select pods; they never change. Arguments: root, component. */}}
{{- define "taxi.selectorLabels" -}}
app.kubernetes.io/name: {{ include "taxi.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{/* Labels of an object. Arguments: root, component. */}}
{{- define "taxi.labels" -}}
{{ include "taxi.selectorLabels" . }}
app.kubernetes.io/part-of: taxi-monitoring
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- include "taxi.ownLabels" (dict "labels" .root.Values.commonLabels "field" "commonLabels") }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name, namespace, labels and annotations of an object.
     Arguments: root, component, name (suffix), labels and annotations (optional maps), namespace (the
     release's unless given; releases of several namespaces meet in another one, so the name has theirs). */}}
{{- define "taxi.metadata" -}}
{{- $labels := merge (dict) (default dict .labels) (include "taxi.labels" . | fromYaml) -}}
{{- $annotations := merge (dict) (default dict .annotations) .root.Values.commonAnnotations -}}
{{- $namespace := default .root.Release.Namespace .namespace -}}
{{- $start := ternary "" (printf "%s-" .root.Release.Namespace) (eq $namespace .root.Release.Namespace) -}}
name: {{ printf "%s%s-%s" $start (include "taxi.fullname" .root) .name | quote }}
namespace: {{ $namespace | quote }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The ServiceAccount of a part's pods. Arguments: root, component, values (the part's block). */}}
{{- define "taxi.serviceAccountName" -}}
{{- $account := default dict .values.serviceAccount -}}
{{- if dig "create" true $account -}}
{{- /* Pods that belong to another part run as its account. */ -}}
{{- $owner := dict "dask-scheduler" "report" "dask-worker" "report" "indexes" "train" -}}
{{- $account.name | default (printf "%s-%s" (include "taxi.fullname" .root) (get $owner .component | default .component)) -}}
{{- else if $account.name -}}
{{- $account.name -}}
{{- else if eq .component "operator" -}}
{{- fail "operator.serviceAccount.name: is empty, and the operator's rights are not for the namespace's default account; name the account, or set operator.serviceAccount.create=true" -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* Image reference. Arguments: root, image (key of .Values.images). */}}
{{- define "taxi.image" -}}
{{- $image := index .root.Values.images .image -}}
{{- $registry := default $image.registry (default dict .root.Values.global).imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* Bytes of a quantity such as 1.5Gi, without a fraction. */}}
{{- define "taxi.bytes" -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $units := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf $number (trimPrefix $number . | get $units | default 1) | int64 -}}
{{- end -}}

{{/* Whether an optional kind is rendered: auto asks the cluster. Arguments: root, enabled, kind. */}}
{{- define "taxi.wanted" -}}
{{- if eq (toString .enabled) "auto" -}}
{{- if .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) }}true{{ end -}}
{{- else if eq (toString .enabled) "true" -}}
true
{{- end -}}
{{- end -}}

{{/* Milliseconds of a duration such as 15s. */}}
{{- define "taxi.milliseconds" -}}
{{- mul (regexFind "^[0-9]+" .) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .)) -}}
{{- end -}}
