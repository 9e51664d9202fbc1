# Names, the enclosure and small verbs of the floor. Sourced by setup, rebirth and down.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8

FLOOR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$FLOOR/../.." && pwd)
STATE=${FLOOR_STATE:-/var/tmp/castle-floor} # disk: treasury, volumes, logs
SHM=/run/castle-floor                       # memory: secrets, podman's run directory
NS=castle-floor
NET=castle-floor
SUBNET=10.89.78
GATEWAY=$SUBNET.1
PORT=9443
MACHINES="421 431 432"
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=/dev/null
if [ -e "$STATE/env" ]; then . "$STATE/env"; fi # what setup was given: images, store, user ids

die() {
  echo "floor: error: $*" >&2
  exit 1
}
now() { printf %s "$EPOCHREALTIME"; }
since() { awk -v a="$1" -v b="${2:-$EPOCHREALTIME}" 'BEGIN { printf "%.3f", b - a }'; }

inside() { nsenter --net=/run/netns/$NS "$@"; }
# The floor's own podman: own storage, own networks, own locks, nothing in /etc.
outer() {
  CONTAINERS_CONF=$STATE/containers.conf CONTAINERS_STORAGE_CONF=$STATE/storage.conf \
    inside podman --network-config-dir "$STATE/networks" "$@"
}
on() { # machine command...
  local machine=$1
  shift
  outer exec -i "floor-$machine" "$@"
}
address() { echo "$SUBNET.$((10 + $1 % 9 * 20 + $2 - 420))"; } # life machine: another one in every life

machine_up() { # life machine
  outer run -d --name "floor-$2" --label castle=floor --privileged --cgroupns=private --memory 2g \
    --network $NET --ip "$(address "$1" "$2")" --tmpfs /run --tmpfs /tmp \
    -v "floor-$2:/var/lib/containers" -v "$IMAGE_STORE:/opt/images:ro" \
    -v "$FLOOR/conf/machine-containers.conf:/etc/containers/containers.conf:ro" \
    -v "$FLOOR/conf/machine-storage.conf:/etc/containers/storage.conf:ro" \
    "$MACHINE_IMAGE" sleep infinity >/dev/null
}
deliver() { # machine files: secrets by standard input into the machine's memory, then the command given after --
  local machine=$1 files=$2
  shift 2
  # shellcheck disable=SC2086 # a list of names
  tar -C $SHM -c $files | on "$machine" sh -c 'umask 077; mkdir -p /run/castle; tar -xo -C /run/castle
    chown -R '"$PG_IDS"' /run/castle; exec "$@" >/dev/null' sh "$@"
}

PG_FILES="pgbackrest.conf ca.crt first-process postgresql.conf pg_hba.conf superuser"
POOLER_FILES="pgbouncer.ini userlist.txt"
postgres_run() { # new | restore LABEL: the words that start the database in a machine
  echo podman run -d --name pg --network host --user postgres --add-host treasury.castle:$GATEWAY \
    -v data:/pg:U -v /run/castle:/run/castle:ro --shm-size 256m "$POSTGRES_IMAGE" sh /run/castle/first-process "$@"
}
pooler_run() {
  echo podman run -d --name pooler --network host --user postgres \
    -v /run/castle:/run/castle:ro "$POSTGRES_IMAGE" pgbouncer -q /run/castle/pgbouncer.ini
}
