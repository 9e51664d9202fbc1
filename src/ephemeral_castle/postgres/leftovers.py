"""What a backup that was killed leaves in a repository. Pure.

Source: pgBackRest user guide and 2.45's behaviour as tried: `backup.manifest.copy` is written before the first file and
`backup.manifest` after the last one; the next backup removes, or resumes and tidies, what has only the copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LABEL = re.compile(r"\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?")
COPY, MANIFEST = "backup.manifest.copy", "backup.manifest"


def aborted(names: Iterable[str]) -> list[str]:
    """Labels of backups that never ended: they have the copy of a manifest, and no manifest.

    Args:
        names: objects below `backup/STANZA/`, as `LABEL/…`; whatever else lies there is no backup.
    """
    found: dict[str, set[str]] = {}
    for name in names:
        label, _, rest = name.partition("/")
        if _LABEL.fullmatch(label):
            found.setdefault(label, set()).add(rest)
    return sorted(label for label, files in found.items() if COPY in files and MANIFEST not in files)
