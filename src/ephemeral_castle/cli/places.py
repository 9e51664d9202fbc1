"""Where castle keeps things on this computer. The one reader of castle's environment variables besides click."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

STATE, RUNTIME, CACHE = "/var/lib/castle", "/run/castle", "/var/cache/ephemeral-castle"


@dataclass(frozen=True)
class Desk:
    """Where runs of one kind are kept, and the lock by which only one of them goes on at a time."""

    journal: Path
    lock: Path


@dataclass(frozen=True)
class Places:
    """Directories of one castle, and of all castles.

    `CASTLE_STATE`, `CASTLE_RUN`, `CASTLE_CACHE` move them; `CASTLE_COMPUTER` overrides the machine id: with both one
    computer can play several.
    """

    slug: str
    state: Path
    runtime: Path
    cache: Path
    computer: str

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.state / "journal.db"

    @property
    def lock(self) -> Path:
        """The runner's lock."""
        return self.state / "runner.lock"

    @property
    def drills(self) -> Path:
        """The journal of its drills: a file of their own, since they go on beside any other run."""
        return self.state / "drills.db"

    @property
    def drill_lock(self) -> Path:
        """The lock of a drill's runner: one drill at a time, beside whatever works on the castle."""
        return self.state / "drill.lock"

    def desk(self, *, drill: bool) -> Desk:
        """The desk of drills, or of all other runs."""
        return Desk(self.drills, self.drill_lock) if drill else Desk(self.journal, self.lock)

    @property
    def drill(self) -> Places:
        """Where a drill's castle stands. Its namespace has a name that no castle of a person's can have by chance."""
        state = self.state.parent / f"{self.state.name}.drill"
        slug = f"{self.slug[:26]}-drill-{hashlib.sha256(str(state.absolute()).encode()).hexdigest()[:6]}"
        return Places(slug, state, self.runtime.parent / slug, self.cache, self.computer)

    @property
    def images(self) -> Path:
        """The image store that all castles share."""
        return self.cache / "images"

    @property
    def treasury(self) -> Path:
        """Objects of a treasury kept here: outside the castle's own state, so that no wipe can reach it."""
        return self.state.parent / f"{self.state.name}.treasury"


def _base() -> Path:
    """Where the states of all castles lie, for this user."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "castle"
    return Path(os.environ.get("CASTLE_STATE") or (STATE if os.geteuid() == 0 else home))


def journals() -> list[Path]:
    """The journals of all castles of this user and of their drills, last changed first."""
    found = [path for name in ("journal.db", "drills.db") for path in _base().glob(f"*/{name}") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def places(castle: str) -> Places:
    """The directories of a castle of that name, for this user."""
    root = os.geteuid() == 0
    base = _base()
    runtime = Path(os.environ.get("CASTLE_RUN") or (RUNTIME if root else f"/run/user/{os.geteuid()}/castle"))
    cache = Path(os.environ.get("CASTLE_CACHE") or (CACHE if root else Path.home() / ".cache/ephemeral-castle"))
    slug = castle
    if str(base) != STATE:
        # Another base is another computer as far as names go: its namespaces must not meet those of the first.
        slug = f"{castle[:28]}-{hashlib.sha256(str(base.absolute()).encode()).hexdigest()[:8]}"
    return Places(slug, base / castle, runtime / slug, cache, os.environ.get("CASTLE_COMPUTER", ""))


def keys_home() -> Path:
    """Where key files lie unless the definition says otherwise: /etc/castle for root, else the user's own place."""
    if os.geteuid() == 0:
        return Path("/etc/castle")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "castle"
