#!/usr/bin/env bash
# Writes a software bill of materials of the image's program, target/sbom/clinch-operator.cdx.json (CycloneDX 1.5), and
# checks it: every crate that is linked is in it, with version, checksum and licence.
#
# Needs jq, and cargo-cyclonedx, which is installed if it is missing. Exit codes: 0 written and whole, 1 not.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
command -v cargo-cyclonedx >/dev/null || "$cargo" install --locked --quiet cargo-cyclonedx@0.5.7
out=${CARGO_TARGET_DIR:-target}/sbom
mkdir -p "$out"
triple=$(uname -m)-unknown-linux-musl
build=(--target "$triple" --no-default-features --features pdf)

# It writes beside Cargo.toml.
"$cargo" cyclonedx --format json --spec-version 1.5 "${build[@]}" --override-filename clinch-operator.cdx
sbom=$out/clinch-operator.cdx.json
# The same commit gives the same bytes: no folder of this machine, no random number, the time of the commit. Of the
# programs only the one in the image.
jq --arg folder "path+file://$PWD#" --arg time "$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)" '
  del(.serialNumber) | .metadata.timestamp = $time
  | .metadata.component.components |= map(select(.name == "clinch-operator"))
  | walk(if type == "string" and startswith($folder) then ltrimstr($folder) else . end)
' clinch-operator.cdx.json >"$sbom"
rm clinch-operator.cdx.json

# Of the program, and not of build scripts and procedural macros, which run on the machine that builds.
"$cargo" tree --locked "${build[@]}" --edges normal,no-proc-macro --prefix none --format '{p}' |
  awk '{print $1 "@" substr($2, 2)}' | sort -u >"$out/linked"
jq -r '.components[], .metadata.component | .name + "@" + .version' "$sbom" | sort -u >"$out/listed"
missing=$(comm -23 "$out/linked" "$out/listed")
[ -z "$missing" ] || { echo "not in the bill of materials: $missing"; exit 1; }
if grep -q "file:///" "$sbom"; then echo "a folder of this machine is in it"; exit 1; fi
odd=$(jq -r '.components[] | select((.purl | not) or (.licenses | not) or (.hashes | not)) | .name' "$sbom")
[ -z "$odd" ] || { echo "without package URL, licence or checksum: $odd"; exit 1; }
echo "$sbom: $(wc -l <"$out/listed") components, among them all $(wc -l <"$out/linked") crates that are linked"
