{{/*
The one place where Services are rendered, so that all take the same values.
Arguments:
  root      the root context
  component, name, labels, annotations   as those of taxi.metadata
  service   the part's values `service`
  pods      component whose pods it leads to; without it, it has no selector
  port      name of the port, also at the pods
  number    its number, unless the values give one
  headless  whether clients get the addresses of the pods: its port is the pods' then, and its type
            ClusterIP, whatever the values are
  notReady  whether pods that are not ready are found, too
*/}}
{{- define "taxi.service" -}}
{{- $service := default dict .service -}}
{{- $type := ternary "ClusterIP" (default "ClusterIP" $service.type) (default false .headless) -}}
{{- include "taxi.ownLabels" (dict "labels" $service.labels "field" (printf "%s.service.labels" .component)) -}}
{{- $labels := merge (dict) (default dict .labels) (default dict $service.labels) -}}
{{- $annotations := merge (dict) (default dict .annotations) (default dict $service.annotations) -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "taxi.metadata" (merge (dict "labels" $labels "annotations" $annotations) .) | nindent 2 }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- else }}
  type: {{ $type }}
  {{- with $service.clusterIP }}
  clusterIP: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- if .notReady }}
  publishNotReadyAddresses: true
  {{- end }}
  {{- include "taxi.service.families" $service | nindent 2 }}
  {{- if ne $type "ClusterIP" }}
  {{- with $service.externalTrafficPolicy }}
  externalTrafficPolicy: {{ . }}
  {{- end }}
  {{- end }}
  {{- if eq $type "LoadBalancer" }}
  {{- with $service.loadBalancerClass }}
  loadBalancerClass: {{ . | quote }}
  {{- end }}
  {{- with $service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $service.internalTrafficPolicy }}
  internalTrafficPolicy: {{ . }}
  {{- end }}
  {{- with $service.trafficDistribution }}
  trafficDistribution: {{ . }}
  {{- end }}
  {{- with $service.sessionAffinity }}
  sessionAffinity: {{ . }}
  {{- end }}
  {{- with .pods }}
  selector:
    {{- include "taxi.selectorLabels" (dict "root" $.root "component" .) | nindent 4 }}
  {{- end }}
  ports:
    - name: {{ .port }}
      port: {{ int (ternary .number (default .number $service.port) (default false .headless)) }}
      targetPort: {{ .port }}
      {{- if and $service.nodePort (ne $type "ClusterIP") }}
      nodePort: {{ int $service.nodePort }}
      {{- end }}
{{- end -}}

{{/* Address families. Argument: values `service`. */}}
{{- define "taxi.service.families" -}}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Metrics and probes of a part, for Prometheus alone: a Service of their own, because a load balancer
publishes all ports of its Service, and an Ingress may name any. Headless, so its port is the pods'.
Arguments: root, component, service, number (the port).
*/}}
{{- define "taxi.service.metrics" -}}
{{- $service := pick (default dict .service) "ipFamilyPolicy" "ipFamilies" -}}
{{- $name := printf "%s-metrics" .component -}}
{{ include "taxi.service" (dict "root" .root "component" $name "name" $name "service" $service "pods" .component "port" "metrics" "number" .number "headless" true) }}
{{- end -}}

{{/* Base address of a part's API within the cluster. Arguments: root, name, service, domain (optional). */}}
{{- define "taxi.service.url" -}}
{{- $port := int (default 80 (default dict .service).port) -}}
http://{{ include "taxi.fullname" .root }}-{{ .name }}{{ with .domain }}.{{ . }}{{ end }}{{ if ne $port 80 }}:{{ $port }}{{ end }}
{{- end -}}

{{/* Address that a server listens on: IPv6 alone, or both, needs another one. Argument: values `service`. */}}
{{- define "taxi.service.host" -}}
{{- $service := default dict . -}}
{{- ternary "::" "0.0.0.0" (or (has "IPv6" (default list $service.ipFamilies)) (ne (default "SingleStack" $service.ipFamilyPolicy) "SingleStack")) -}}
{{- end -}}
