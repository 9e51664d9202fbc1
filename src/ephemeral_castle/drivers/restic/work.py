"""The script that runs in every container of restic, on machines and outside of them."""

from __future__ import annotations

# Called as `work.sh SECONDS VERB ARGUMENT...`. What it prints are lines `NAME JSON`. No secret is among its arguments
# or in the container's environment: the password and the keys lie in files in memory, and only restic itself reads
# them.
SCRIPT = r"""
set -eu
here=/run/castle
. $here/env
mkdir -p "$TMPDIR"
patience=$1 verb=$2
shift 2
tree() { python3 $here/tree.py "$@"; }
# restic tries 15 minutes before it says that nothing answers: who waits for a listing has less time than that, and who
# waits for a backup has more. Its time is up after so many seconds, and it says so.
# The shell is the first process of its container: without a trap it would not hear that it should end, and restic would
# leave its lock behind.
restic() {
  timeout -k 10 "$patience" restic --cleanup-cache $options "$@" &
  child=$!
  ended=0
  wait $child || ended=$?
  [ $ended != 124 ] || echo "not done within $patience s" >&2
  return $ended
}
child=
trap '[ -z "$child" ] || { kill -TERM $child; wait $child; }; exit 143' TERM
fail() {
  tail -n 5 "$1" >&2
  exit "$2"
}
case $verb in
init)
  restic init --json > /tmp/said 2> /tmp/errors || fail /tmp/errors $?
  ;;
backup)
  marker=$1
  shift
  mkdir -p /castle/note
  echo "$marker" > /castle/note/marker
  taken=$(tree take /data /castle/note/manifest /castle/known)
  code=0
  restic backup --json --quiet --no-scan "$@" /data /castle/note > /tmp/said 2> /tmp/errors || code=$?
  echo "taken $taken"
  echo "moved $(tree moved /data /castle/known)"
  [ $code = 0 ] || fail /tmp/errors $code
  echo "said $(tail -n 1 /tmp/said)"
  ;;
home)
  snapshot=$1
  # A restore over files deletes what the snapshot does not hold: only over what a restore of before has left.
  set --
  if [ -n "$(ls -A /data)" ]; then
    case "$(cat /castle/state 2>/dev/null)" in
    "restoring $snapshot" | "home $snapshot") set -- --overwrite if-changed --delete ;;
    *) echo "files lie in the volume that no restore of castle put there" >&2; exit 9 ;;
    esac
  fi
  echo "restoring $snapshot" > /castle/state
  restic restore --no-lock --json --quiet "$@" "$snapshot" --target / --include /data --include /castle/note \
    > /tmp/said 2> /tmp/errors || fail /tmp/errors $?
  echo "taken $(tree take /data /castle/manifest /castle/known)"
  if [ -e /castle/note/manifest ]; then
    echo "differ $(tree differ /castle/note/manifest /castle/manifest)"
    echo "before $(tree count /castle/note/manifest)"
    echo "sample $(tree sample /castle/note/manifest 50)"
  fi
  echo "home $snapshot" > /castle/state
  ;;
rewind)
  # In place: what is here was backed up a moment ago, under this run.
  snapshot=$1
  echo "restoring $snapshot" > /castle/state
  restic restore --no-lock --json --quiet --overwrite if-changed --delete "$snapshot" --target / \
    --include /data --include /castle/note > /tmp/said 2> /tmp/errors || fail /tmp/errors $?
  echo "taken $(tree take /data /castle/manifest /castle/known)"
  [ ! -e /castle/note/manifest ] || echo "differ $(tree differ /castle/note/manifest /castle/manifest)"
  echo "home $snapshot" > /castle/state
  ;;
side)
  restic restore --no-lock --json --quiet --overwrite if-changed --delete "$1" --target / --include /data \
    > /tmp/said 2> /tmp/errors || fail /tmp/errors $?
  echo "taken $(tree take /data /tmp/manifest /tmp/known)"
  ;;
snapshots)
  restic snapshots --no-lock --json 2> /tmp/errors || fail /tmp/errors $?
  ;;
check)
  restic check --no-lock --json "$@" > /tmp/said 2> /tmp/errors || {
    code=$?
    tail -n 3 /tmp/said >&2
    fail /tmp/errors $code
  }
  ;;
locks)
  restic list locks --no-lock > /tmp/locks 2> /tmp/errors || fail /tmp/errors $?
  while read -r lock; do
    # One that is gone in between is no lock any more.
    restic cat lock "$lock" --no-lock --json > /tmp/lock 2>/dev/null || continue
    echo "$lock $(tr -d '\n' < /tmp/lock)"
  done < /tmp/locks
  ;;
ls)
  restic ls --no-lock --json "$1" > "$TMPDIR/listing" 2> /tmp/errors || fail /tmp/errors $?
  echo "listed $(tree listed "$TMPDIR/listing")"
  ;;
proof)
  snapshot=$1
  percent=$2
  rm -rf /proof/tree
  mkdir -p /proof/tree
  restic restore --no-lock --json --quiet "$snapshot" --target /proof/tree > /tmp/said 2> /tmp/errors ||
    fail /tmp/errors $?
  echo "taken $(tree take /proof/tree/data /proof/manifest /proof/known)"
  echo "differ $(tree differ /proof/tree/castle/note/manifest /proof/manifest $here/moved)"
  printf 'marker "%s"\n' "$(cat /proof/tree/castle/note/marker)"
  rm -rf /proof/tree
  # restic takes no percentage of zero.
  [ "$percent" = 0 ] && set -- || set -- "--read-data-subset=$percent%"
  restic check --no-lock --json "$@" > /tmp/said 2> /tmp/errors || {
    code=$?
    tail -n 3 /tmp/said >&2
    fail /tmp/errors $code
  }
  ;;
forget)
  restic forget --json --group-by host --prune "$@" > /tmp/said 2> /tmp/errors || fail /tmp/errors $?
  echo "forgot $(grep -o '^\[.*\]$' /tmp/said | head -n 1)"
  ;;
esac
"""
