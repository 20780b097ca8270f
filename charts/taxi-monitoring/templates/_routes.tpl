{{/*
What publishes a part's API: an Ingress and a route of the Gateway API, each to the port of its
Service that clients use. Arguments: root, component, name, values (with service, ingress, httpRoute).
*/}}
{{- define "taxi.routes" -}}
{{- $part := dict "root" .root "component" .component "name" .name -}}
{{- $name := printf "%s-%s" (include "taxi.fullname" .root) .name -}}
{{- $ingress := default dict .values.ingress -}}
{{- if $ingress.enabled }}
{{- if not $ingress.hosts }}
{{- fail (printf "%s.ingress.hosts: is empty; give the hosts, for example [{host: %s.example.org, paths: [{path: /, pathType: Prefix}]}]" .component .name) }}
{{- end }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "taxi.metadata" (merge (dict "labels" $ingress.labels "annotations" $ingress.annotations) $part) | nindent 2 }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with $ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $ingress.hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range default (list (dict "path" "/" "pathType" "Prefix")) .paths }}
          - path: {{ .path | quote }}
            pathType: {{ default "Prefix" .pathType }}
            backend:
              service:
                name: {{ $name | quote }}
                port: {name: http}
          {{- end }}
    {{- end }}
{{- end }}
{{- $route := default dict .values.httpRoute -}}
{{- if $route.enabled }}
{{- if not $route.parentRefs }}
{{- fail (printf "%s.httpRoute.parentRefs: is empty; name the Gateway, for example [{name: public, namespace: gateways}]" .component) }}
{{- end }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "taxi.metadata" (merge (dict "labels" $route.labels "annotations" $route.annotations) $part) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml $route.parentRefs | nindent 4 }}
  {{- with $route.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- $backend := dict "name" $name "port" (int (default 80 (default dict .values.service).port)) }}
    {{- range default (list dict) $route.rules }}
    {{- $rule := merge (dict "backendRefs" (list $backend)) . }}
    - {{- toYaml $rule | nindent 6 }}
    {{- end }}
{{- end }}
{{- end -}}
