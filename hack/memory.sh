#!/usr/bin/env bash
# Runs a command under a limit of memory, as a container does, and shows the most that it used. Needs root
# and a cgroup file system (version 1 or 2) that can be written to.
#
#   hack/memory.sh 512M target/release/clinch-operator apply -f manifests ...
#
# Exit codes: that of the command (137 if it was killed for its memory), or 2 for usage or no cgroup.
set -uo pipefail
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
limit=$1
shift
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  group=/sys/fs/cgroup/clinch-memory-$$ max=memory.max peak=memory.peak
else
  group=/sys/fs/cgroup/memory/clinch-memory-$$ max=memory.limit_in_bytes peak=memory.max_usage_in_bytes
fi
mkdir "$group" || { echo "no cgroup can be made at $group" >&2; exit 2; }
trap 'rmdir "$group"' EXIT
echo "$limit" >"$group/$max" || exit 2
bash -c 'echo $BASHPID >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
code=$?
echo "at most $(($(cat "$group/$peak") / 1048576)) MiB, of a limit of $limit" >&2
exit $code
