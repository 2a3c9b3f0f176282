#!/bin/sh
# Runs the benchmarks of docs/BENCHMARKS.md and prints their numbers beside their bars.
#
#   hack/bench.sh              all of them; about forty minutes after the build
#   hack/bench.sh encoding     one or several of: throughput, cost, encoding, validate, ledger, pdf, export_100k,
#                              remote_source, files, import, changes, rate_limit, cluster, idle_10k
#
# Built with the release profile, so that one build serves both. `cluster` and `idle_10k` need the
# control plane of hack/control-plane.sh, which is built when it is missing.
set -eu
cd "$(dirname -- "$0")/.."

case " ${*:-cluster} " in *" cluster "* | *" idle_10k "*) hack/control-plane.sh >/dev/null ;; esac
exec "${CARGO:-cargo}" bench --quiet --profile release --bench bars -- "$@"
