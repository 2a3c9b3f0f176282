{{/* Names of the operator's own objects are fixed: its permissions name the Lease and the ledger key. */}}
{{- define "clinch-operator.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/name: clinch-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "clinch-operator.labels" -}}
{{ include "clinch-operator.chartLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "clinch-operator.selector" -}}
app.kubernetes.io/name: clinch-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The name of what belongs to one shard; that of the default shard is empty. */}}
{{- define "clinch-operator.shardName" -}}
{{- ternary "clinch-operator" (printf "clinch-operator-%s" .) (empty .) }}
{{- end }}

{{/* The pods of one shard. Those of the default shard are selected as in a release without shards, which cannot be
changed; so the others have another name. */}}
{{- define "clinch-operator.shardSelector" -}}
{{- $shard := index . 0 }}
{{- with index . 1 }}
{{- if $shard -}}
app.kubernetes.io/name: clinch-operator-shard
app.kubernetes.io/instance: {{ .Release.Name }}
clinch.hireez.dev/shard: {{ $shard }}
{{- else -}}
{{ include "clinch-operator.selector" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The pods of all shards. */}}
{{- define "clinch-operator.podSelector" -}}
app.kubernetes.io/part-of: clinch-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "clinch-operator.podLabels" -}}
{{- $shard := index . 0 }}
{{- with index . 1 }}
{{- $selected := include "clinch-operator.shardSelector" (list $shard .) | fromYaml }}
{{- $all := include "clinch-operator.podSelector" . | fromYaml }}
{{- $ours := include "clinch-operator.chartLabels" . | fromYaml }}
{{- merge $selected $all $ours .Values.podLabels .Values.commonLabels | toYaml }}
{{- end }}
{{- end }}

{{/* The chart's labels and those of the user, who cannot change the former: a key may stand once only. */}}
{{- define "clinch-operator.ownLabels" -}}
{{- $ours := include "clinch-operator.chartLabels" (index . 1) | fromYaml }}
{{- merge $ours (index . 0) (index . 1).Values.commonLabels | toYaml }}
{{- end }}

{{/* How a monitor scrapes. */}}
{{- define "clinch-operator.endpoint" -}}
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* ClusterRoles are cluster-wide: the namespace in the name separates two installations. */}}
{{- define "clinch-operator.clusterName" -}}
clinch-operator-{{ .Release.Namespace }}
{{- end }}

{{- define "clinch-operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default "clinch-operator" }}
{{- end }}

{{- define "clinch-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "clinch-operator.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The origins that the operator allows without allowedEndpoints, as a list in JSON. */}}
{{- define "clinch-operator.documentedEndpoints" -}}
{{- list "https://api.clinchtalent.com" "https://api.rec-marketing.dc3.pageuppeople.com" "https://api.rec-marketing.dc2.pageuppeople.com" | toJson }}
{{- end }}

{{- define "clinch-operator.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Whether another release watches the same namespaces: both would work on the same objects, without knowing of each
other. Helm itself refuses a second Role in a namespace that both list; so this looks for a release that watches all. Only
where Helm talks to the API server, which `helm template` does not, and only in an installation that has cluster-wide
objects anyway: nobody else may be allowed to list these. */}}
{{- define "clinch-operator.disjoint" -}}
{{- $all := not .Values.watchNamespaces }}
{{- if or $all .Values.rbac.userRoles .Values.endpointPolicy.enabled }}
{{- $bindings := (lookup "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "" "").items | default list }}
{{- if $all }}
{{- $bindings = concat $bindings ((lookup "rbac.authorization.k8s.io/v1" "RoleBinding" "" "").items | default list) }}
{{- end }}
{{- range $bindings }}
{{- $watches := or (and (eq .kind "ClusterRoleBinding") (hasPrefix "clinch-operator-" .roleRef.name)) (and (eq .kind "RoleBinding") (eq .metadata.name "clinch-operator") (eq .roleRef.name "clinch-operator")) }}
{{- range $subject := ternary (.subjects | default list) list $watches }}
{{- if and (eq $subject.kind "ServiceAccount") (ne ($subject.namespace | default $.Release.Namespace) $.Release.Namespace) }}
{{- fail (printf "an operator in the namespace %s watches %s: no two may watch the same one, see docs/OPERATIONS.md, Several releases. Give both of them watchNamespaces without a common one" $subject.namespace ($all | ternary "namespaces that this release would watch, too" "all namespaces")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Checks of values that depend on each other, which the schema cannot express. */}}
{{- define "clinch-operator.check" -}}
{{- if not .Values.environment }}
{{- fail "set environment to production or sandbox: it decides which accounts the operator may contact, and a test account must never be joined to production" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.create: false needs serviceAccount.name, the ServiceAccount that exists" }}
{{- end }}
{{- if and (eq .Values.secretAccess "namespace") (not .Values.watchNamespaces) }}
{{- fail "secretAccess: namespace needs watchNamespaces; with all namespaces watched use named or cluster" }}
{{- end }}
{{- if and (eq .Values.secretAccess "cluster") .Values.watchNamespaces }}
{{- fail "secretAccess: cluster is for an operator that watches all namespaces; with watchNamespaces use named or namespace" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.apiServer.cidrs) }}
{{- fail "networkPolicy needs networkPolicy.apiServer.cidrs, the addresses of the API server: without them the operator could do nothing" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled .Values.ciliumNetworkPolicy.enabled }}
{{- fail "enable networkPolicy or ciliumNetworkPolicy: with both, the pod may contact what either allows" }}
{{- end }}
{{- if and .Values.ciliumNetworkPolicy.enabled .Values.proxy.secretName (not .Values.ciliumNetworkPolicy.egress) }}
{{- fail "ciliumNetworkPolicy with proxy.secretName needs ciliumNetworkPolicy.egress, a rule for the proxy: its address is in the Secret" }}
{{- end }}
{{- if not .Values.podSecurityContext.runAsNonRoot }}
{{- fail "podSecurityContext.runAsNonRoot must stay true: the operator needs no rights of root" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor needs metrics.service.enabled: it finds the pods through the Service" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "enable metrics.serviceMonitor or metrics.podMonitor: with both, Prometheus scrapes each pod twice" }}
{{- end }}
{{- range $argument := .Values.extraArgs }}
{{- $option := splitList "=" $argument | first }}
{{- if has $option (list "--environment" "--watch-namespaces" "--allowed-endpoints" "--region-endpoints" "--namespace" "--identity" "--shard" "--lease" "--ledger-key-secret" "--admin-listen") }}
{{- fail (printf "extraArgs must not have %s: other objects of the release rely on it; use its value where there is one" $option) }}
{{- end }}
{{- end }}
{{- $traces := dict "OTEL_EXPORTER_OTLP_ENDPOINT" .Values.traces.endpoint "OTEL_TRACES_SAMPLER" .Values.traces.sampler "OTEL_TRACES_SAMPLER_ARG" .Values.traces.samplerArg }}
{{- range .Values.extraEnv }}
{{- if get $traces .name }}
{{- fail (printf "extraEnv has %s, which traces sets, too: a variable may stand once only" .name) }}
{{- end }}
{{- end }}
{{- $alerts := list }}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups }}
{{- range .rules }}
{{- $alerts = append $alerts (.alert | default "") }}
{{- end }}
{{- end }}
{{- range .Values.metrics.rules.disabled }}
{{- if not (has . $alerts) }}
{{- fail (printf "metrics.rules.disabled: no alert is named %s" .) }}
{{- end }}
{{- end }}
{{- include "clinch-operator.disjoint" . }}
{{- if and (ne .Values.secretAccess "named") .Values.secretNames }}
{{- fail "secretNames is valid only with secretAccess: named" }}
{{- end }}
{{- if .Values.watchNamespaces }}
{{- range $namespace, $_ := .Values.secretNames }}
{{- if not (has $namespace $.Values.watchNamespaces) }}
{{- fail (printf "secretNames lists the namespace %s, which is not in watchNamespaces" $namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
