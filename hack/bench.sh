#!/bin/sh
# Runs the benchmarks of docs/BENCHMARKS.md and prints their numbers beside their bars.
#
#   hack/bench.sh              all of them; about forty minutes after the build
#   hack/bench.sh encoding     one or several: throughput, encoding, ledger, scale, distant, limited,
#                              cluster, crowd
#
# Built as the released binaries are, so that one build serves both. `cluster` and `crowd` need the
# control plane of hack/control-plane.sh, which is built when it is missing.
set -eu
cd "$(dirname -- "$0")/.."

case " ${*:-cluster} " in *" cluster "* | *" crowd "*) hack/control-plane.sh >/dev/null ;; esac
exec "${CARGO:-cargo}" bench --quiet --profile release --bench numbers -- "$@"
