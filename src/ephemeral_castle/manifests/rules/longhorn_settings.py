"""Settings of Longhorn's chart that newer versions do not read."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, dig, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "longhorn-settings"
MOVED = {
    "backupTarget": "backupTarget",
    "backupTargetCredentialSecret": "backupTargetCredentialSecret",
    "backupstorePollInterval": "pollInterval",
}
SINCE = (1, 8)
NAMES = ("backup-target", "backup-target-credential-secret", "backupstore-poll-interval")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the chart's values, and at Settings of the old names."""
    have = charts.version(repository, "longhorn")
    if have and have < SINCE:
        return
    for release in charts.releases(repository):
        for old, new in MOVED.items() if release.name == "longhorn" and release.version else ():
            path = ("spec", "values", "defaultSettings", old)
            if dig(release.thing.manifest, *path):
                message = f"this Longhorn does not read `defaultSettings.{old}`: no backup goes anywhere"
                hints = (f"write `defaultBackupStore: {{{new}: …}}`, or a BackupTarget `default`",)
                yield fault(ID, WARNING, release.thing, path, message, hints=hints, key=True)
    for one in repository.of("Setting", "longhorn.io"):
        if one.name in NAMES:
            message = f"the setting `{one.name}` is a field of the BackupTarget `default` since Longhorn 1.8"
            says = f"setting {one.name} is not supported"
            hints = ("write a BackupTarget `default` with `backupTargetURL`, `credentialSecret`, `pollInterval`",)
            yield fault(ID, ERROR if have else WARNING, one, ("metadata", "name"), message, hints=hints, says=says)


RULE = Rule(
    ID,
    "a backup target of Longhorn is written the old way",
    "Since Longhorn 1.8 the target of backups is an object of its own. The settings of the old names are not read, "
    "or are refused; the target stays empty, and nobody backs anything up. Default settings of the chart count at "
    "the first installation only.",
    "Longhorn 1.8's release notes",
    find,
    ("F108",),
)
