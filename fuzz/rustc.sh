#!/bin/sh
# RUSTC_WRAPPER of hack/fuzz.sh: counts which branches are taken in the operator and in the readers of formats that it
# uses. This guides the fuzzer; branches of other libraries would only distract it.
rustc=$1
shift
case " $* " in
*" --crate-name clinch_operator "* | *" --crate-name granit_parser "* | *" --crate-name csv_core "* | *" --crate-name ruzstd "*)
  exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
  ;;
*) exec "$rustc" "$@" ;;
esac
