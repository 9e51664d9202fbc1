# The story of a demo, whatever castle it is about: raised, filled, destroyed under a writer, brought back, judged from
# outside. Sourced, never run; whoever sources it sets NAME, FILE and WORK first.
# shellcheck shell=bash

start=$EPOCHREALTIME
# An array, not a function: in the background $! is then the writer itself.
WITH_PASSWORD=(python "$ROOT/testbed/with_password.py" -f "$FILE" --secret database/user/app --)

part() { say "$(elapsed "$start") s: $*"; }

status() { # state | SERVICE; castle's own exit status is 8 for an alarm, which is no failure here
  { castle status -f "$FILE" --json 2>/dev/null </dev/null || true; } | python "$ROOT/testbed/standing.py" "$1"
}

write_address() { # where the database answers now, for the writer that runs
  status database >"$WORK/address.new" || die "castle does not say where the database answers" "castle status -f $FILE"
  mv "$WORK/address.new" "$WORK/address"
}

raise() {
  local new=() state
  state=$(status state || true)
  if [ "$state" = up ]; then
    part "castle $NAME stands already"
    return
  fi
  # A life that was here before comes back; only a castle that never was is begun with --new.
  castle runs -f "$FILE" --json 2>/dev/null </dev/null | grep -q '"status":"done"' || new=(--new)
  part "castle $NAME is raised"
  castle raise -f "$FILE" "${new[@]}" --confirm "$NAME" </dev/null
}

fill() { # MEGABYTES
  part "data: $1 MB in the database"
  "${WITH_PASSWORD[@]}" python "$ROOT/testbed/fill.py" --address "@$WORK/address" --megabytes "$1"
}

start_writer() {
  part "a writer inserts about 200 rows a second through PgBouncer until the demo ends"
  rm -f "$WORK/stop" "$WORK/acknowledged"
  "${WITH_PASSWORD[@]}" python "$ROOT/testbed/writer.py" --address "@$WORK/address" --log "$WORK/acknowledged" \
    --stop-file "$WORK/stop" >"$WORK/writer.log" 2>&1 </dev/null &
  echo $! >"$WORK/writer.pid"
  for _ in $(seq 100); do
    [ -s "$WORK/acknowledged" ] && return
    sleep 0.1
  done
  die "the writer could not write: $(tail -n 3 "$WORK/writer.log")" "castle status -f $FILE"
}

stop_writer() {
  local pid
  pid=$(cat "$WORK/writer.pid" 2>/dev/null) || return 0
  touch "$WORK/stop"
  for _ in $(seq 100); do
    grep -qa testbed/writer.py "/proc/$pid/cmdline" 2>/dev/null || break
    sleep 0.05
  done
  rm -f "$WORK/writer.pid"
}

rebirth() {
  local written
  part "castle $NAME is destroyed and comes back"
  castle rebirth -f "$FILE" --prove --confirm "$NAME" </dev/null
  write_address
  written=$(wc -l <"$WORK/acknowledged")
  for _ in $(seq 100); do # the writer goes on in the new life before it is stopped
    [ "$(wc -l <"$WORK/acknowledged")" -gt $((written + 20)) ] && break
    sleep 0.1
  done
  stop_writer
}

judge() {
  part "the outside judge compares the writer's log with the table"
  "${WITH_PASSWORD[@]}" python "$ROOT/testbed/judge.py" --address "@$WORK/address" --log "$WORK/acknowledged" \
    --json >"$WORK/verdict.json" || say "rows are missing, or the database could not be asked"
}

finish_story() { # the last line, from the castle's own report and what judge and reader found
  local line
  castle report -f "$FILE" --json >"$WORK/report.json" </dev/null
  castle report -f "$FILE" >"$WORK/report.txt" </dev/null
  line=$(python "$ROOT/testbed/summary.py" "$WORK/report.json" "$WORK/verdict.json" "$WORK/reader.json") ||
    { say "$line report=$WORK/report.txt"; exit 1; }
  say "$line elapsed=$(elapsed "$start")s report=$WORK/report.txt"
}
