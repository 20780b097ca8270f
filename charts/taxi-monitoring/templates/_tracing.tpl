{{/*
Variables of OpenTelemetry, where traces are made: the names are its own, and its SDK reads them.
Arguments: root, component.
*/}}
{{- define "taxi.tracing.env" -}}
{{- $tracing := default dict .root.Values.tracing -}}
{{- if $tracing.enabled -}}
{{- $policy := default dict .root.Values.networkPolicy -}}
{{- if and $policy.enabled (not (hasKey (default dict $policy.to) "collector")) -}}
{{- fail "networkPolicy.to.collector: is missing, so that no span would reach the collector; give it, or upgrade with --reset-then-reuse-values instead of --reuse-values" -}}
{{- end -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ required "tracing.endpoint: is missing; give the address of a collector that takes OTLP over HTTP, as http://collector.observability:4318" $tracing.endpoint | quote }}
- name: OTEL_SERVICE_NAME
  value: {{ printf "%s-%s" (include "taxi.fullname" .root) .component | quote }}
- name: OTEL_TRACES_SAMPLER
  # Decisions are few, and what a policy did is asked for long afterwards.
  value: {{ ternary "parentbased_always_on" "parentbased_traceidratio" (eq .component "operator") }}
{{- if ne .component "operator" }}
- name: OTEL_TRACES_SAMPLER_ARG
  # 0 is a share, too; --reuse-values may bring none.
  value: {{ ternary 1 $tracing.sampleRatio (kindIs "invalid" $tracing.sampleRatio) | quote }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES_POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "k8s.namespace.name=%s,k8s.pod.name=$(OTEL_RESOURCE_ATTRIBUTES_POD_NAME),service.instance.id=$(OTEL_RESOURCE_ATTRIBUTES_POD_NAME),service.version=%s,taxi.release=%s" .root.Release.Namespace .root.Chart.AppVersion .root.Release.Name | quote }}
{{- with $tracing.existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: headers}
{{- end }}
{{- end -}}
{{- end -}}
