"""Which part does which action: the shared ones, and those that the operator stands between."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.parts import PARTS as SHARED
from ephemeral_castle.drivers.postgres.pgo.beside import Rehearse, Side
from ephemeral_castle.drivers.postgres.pgo.clearing import Clear, Listing
from ephemeral_castle.drivers.postgres.pgo.heartbeat import Heartbeat
from ephemeral_castle.drivers.postgres.pgo.home import Home, Promote
from ephemeral_castle.drivers.postgres.pgo.service import Backup, BackupAfter, BackupNow, Fence, Pooler, Roles, Shut
from ephemeral_castle.drivers.postgres.pgo.taking import Lock, Survey

PARTS = {
    **SHARED,
    "survey": Survey,
    "lock": Lock,
    "home": Home,
    "promote": Promote,
    "backup": Backup,
    "backup-after": BackupAfter,
    "backup-now": BackupNow,
    "fence": Fence,
    "shut": Shut,
    "side": Side,
    "rehearse": Rehearse,
    "heartbeat": Heartbeat,
    "roles": Roles,
    "pooler": Pooler,
    "inventory": Listing,
    "destroy": Clear,
}
