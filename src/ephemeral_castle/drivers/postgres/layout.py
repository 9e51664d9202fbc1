"""How a server, its pgBackRest and the container for proofs are laid out: by the driver of the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ephemeral_castle.drivers.postgres.image import BIN, POSTGRES
from ephemeral_castle.spi.world import Recipe

if TYPE_CHECKING:
    from ephemeral_castle.spi.driver import Context

CONFIG = "/run/castle/pgbackrest.conf"
OPERATED = "pgo"  # name of the driver whose databases an operator makes


@dataclass(frozen=True)
class Layout:
    """What differs between a server of castle's own image and one that an operator runs.

    Attributes:
        stanza: name of pgBackRest's stanza.
        recipe: image of the container for proofs: of the same major version as the server.
        programs: folder of PostgreSQL's programs in it.
        proof: further options of a server that is started there on what was restored; a shell expands them.
        backrest: how pgBackRest is called beside the living server.
        socket: directory of the living server's socket.
        quiet, unquiet: statements that let what would write behind the fence rest, and go on.
        rests: query: "t" while it rests.
        console: whether PgBouncer has a console for castle.
        delivered: whether castle hands over the configuration of server and pooler, and nobody else works in the
            server while clients are fenced out.
        agents: application names of sessions by which whoever keeps the server running looks at it: the fence lets
            them in, and the mark finds what they write.
        reborn: whether a restore in place deletes the volume and makes another: then it is proven before as for a wipe.
    """

    stanza: str
    recipe: Recipe
    programs: str
    proof: str
    backrest: tuple[str, ...]
    socket: str
    quiet: str
    unquiet: str
    rests: str
    console: bool
    delivered: bool
    agents: tuple[str, ...] = ()
    reborn: bool = False

    @property
    def outside(self) -> tuple[str, ...]:
        """How pgBackRest is called in the container for proofs."""
        return ("pgbackrest", f"--config={CONFIG}", f"--stanza={self.stanza}")


OWN = Layout(
    stanza="castle",
    recipe=POSTGRES,
    programs=BIN,
    proof="",
    backrest=("pgbackrest", f"--config={CONFIG}", "--stanza=castle"),
    socket="/tmp",  # noqa: S108 - in the container
    quiet="copy (select 'autovacuum = off') to program 'cat >> /pg/data/castle.conf && touch /pg/fenced'; "
    "select pg_reload_conf()",
    unquiet="copy (select 1) to program 'cat > /dev/null; rm -f /pg/fenced; "
    'sed -i "/^autovacuum = off$/d" /pg/data/castle.conf\'; select pg_reload_conf()',
    rests="select (pg_stat_file('/pg/fenced', true)).modification is not null",
    console=True,
    delivered=True,
)


def layout_of(ctx: Context) -> Layout:
    """The layout of a step's layer."""
    return layout_for(ctx.layer.driver)


def layout_for(driver: str) -> Layout:
    """The layout that a driver gives its databases, by its name."""
    if driver == OPERATED:
        from ephemeral_castle.drivers.postgres.pgo.layout import LAYOUT  # a database without an operator needs none

        return LAYOUT
    return OWN
