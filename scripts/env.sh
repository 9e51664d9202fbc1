# What every script shares: where things lie, and how a script speaks. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8 # decimal points in times, whatever the user's language is

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ "$(id -u)" = 0 ]; then
  CASTLE_CACHE=${CASTLE_CACHE:-/var/cache/ephemeral-castle}
else
  CASTLE_CACHE=${CASTLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ephemeral-castle}
fi
export CASTLE_CACHE
export PATH="$ROOT/.venv/bin:$CASTLE_CACHE/uv/bin:$PATH:/usr/sbin:/sbin"
export UV_CACHE_DIR=${UV_CACHE_DIR:-$CASTLE_CACHE/uv-cache} # all that is fetched lies in one place
export UV_PYTHON_DOWNLOADS=never # only interpreters that this computer has
export GOTOOLCHAIN=local         # the same for Go

SELF=$(basename "$0")
say() { printf '%s: %s\n' "$SELF" "$*"; }
die() {
  printf '%s: error: %s\n' "$SELF" "$1" >&2
  shift
  for hint in "$@"; do printf '%s: hint: %s\n' "$SELF" "$hint" >&2; done
  exit 1
}

# elapsed SINCE: seconds with one decimal since an EPOCHREALTIME value.
elapsed() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# system_python: the first interpreter of this computer that is new enough, Debian's own before others.
system_python() {
  local candidate
  for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}
