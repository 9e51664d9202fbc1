"""Where castle keeps things on this computer. The one reader of castle's environment variables besides click."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

STATE, RUNTIME, CACHE = "/var/lib/castle", "/run/castle", "/var/cache/ephemeral-castle"


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
    def images(self) -> Path:
        """The image store that all castles share."""
        return self.cache / "images"

    @property
    def treasury(self) -> Path:
        """Objects of a treasury kept here: outside the castle's own state, so that no wipe can reach it."""
        return self.state.parent / f"{self.state.name}.treasury"


def places(castle: str) -> Places:
    """The directories of a castle of that name, for this user."""
    root = os.geteuid() == 0
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "castle"
    base = Path(os.environ.get("CASTLE_STATE") or (STATE if root else home))
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
