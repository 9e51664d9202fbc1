"""Chores round a castle: building ahead, taking down, the page to carry, a first definition."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemeral_castle import __version__
from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.drilling import rehearsed, room_at
from ephemeral_castle.cli.places import Places, places
from ephemeral_castle.cli.worlds import enclosure_of, is_root
from ephemeral_castle.definition.template import Answers, definition_text
from ephemeral_castle.definition.timers import systemd_text
from ephemeral_castle.errors import CastleError, Conflict, Denied, NoSuchRun, Permanent
from ephemeral_castle.journal.lock import DOWN, LocalLock
from ephemeral_castle.model.castle import Castle, Site
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.forwarders import Forwarders
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.keys import KeyFile, NotFilledIn
from ephemeral_castle.world.pidfile import ProcessMark
from ephemeral_castle.world.renderers import rendered as rendered  # noqa: PLC0414, for `wiring`

if TYPE_CHECKING:
    from ephemeral_castle.world.git import GitSource


async def prefetch(castle: Castle, site: Site, progress: Any) -> dict[str, Any]:
    """Builds and pulls the images of all drivers of the site; gives their references and the store."""
    if not is_root():
        raise Denied(
            "images are built by root", why="mmdebstrap and podman need it here", hints=["sudo castle prefetch"]
        )
    from ephemeral_castle.cli import ahead

    store = ImageStore(LocalExec(), places(castle.name).images)
    drivers, options = wiring.drivers_of(site)
    with tempfile.TemporaryDirectory(prefix="castle-prefetch-") as home:
        found = await ahead.wanted(site, drivers, options, _repository(castle, Path(home, "git")))
    return {**await ahead.fetch(store, found, progress), "store": str(store.path)}


class _Given:
    """Secrets of the key file alone: the treasury may not stand yet, and nobody is asked for it."""

    def __init__(self, keys: KeyFile | None) -> None:
        self.keys = keys

    async def get(self, name: str) -> Secret | None:
        """See `spi.secret.SecretSource`."""
        return self.keys.secrets.get(name) if self.keys else None

    async def put(self, name: str, value: Secret) -> None:
        """Nothing may be generated here: it would be lost.

        Raises:
            Permanent: always.
        """
        raise Permanent(
            f"the secret `{name}` does not exist yet",
            why="it is made by a raise, and kept in the treasury",
            hints=["castle raise"],
        )


def _repository(castle: Castle, home: Path) -> GitSource | None:
    """The castle's repository, read into a directory of its own and without the copies in the treasury."""
    if castle.repository is None:
        return None
    from ephemeral_castle.world.git import GitSource
    from ephemeral_castle.world.git_copies import GitCopies
    from ephemeral_castle.world.simulated import MemoryObjects

    path = Path(castle.treasury.keys)
    keys = KeyFile.load(path) if path.exists() else None
    none = GitCopies(MemoryObjects(), lambda data: data, lambda data, _: data)
    return GitSource(castle.repository, _Given(keys), none, LocalExec(), SystemClock(), home)


async def take_down(castle: Castle, site: Site, progress: Any) -> dict[str, Any]:
    """Removes machines, namespace, forwarders, a treasury kept here and the state; images stay in the cache.

    Raises:
        NoSuchRun: there is nothing of this castle here. Busy: a run holds it.
    """
    if not is_root():
        raise Denied("only root can remove machines", hints=["sudo castle down"])
    where = places(castle.name)
    enclosure = enclosure_of(castle, site, where, LocalExec())
    room = room_at(where, castle, rehearsed(castle, site)[1], LocalExec())
    drilled = await room.left()
    if not where.state.exists() and not where.treasury.exists() and not enclosure.left() and not drilled:
        raise NoSuchRun(f"there is nothing of castle `{castle.name}` on this computer")
    locks = [LocalLock(where.lock), LocalLock(where.drill_lock)]
    if where.state.exists():
        for lock in locks:  # until the end: no run may begin in what vanishes
            lock.acquire(DOWN, time.time())
    if drilled:
        progress("removing what a drill left")
        await room.clear()
    progress("ending forwarders and the treasury's server")
    clock = SystemClock()
    await Forwarders(LocalExec(), clock, where.runtime / "forward").stop_all()
    mark = ProcessMark.read(where.runtime / "treasury" / "treasury.pid")
    if mark is not None:
        await mark.end(clock)
    progress("removing machines, volumes, network and namespace")
    await enclosure.remove()
    removed = [str(path) for path in (where.state, where.treasury, where.runtime) if path.exists()]
    for path in removed:
        await asyncio.to_thread(shutil.rmtree, path)
    for lock in locks:
        lock.release()
    return {"castle": castle.name, "removed": [*drilled, enclosure.name, *removed], "kept": stays(castle, where)}


def stays(castle: Castle, where: Places) -> list[str]:
    """What `take_down` leaves: the key file, which may be the only copy, a treasury elsewhere, and built images."""
    treasury, keys = castle.treasury, Path(castle.treasury.keys)
    elsewhere = [] if treasury.server else [f"s3://{treasury.bucket}/{treasury.prefix}"]
    return [*([str(keys)] if keys.exists() else []), *elsewhere, str(where.images)]


def card(castle: Castle, site: Site) -> dict[str, Any]:
    """The mapping that `views.card` describes, from the definition and the key file; no network."""
    treasury = castle.treasury
    found: dict[str, Any] = {
        "castle": castle.name,
        "site": site.name,
        "definition": castle.path,
        "treasury": {
            "url": f"s3://{treasury.bucket}/{treasury.prefix}",
            "endpoint": treasury.endpoint,
            "region": treasury.region,
            "server": treasury.server,
        },
        "secrets": [
            {"name": "key file", "where": treasury.keys, "for": "opens the treasury and all that is private in it"}
        ],
        "printed": time.time(),
        "version": __version__,
    }
    try:
        keys = KeyFile.load(treasury.keys)
        found["recipient"] = keys.recipient
        ca = keys.ca or _ca_of(castle)
        if ca:
            found["treasury"]["ca_fingerprint"] = fingerprint(ca)
    except CastleError as error:
        found["secrets"][0]["for"] += f" (not read now: {error})"
    return found


def _ca_of(castle: Castle) -> str:
    path = Path(castle.treasury.ca) if castle.treasury.ca else places(castle.name).treasury / "tls" / "ca.pem"
    return path.read_text() if path.exists() else ""


def fingerprint(pem: str) -> str:
    """SHA-256 of the DER form, in hexadecimal digits."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(SHA256()).hex()


async def init_castle(answers: Mapping[str, Any], directory: Path, access: tuple[str, str] | None) -> dict[str, Any]:
    """Writes castle.yaml and a key file; never overwrites.

    Args:
        answers: fields of `definition.template.Answers`.
        directory: where castle.yaml goes.
        access: access key id and secret of the S3 server that `endpoint` names; None = to be filled in by hand.

    Raises:
        Conflict: a definition is there already. UsageError: an answer cannot be used.
    """
    chosen = Answers(**answers)
    text = definition_text(chosen)
    file = directory / "castle.yaml"
    await asyncio.to_thread(write_new, file, text)
    castle = wiring.load_castle(str(file))
    path = castle.treasury.keys
    keys = ensure_keys(castle, access)
    notes = [] if keys else [f"{path} is there already, and was left as it is"]
    try:
        check_filled_in(castle)
    except NotFilledIn as error:
        notes.append(f"before the first raise: {error.hints[0]}")
    command = shutil.which("castle") or "castle"
    return {
        "files": [str(file), *keys],
        "timer": systemd_text(castle.name, castle.path, command),
        "castle": castle.name,
        "notes": notes,
    }


def write_new(file: Path, text: str) -> None:
    """Writes a file that is not there yet. Raises Conflict: it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x") as stream:
            stream.write(text)
    except FileExistsError:
        raise Conflict(
            f"{file} is there already", state="it was not touched", hints=["castle plan", "castle init --directory DIR"]
        ) from None


def ensure_keys(castle: Castle, access: tuple[str, str] | None = None) -> list[str]:
    """Makes the key file of a new castle unless it exists; gives what was written.

    Args:
        castle: the castle.
        access: access key id and secret of an S3 server that castle does not keep; None = not known yet.
    """
    path = Path(castle.treasury.keys)
    if path.exists():
        return []
    known = None if castle.treasury.server else access or ("", "")
    KeyFile.generate(castle.name, known and (known[0], Secret(known[1]))).write(path)
    return [str(path)]


def check_filled_in(castle: Castle) -> None:
    """Raises NotFilledIn where the key file waits for an access key; any other fault is told by whoever needs it."""
    try:
        KeyFile.load(castle.treasury.keys)
    except NotFilledIn:
        raise
    except CastleError:
        return
