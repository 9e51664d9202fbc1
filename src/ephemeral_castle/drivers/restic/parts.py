"""Which part does which action."""

from __future__ import annotations

from ephemeral_castle.drivers.restic.after import BackupAfter, BackupNow, Expire, ProofNow
from ephemeral_castle.drivers.restic.home import Home
from ephemeral_castle.drivers.restic.part import Part
from ephemeral_castle.drivers.restic.prepare import Cold, Image, OutsideUp
from ephemeral_castle.drivers.restic.prove import Proof, TakeBackup
from ephemeral_castle.drivers.restic.seal import Last, Quiet, ReadBack
from ephemeral_castle.drivers.restic.side import Before, Calm, Rehearse, Rewind, Side
from ephemeral_castle.drivers.restic.survey import Survey

PARTS: dict[str, type[Part]] = {
    "image": Image,
    "cold": Cold,
    "outside": OutsideUp,
    "survey": Survey,
    "backup": TakeBackup,
    "proof": Proof,
    "last": Last,
    "readback": ReadBack,
    "quiet": Quiet,
    "home": Home,
    "backup-after": BackupAfter,
    "backup-now": BackupNow,
    "proof-now": ProofNow,
    "expire": Expire,
    "side": Side,
    "rehearse": Rehearse,
    "before": Before,
    "calm": Calm,
    "rewind": Rewind,
}
