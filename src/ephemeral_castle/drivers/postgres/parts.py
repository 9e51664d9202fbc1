"""Which part does which action."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.clearing import Clear, Listing
from ephemeral_castle.drivers.postgres.drill import DrillProof
from ephemeral_castle.drivers.postgres.home import DataProof, Home, Promote
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.prepare import Cold, Image, OutsideUp, Push, Revive
from ephemeral_castle.drivers.postgres.prove import Marker, MarkerB, Proof, TakeBackup
from ephemeral_castle.drivers.postgres.rewind import Compare, Rewind, Shut
from ephemeral_castle.drivers.postgres.seal import Digest, Fence, Mark, ReadBack, Stop
from ephemeral_castle.drivers.postgres.service import BackupAfter, BackupNow, Expire, Lift, Pooler, Roles
from ephemeral_castle.drivers.postgres.side import Rehearse, Side
from ephemeral_castle.drivers.postgres.survey import Survey

PARTS: dict[str, type[Part]] = {
    "image": Image,
    "push": Push,
    "cold": Cold,
    "outside": OutsideUp,
    "revive": Revive,
    "survey": Survey,
    "marker-a": Marker,
    "backup": TakeBackup,
    "proof": Proof,
    "marker-b": MarkerB,
    "fence": Fence,
    "digest": Digest,
    "mark": Mark,
    "readback": ReadBack,
    "stop": Stop,
    "home": Home,
    "promote": Promote,
    "data-proof": DataProof,
    "drill-proof": DrillProof,
    "roles": Roles,
    "pooler": Pooler,
    "lift": Lift,
    "backup-after": BackupAfter,
    "backup-now": BackupNow,
    "expire": Expire,
    "side": Side,
    "rehearse": Rehearse,
    "shut": Shut,
    "rewind": Rewind,
    "compare": Compare,
    "inventory": Listing,
    "destroy": Clear,
}
