"""From flags of the command line to what a run is asked to do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.castle import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping


def request_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `spi.driver.Request`; flags that were not used are left out.

    Besides them `replan`, which says what becomes of an unfinished run's stored plan. What `--set` and `--layer` say is
    given to the treasures of a site by `chosen.chosen`.

    Raises:
        UsageError: flags that exclude one another, or a text that is no point in time.
    """
    used = {name: value for name, value in flags.items() if value not in (False, "", None, ())}
    for one, other in (("new", "adopt"), ("new", "set_label"), ("new", "source_lost")):
        if one in used and other in used:
            raise UsageError(
                f"{_flag(one)} and {_flag(other)} exclude one another",
                why="--new says that there is nothing to bring home",
                hints=(f"use one of {_flag(one)} and {_flag(other)}",),
            )
    if "to" in used:
        used["to"] = point_in_time(str(used["to"]))
    return used


def only_of_a_restore(flags: Mapping[str, Any], verb: Verb) -> None:
    """Refuses what other verbs would pass over in silence.

    Raises:
        UsageError: `--to`, `--side` or `--layer` for a verb that restores nothing by itself.
    """
    used = [_flag(name) for name in ("to", "side", "only") if flags.get(name)]
    if used and verb is not Verb.RESTORE:
        raise UsageError(
            f"{used[0]} says nothing to `{verb.value}`",
            why="only a restore takes a point in time, makes a copy or leaves a treasure out",
            hints=(f"leave {used[0]} out", "castle plan restore --help"),
        )


def point_in_time(text: str) -> str:
    """A point in time with its offset, as given.

    Raises:
        UsageError: not ISO 8601, or without an offset: a restore must not depend on where a computer stands.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        why = "it has no offset from UTC" if at is not None else "it is not ISO 8601"
        raise UsageError(f"`{text}` is no point in time", why=why, hints=("`--to 2026-02-07T19:00:00+01:00`",))
    return text


def _flag(name: str) -> str:
    return {"set_label": "--set", "only": "--layer"}.get(name, "--" + name.replace("_", "-"))
