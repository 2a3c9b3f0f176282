#!/bin/sh
# Kills `apply` with SIGKILL many times, at instants that differ from run to run, and has the
# emulator's books prove that everybody arrived exactly once.
#
#   hack/kill.sh [KILLS [SEED]]     200 kills and a seed of the moment, unless told otherwise
set -eu
cd "$(dirname -- "$0")/.."
CLINCH_KILLS=${1:-200} CLINCH_SEED=${2:-$(date +%s)}
export CLINCH_KILLS CLINCH_SEED
echo "$CLINCH_KILLS kills, seed $CLINCH_SEED"
exec "${CARGO:-cargo}" test --quiet --test killed
