#!/usr/bin/env bash
# Builds the fuzz targets of fuzz/ and runs each for a while, beginning with the files of tests and examples.
#
#   hack/fuzz.sh [SECONDS [TARGET...]]   60 s for each of all targets by default
#
# What a target finds is kept in target/fuzz/corpus, so that the next run begins there. Input that makes one fail is
# written to target/fuzz/found. The code is that of the compiler in use, with assertions and overflow checks; no nightly
# compiler is needed. Needs a C++ compiler for libFuzzer, and Python 3. Exit codes: 0 nothing was found, 1 something was.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(basename --suffix .rs fuzz/fuzz_targets/*.rs)
folder=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
mkdir -p "$folder/found"
python3 hack/fuzz-seeds.py "$folder/seeds"
# A folder of its own: what is built here is of no use to anything else.
CARGO_TARGET_DIR=$folder RUSTC_WRAPPER=$PWD/fuzz/rustc.sh \
  "${CARGO:-cargo}" build --locked --manifest-path fuzz/Cargo.toml --bins
for target in "${targets[@]}"; do
  mkdir -p "$folder/corpus/$target"
  # Shows the statistics of the end; everything, if something is found.
  if ! "$folder/debug/$target" "$folder/corpus/$target" "$folder/seeds/$target" -artifact_prefix="$folder/found/$target-" \
    -max_total_time="$seconds" -max_len=8192 -timeout=60 -report_slow_units=60 -rss_limit_mb=2048 -print_final_stats=1 \
    >"$folder/$target.log" 2>&1; then
    tail -n 60 "$folder/$target.log"
    echo "fuzz: $target found something: $folder/found"
    exit 1
  fi
  runs=$(sed -nE 's/^stat::number_of_executed_units: *//p' "$folder/$target.log")
  cover=$(grep -oE 'cov: [0-9]+' "$folder/$target.log" | tail -n 1)
  echo "fuzz: $target $runs runs, ${cover#cov: } branches"
done
