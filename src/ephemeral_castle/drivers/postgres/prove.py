"""Marker, backup, and the proof that the backup can be restored and read."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.aborted import clear
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.errors import Denied, Permanent, Transient, Unreachable
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker
from ephemeral_castle.postgres.exits import explain
from ephemeral_castle.postgres.pgbackrest import Backup, RepoInfo, StatusCode, parse_info
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class Marker(Part):
    """A row that only this run can have written; it must come back."""

    letter = "a"

    @property
    def nonce(self) -> str:
        """Made from the run, so that writing it twice writes it once."""
        return f"{self.ctx.run}-{self.letter}"

    async def observe(self) -> Observation:
        """Whether the row is there."""
        gone = self.waived() or self.young()
        if gone:
            return gone
        session = await self.session(old=True)
        there = await session.json(marker.find_markers([self.nonce]))
        return Observation(REACHED if there else NOT_REACHED, facts={"nonce": self.nonce})

    def young(self) -> Observation | None:
        """A proof younger than `proof.max_age` makes marker A, backup and proof needless."""
        label = self.survey.get("proven_label")
        if not label:
            return None
        return Observation(
            REACHED, waived=f"backup {label} was proven {self.survey.get('proven_ago')} ago", facts={"label": label}
        )

    async def act(self) -> Observation | None:
        """Writes it."""
        session = await self.session(old=True)
        await session.ask(marker.insert_marker(self.nonce, self.ctx.run, self.ctx.old_life))
        return None


class MarkerB(Marker):
    """The marker after the backup: only the WAL carries it. A checkpoint shortens the replay."""

    letter = "b"

    def young(self) -> Observation | None:
        """Always written."""
        return None

    async def act(self) -> Observation | None:
        """Writes it; heartbeat and vacuum rest from now on, since they would write behind the fence; a checkpoint."""
        await super().act()
        session = await self.session(old=True)
        await session.ask(self.layout.quiet)
        await session.ask("checkpoint")
        return None

    async def undo(self) -> str:
        """Heartbeat and vacuum go on."""
        if self.waived() or await self.place(old=True).state() != RUNNING:
            return "nothing to wake: a start wakes heartbeat and vacuum by itself"
        session = await self.session(old=True)
        await session.ask(self.layout.unquiet)
        return "heartbeat and vacuum go on"


CONTROL = "/pg/data/global/pg_control"


async def control_outside(part: Part) -> None:
    """`archive-get` outside the castle asks for a pg_control of the cluster: hands it a copy."""
    session = await part.session(old=True)
    control = await session.value(
        r"select translate(encode(pg_read_binary_file('global/pg_control'), 'base64'), E'\n', '')"
    )
    script = f"mkdir -p $(dirname {CONTROL}) && base64 -d > {CONTROL}"
    result = await part.outside().run("sh", "-c", script, stdin=control.encode())
    if not result.ok:
        raise Transient("the control file of the database cannot be copied out", why=result.last_words())


async def repository(part: Part) -> RepoInfo:
    """What `info` says, from outside the machines."""
    result = await part.outside().pgbackrest("--log-level-console=off", "--output=json", "--repo=1", "info")
    if not result.ok:
        raise explain(result.code, result.err, "info")
    return parse_info(result.out, part.layout.stanza)


class TakeBackup(Part):
    """A backup under this run's key: an annotation, so that a resume finds it."""

    key = ""
    old = True
    kind = "incr"

    @property
    def annotation(self) -> str:
        """The run's id, with a suffix where one run takes several."""
        return self.ctx.run + self.key

    async def observe(self) -> Observation:
        """Whether the repository lists a backup of this run."""
        gone = self.needless()
        if gone:
            return gone
        if self.ctx.attempt == 1 and self.annotation not in self.desk.begun:
            return Observation(NOT_REACHED, "no backup of this run yet")  # nothing can carry its key before
        found = self.mine(await repository(self))
        if found is None:
            return Observation(NOT_REACHED, "no backup of this run yet")
        return Observation(REACHED, f"{found.label}", _facts(found))

    def needless(self) -> Observation | None:
        """Waived for a treasure that is gone, or proven lately."""
        return self.waived() or Marker(self.ctx, self.desk).young()

    def mine(self, info: RepoInfo) -> Backup | None:
        """The backup that carries this run's annotation."""
        if info.status.known is StatusCode.OTHER:
            raise Unreachable(
                "whether the backup is in the repository cannot be seen",
                why=info.status.explanation,
                state="nothing was destroyed",
                hints=["castle doctor"],
            )
        wanted = self.annotation
        return next((b for b in reversed(info.backups) if b.annotations.get("castle-run") == wanted), None)

    async def act(self) -> Observation | None:
        """Runs `backup` on the machine; incremental, or full where there is none."""
        self.desk.begun.add(self.annotation)
        place = self.place(old=self.old)
        # One that a former runner began is awaited: pgBackRest would refuse a second one beside it.
        result = await place.job(
            f"backup{self.key}",
            *self.layout.backrest, "--repo=1", f"--type={self.kind}",
            "--no-expire-auto", f"--annotation=castle-run={self.annotation}", "--log-level-console=warn", "backup",
            timeout=7200, again=True,
        )  # fmt: skip
        if not result.ok:
            error = explain(result.code, result.err + result.out, "backup")
            # pgBackRest wants to tidy up after a backup that was killed, and this life's writer may not.
            cleared = await clear(self) if isinstance(error, Denied) else []
            if not cleared:
                raise error
            text = f"what a killed backup left was in the way, and was removed: {', '.join(cleared)}"
            self.ctx.diagnostic("info", text)
            raise Transient("the backup is begun again", why=text)
        seen = await self.observe()
        if seen.state is not REACHED:
            raise Permanent(
                "pgBackRest says that the backup is done, but the repository does not list it",
                why=result.last_words() or "it said nothing else",
                state="nothing was destroyed",
                hints=["castle doctor", "castle resume"],
            )
        return seen


def _facts(backup: Backup) -> dict[str, object]:
    return {
        "label": backup.label,
        "archive_start": backup.archive_start,
        "bytes": backup.size,
        "repository_bytes": backup.repo_size,
        "type": backup.type,
        "stop": backup.stop,
    }


class Proof(Part):
    """The backup is restored outside the castle, started, and read: the marker must be there."""

    folder = "/proof/data"

    async def observe(self) -> Observation:
        """Whether this run has proven its backup already."""
        return self.waived() or Marker(self.ctx, self.desk).young() or Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores the set alone (`--type=immediate`: the marker lies before its end), starts it, counts."""
        label = str((self.facts("backup") or self.facts("backup-now"))["label"])
        nonce = str(self.facts("marker-a")["nonce"])
        layout = self.layout
        script = _PROOF.format(
            bin=layout.programs, folder=self.folder, label=label, stanza=layout.stanza, more=layout.proof
        )
        self.ctx.progress(f"restoring {label} outside the castle")
        process = await self.outside().job(f"proof-{label}", "sh", "-c", script, "proof", nonce, timeout=7200)
        if not process.ok:
            raise Permanent(
                f"backup {label} could not be restored outside the castle",
                why=process.last_words(6),
                state="nothing was destroyed; the castle serves as before",
                hints=["castle backup --full", "castle rebirth"],
            )
        lines = dict(line.split("|", 1) for line in process.out.splitlines() if "|" in line)
        if not lines.get("marker", "").isdecimal():
            raise Permanent(
                f"backup {label} was restored outside the castle and cannot be read",
                why=process.err.strip()[-500:] or "its server gave no answer",
                state="nothing was destroyed; the castle serves as before",
                hints=["castle backup --full", "castle rebirth"],
            )
        if lines["marker"] != "1":
            raise Permanent(
                f"backup {label} came back without this run's marker",
                why="what was restored is older than the backup claims, or of another castle",
                state="nothing was destroyed; the castle serves as before",
                hints=["castle backup --full", "castle rebirth"],
            )
        at = self.ctx.world.clock.now()
        facts = {
            "label": label,
            "at": at,
            "tables": int(lines.get("tables", "0")),
            "bytes": int(lines.get("bytes", "0")),
        }
        sealed = {"proof": {"label": label, "at": at, "run": self.ctx.run}}
        return Observation(
            REACHED, f"{label} restored, started, marker read", {**facts, f"sealed:{self.layer}": sealed}
        )


# Started on a private socket with archiving off: a copy must never push into the living archive.
_PROOF = """\
set -e
[ ! -f {folder}/postmaster.pid ] || {bin}/pg_ctl -D {folder} -m immediate stop >&2 || true
rm -rf {folder}
mkdir -p -m 700 {folder}
pgbackrest --config=/run/castle/pgbackrest.conf --stanza={stanza} --repo=1 --pg1-path={folder} --set={label} \\
  --type=immediate --target-action=promote --archive-mode=off --log-level-console=warn restore >&2
rm -f {folder}/castle.conf
options="-c listen_addresses= -c unix_socket_directories=/tmp -c port=5999 -c shared_buffers=64MB"
options="$options -c archive_mode=off -c synchronous_standby_names= -c hba_file=/run/castle/pg_hba.conf {more}"
{bin}/pg_ctl -D {folder} -w -t 600 -l /tmp/proof.log -o "$options" start >&2 || {{
  tail -n 5 /tmp/proof.log >&2
  exit 1
}}
q() {{ psql -h /tmp -p 5999 -U postgres -qAtX -d "$1" -c "$2"; }}
echo "marker|$(q postgres "select count(*) from castle.marker where nonce = '$1'")"
echo "tables|$(q postgres "select count(*) from pg_class where relkind = 'r'")"
echo "bytes|$(q postgres "select sum(pg_database_size(oid)) from pg_database")"
{bin}/pg_ctl -D {folder} -m immediate stop >&2
rm -rf {folder}
"""
