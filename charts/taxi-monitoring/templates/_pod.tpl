{{/*
The one place where pods are rendered, so security and scheduling cannot differ between parts.
Arguments:
  root       the root context
  component  value of the label app.kubernetes.io/component
  values     the component's block of values
  spec       the pod's spec as YAML; each container names `imageKey` (key of .Values.images)
  user       numeric uid and gid, 10001 unless given
  apiAccess  whether the pod gets a token of the API server
Renders a pod template (metadata and spec).
*/}}
{{- define "taxi.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $spec := fromYaml .spec -}}
{{- with $spec.Error }}{{ fail (printf "template of %s: %s" $.component .) }}{{ end -}}
{{- $user := int (default 10001 .user) -}}
{{- $containers := list -}}
{{- range $spec.containers -}}
  {{- $image := dict "image" (include "taxi.image" (dict "root" $root "image" .imageKey)) "imagePullPolicy" (index $root.Values.images .imageKey).pullPolicy -}}
  {{- $security := include "taxi.containerSecurity" . | fromYaml -}}
  {{- $containers = append $containers (merge $image (dict "securityContext" $security) (omit . "imageKey" "user")) -}}
{{- end -}}
metadata:
  labels:
    {{- include "taxi.selectorLabels" . | nindent 4 }}
    {{- with merge (dict) $values.podLabels $root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge (dict) (default dict .annotations) $values.podAnnotations $root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: {{ default false .apiAccess }}
  enableServiceLinks: false
  {{- with concat (default list (default dict $root.Values.global).imagePullSecrets) $root.Values.imagePullSecrets | uniq }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $user }}
    runAsGroup: {{ $user }}
    fsGroup: {{ $user }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- toYaml (merge (dict "containers" $containers) (omit $spec "containers")) | nindent 2 }}
{{- end -}}

{{- define "taxi.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- with .user }}
runAsUser: {{ int . }}
runAsGroup: {{ int . }}
{{- end }}
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Spread over the nodes unless the values say otherwise. Arguments: root, component, values. */}}
{{- define "taxi.spread" -}}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "taxi.selectorLabels" . | nindent 8 }}
{{- end }}
{{- end -}}
