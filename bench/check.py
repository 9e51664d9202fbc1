"""How long `castle check` takes."""

from __future__ import annotations

from manifests import measure as measure  # noqa: PLC0414, the one figure of this part
