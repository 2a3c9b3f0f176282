#!/usr/bin/env bash
# Runs one part of the checks that take too long for CI, and ends with its row for the table in
# docs/VERIFICATION.md.
#
#   hack/verify.sh examples   hack/quickstart-profiles.py --check: the quickstart is what its script writes; the same of the
#                             pictures of hack/diagrams.py; the picture of the demo shows what the demo prints
#   hack/verify.sh site       hack/site.py: the pages as a site, and every link in it (installs mdBook unless it is there)
#   hack/verify.sh getting-started
#                             hack/getting-started.py: the commands of docs/GETTING_STARTED.md on a real API server
#   hack/verify.sh audit      cargo deny: licences and sources of every dependency, also of the fuzz targets, and advisories
#                             where their database can be fetched; hack/sbom.sh (needs jq)
#   hack/verify.sh kstatus    tests/kstatus: the recorded shapes of status, read by the real kstatus
#   hack/verify.sh backup     hack/backup.py: the commands of docs/BACKUP.md on two real API servers (needs Go for Helm)
#   hack/verify.sh chart      hack/chart.sh: the chart with real Helm, kube-score, kubeconform, promtool and Kustomize (needs
#                             Go and Python 3, and promtool or apt)
#   hack/verify.sh ksm        hack/kube-state-metrics.py: deploy/kube-state-metrics, read by the real kube-state-metrics and
#                             Prometheus (needs Python 3 and Go, and prometheus with promtool or apt)
#   hack/verify.sh kills      hack/kill.sh: 200 kills, 20 races
#   hack/verify.sh import-kills
#                             200 kills of a process that imports, for each kind of sink
#   hack/verify.sh corpora    the tests whose corpora scale, with corpora eight times as large as in CI
#   hack/verify.sh load       the whole suite three times, beside two busy loops for each core
#   hack/verify.sh takeover   how long it takes until another process works: two and three real processes, the leader killed,
#                             ended and frozen
#   hack/verify.sh shards     3 x 1,000 exports on one process and on three shards (CLINCH_EXPORTS for another number)
#   hack/verify.sh stores     object stores of other authors, installed into target/stores from PyPI, npm and the Go
#                             module proxy (needs Python 3, Node.js and Go)
#   hack/verify.sh traces     traces read by the collector of the OpenTelemetry project, built into target/collector from the
#                             Go module proxy (needs Go)
#   hack/verify.sh pdf        PDF documents read by veraPDF and poppler (needs Java, Maven, pdftotext, and fonts:
#                             Debian's fonts-noto-core and fonts-noto-cjk, or the folders in CLINCH_TEST_FONTS)
#   hack/verify.sh spreadsheet
#                             hack/spreadsheet.py: a CSV file of the operator, read by LibreOffice (needs Python 3 and
#                             Debian's libreoffice-calc)
#   hack/verify.sh fuzz       hack/fuzz.sh: each fuzz target for five minutes (CLINCH_FUZZ_SECONDS for another time; needs a C++
#                             compiler and Python 3)
#   hack/verify.sh image      hack/image.sh twice, in two folders, with the same bytes; the program is static and works in an
#                             empty root (hack/empty-root.sh), and a registry takes the image, which has two files (needs
#                             musl-tools, Python 3, jq and Go)
#   hack/verify.sh bench      hack/bench.sh: every benchmark beside its bar
#
# Exit codes: 0 the part passed, 1 it failed, 2 usage.
set -uo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
log=$(mktemp)
loops=()
cleanup() {
  rm -f "$log"
  if [ ${#loops[@]} -gt 0 ]; then kill "${loops[@]}" 2>/dev/null; fi
}
trap cleanup EXIT

# Runs a command, shows its output and keeps it for the summary.
logged() { "$@" 2>&1 | tee -a "$log"; }

tests_passed() { sed -nE 's/^test result: .* ([0-9]+) passed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}'; }

examples() {
  logged python3 hack/quickstart-profiles.py --check || return 1
  logged python3 hack/diagrams.py --check || return 1
  "$cargo" build --bins || return 1
  logged python3 hack/demo-svg.py --check "${CARGO_TARGET_DIR:-target}/debug" || return 1
  result="the quickstart and the pictures are what their scripts write; that of the demo shows what it prints"
  versions="$(python3 --version)"
}

site() {
  local folder program
  mkdir -p "${CARGO_TARGET_DIR:-target}/site"
  folder=$(cd "${CARGO_TARGET_DIR:-target}/site" && pwd)
  program=$(hack/mdbook.sh | tail -n 1) && [ -n "$program" ] || return 1
  logged python3 hack/site.py "$program" "$folder" || return 1
  result="$(sed -n 's/^site: //p' "$log"), none leads nowhere"
  versions="$("$program" --version)"
}

getting-started() {
  local tools
  tools=$(hack/control-plane.sh | tail -n 1) && [ -n "$tools" ] || return 1
  "$cargo" build --bins || return 1
  logged python3 hack/getting-started.py "${CARGO_TARGET_DIR:-target}/debug" "$tools" || return 1
  result="$(sed -n 's/^getting started: //p' "$log"), each prints what the page shows"
}

backup() {
  local tools helm
  tools=$(hack/control-plane.sh | tail -n 1) && [ -n "$tools" ] || return 1
  "$cargo" build --bins || return 1
  helm=${HELM:-$(command -v helm || echo "${CARGO_TARGET_DIR:-target}/chart/helm")}
  if [ ! -x "$helm" ]; then
    mkdir -p "$(dirname "$helm")"
    GOBIN=$(cd "$(dirname "$helm")" && pwd) go install helm.sh/helm/v3/cmd/helm@v3.16.4 || return 1
  fi
  logged python3 hack/backup.py "${CARGO_TARGET_DIR:-target}/debug" "$tools" "$helm" || return 1
  result="$(sed -n 's/^backup: //p' "$log")"
  versions="$versions, helm 3.16.4"
}

audit() {
  command -v cargo-deny >/dev/null || "$cargo" install --locked --quiet cargo-deny || return 1
  local manifest unchecked=
  # The fuzz targets are a package of their own, with a lock of its own.
  for manifest in Cargo.toml fuzz/Cargo.toml; do
    deny() { logged "$cargo" deny --locked --manifest-path "$manifest" --config deny.toml check "$@"; }
    deny bans licenses sources || return 1
    if ! deny advisories; then
      tail -n 20 "$log" | grep -q 'failed to fetch advisory database' || return 1
      unchecked=yes
    fi
  done
  result="bans, licenses, sources ok, also of the fuzz targets"
  if [ -n "$unchecked" ]; then
    result="$result; advisories were not checked, as the database could not be fetched"
  else
    result="advisories, $result"
  fi
  logged hack/sbom.sh || return 1
  result="$result; bill of materials: $(sed -nE 's/^.*clinch-operator.cdx.json: //p' "$log")"
  versions="$("$cargo" deny --version), cargo-cyclonedx 0.5.7"
}

kstatus() {
  (cd tests/kstatus && logged go run -mod=readonly . ../data/kstatus/*.json) || return 1
  result="$(tail -n 1 "$log")"
  versions="$(sed -n 's/^[[:space:]]*\(sigs.k8s.io\/cli-utils\) /\1 /p' tests/kstatus/go.mod)"
}

chart() {
  logged hack/chart.sh || return 1
  result="$(sed -nE 's/^([0-9]+ combinations render|[0-9]+ refused)$/\1/p' "$log" | paste -sd, | sed 's/,/, /'); installed, upgraded, rolled back and removed on a real API server; a namespaced install works without a right outside its namespaces; alerts fire; kubeconform: $(sed -nE 's/^Summary: .*Valid: ([0-9]+), .*Skipped: ([0-9]+)$/\1 objects valid, \2 of other projects not checked/p' "$log")"
  versions="$versions, helm 3.16.4, kube-score 1.20.0, kubeconform 0.8.0, promtool 2.42, CRDs of prometheus-operator 0.85.0 and Cilium 1.18.3"
}

# From the pins in tests/kube-state-metrics; a changed pin builds again.
install_kube_state_metrics() {
  local folder=$1 pins=tests/kube-state-metrics/go.sum
  cmp --silent "$folder/.installed" "$pins" && return
  (cd tests/kube-state-metrics && CGO_ENABLED=0 GOWORK=off go build -mod=readonly -trimpath -buildvcs=false -o "$folder/" \
    k8s.io/kube-state-metrics/v2) || return 1
  cp "$pins" "$folder/.installed"
}

ksm() {
  local folder tools prometheus
  tools=$(hack/control-plane.sh | tail -n 1) && [ -n "$tools" ] || return 1
  mkdir -p "${CARGO_TARGET_DIR:-target}/ksm"
  folder=$(cd "${CARGO_TARGET_DIR:-target}/ksm" && pwd)
  install_kube_state_metrics "$folder" || return 1
  prometheus=$(dirname "$(command -v prometheus || echo "$folder/usr/bin/prometheus")")
  if [ ! -x "$prometheus/promtool" ]; then
    (cd "$folder" && apt-get download prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb .) || return 1
  fi
  "$cargo" build --bins || return 1
  logged python3 hack/kube-state-metrics.py "${CARGO_TARGET_DIR:-target}/debug" "$tools" "$folder/kube-state-metrics" "$prometheus" ||
    return 1
  result="$(sed -n 's/^kube-state-metrics: //p' "$log")"
  versions="$versions, $(sed -nE 's/^[[:space:]]*k8s.io\/(kube-state-metrics)\/v2 (v[0-9.]+).*/\1 \2/p' tests/kube-state-metrics/go.mod)"
  versions="$versions, $("$prometheus/prometheus" --version 2>&1 | sed -nE 's/^(prometheus), version ([0-9.]+).*/\1 \2/p')"
}

kills() {
  logged hack/kill.sh || return 1
  result="$(sed -n 's/^\([0-9]* kills, seed [0-9]*\)$/\1/p' "$log"): nobody lost, nobody twice; races within their bound"
}

import-kills() {
  export CLINCH_KILLS=${CLINCH_KILLS:-200} CLINCH_SEED=${CLINCH_SEED:-$(date +%s)}
  logged "$cargo" test --quiet --test local killed_imports -- --nocapture || return 1
  result="seed $CLINCH_SEED; $(sed -nE 's/^\.?((object store|endpoint): .*)$/\1/p' "$log" | paste -sd ';' | sed 's/;/; /g')"
}

corpora() {
  export CLINCH_SCALE=${CLINCH_SCALE:-8}
  logged "$cargo" test --lib import::tests || return 1
  logged "$cargo" test --test offline --test pipeline || return 1
  logged "$cargo" test --test cluster large_exports || return 1
  result="$(tests_passed) tests at scale $CLINCH_SCALE"
}

load() {
  KUBEBUILDER_ASSETS=$(hack/control-plane.sh | tail -n 1) && [ -n "$KUBEBUILDER_ASSETS" ] || return 1
  export KUBEBUILDER_ASSETS CI=1
  logged "$cargo" test --no-run || return 1
  local count
  count=$((2 * $(nproc)))
  for ((i = 0; i < count; i++)); do
    (while :; do :; done) &
    loops+=("$!")
  done
  for run in 1 2 3; do
    echo "run $run of 3, beside $count busy loops"
    logged "$cargo" test --no-fail-fast || return 1
  done
  result="three runs, $(tests_passed) tests in all, beside $count busy loops"
}

takeover() {
  KUBEBUILDER_ASSETS=$(hack/control-plane.sh | tail -n 1) && [ -n "$KUBEBUILDER_ASSETS" ] || return 1
  export KUBEBUILDER_ASSETS CI=1
  logged "$cargo" test --quiet --test cluster another_process_takes_over -- --ignored --nocapture || return 1
  result="$(grep -E '^[0-9] processes, SIG' "$log" | paste -sd ';' | sed 's/;/; /g')"
}

shards() {
  KUBEBUILDER_ASSETS=$(hack/control-plane.sh | tail -n 1) && [ -n "$KUBEBUILDER_ASSETS" ] || return 1
  export KUBEBUILDER_ASSETS CI=1
  logged "$cargo" test --quiet --test cluster three_shards_share_many_exports -- --ignored --nocapture || return 1
  result="$(grep -E ' exports: ' "$log" | paste -sd ';' | sed 's/;/; /g')"
}

# Pinned; a changed pin installs again.
moto=5.2.5 azure_client=12.27.1 azurite=3.37.0
gofakes3=v1.2.0 versitygw=v1.8.0 fake_gcs=v1.56.1

install_stores() {
  local folder=$1
  local wanted="$moto $azure_client $azurite $gofakes3 $versitygw $fake_gcs"
  [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ] && return
  mkdir -p "$folder"
  python3 -m venv "$folder/py" || return 1
  "$folder/py/bin/pip" install --quiet "moto[server]==$moto" "azure-storage-blob==$azure_client" || return 1
  npm install --silent --no-fund --no-audit --prefix "$folder/azurite" "azurite@$azurite" || return 1
  GOBIN="$(cd "$folder" && pwd)/bin"
  export GOBIN
  go install "github.com/johannesboyne/gofakes3/cmd/gofakes3@$gofakes3" || return 1
  go install "github.com/versity/versitygw/cmd/versitygw@$versitygw" || return 1
  go install "github.com/fsouza/fake-gcs-server@$fake_gcs" || return 1
  echo "$wanted" >"$folder/.installed"
}

stores() {
  local folder=${CARGO_TARGET_DIR:-target}/stores
  install_stores "$folder" || return 1
  "$cargo" test --test pipeline --no-run || return 1
  logged "$folder/py/bin/python" hack/stores.py "$folder" \
    "$cargo" test --quiet --test pipeline stores_of_other_authors -- --ignored --nocapture || return 1
  result="$(grep -E '^(moto|gofakes3|versitygw|Azurite|fake-gcs-server): ' "$log" | paste -sd ';' | sed 's/;/; /g')"
  versions="moto $moto, gofakes3 $gofakes3, versitygw $versitygw, Azurite $azurite, fake-gcs-server $fake_gcs"
}

# The modules of the collector have two versions.
collector=v0.165.0 collector_stable=v1.71.0

install_collector() {
  local folder=$1
  [ "$(cat "$folder/.installed" 2>/dev/null)" = "$collector $collector_stable" ] && return
  GOBIN="$folder/bin" go install "go.opentelemetry.io/collector/cmd/builder@$collector" || return 1
  sed "s/VERSION/$collector/; s/STABLE/$collector_stable/" tests/data/collector/builder.yaml >"$folder/builder.yaml"
  (cd "$folder" && bin/builder --config builder.yaml) || return 1
  echo "$collector $collector_stable" >"$folder/.installed"
}

traces() {
  local folder
  mkdir -p "${CARGO_TARGET_DIR:-target}/collector"
  folder=$(cd "${CARGO_TARGET_DIR:-target}/collector" && pwd)
  install_collector "$folder" || return 1
  export CLINCH_TEST_COLLECTOR="$folder/build/collector"
  logged "$cargo" test --quiet --test local real_collector -- --ignored --nocapture || return 1
  result="$(sed -nE 's/^\.?collector: (.*)$/\1/p' "$log")"
  versions="OpenTelemetry Collector $collector"
}

verapdf=1.28.2

install_verapdf() {
  local folder=$1
  [ "$(cat "$folder/.installed" 2>/dev/null)" = "$verapdf" ] && return
  mkdir -p "$folder"
  cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>verify</groupId><artifactId>verapdf</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.verapdf.apps</groupId><artifactId>greenfield-apps</artifactId><version>$verapdf</version>
  </dependency></dependencies>
</project>
POM
  (cd "$folder" && mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=lib) || return 1
  echo "$verapdf" >"$folder/.installed"
}

pdf() {
  local folder
  mkdir -p "${CARGO_TARGET_DIR:-target}/verapdf"
  folder=$(cd "${CARGO_TARGET_DIR:-target}/verapdf" && pwd)
  install_verapdf "$folder" || return 1
  export VERAPDF_CLASSPATH="$folder/lib/*"
  export CLINCH_TEST_FONTS=${CLINCH_TEST_FONTS:-/usr/share/fonts/truetype/noto:/usr/share/fonts/opentype/noto}
  logged "$cargo" test --test offline pdf_readers -- --ignored --nocapture || return 1
  result="$(sed -nE 's/^.*veraPDF: (.*)$/\1/p' "$log"); $(sed -nE 's/^.*poppler: (.*)$/\1/p' "$log" | paste -sd ';' | sed 's/;/; /g')"
  versions="veraPDF $verapdf, poppler $(pdftotext -v 2>&1 | sed -n 's/^pdftotext version //p')"
}

spreadsheet() {
  "$cargo" build --bins || return 1
  logged python3 hack/spreadsheet.py "${CARGO_TARGET_DIR:-target}/debug" || return 1
  result="$(sed -n 's/^LibreOffice: //p' "$log")"
  versions="$(soffice --version | cut -d' ' -f1,2)"
}

fuzz() {
  local seconds=${CLINCH_FUZZ_SECONDS:-300}
  logged hack/fuzz.sh "$seconds" || return 1
  result="$seconds s each, nothing found; $(sed -n 's/^fuzz: //p' "$log" | paste -sd ';' | sed 's/;/; /g')"
}

crane=v0.22.1

image() {
  local target=${CARGO_TARGET_DIR:-$PWD/target}/image folder second registry files
  folder=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$folder'; cleanup" EXIT
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
  export SOURCE_DATE_EPOCH
  logged hack/image.sh || return 1
  mkdir "$folder/source" && git ls-files -z | tar --null --files-from=- --create | tar --extract --directory "$folder/source"
  second=$folder/target
  (cd "$folder/source" && CARGO_TARGET_DIR=$second hack/image.sh) || return 1
  cmp "$target/clinch-operator" "$second/image/clinch-operator" || return 1
  cmp "$target/clinch-operator.oci.tar" "$second/image/clinch-operator.oci.tar" || return 1
  if readelf --program-headers --dynamic "$target/clinch-operator" | grep -E 'INTERP|NEEDED'; then
    echo "it is not static"
    return 1
  fi
  "$cargo" build --bins || return 1
  logged hack/empty-root.sh "$target/clinch-operator" "${CARGO_TARGET_DIR:-target}/debug/clinch-sandbox" || return 1

  # A registry takes the image, and gives back two files.
  [ -x "$target/crane" ] || GOBIN=$target go install "github.com/google/go-containerregistry/cmd/crane@$crane" || return 1
  "$target/crane" registry serve --address 127.0.0.1:0 >"$folder/registry" 2>&1 &
  loops+=("$!")
  until registry=$(sed -nE 's/.*port ([0-9]+).*/127.0.0.1:\1/p' "$folder/registry") && [ -n "$registry" ]; do sleep 0.1; done
  "$target/crane" push "$target/layout" "$registry/clinch-operator:test" || return 1
  "$target/crane" validate --remote "$registry/clinch-operator:test" || return 1
  "$target/crane" config "$registry/clinch-operator:test" | jq --exit-status '.config.User == "65532:65532"' || return 1
  files=$("$target/crane" export "$registry/clinch-operator:test" - | tar --list --verbose | sed -n 's/^-.* //p' | sort | paste -sd ' ')
  [ "$files" = "clinch-operator etc/ssl/certs/ca-certificates.crt" ] || { echo "in the image: $files"; return 1; }
  result="twice the same bytes; static; works in an empty root; program $(du -m --apparent-size "$target/clinch-operator" | cut -f1) MiB, $(sed -nE 's/^.*, ([0-9.]+ MiB of layers)$/\1/p' "$log" | head -n 1)"
  versions="$versions, crane $crane"
}

bench() {
  logged hack/bench.sh || return 1
  result="$(grep -c ' met$' "$log") bars met, $(grep -c ' MISSED$' "$log") missed"
}

part=${1:-}
case $part in
examples | site | getting-started | backup | audit | kstatus | chart | ksm | kills | import-kills | corpora | load | takeover | shards | stores | traces | pdf | spreadsheet | fuzz | image | bench) ;;
*)
  sed -n '2,/^$/p' "$0" | sed -n 's/^# \{0,1\}//p'
  exit 2
  ;;
esac
result=failed
versions="$(rustc --version | cut -d' ' -f1,2)"
case $part in
load | bench | getting-started | backup | chart | ksm | takeover | shards) versions="$versions, Kubernetes $(sed -n 's/^[[:space:]]*k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' tests/control-plane/go.mod | head -n 1)" ;;
esac
"$part"
status=$?
printf '\n| `verify-%s` | %s | %s | %s | %s |\n' \
  "$part" "$(date -u +%F)" "$(git rev-parse --short HEAD)" "$versions" "$result"
exit "$status"
