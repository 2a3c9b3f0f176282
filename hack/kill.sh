#!/bin/sh
# Kills `apply` with SIGKILL many times, at random instants, also while creates outlive the process and
# the next one starts with another export of the same people, and checks in the emulator that everybody
# arrived exactly once. Then lets two processes race on one
# account, 20 times for 200 kills. Kills processes that write files in the same way: under its name, a file
# is there as a whole or is the one before.
#
#   hack/kill.sh [KILLS [SEED]]     200 kills and a seed from the clock by default
set -eu
cd "$(dirname -- "$0")/.."
CLINCH_KILLS=${1:-200} CLINCH_SEED=${2:-$(date +%s)}
CLINCH_RACES=$(((CLINCH_KILLS + 9) / 10))
export CLINCH_KILLS CLINCH_SEED CLINCH_RACES
echo "$CLINCH_KILLS kills, seed $CLINCH_SEED"
exec "${CARGO:-cargo}" test --quiet --test local killed -- --nocapture
