#!/usr/bin/env bash
# Builds the operator as one static program, and an image of it without a daemon: an OCI image layout as a tar file, which
# `docker load`, `podman load`, `skopeo copy` and `crane push` take.
#
#   hack/image.sh            target/image/clinch-operator, target/image/clinch-operator.oci.tar, and the same as the folder
#                            target/image/layout
#   hack/image.sh program    the program only
#
# Two builds of one commit by one compiler give the same bytes, whatever the folders: paths are mapped, and times are those
# of the commit. Roots of trust: $IMAGE_ROOTS, or those of this machine. Needs a linker and C compiler for musl (Debian's
# musl-tools; none on Alpine) and Python 3. Exit codes: 0 built, 1 failed, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-all}" in all | program) what=${1:-all} ;; *) sed -n '2,12s/^# \?//p' "$0"; exit 2 ;; esac
cargo=${CARGO:-cargo}
triple=$(uname -m)-unknown-linux-musl
# A folder of its own: other flags would build everything again in turn.
target=${CARGO_TARGET_DIR:-$PWD/target}/image
roots=${IMAGE_ROOTS:-/etc/ssl/certs/ca-certificates.crt}

if command -v rustup >/dev/null; then rustup target add "$triple" >/dev/null 2>&1; fi
home=${CARGO_HOME:-$HOME/.cargo}
# Flags that map paths only get into no hash, and so not into the program.
export CARGO_ENCODED_RUSTFLAGS
printf -v CARGO_ENCODED_RUSTFLAGS -- '--remap-path-prefix=%s=/build\x1f--remap-path-prefix=%s=/cargo' "$PWD" "$home"
export "CFLAGS_${triple//-/_}=-ffile-prefix-map=$PWD=/build -ffile-prefix-map=$home=/cargo"
CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$target "$cargo" build --locked --release --target "$triple" \
  --no-default-features --features pdf --bin clinch-operator
cp "$target/$triple/release/clinch-operator" "$target/clinch-operator"
sha256sum "$target/clinch-operator"
[ "$what" = all ] || exit 0

[ -r "$roots" ] || { echo "no root certificates: install ca-certificates, or set IMAGE_ROOTS"; exit 1; }
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
python3 hack/oci.py "$target/clinch-operator" "$roots" "$target/clinch-operator.oci.tar"
rm -rf "$target/layout"
mkdir "$target/layout"
tar --extract --file "$target/clinch-operator.oci.tar" --directory "$target/layout"
