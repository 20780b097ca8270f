{{/*
Completes a part's values by `pods`, which all parts share: maps key by key, anything else where the
part gives nothing. Releases of before have no `pods`.
Arguments: root, values (a dict whose `of` is replaced).
*/}}
{{- define "taxi.pod.complete" -}}
{{- $own := .values.of -}}
{{- $whole := merge (dict) $own -}}
{{- range $key, $shared := default dict .root.Values.pods -}}
{{- $given := index $own $key -}}
{{- if and (kindIs "map" $shared) (kindIs "map" $given) -}}
{{- $_ := set $whole $key (merge (deepCopy $given) $shared) -}}
{{- else if and (not $given) (has (kindOf $given) (list "invalid" "string" "slice" "map")) -}}
{{- $_ := set $whole $key $shared -}}
{{- end -}}
{{- end -}}
{{- $_ := set .values "of" $whole -}}
{{- end -}}

{{/* A field of the workload that makes pods, where it is given. Arguments: root, values. */}}
{{- define "taxi.revisionHistoryLimit" -}}
{{- $values := dict "of" .values -}}
{{- include "taxi.pod.complete" (dict "root" .root "values" $values) -}}
{{- if not (kindIs "invalid" $values.of.revisionHistoryLimit) }}
revisionHistoryLimit: {{ int64 $values.of.revisionHistoryLimit }}
{{- end -}}
{{- end -}}

{{/*
Adds to a container what the values have for it: variables, mounts, probes, hooks of its life.
Arguments: container (a dict that is changed), values, component.
*/}}
{{- define "taxi.pod.extend" -}}
{{- $container := .container -}}
{{- $values := .values -}}
{{- range $key, $field := dict "env" "env" "envFrom" "envFrom" "volumeMounts" "extraVolumeMounts" -}}
{{- with index $values $field -}}
{{- $_ := set $container $key (concat (default list (index $container $key)) .) -}}
{{- end -}}
{{- end -}}
{{- include "taxi.pod.once" (dict "list" $container.env "field" (printf "%s.env" .component)) -}}
{{- include "taxi.pod.once" (dict "list" $container.volumeMounts "by" "mountPath" "field" (printf "%s.extraVolumeMounts" .component)) -}}
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" -}}
{{- $given := default dict (index $values $probe) -}}
{{- $handlers := pick $given "httpGet" "tcpSocket" "exec" "grpc" -}}
{{- $own := default dict (index $container $probe) -}}
{{- if $handlers -}}{{- $own = omit $own "httpGet" "tcpSocket" "exec" "grpc" -}}{{- end -}}
{{- /* Times alone are of the probe that the part has; without one there is nothing to time. */ -}}
{{- if and $given (or $own $handlers) -}}
{{- $_ := set $container $probe (merge (deepCopy $given) $own) -}}
{{- end -}}
{{- end -}}
{{- with $values.lifecycle -}}
{{- /* Hook by hook: one of both kinds in one hook is refused by Kubernetes. */ -}}
{{- $_ := set $container "lifecycle" (dict "preStop" (default (dig "lifecycle" "preStop" dict $container) .preStop) "postStart" (default (dig "lifecycle" "postStart" dict $container) .postStart)) -}}
{{- range $hook := list "preStop" "postStart" }}{{ if not (index $container.lifecycle $hook) }}{{ $_ := unset $container.lifecycle $hook }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Refuses a list that names something twice: one of both would be lost.
     Arguments: list, by (key, name unless given), field (of the values). */}}
{{- define "taxi.pod.once" -}}
{{- $by := default "name" .by -}}
{{- $seen := dict -}}
{{- $field := .field -}}
{{- range .list -}}
{{- $name := index . $by -}}
{{- if hasKey $seen $name -}}
{{- fail (printf "%s: %s %q is there already, of the chart or of the list itself, and one of both would be lost; leave it out, or use the value that sets it" $field $by $name) -}}
{{- end -}}
{{- $_ := set $seen $name true -}}
{{- end -}}
{{- end -}}

{{/* Refuses labels that objects and pods are selected by. Arguments: labels, field (of the values). */}}
{{- define "taxi.ownLabels" -}}
{{- $field := .field -}}
{{- range $key, $_ := default dict .labels -}}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (hasPrefix "taxi-monitoring.io/" $key) (eq $key "helm.sh/chart") -}}
{{- fail (printf "%s: %s is the chart's own, selectors go by it; choose another key, or set nameOverride" $field $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
