"""Chores round a castle: building ahead, taking down, the page to carry, a first definition."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ephemeral_castle import __version__
from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import enclosure_of, is_root
from ephemeral_castle.definition.template import Answers, definition_text
from ephemeral_castle.definition.timers import systemd_text
from ephemeral_castle.errors import CastleError, Conflict, Denied, NoSuchRun
from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.model.castle import Castle, Site
from ephemeral_castle.spi.world import Recipe
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.forwarders import Forwarders
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.pidfile import ProcessMark


async def prefetch(castle: Castle, site: Site, progress: Any) -> dict[str, Any]:
    """Builds the images of all drivers of the site, at once; gives their references and the store."""
    if not is_root():
        raise Denied(
            "images are built by root", why="mmdebstrap and podman need it here", hints=["sudo castle prefetch"]
        )
    store = ImageStore(LocalExec(), places(castle.name).images)
    drivers, _ = wiring.drivers_of(site)
    recipes: list[Recipe] = [recipe for driver in drivers.values() for recipe in getattr(driver, "recipes", ())]

    async def build(recipe: Recipe) -> tuple[str, str]:
        if not await store.present(recipe):
            await store.build(recipe, progress)
        return recipe.name, store.reference(recipe)

    built = dict(await asyncio.gather(*(build(recipe) for recipe in recipes)))
    return {**built, "store": str(store.path)}


async def take_down(castle: Castle, site: Site, progress: Any) -> dict[str, Any]:
    """Removes machines, namespace, forwarders, a treasury kept here and the state; images stay in the cache.

    Raises:
        NoSuchRun: there is nothing of this castle here. Busy: a run holds it.
    """
    if not is_root():
        raise Denied("only root can remove machines", hints=["sudo castle down"])
    where = places(castle.name)
    enclosure = enclosure_of(castle, site, where, LocalExec())
    if not where.state.exists() and not where.treasury.exists() and not await enclosure.exists():
        raise NoSuchRun(f"there is nothing of castle `{castle.name}` on this computer")
    lock = LocalLock(where.lock)
    if where.state.exists():
        lock.acquire("down", time.time())  # until the end: no run may begin in what vanishes
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
    lock.release()
    return {"castle": castle.name, "removed": [enclosure.name, *removed], "kept": [str(where.images)]}


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


async def init_castle(answers: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Writes castle.yaml and a key file; never overwrites.

    Raises:
        Conflict: a definition is there already. UsageError: an answer cannot be used.
    """
    chosen = Answers(**answers)
    text = definition_text(chosen)
    file = directory / "castle.yaml"
    await asyncio.to_thread(_write_new, file, text)
    castle = wiring.load_castle(str(file))
    keys = ensure_keys(castle)
    command = shutil.which("castle") or "castle"
    return {
        "files": [str(file), *keys],
        "timer": systemd_text(castle.name, castle.path, command),
        "castle": castle.name,
    }


def _write_new(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x") as stream:
            stream.write(text)
    except FileExistsError:
        raise Conflict(
            f"{file} is there already", state="it was not touched", hints=["castle plan", "castle init --directory DIR"]
        ) from None


def ensure_keys(castle: Castle) -> list[str]:
    """Makes the key file of a new castle unless it exists; gives what was written."""
    path = Path(castle.treasury.keys)
    if path.exists():
        return []
    KeyFile.generate(castle.name).write(path)
    return [str(path)]
