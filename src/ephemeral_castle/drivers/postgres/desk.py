"""What one runner keeps open for one layer: sessions, by life and name. Nothing here outlives the process."""

from __future__ import annotations

import asyncio
import contextlib

from ephemeral_castle.drivers.postgres.outside import Outside
from ephemeral_castle.drivers.postgres.place import Carrier, Place
from ephemeral_castle.drivers.postgres.places import place_of
from ephemeral_castle.drivers.postgres.session import Session
from ephemeral_castle.errors import CastleError
from ephemeral_castle.spi.driver import Context


class Desk:
    """Sessions that are opened once and used by many steps."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[int, str, str], Session] = {}
        self.turns: dict[tuple[int, str, str], asyncio.Lock] = {}
        self.hubs: dict[int, Carrier] = {}
        self.hub_turn = asyncio.Lock()
        self.outside: Outside | None = None
        self.begun: set[str] = set()  # keys of acts that this runner has begun
        self.awake: set[int] = set()  # lives whose server this runner has seen running
        self.waking = asyncio.Lock()

    async def session(self, ctx: Context, database: str = "postgres", name: str = "a", *, old: bool = False) -> Session:
        """The session `name` with a database of this run's life, or of the old one; opened at first use."""
        return await self._kept(ctx, (self._life(ctx, old=old), database, name), old=old)

    async def pooler(self, ctx: Context, *, old: bool = False) -> Session:
        """PgBouncer's console."""
        return await self._kept(ctx, (self._life(ctx, old=old), "", "pooler"), old=old)

    @staticmethod
    def _life(ctx: Context, *, old: bool) -> int:
        return ctx.old_life if old else ctx.life

    async def _kept(self, ctx: Context, key: tuple[int, str, str], *, old: bool) -> Session:
        async with self.turns.setdefault(key, asyncio.Lock()):
            if key in self.sessions:
                if self.sessions[key].alive:
                    return self.sessions[key]
                await self._close(self.sessions.pop(key))
            place = place_of(ctx, old=old)
            if key[2] == "pooler":
                opened = await place.pooler_session()
            else:
                opened = Session(await (await self._hub(key[0], place)).open(key[1]), f"database {key[1]}")
                await opened.begin()
                self.awake.add(key[0])
            self.sessions[key] = opened
            return opened

    async def _hub(self, life: int, place: Place) -> Carrier:
        async with self.hub_turn:
            hub = self.hubs.get(life)
            if hub is None or not hub.alive:
                hub = self.hubs[life] = await place.hub()
            return hub

    def known(self, life: int) -> bool:
        """Whether a session with that life is open: its server runs, without asking podman."""
        return any(session.alive for key, session in self.sessions.items() if key[0] == life and key[2] != "pooler")

    def pids(self, life: int) -> list[int]:
        """Server processes of our own sessions with one life."""
        return [
            session.pid for key, session in self.sessions.items() if key[0] == life and session.pid and session.alive
        ]

    async def forget(self, ctx: Context, *, old: bool = False) -> None:
        """Ends PgBouncer's console: a new one is opened at the next use."""
        session = self.sessions.pop((self._life(ctx, old=old), "", "pooler"), None)
        if session is not None:
            await self._close(session)

    async def drop(self, life: int) -> None:
        """Ends all sessions with one life, at once."""
        gone = [key for key in self.sessions if key[0] == life]
        await asyncio.gather(*(self._close(self.sessions.pop(key)) for key in gone))
        hub = self.hubs.pop(life, None)
        if hub is not None:
            await hub.close()

    @staticmethod
    async def _close(session: Session) -> None:
        with contextlib.suppress(CastleError):
            await session.close()

    async def close(self) -> None:
        """Ends everything."""
        lives = {key[0] for key in self.sessions} | set(self.hubs)
        await asyncio.gather(self._remove_outside(), *(self.drop(life) for life in lives))

    async def _remove_outside(self) -> None:
        if self.outside is not None:
            with contextlib.suppress(CastleError):
                await self.outside.remove()
