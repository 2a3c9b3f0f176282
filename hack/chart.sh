#!/usr/bin/env bash
# Checks the chart with the real tools: helm (lint, template with every value, refusals; install, upgrade, rollback and
# uninstall on a real API server), kube-score, kubeconform, promtool (alerts and their unit tests), kubectl kustomize. The
# API server checks the objects of every combination of values against its schemas, and those of the Prometheus Operator
# and of Cilium against the schemas of these projects, which are taken from the Go module proxy.
#
# kubeconform compares the same objects, and those of examples/, with JSON schemas that are made from the API server's
# OpenAPI document, as none can be loaded from elsewhere. The server-side dry run does more: the API server itself checks
# objects, with defaults, CEL rules and admission.
#
# kube-linter is not run: the Go module proxy does not serve golang.stackrox.io/kube-linter. docs/VERIFICATION.md says what
# the comparison of its checks with the chart gave. kube-score looks for the same (probes, security contexts, requests,
# replicas, selectors).
#
#   hack/chart.sh            everything
#   hack/chart.sh offline    without the API server
#   hack/chart.sh base       writes the bases in deploy/kustomize again
#
# helm is $HELM, or the one on the PATH, or is built from the Go module proxy into target/chart, as kube-score and
# kubeconform are. promtool, which also checks the metrics of operators that work, is $PROMTOOL, or the one on the PATH, or
# is taken out of Debian's package prometheus. Exit codes: 0 passed, 1 failed, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-all}" in all | offline | base) what=${1:-all} ;; *) sed -n '2,/^set/s/^# \?//p' "$0"; exit 2 ;; esac
chart=charts/clinch-operator
tools=$PWD/target/chart
mkdir -p "$tools"

helm=${HELM:-$(command -v helm || echo "$tools/helm")}
if [ ! -x "$helm" ]; then
  echo "building helm"
  GOBIN=$tools go install helm.sh/helm/v3/cmd/helm@v3.16.4
fi
kube_score=$(command -v kube-score || echo "$tools/kube-score")
if [ ! -x "$kube_score" ]; then
  echo "building kube-score"
  GOBIN=$tools go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0
fi
kubeconform=$(command -v kubeconform || echo "$tools/kubeconform")
if [ ! -x "$kubeconform" ]; then
  echo "building kubeconform"
  GOBIN=$tools go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
fi
promtool=${PROMTOOL:-$(command -v promtool || echo "$tools/usr/bin/promtool")}
if [ ! -x "$promtool" ]; then
  echo "fetching promtool"
  (cd "$tools" && apt-get download prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb .)
fi

step() { printf '\n== %s\n' "$*"; }
# The chart asks for the version of the API server; without one helm assumes an old one.
render() { "$helm" template clinch-operator "$chart" -n clinch-system --kube-version 1.33.0 "$@"; }

step "lint"
"$helm" lint --strict "$chart" --set environment=sandbox --quiet
"$helm" lint --strict "$chart" -f tests/data/chart/every-value.yaml --quiet

step "template"
render --set environment=sandbox >"$tools/default.yaml"
render -f tests/data/chart/every-value.yaml >"$tools/every-value.yaml"
toggles=0
rm -rf "$tools/toggles"
mkdir "$tools/toggles"
while read -r toggle; do
  case "$toggle" in '' | '#'*) continue ;; esac
  # shellcheck disable=SC2086
  render --set environment=sandbox $toggle >"$tools/toggles/$toggles.yaml" || { echo "refused: $toggle"; exit 1; }
  toggles=$((toggles + 1))
done <tests/data/chart/toggles.txt
echo "$toggles combinations render"

step "refusals"
refusals=0
while IFS='|' read -r arguments message; do
  case "$arguments" in '' | '#'*) continue ;; esac
  # shellcheck disable=SC2086
  if said=$(render $arguments 2>&1 >/dev/null); then echo "not refused: $arguments"; exit 1; fi
  case "$said" in *"$message"*) ;; *) echo "$arguments: expected \"$message\" in: $said"; exit 1 ;; esac
  refusals=$((refusals + 1))
done <tests/data/chart/refusals.txt
echo "$refusals refused"

step "hosts of the CiliumNetworkPolicy"
render -f tests/data/chart/cilium-values.yaml -s templates/ciliumnetworkpolicy.yaml >"$tools/cilium.yaml"
if [ "$what" = base ]; then cp "$tools/cilium.yaml" tests/data/chart/cilium.yaml; fi
diff tests/data/chart/cilium.yaml "$tools/cilium.yaml" || { echo "read the difference, then run hack/chart.sh base"; exit 1; }
echo "as recorded"

step "kube-score"
# A limit of CPU would slow down signing and decoding, and frees nothing that the request does not. An image with a tag of
# its own, or a digest, need not be pulled again. A NetworkPolicy needs addresses that only the user knows.
score() { "$kube_score" score --kubernetes-version v1.33 --ignore-container-cpu-limit --ignore-test container-image-pull-policy "$@"; }
score "$tools/every-value.yaml"
score --ignore-test pod-networkpolicy "$tools/default.yaml"

step "kustomize bases"
for environment in sandbox production; do
  base=deploy/kustomize/$environment
  rendered=$tools/$environment.yaml
  { echo "# Written by hack/chart.sh base from the chart's default values."; render --set environment=$environment; } >"$rendered"
  if [ "$what" = base ]; then cp "$rendered" "$base/operator.yaml"; fi
  cmp "$rendered" "$base/operator.yaml" || { echo "$base differs: run hack/chart.sh base"; exit 1; }
done
[ "$what" != base ] || exit 0

step "alerts"
"$promtool" check rules "$chart/files/alerts.yaml"
"$promtool" test rules tests/data/alerts.yaml

[ "$what" = all ] || exit 0

step "a real API server"
assets=$(hack/control-plane.sh --print-only 2>/dev/null | tail -n 1)
export KUBEBUILDER_ASSETS=${KUBEBUILDER_ASSETS:-$assets}
PATH=$KUBEBUILDER_ASSETS:$PATH
cargo build --quiet --bin clinch-control-plane
work=$(mktemp -d)
export KUBECONFIG=$work/kubeconfig
coproc PLANE { "${CARGO_TARGET_DIR:-target}/debug/clinch-control-plane" --kubeconfig "$KUBECONFIG" --stop-on-stdin-close; }
plane=$PLANE_PID
trap 'kill $plane 2>/dev/null || true; wait $plane 2>/dev/null || true; rm -rf "$work"' EXIT
read -r _ <&"${PLANE[0]}"
quiet() { "$@" >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }; }
gone() { [ -z "$(kubectl get "$@" -o name 2>/dev/null)" ]; }

quiet kubectl create namespace a
quiet kubectl create namespace b
for namespace in clinch-system clinch-sandbox; do quiet kubectl create namespace "$namespace"; done
# The kinds of other projects that the chart uses, with their schemas.
module() { (cd "$work" && go mod download -json "$1" | sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p'); }
monitoring=$(module github.com/prometheus-operator/prometheus-operator@v0.85.0)/example/prometheus-operator-crd
cilium=$(module github.com/cilium/cilium@v1.18.3)/pkg/k8s/apis/cilium.io/client/crds/v2
for crd in "$monitoring"/monitoring.coreos.com_{servicemonitors,podmonitors,prometheusrules}.yaml "$cilium/ciliumnetworkpolicies.yaml"; do
  quiet kubectl apply --server-side -f "$crd"
done
# A CRD that is seen before it has any condition is an error for kubectl wait.
for _ in {1..100}; do
  if kubectl wait crd --all --for=condition=Established --timeout=30s >"$work/said" 2>&1; then break; fi
  sleep 0.3
done
grep -q 'condition met' "$work/said" && ! grep -q error "$work/said" || { cat "$work/said"; exit 1; }

step "kustomize"
for environment in sandbox production; do
  kubectl kustomize "deploy/kustomize/$environment" >"$work/base.yaml"
  quiet kubectl apply --server-side --dry-run=server --force-conflicts -f "$work/base.yaml"
done
echo "both bases are accepted"

step "server-side dry run of every manifest"
quiet kubectl apply --server-side --dry-run=server --force-conflicts -f "$tools/every-value.yaml"
echo "$(grep -c '^kind:' "$tools/every-value.yaml") objects accepted"
for rendered in tests/data/chart/cilium.yaml "$tools"/toggles/*.yaml; do
  quiet kubectl apply --server-side --dry-run=server --force-conflicts -f "$rendered"
done
echo "so are those of $toggles combinations of values, and the CiliumNetworkPolicy"

step "install with the CRDs of an older version, upgrade, rollback"
cp -r "$chart" "$work/older"
# A field of this version that the older one does not have.
sed -i '/^              limit:$/,/^                type: integer$/d' "$work/older/crds/candidateexports.yaml"
quiet "$helm" install one "$work/older" -n clinch-system --set environment=production
# As the operator fills it.
quiet kubectl patch secret -n clinch-system clinch-operator-ledger-key -p '{"stringData": {"key": "filled"}}'
filled() { [ "$(kubectl get secret -n clinch-system clinch-operator-ledger-key -o 'jsonpath={.data.key}')" = ZmlsbGVk ]; }
quiet "$helm" upgrade one "$chart" -n clinch-system -f tests/data/chart/every-value.yaml --set environment=production
quiet kubectl get -n clinch-system service/clinch-operator-metrics prometheusrule/clinch-operator networkpolicy/clinch-operator
quiet "$helm" rollback one 1 -n clinch-system
gone -n clinch-system service/clinch-operator-metrics || { echo "the rollback left the Service"; exit 1; }
filled || { echo "the ledger key was overwritten"; exit 1; }
echo "installed, upgraded to every value, rolled back; the ledger key is the same"

step "CRDs are upgraded over those that helm owns"
limit() { kubectl get crd candidateexports.clinch.hireez.dev -o json | grep -c '"limit": {' || true; }
[ "$(limit)" = 0 ] || { echo "helm upgrade changed a CRD"; exit 1; }
if kubectl apply --server-side -f "$chart/crds/" >"$work/said" 2>&1; then echo "no conflict"; exit 1; fi
grep -q 'conflict with "helm"' "$work/said" || { cat "$work/said"; exit 1; }
quiet kubectl apply --server-side --force-conflicts -f "$chart/crds/"
[ "$(limit)" = 1 ] || { echo "the CRD was not upgraded"; exit 1; }
quiet kubectl diff --server-side --force-conflicts -f "$chart/crds/"
echo "without --force-conflicts refused, with it in place"

step "a second release"
second() { "$helm" upgrade --install two "$chart" -n clinch-sandbox --set environment=sandbox "$@"; }
refused() { if second "$@" >"$work/said" 2>&1 || ! grep -q 'no two may watch the same' "$work/said"; then cat "$work/said"; exit 1; fi; }
refused
refused --set watchNamespaces='{b}'
quiet "$helm" upgrade one "$chart" -n clinch-system --set environment=production,watchNamespaces='{a}'
refused
quiet second --set watchNamespaces='{b}'
quiet "$helm" uninstall two -n clinch-sandbox
for role in viewer member admin; do quiet kubectl get clusterrole "clinch-$role-clinch-system"; done
quiet kubectl get validatingadmissionpolicy/clinch-operator-clinch-system-endpoints role/clinch-operator -n a
gone clusterrole clinch-viewer-clinch-sandbox || { echo "the second release left a role"; exit 1; }
echo "refused where it would watch what the first does; else installed and removed beside it, which has kept its objects"

step "a namespaced install: no right outside its namespaces, and an operator that works with it"
cargo build --quiet --bins
bin=${CARGO_TARGET_DIR:-target}/debug
for namespace in talent crm clinch-scoped; do quiet kubectl create namespace "$namespace"; done
quiet "$helm" install scoped "$chart" -n clinch-scoped --set environment=sandbox,watchNamespaces='{talent,crm}' \
  --set secretNames.talent='{clinch}',shards='{emea}',rbac.userRoles=false,endpointPolicy.enabled=false
if "$helm" get manifest scoped -n clinch-scoped | grep -E '^kind: (Cluster|ValidatingAdmission)'; then echo "cluster-wide"; exit 1; fi
cp "$KUBECONFIG" "$work/scoped"
as_operator() { kubectl --kubeconfig "$work/scoped" "$@"; }
quiet as_operator config set-credentials operator --token="$(kubectl create token clinch-operator -n clinch-scoped)"
quiet as_operator config set-context --current --user=operator
for right in "list clinchintegrations -A" "get secrets -n crm" "list secrets -n talent" "update lease/other -n clinch-scoped"; do
  # shellcheck disable=SC2086
  if as_operator auth can-i $right >/dev/null 2>&1; then echo "the operator may $right"; exit 1; fi
done
"$bin/clinch-sandbox" --listen 127.0.0.1:0 --credential hireEZ:KEY:secret >"$work/sandbox" 2>&1 &
sandbox=$!
trap 'kill $plane $sandbox ${operators:-} 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
until origin=$(grep -oE 'http://127.0.0.1:[0-9]+' "$work/sandbox" | head -n 1) && [ -n "$origin" ]; do sleep 0.1; done
for shard in '' '--shard emea'; do
  # shellcheck disable=SC2086
  KUBECONFIG=$work/scoped "$bin/clinch-operator" run $shard --environment sandbox --watch-namespaces talent,crm \
    --namespace clinch-scoped --allowed-endpoints "$origin" --admin-listen 127.0.0.1:0 >"$work/operator$shard" 2>&1 &
  operators="${operators:-} $!"
done
quiet kubectl create secret generic clinch -n talent --from-literal=accessKey=KEY --from-literal=secretKey=secret
kubectl apply --server-side -f - >"$work/said" <<MANIFESTS || { cat "$work/said"; exit 1; }
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: acme, namespace: talent, labels: {clinch.hireez.dev/shard: emea}}
spec:
  endpoint: $origin
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  access: {mode: Approval, approved: [crm]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people, namespace: crm}
spec:
  integrationRef: {name: acme, namespace: talent}
  source: {inline: [{firstName: Ada, emails: [{value: ada@example.com}]}]}
  destination: {prospect: {}}
MANIFESTS
kubectl wait -n crm candidateexport/people --for=condition=Ready --timeout=60s >"$work/said" 2>&1 \
  || { cat "$work/said" "$work"/operator*; exit 1; }
[ "$(kubectl get clint -n talent acme -o 'jsonpath={.status.shard}')" = emea ] || { echo "not in its shard"; exit 1; }
for log in "$work"/operator*; do
  address=$(grep -oE 'address=[0-9.:]+' "$log" | head -n 1 | cut -d= -f2)
  curl --silent --fail "http://$address/metrics" >"$work/metrics"
  grep -q '^clinch_operator_leading 1$' "$work/metrics" || { echo "no metrics of a leader at $address"; exit 1; }
  "$promtool" check metrics <"$work/metrics" >"$work/said" 2>&1 && [ ! -s "$work/said" ] || { cat "$work/said"; exit 1; }
done
if grep -hi forbidden "$work"/operator*; then echo "refused"; exit 1; fi
# shellcheck disable=SC2086
kill $operators $sandbox && wait $operators $sandbox || true
operators=
quiet "$helm" uninstall scoped -n clinch-scoped
echo "no ClusterRole; an export in one namespace is delivered through an integration of another, by its shard; promtool has nothing to say about the metrics of either process"

step "uninstall"
quiet "$helm" uninstall one -n clinch-system
for crd in candidateexports candidateimports candidateledgers clinchintegrations fieldmappings; do
  quiet kubectl get crd "$crd.clinch.hireez.dev"
done
filled || { echo "the ledger key is gone"; exit 1; }
gone deployment -A || { echo "a Deployment is left"; exit 1; }
# As it is published.
quiet "$helm" package "$chart" --destination "$work"
for name in one another; do
  quiet "$helm" install "$name" "$work"/clinch-operator-*.tgz -n clinch-system --set environment=production
  quiet "$helm" uninstall "$name" -n clinch-system
  filled || { echo "the ledger key was overwritten"; exit 1; }
done
echo "CRDs and the ledger key are kept, and taken by the next release, whatever its name, also of the packed chart"

step "kubeconform"
# The CRDs are there at this point; those of the chart, too.
python3 hack/schemas.py kubectl "$work/schemas" >"$work/said"
conform() {
  "$kubeconform" -strict -schema-location "$work/schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json" "$@"
}
sed 's/^  replicas:/  replica:/' "$tools/default.yaml" >"$work/wrong.yaml"
if conform "$work/wrong.yaml" >"$work/said" || ! grep -q "'replica'" "$work/said"; then
  cat "$work/said"
  echo "a field that does not exist is not found"
  exit 1
fi
# Flux, Argo CD and the External Secrets Operator have schemas of their own, and jobs of CI are no objects.
conform -summary -skip Application,ExternalSecret,GitRepository,HelmRelease,Kustomization \
  -ignore-filename-pattern '/(github-actions|gitlab)/|/[.]sops[.]yaml$' "$tools/default.yaml" \
  "$tools/every-value.yaml" "$tools/toggles" tests/data/chart/cilium.yaml "$chart/crds" \
  deploy/kustomize/*/{namespace,operator}.yaml deploy/kube-state-metrics/rbac.yaml examples
