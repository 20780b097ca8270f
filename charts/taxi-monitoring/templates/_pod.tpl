{{/*
The one place where pods are rendered, so security, scheduling and what users add cannot differ
between parts.
Arguments:
  root       the root context
  component  value of the label app.kubernetes.io/component
  values     the component's block of values; `pods` of the values is taken where it gives nothing
  spec       the pod's spec as YAML; each container names `imageKey` (key of .Values.images). What
             users add (env, mounts, probes) is of the first container.
  user       numeric uid and gid, 10001 unless given
  apiAccess  whether the pod gets a token of the API server
Renders a pod template (metadata and spec).
*/}}
{{- define "taxi.pod" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $values := dict "of" .values -}}
{{- include "taxi.pod.complete" (dict "root" $root "values" $values) -}}
{{- $values = $values.of -}}
{{- $spec := include "taxi.mongodb.trusted" (dict "root" $root "spec" .spec) | fromYaml -}}
{{- with $spec.Error }}{{ fail (printf "template of %s: %s" $component .) }}{{ end -}}
{{- $disk := include "taxi.pod.diskBytes" $spec.volumes | int64 -}}
{{- $made := dict "containers" list "initContainers" list -}}
{{- range $list := list "initContainers" "containers" -}}
{{- range $index, $container := index $spec $list -}}
  {{- $main := and (eq $list "containers") (eq $index 0) -}}
  {{- $image := dict "image" (include "taxi.image" (dict "root" $root "image" $container.imageKey)) "imagePullPolicy" (index $root.Values.images $container.imageKey).pullPolicy -}}
  {{- $storage := include "taxi.pod.storage" (dict "container" $container "component" $component "disk" (ternary $disk 0 $main) "spool" (hasKey $values "spool")) | fromYaml -}}
  {{- $own := dict "securityContext" (include "taxi.containerSecurity" (dict "root" $root "values" $values "user" $container.user) | fromYaml) "resources" (mergeOverwrite $storage (default dict $container.resources)) -}}
  {{- $one := merge $image $own (omit $container "imageKey" "user" "resources") -}}
  {{- if $main }}{{ include "taxi.pod.extend" (dict "container" $one "values" $values "component" $component) }}{{ end -}}
  {{- $_ := set $made $list (append (index $made $list) $one) -}}
{{- end -}}
{{- end -}}
{{- /* A container beside that of a Job ends with it only as an init container that goes on. */ -}}
{{- $job := eq (default "" $spec.restartPolicy) "Never" -}}
{{- range $list := list "initContainers" "extraContainers" -}}
{{- range $container := index $values $list -}}
  {{- $one := merge (deepCopy $container) (dict "securityContext" (include "taxi.containerSecurity" (dict "root" $root "values" $values) | fromYaml)) -}}
  {{- $beside := eq $list "extraContainers" -}}
  {{- if and $beside $job }}{{ $_ := set $one "restartPolicy" "Always" }}{{ end -}}
  {{- $into := ternary "containers" "initContainers" (and $beside (not $job)) -}}
  {{- $_ := set $made $into (append (index $made $into) $one) -}}
{{- end -}}
{{- end -}}
{{- if not $made.initContainers }}{{ $_ := unset $made "initContainers" }}{{ end -}}
{{- $volumes := concat (default list $spec.volumes) (default list $values.extraVolumes) -}}
{{- include "taxi.pod.once" (dict "list" $volumes "field" (printf "%s.extraVolumes" $component)) -}}
{{- include "taxi.ownLabels" (dict "labels" $values.podLabels "field" (printf "%s.podLabels" $component)) -}}
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
    {{- $security := include "taxi.podSecurity" (dict "root" $root "user" (int (default 10001 .user))) | fromYaml }}
    {{- toYaml (mergeOverwrite $security (deepCopy (default dict $values.podSecurityContext))) | nindent 4 }}
  {{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
  {{- with index $values $key }}
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" "dnsConfig" "hostAliases" }}
  {{- with index $values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if kindIs "bool" $values.hostUsers }}
  hostUsers: {{ $values.hostUsers }}
  {{- end }}
  {{- if or $values.topologySpreadConstraints .spread }}
  {{- include "taxi.spread" (dict "root" $root "component" $component "values" $values) | nindent 2 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
  {{- with $volumes }}
  volumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- toYaml (merge $made (omit $spec "containers" "initContainers" "volumes")) | nindent 2 }}
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

{{/* Arguments: root, user (uid and gid). */}}
{{- define "taxi.podSecurity" -}}
runAsNonRoot: true
{{- if include "taxi.fixedIds" .root }}
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Whether pods name their uid and gid; releases of before have no such value. Argument: root. */}}
{{- define "taxi.fixedIds" -}}
{{- if ne (toString .Values.fixedIds) "false" }}true{{ end -}}
{{- end -}}

{{/* Arguments: root, values, user (uid and gid of this container, optional). */}}
{{- define "taxi.containerSecurity" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- if and .user (include "taxi.fixedIds" .root) -}}
{{- $own = merge $own (dict "runAsUser" (int .user) "runAsGroup" (int .user)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy (default dict .values.containerSecurityContext))) -}}
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
