"""Sessions with a server in the operator's pod: each has a way in of its own."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.pgo.layout import SOCKET
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.world import Process

# Waits inside until the server answers: asking from outside would cost a way in each time.
SESSION = f"""\
until psql -qAtX -h {SOCKET} -U postgres -d "$1" -c 'select 1' > /dev/null 2>&1; do sleep 0.1; done
exec psql -qAtX -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -h {SOCKET} -U postgres -d "$1"
"""


class Sessions:
    """Implements `place.Carrier`.

    Args:
        cluster: the API server.
        namespace, pod: of the leader.
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str) -> None:
        self._cluster, self._namespace, self._pod = cluster, namespace, pod
        self.alive = True

    async def open(self, database: str) -> Process:
        """A psql in the leader's container."""
        argv = ["sh", "-c", SESSION, "castle-session", database]
        return await self._cluster.spawn(self._namespace, self._pod, argv, container="database")

    async def close(self) -> None:
        """Whoever opened a session ends it."""
        self.alive = False
