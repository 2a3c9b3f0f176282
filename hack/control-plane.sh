#!/bin/sh
# Provides kube-apiserver, etcd and kubectl for tests and the cluster demo.
#
#   hack/control-plane.sh                            build once, then answer from the cache
#   hack/control-plane.sh --with-controller-manager  also provide kube-controller-manager
#   hack/control-plane.sh --print-only               never build; exit 4 when there is nothing
#
# The last line on stdout is the folder with the binaries; progress goes to stderr.
# KUBEBUILDER_ASSETS wins when it holds everything asked for. Else the published Go modules
# pinned in tests/control-plane/go.mod are built into
#   ${CLINCH_CONTROL_PLANE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/clinch-operator/control-plane/<key>}
# where <key> hashes the pins and the platform, so that a changed pin is a new folder.
# Exit codes: 0 found or built, 1 the build failed, 2 usage, 3 Go is missing or too old, 4 not built.
set -eu

say() { printf 'control-plane: %s\n' "$*" >&2; }
die() { code=$1; shift; say "$*"; exit "$code"; }

print_only=no
wanted="kube-apiserver etcd kubectl"
for argument in "$@"; do
	case $argument in
	--print-only) print_only=yes ;;
	--with-controller-manager) wanted="$wanted kube-controller-manager" ;;
	*) die 2 "unknown argument $argument (known: --print-only, --with-controller-manager)" ;;
	esac
done

module=$(CDPATH='' cd -- "$(dirname -- "$0")/../tests/control-plane" && pwd)

# Prints the wanted binaries that folder $1 lacks.
missing_in() {
	for binary in $wanted; do
		[ -x "$1/$binary" ] || printf '%s ' "$binary"
	done
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
	lacking=$(missing_in "$KUBEBUILDER_ASSETS")
	if [ -z "$lacking" ]; then
		printf '%s\n' "$KUBEBUILDER_ASSETS"
		exit 0
	fi
	say "KUBEBUILDER_ASSETS lacks ${lacking% }; using our own build instead"
fi

hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# The trailing number is the revision of the build recipe below: raise it when flags change.
key=$({ cat "$module/go.mod" "$module/go.sum"; uname -sm; echo 1; } | hash | cut -c1-16)
root=${XDG_CACHE_HOME:-${HOME:?set HOME, XDG_CACHE_HOME or CLINCH_CONTROL_PLANE_DIR}/.cache}
assets=${CLINCH_CONTROL_PLANE_DIR:-$root/clinch-operator/control-plane/$key}
stamp=$assets/.key

# A folder that the caller names may hold a build of older pins: the stamp shows it.
current() {
	[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && [ -z "$(missing_in "$assets")" ]
}
answer() { printf '%s\n' "$assets"; exit 0; }

if current; then answer; fi
if [ "$print_only" = yes ]; then
	die 4 "not built yet: run hack/control-plane.sh or set KUBEBUILDER_ASSETS (wants: $wanted)"
fi

required=$(sed -n 's/^go //p' "$module/go.mod")
command -v go >/dev/null ||
	die 3 "Go is not installed: install Go $required or newer, or set KUBEBUILDER_ASSETS to a folder with $wanted"
# Asked inside the module, so that a Go that fetches newer toolchains by itself counts as new enough.
found=$(cd "$module" && go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//')
oldest=$(printf '%s\n%s\n' "$required" "${found:-0}" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)
[ "$oldest" = "$required" ] ||
	die 3 "Go ${found:-of unknown version} is too old: install Go $required or newer, or set KUBEBUILDER_ASSETS to a folder with $wanted"

# One builder at a time. The lock is a symbolic link to the builder's process id, which is made in
# one step. Taking over from a dead builder can race with a third one; then both build, and the
# rename at the end still leaves a whole folder.
mkdir -p "$(dirname -- "$assets")"
lock=$assets.lock
waited=no
until ln -s "$$" "$lock" 2>/dev/null; do
	owner=$(readlink "$lock" 2>/dev/null || true)
	if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
		rm -f "$lock"
		continue
	fi
	[ "$waited" = yes ] || say "waiting for the build of process ${owner:-unknown}"
	waited=yes
	sleep 1
done
work=
cleanup() {
	rm -f "$lock"
	if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

if current; then answer; fi

kubernetes=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$module/go.mod" | head -n 1)
major=$(printf '%s' "${kubernetes#v}" | cut -d. -f1)
minor=$(printf '%s' "${kubernetes#v}" | cut -d. -f2)

# Without a version stamped in, components report v0.0.0 and version checks between them fail.
stamps="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	stamps="$stamps -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major"
	stamps="$stamps -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
done

set --
for binary in $wanted; do
	case $binary in
	etcd) set -- "$@" go.etcd.io/etcd/server/v3 ;;
	*) set -- "$@" "k8s.io/kubernetes/cmd/$binary" ;;
	esac
done

say "building Kubernetes $kubernetes ($wanted); several minutes the first time"
started=$(date +%s)
work=$(mktemp -d "$assets.build.XXXXXX")
(
	cd "$module"
	CGO_ENABLED=0 GOWORK=off go build -mod=readonly -trimpath -buildvcs=false \
		-ldflags "$stamps" -o "$work/" "$@" >&2
) || die 1 "the build failed; see the lines above"
# The etcd module's main package is named after its folder.
mv "$work/server" "$work/etcd"
printf '%s\n' "$key" >"$work/.key"
chmod 755 "$work"

if [ -d "$assets" ]; then
	# Older pins, or the same without the controller-manager. Renaming one file at a time keeps
	# running processes and concurrent readers whole; the stamp comes last.
	[ "$(cat "$stamp" 2>/dev/null)" = "$key" ] || rm -f "$stamp"
	for binary in $wanted; do mv -f "$work/$binary" "$assets/$binary"; done
	mv -f "$work/.key" "$stamp"
	rm -rf "$work"
else
	mv "$work" "$assets"
fi
work=
say "built in $(($(date +%s) - started)) s"
answer
