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
{{- $spec := include "taxi.mongodb.trusted" (dict "root" $root "spec" .spec) | fromYaml -}}
{{- with $spec.Error }}{{ fail (printf "template of %s: %s" $.component .) }}{{ end -}}
{{- $user := int (default 10001 .user) -}}
{{- $component := .component -}}
{{- $made := dict "containers" list "initContainers" list -}}
{{- $disk := include "taxi.pod.diskBytes" $spec.volumes | int64 -}}
{{- range $list := list "initContainers" "containers" -}}
{{- range $index, $container := index $spec $list -}}
{{- with $container -}}
  {{- $image := dict "image" (include "taxi.image" (dict "root" $root "image" .imageKey)) "imagePullPolicy" (index $root.Values.images .imageKey).pullPolicy -}}
  {{- $security := include "taxi.containerSecurity" . | fromYaml -}}
  {{- $storage := include "taxi.pod.storage" (dict "container" . "component" $component "disk" (ternary $disk 0 (and (eq $list "containers") (eq $index 0))) "spool" (hasKey $values "spool")) | fromYaml -}}
  {{- $own := dict "securityContext" $security "resources" (mergeOverwrite $storage (default dict .resources)) -}}
  {{- $_ := set $made $list (append (index $made $list) (merge $image $own (omit . "imageKey" "user" "resources"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $made.initContainers }}{{ $_ := unset $made "initContainers" }}{{ end -}}
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
  serviceAccountName: {{ include "taxi.serviceAccountName" (dict "root" $root "component" $component "values" $values) | quote }}
  automountServiceAccountToken: {{ or .apiAccess (dig "automount" false (default dict $values.serviceAccount)) | default false }}
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
  {{- toYaml (merge $made (omit $spec "containers" "initContainers")) | nindent 2 }}
{{- end -}}

{{/* Bytes that a pod's volumes may take of its node's disk. */}}
{{- define "taxi.pod.diskBytes" -}}
{{- $bytes := 0 -}}
{{- range . -}}
{{- with .emptyDir -}}
{{- if ne (toString .medium) "Memory" -}}{{- $bytes = add $bytes (include "taxi.bytes" .sizeLimit) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $bytes -}}
{{- end -}}

{{/*
Ephemeral storage of a container, as far as its values name none: what the pod's volumes may take
(the first container asks for it) and 64Mi of logs, so that a node that runs out of disk evicts
others first. A pod with a spool has a limit too, 512Mi above that or above a larger request: records never meet it.
Arguments: container, component, disk (bytes), spool (whether the pod has one).
*/}}
{{- define "taxi.pod.storage" -}}
{{- $needed := add .disk (include "taxi.bytes" "64Mi") -}}
{{- $given := default dict .container.resources -}}
{{- $limit := dig "limits" "ephemeral-storage" "" $given -}}
{{- $request := dig "requests" "ephemeral-storage" "" $given -}}
{{- if not (kindIs "string" $request) }}{{ $request = int64 $request | toString }}{{ end -}}
{{- if not (kindIs "string" $limit) }}{{ $limit = int64 $limit | toString }}{{ end -}}
{{- if and $limit (lt (include "taxi.bytes" $limit | int64) $needed) -}}
{{- fail (printf "%s.resources.limits.ephemeral-storage: %s does not hold the volumes and logs of the pod, and Kubernetes would evict it; give at least %dMi" .component $limit (div (add $needed 1048575) 1048576)) -}}
{{- end -}}
requests:
  ephemeral-storage: {{ printf "%dMi" (div (add $needed 1048575) 1048576) | quote }}
{{- if .spool }}
{{- $most := max $needed (ternary (include "taxi.bytes" (default "0" $request) | int64) 0 (ne $request "")) }}
limits:
  ephemeral-storage: {{ printf "%dMi" (add 512 (div (add $most 1048575) 1048576)) | quote }}
{{- end }}
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
