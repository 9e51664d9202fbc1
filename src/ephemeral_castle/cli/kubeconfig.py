"""The key of a castle's cluster as a file, for kubectl and the like."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ephemeral_castle.cli.online import shared_of
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import Opened, open_world
from ephemeral_castle.engine.context import StepContext
from ephemeral_castle.errors import Conflict, NotFound, UsageError
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Castle, Site
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.spi.kubernetes import ClusterAccess


async def kubeconfig(castle: Castle, site: Site, out: str) -> dict[str, Any]:
    """Writes it; gives `file`, `server`, `life` and `context`, never a key.

    Args:
        castle: the definition.
        site: where it stands.
        out: path of the file, or "" for the castle's own directory.

    Raises:
        UsageError: no layer of the site has a cluster. NotFound: none stands here. Conflict: the file is somebody
            else's.
    """
    opened = await open_world(castle, site, looking=True)
    try:
        record, access = await _access(castle, site, opened)
    finally:
        await opened.close()
    file = Path(out) if out else places(castle.name).state / "kubeconfig"
    head = f"# castle {record.id}: "
    write(
        file.absolute(),
        head,
        f"{head}life {record.life}; written anew by `castle kubeconfig`\n{text(castle.name, access)}",
    )
    context = {"life": record.life, "context": castle.name}
    return {"castle": castle.name, "file": str(file.absolute()), "server": access.server, **context}


async def _access(castle: Castle, site: Site, opened: Opened) -> tuple[Record, ClusterAccess]:
    records = RecordStore(opened.world.objects, opened.keys.recipient)
    loaded = await records.load()
    if loaded is None or not loaded[0].site:
        raise NotFound(f"castle `{castle.name}` does not stand", why="its record says so", hints=["castle raise"])
    record = loaded[0]
    if record.computer != str(opened.world.computer["id"]):
        raise NotFound(
            f"castle `{castle.name}` stands on another computer", why=record.computer, hints=["castle status"]
        )
    shared = shared_of(castle, site, opened, records, record)
    layer = shared.layers.get(shared.foundations)
    driver: Any = shared.drivers[layer.driver] if layer else None
    if layer is None or not hasattr(driver, "access"):
        why = "no layer of it makes one whose key castle has"
        raise UsageError(f"site `{site.name}` has no cluster", why=why, hints=["castle plan --offline"])
    step = Step(f"{layer.id}.look", layer.id, layer.driver, "look", "look", Phase.PREPARE, Effect.READ)
    try:
        access: ClusterAccess = await driver.access(StepContext(shared, step, 1), record.life)
    finally:
        for each in shared.drivers.values():
            if hasattr(each, "close"):
                await each.close()
    return record, access


def text(name: str, access: ClusterAccess) -> str:
    """A kubeconfig (JSON, which is YAML) with one context. It holds a key."""
    cluster = {"server": access.server, "certificate-authority-data": _encoded(access.ca)}
    if access.name:
        cluster["tls-server-name"] = access.name
    user: dict[str, str] = {"token": access.token.reveal()} if access.token else {}
    if access.key:
        user |= {
            "client-certificate-data": _encoded(access.certificate),
            "client-key-data": _encoded(access.key.reveal()),
        }
    document: Mapping[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(document, indent=1) + "\n"


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()


def write(file: Path, head: str, content: str) -> None:
    """Writes it whole, for nobody else to read. Only what begins with `head` is overwritten.

    Raises:
        Conflict: something else lies there. UsageError: nothing can be written there.
    """
    if file.is_symlink() or (file.exists() and not _ours(file, head)):
        raise Conflict(
            f"{file} is not this castle's",
            why="it does not begin as `castle kubeconfig` writes it, or is no plain file",
            state="it was not touched",
            hints=["castle kubeconfig --out FILE, with another one"],
        )
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(content)
            fresh.replace(file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"{file} cannot be written", why=why, hints=["castle kubeconfig --out FILE"]) from None


def _ours(file: Path, head: str) -> bool:
    try:
        with file.open(errors="replace") as stream:
            return stream.read(len(head)) == head
    except OSError:
        return False
