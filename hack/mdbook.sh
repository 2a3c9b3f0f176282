#!/bin/sh
# Provides mdBook for the site: the one on the PATH if it has the pinned version, else one from the crates registry, which is
# built once into target/tools.
#
# The last line on stdout is the program; progress goes to stderr. Exit codes: 0 found or built, 1 it could not be built.
set -eu
cd "$(dirname "$0")/.."
version=0.5.4

if [ "$(mdbook --version 2>/dev/null)" = "mdbook v$version" ]; then
	command -v mdbook
	exit 0
fi
# A changed pin is a new folder.
folder=${CARGO_TARGET_DIR:-$PWD/target}/tools/mdbook-$version
program=$folder/bin/mdbook
if [ ! -x "$program" ]; then
	echo "mdbook: building mdBook $version from the crates registry" >&2
	# Without search and the server that watches, and without optimisation: the site is small, and this is built for each
	# fresh checkout. What was compiled is of no use to anything else.
	CARGO_TARGET_DIR=$folder/build CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
		"${CARGO:-cargo}" install --quiet --locked --debug --no-default-features --version "$version" --root "$folder" mdbook >&2 ||
		{ echo "mdbook: the build failed; see the lines above" >&2; exit 1; }
	rm -rf "$folder/build"
fi
printf '%s\n' "$program"
