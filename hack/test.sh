#!/usr/bin/env bash
# What CI runs: every check and test, with small corpora, the site of the documentation, and counts at the end. In CI a
# missing control plane or mdBook is a failure; elsewhere what needs them is left out and the last lines say so.
set -uo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "format"
cargo fmt --all --check || { echo "run: cargo fmt --all"; exit 1; }

say "lint"
cargo clippy --all-targets --quiet -- -D warnings || exit 1
cargo clippy --no-default-features --lib --bins --quiet -- -D warnings || exit 1

without=()

say "site"
site=${CARGO_TARGET_DIR:-target}/site
if command -v python3 >/dev/null && mdbook=$(hack/mdbook.sh | tail -n 1) && [ -n "$mdbook" ]; then
  mkdir -p "$site"
  python3 hack/site.py "$mdbook" "$site" || exit 1
elif [ -n "${CI:-}" ]; then
  echo "the site needs Python 3 and mdBook; in CI their absence is a failure"
  exit 1
else
  without+=("the site was not built, and its links were not checked: no Python 3, or no mdBook (see above)")
  echo "${without[-1]}"
fi

say "control plane"
if assets=$(hack/control-plane.sh | tail -n 1); then
  export KUBEBUILDER_ASSETS="$assets"
  echo "using $KUBEBUILDER_ASSETS"
elif [ -n "${CI:-}" ]; then
  echo "the control plane could not be provided; in CI that is a failure"
  exit 1
else
  without+=("the tests against a real API server were left out: no control plane (see above)")
  echo "${without[-1]}"
fi

say "tests"
cargo build --quiet --bins || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

passed=$(grep -E '^test result:' "$log" | sed -E 's/.* ([0-9]+) passed.*/\1/' | awk "{n+=\$1} END {print n+0}")
failed=$(grep -E '^test result:' "$log" | sed -E 's/.* ([0-9]+) failed.*/\1/' | awk "{n+=\$1} END {print n+0}")
for left in "${without[@]}"; do printf '\n%s\n' "$left"; done
printf '\n%s passed, %s failed\n' "${passed:-0}" "${failed:-0}"
exit "$status"
