#!/usr/bin/env bash
# Shows what the operator needs of a file system: nothing but itself. It runs as user 65532, without environment, in a
# read-only root with the program and manifests: no /etc, /proc, /dev or /tmp, no root certificates, time zones, users or
# name services.
#
#   hack/empty-root.sh PROGRAM SANDBOX
#
# PROGRAM is clinch-operator, SANDBOX is clinch-sandbox, which runs outside. The libraries of a PROGRAM that is not static
# are put into the root. Needs Linux. Exit codes: 0 it works, 1 it does not, 2 usage, 77 neither root nor a user namespace
# can be had, so nothing was tried.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,12s/^# \?//p' "$0"; exit 2; }
program=$(realpath "$1") sandbox=$(realpath "$2")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pid=
trap 'if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi; rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/manifests"
cp "$program" "$root/clinch-operator"
libraries=$( (ldd "$program" 2>/dev/null || true) | grep -oE '/[^ ]+' || true)
for library in $libraries; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

# Bound onto itself to be read-only; within, root may do what a container runtime does.
# shellcheck disable=SC2016
bind='mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'
# shellcheck disable=SC2016
if [ "$(id -u)" = 0 ]; then
  namespace=(unshare --mount)
  enter='exec env -i "$(command -v chroot)" --userspec=65532:65532 "$0" /clinch-operator "$@"'
else
  namespace=(unshare --user --map-root-user --mount)
  enter='exec env -i "$(command -v unshare)" --user --map-user=65532 --map-group=65532 --root="$0" /clinch-operator "$@"'
fi
PATH=$PATH:/usr/sbin:/sbin
"${namespace[@]}" sh -c "$bind" "$root" 2>/dev/null || { echo "neither root nor a user namespace: nothing was tried"; exit 77; }
inside() { "${namespace[@]}" sh -c "$bind && $enter" "$root" "$@" >"$work/said" 2>&1; }
# Runs it, and wants an exit code and a text.
expect() {
  local code=$1 text=$2 ended=0
  shift 2
  inside "$@" || ended=$?
  if [ "$ended" != "$code" ] || ! grep -q -- "$text" "$work/said"; then
    echo "$*: ended with $ended instead of $code, or without \"$text\":"
    cat "$work/said"
    exit 1
  fi
  echo "ok: $1, exit code $ended"
}

"$sandbox" --listen 127.0.0.1:0 --credential hireEZ:DEMO-SANDBOX-KEY:demo-sandbox-secret-not-a-real-one >"$work/sandbox" &
pid=$!
until grep -q listening "$work/sandbox" 2>/dev/null; do kill -0 "$pid"; sleep 0.05; done
origin=$(sed 's/.* //' "$work/sandbox")
cp -r examples/quickstart examples/files "$root/manifests/"
sed -i "s#http://127.0.0.1:18080#$origin#" "$root/manifests/quickstart/20-integration.yaml"
chmod -R a+rX "$root"

echo "in the root: $(cd "$root" && find . -type f ! -path './manifests/*' | sort | paste -sd ' ')"
# shellcheck disable=SC2016
if "${namespace[@]}" sh -c "$bind && touch \"\$0/written\"" "$root" 2>/dev/null; then echo "the root can be written"; exit 1; fi
expect 0 'clinch-operator [0-9]' --version
# Among them a schedule in a time zone, and documents.
expect 0 ' 0 errors' validate -f /manifests/quickstart -f /manifests/files
expect 0 'POST */v2/candidates' render -f /manifests/quickstart -f /manifests/files
expect 0 'Synced' apply -f /manifests/quickstart --environment sandbox --allowed-endpoints "$origin"
expect 4 'cannot find a Kubernetes API server' run --environment sandbox
