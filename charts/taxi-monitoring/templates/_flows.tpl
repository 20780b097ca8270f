{{/*
Who reaches whom in a release: the list of docs/network.md, as {from, to, ports}. Names are
components, or keys of networkPolicy.from and networkPolicy.to. Ports are numbers of the pods, `all`
for every one.
*/}}
{{- define "taxi.flows" -}}
{{- $values := .Values -}}
{{- $reports := default dict $values.batchReport -}}
{{- $dask := default dict $reports.dask -}}
{{- $backup := default dict $values.backup -}}
{{- $active := default dict $values.active -}}
{{- $parts := include "taxi.flows.parts" . | fromJsonArray -}}
{{- $predictors := list "predictor" "fallback" -}}
{{- $flows := list -}}
{{- /* The API. */ -}}
{{- range $predictors -}}
{{- $flows = append $flows (dict "from" "clients" "to" . "ports" (list 9696)) -}}
{{- $flows = append $flows (dict "from" . "to" "monitor" "ports" (list 8085)) -}}
{{- if or (dig "ingress" "enabled" false $active) (dig "httpRoute" "enabled" false $active) -}}
{{- $flows = append $flows (dict "from" "ingressControllers" "to" . "ports" (list 9696)) -}}
{{- end -}}
{{- end -}}
{{- $flows = append $flows (dict "from" "clients" "to" "monitor" "ports" (list 8085)) -}}
{{- if or (dig "ingress" "enabled" false $values.monitor) (dig "httpRoute" "enabled" false $values.monitor) -}}
{{- $flows = append $flows (dict "from" "ingressControllers" "to" "monitor" "ports" (list 8085)) -}}
{{- end -}}
{{- /* Metrics. */ -}}
{{- range $component, $port := dict "predictor" 9697 "fallback" 9697 "monitor" 8086 "operator" 9090 -}}
{{- if has $component $parts -}}
{{- $flows = append $flows (dict "from" "prometheus" "to" $component "ports" (list $port)) -}}
{{- end -}}
{{- end -}}
{{- if has "test" $parts -}}
{{- range $predictors -}}
{{- $flows = append $flows (dict "from" "test" "to" . "ports" (list 9696 9697)) -}}
{{- end -}}
{{- $flows = append $flows (dict "from" "test" "to" "monitor" "ports" (list 8086)) -}}
{{- if has "operator" $parts -}}
{{- $flows = append $flows (dict "from" "test" "to" "operator" "ports" (list 9090)) -}}
{{- $flows = append $flows (dict "from" "test" "to" "apiServer") -}}
{{- end -}}
{{- end -}}
{{- /* MongoDB; members of a replica set reach one another. */ -}}
{{- range list "predictor" "fallback" "monitor" "operator" "train" "report" "dask-worker" "backup" "data" "indexes" "mongodb" -}}
{{- if has . $parts -}}
{{- $flows = append $flows (dict "from" . "to" "mongodb" "ports" (list 27017)) -}}
{{- end -}}
{{- end -}}
{{- /* Dask: workers give each other what they computed, by ports of their own choice. */ -}}
{{- if has "dask-scheduler" $parts -}}
{{- range $from := list "report" "dask-scheduler" "dask-worker" -}}
{{- range $to := list "dask-scheduler" "dask-worker" -}}
{{- $flows = append $flows (dict "from" $from "to" $to "ports" (list "all")) -}}
{{- end -}}
{{- end -}}
{{- else if and (has "report" $parts) $dask.address -}}
{{- $flows = append $flows (dict "from" "report" "to" "dask" "urls" (list $dask.address)) -}}
{{- end -}}
{{- /* Outside of the release. */ -}}
{{- range $parts -}}
{{- $flows = append $flows (dict "from" . "to" "dns") -}}
{{- end -}}
{{- range list "operator" "secrets" -}}
{{- if has . $parts -}}
{{- $flows = append $flows (dict "from" . "to" "apiServer") -}}
{{- end -}}
{{- end -}}
{{- if has "operator" $parts -}}
{{- with $values.operator.prometheus -}}
{{- with concat (list .url) (default list .allowedURLs) | compact -}}
{{- $flows = append $flows (dict "from" "operator" "to" "prometheus" "urls" .) -}}
{{- end -}}
{{- end -}}
{{- with (default dict $values.operator.webhook).url -}}
{{- $flows = append $flows (dict "from" "operator" "to" "webhook" "urls" (list .)) -}}
{{- end -}}
{{- end -}}
{{- $tracing := default dict $values.tracing -}}
{{- if $tracing.enabled -}}
{{- range list "predictor" "fallback" "monitor" "operator" -}}
{{- if has . $parts -}}
{{- $flows = append $flows (dict "from" . "to" "collector" "urls" (list $tracing.endpoint)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if has "report" $parts -}}
{{- with (default dict $reports.prometheus).url -}}
{{- $flows = append $flows (dict "from" "report" "to" "prometheus" "urls" (list .)) -}}
{{- end -}}
{{- with default dict $reports.prefect -}}
{{- if or .apiUrl .existingSecret -}}
{{- /* Of an address in a Secret the ports of Prefect Cloud and of a server are known. */ -}}
{{- $flows = append $flows (dict "from" "report" "to" "prefect" "urls" (ternary (list .apiUrl) (list "https://cloud" "http://server:4200") (ne (default "" .apiUrl) ""))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $backup.destination -}}
{{- range list "backup" "data" -}}
{{- if has . $parts -}}
{{- $flows = append $flows (dict "from" . "to" "objectStore") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $values.firstModel.enabled -}}
{{- with $values.firstModel.dataURL -}}
{{- $flows = append $flows (dict "from" "train" "to" "dataSource" "urls" (list .)) -}}
{{- end -}}
{{- end -}}
{{- toJson $flows -}}
{{- end -}}

{{/* Components that have pods. */}}
{{- define "taxi.flows.parts" -}}
{{- $values := .Values -}}
{{- $reports := default dict $values.batchReport -}}
{{- $dask := and $reports.enabled (dig "dask" "enabled" false $reports) -}}
{{- $switches := dict "operator" $values.operator.enabled "mongodb" $values.mongodb.enabled "indexes" (not $values.mongodb.enabled) "report" $reports.enabled "dask-scheduler" $dask "dask-worker" $dask "backup" (default dict $values.backup).enabled "data" (default dict $values.dataTool).enabled "test" $values.tests.enabled "secrets" (ne (include "taxi.secrets" .) "[]") -}}
{{- $parts := list "predictor" "fallback" "monitor" "train" -}}
{{- range $name, $on := $switches -}}
{{- if $on }}{{ $parts = append $parts $name }}{{ end -}}
{{- end -}}
{{- toJson ($parts | sortAlpha) -}}
{{- end -}}

{{/* Ports of addresses, as a list in JSON. */}}
{{- define "taxi.flows.portsOf" -}}
{{- $known := dict "http" 80 "https" 443 "tcp" 8786 -}}
{{- $ports := list -}}
{{- range . -}}
{{- $url := urlParse . -}}
{{- $given := regexFind ":[0-9]+$" $url.host -}}
{{- $ports = append $ports (int (default (get $known $url.scheme) (trimPrefix ":" $given))) -}}
{{- end -}}
{{- toJson ($ports | uniq) -}}
{{- end -}}
