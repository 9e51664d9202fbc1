# bash -ceu -- THIS - DATA "OPTIONS": fills a data directory from a repository, and ends when recovery has ended.
# The options stand in a line of shell as the spec's author wrote them: quoting is theirs.
data=$1
options=$2
major=$(basename "$data")
programs=/usr/lib/postgresql/${major#pg}/bin
export PGHOST=/tmp PGUSER=postgres

install --directory --mode=0700 "$data"
install --directory --mode=0775 "$(dirname "$data")/pgbackrest/log"
# Of a server that died with its pod: with it, pgBackRest would not touch the directory.
rm -f "$data/postmaster.pid"
bash -xc "pgbackrest restore $options"

# A standby needs these at least as large as the server had them that was backed up; the log may raise them, and
# then PostgreSQL ends, and is started again with what the control data say by then.
configure() {
  local said setting
  said=$("$programs/pg_controldata" "$data")
  {
    echo "archive_mode = on"
    echo "archive_command = 'false'"  # what is written here is archived when the cluster lives, not before
    echo "hba_file = '/tmp/restore_hba.conf'"
    echo "unix_socket_directories = '/tmp'"
    echo "listen_addresses = ''"
    echo "huge_pages = off"
    for setting in max_connections max_worker_processes max_wal_senders max_prepared_xacts max_locks_per_xact; do
      value=$(sed -n "s/^$setting setting: *//p" <<< "$said")
      case $setting in
        max_prepared_xacts) setting=max_prepared_transactions ;;
        max_locks_per_xact) setting=max_locks_per_transaction ;;
      esac
      echo "$setting = $value"
    done
  } > /tmp/restore.conf
  echo 'local all "postgres" peer' > /tmp/restore_hba.conf
}

ask() {
  psql -XAtd postgres -c "SELECT pg_is_in_recovery()" 2> /dev/null || true
}

resume() {
  psql -XAtqd postgres -c "SELECT pg_wal_replay_resume() WHERE pg_is_wal_replay_paused()" > /dev/null 2>&1 || true
}

state=
until [ "$state" = f ]; do
  if [ -z "$state" ]; then
    configure
    "$programs/pg_ctl" start --silent --wait --timeout=31536000 -D "$data" --options="--config-file=/tmp/restore.conf"
  fi
  state=$(ask)
  if [ "$state" = t ]; then
    resume
    sleep 0.2
  fi
done
"$programs/pg_ctl" stop --silent --wait --timeout=31536000 -D "$data" --mode=fast
mv "$data" "${data}_bootstrap"
