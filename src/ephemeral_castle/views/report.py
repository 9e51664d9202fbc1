"""The final report for people: is it up, is everything there, how long did it take, what next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.reportdata import over_budget
from ephemeral_castle.views.table import columns, fields
from ephemeral_castle.views.words import Sign, clean, duration, listed, number, place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BAR = 40  # characters for the whole run
_SHOWN = 0.05  # links of the critical path below this share of the run are counted, not named
_WIDTH = 80  # characters of one line of the critical path
_TITLES = {
    Verb.REBIRTH: "castle {0} is up",
    Verb.RAISE: "castle {0} is up",
    Verb.WIPE: "castle {0} is gone; its treasures are in the treasury",
    Verb.SEAL: "castle {0} is sealed; nobody can write",
    Verb.BACKUP: "castle {0} is backed up",
    Verb.RESTORE: "castle {0} is restored",
    Verb.DRILL: "the drill brought castle {0} back from the treasury, and removed it again",
}
_COPY = "a copy of what castle {0} held is up beside it; the castle was not touched"
_FIGURES = (("outage", "outage"), ("RTO", "rto"), ("whole run", "whole"), ("own overhead", "overhead"))


def report_text(report: Mapping[str, Any], paint: Paint = PLAIN) -> str:
    """The report from the data of `report_json`, without escape sequences unless `paint` is on."""
    blocks = [
        [_title(report, paint)],
        [*_figures(report), *_excluded(report)],
        _layers(report),
        _path(report),
        _tables(report, paint),
        _rest(report),
        _listing("decided", [_decision(each) for each in report["decisions"]]),
        _listing("warnings", [_warning(each) for each in report["warnings"]]),
        columns([("next", command, f"# {what}") for command, what in report["next"]], indent=2),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _title(report: Mapping[str, Any], paint: Paint) -> str:
    status = RunStatus(report["status"])
    if status is not RunStatus.DONE:
        sign = Sign.INFO if status is RunStatus.RUNNING else Sign.FAILED
        text = f"{report['verb']} of castle {report['castle']}: {status.value}"
    elif report["verified"] is False:
        sign, text = Sign.FAILED, f"castle {report['castle']} is up, but what came back is not what was there"
    else:
        title = _COPY if report.get("side") else _TITLES[Verb(report["verb"])]
        sign, text = Sign.DONE, title.format(report["castle"])
    life = f"   life {report['life']}" if report["life"] is not None else ""
    return f"{paint.sign(sign)} {paint.strong(text)}{life}   site {report['site']}   run {report['run']}"


def _figures(report: Mapping[str, Any]) -> list[str]:
    rows = []
    for title, key in _FIGURES:
        figure = report["figures"][key]
        text = duration(figure["seconds"]) if figure["seconds"] is not None else "not known"
        if "budget" in figure:
            text += f" of {duration(figure['budget'])}"
        rows.append([title, text, _spare(figure) or clean(figure["reason"])])
    for layer, loss in report["loss"].items():
        rows.append(
            [f"loss {layer}", _loss(loss, loss.get("budget", report["rpo_budget"])), clean(loss.get("text", ""))]
        )
    over = over_budget(report)
    if over:
        rows.append(["over budget", listed([name.upper() for name in over]), ""])
    return columns(rows, indent=2)


def _spare(figure: Mapping[str, Any]) -> str:
    if figure.get("within") is None:
        return ""
    spare = duration(abs(figure["budget"] - figure["seconds"]))
    return f"{spare} to spare" if figure["within"] else f"over budget by {spare}"


def _loss(loss: Mapping[str, Any], budget: float | None) -> str:
    parts = []
    if isinstance(loss.get("rows"), int):
        parts.append(f"{number(loss['rows'])} rows")
    if isinstance(loss.get("seconds"), int | float):
        parts.append(duration(loss["seconds"]) + (f" of {duration(budget)}" if budget is not None else ""))
    prefix = "at most " if loss.get("bound") else ""
    return prefix + ", ".join(parts) if parts else "not known"


def _excluded(report: Mapping[str, Any]) -> list[str]:
    return [f"  not counted: {clean(text)}" for text in report["excluded"]]


def _layers(report: Mapping[str, Any]) -> list[str]:
    """One bar per layer on the scale of the whole run: when its steps ran, and what ran beside them."""
    whole = max([layer["end"] for layer in report["layers"]], default=0.0)
    if whole <= 0:
        return []
    rows = []
    for layer in report["layers"]:
        bar = [" "] * BAR
        for start, end in layer["busy"]:
            first = min(BAR - 1, int(start / whole * BAR))
            bar[first : max(first + 1, round(end / whole * BAR))] = "█" * max(1, round(end / whole * BAR) - first)
        rows.append([layer["layer"], layer["role"], duration(layer["seconds"]), "".join(bar)])
    return columns(rows, indent=2, right=(2,))


def _path(report: Mapping[str, Any]) -> list[str]:
    path = report["critical_path"]
    whole = report["figures"]["whole"]["seconds"] or 0.0
    if not path:
        return []
    named = [link for link in path if link["seconds"] >= _SHOWN * whole]
    small = [link["seconds"] for link in path if link["seconds"] < _SHOWN * whole]
    parts = [f"{place(link['step'])} {duration(link['seconds'])}" for link in named]
    if small:
        parts.append(f"{len(small)} short ones {duration(sum(small))}")
    share = sum(link["seconds"] for link in path) / whole * 100 if whole else 0.0
    head = "critical path"
    lines = _folded(parts)
    lines[-1] += f"   ({share:.0f} % of the whole run)"
    return columns([(head if index == 0 else "", line) for index, line in enumerate(lines)], indent=2)


def _folded(parts: Sequence[str]) -> list[str]:
    """Links with arrows between them, on lines of readable length."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) > _WIDTH:
            lines.append(f"→ {part}")
        else:
            lines[-1] += f" → {part}"
    return lines


def _tables(report: Mapping[str, Any], paint: Paint) -> list[str]:
    rows = []
    for name, table in report["tables"].items():
        same = table.get("same")
        sign, word = {
            True: (Sign.DONE, "same digest"),
            False: (Sign.FAILED, "differs"),
        }.get(same, (Sign.INFO, "nothing to compare with"))
        cells = [clean(name), number(table.get("before")), number(table.get("after"))]
        rows.append([*cells, f"{paint.sign(sign)} {word}"])
    lines = columns([["rows of", "before", "after", ""], *rows], indent=2, right=(1, 2)) if rows else []
    lines += _files(report, paint)
    for name, marker in report["markers"].items():
        found = marker.get("found")
        sign, word = (Sign.DONE, "came back") if found else (Sign.FAILED, "is missing")
        text = f" {clean(marker['id'])}" if marker.get("id") else ""
        lines.append(f"  marker {clean(name)}{text} {paint.sign(sign)} {word}")
    return lines


def _files(report: Mapping[str, Any], paint: Paint) -> list[str]:
    rows = []
    for name, files in report.get("files", {}).items():
        same = files.get("same")
        sign, word = {
            True: (Sign.DONE, "same manifest"),
            False: (Sign.FAILED, "differs"),
        }.get(same, (Sign.INFO, "nothing to compare with"))
        before, after = files.get("before") or {}, files.get("after") or {}
        cells = [number(side.get(key)) for key in ("files", "bytes") for side in (before, after)]
        rows.append([clean(name), *cells, f"{paint.sign(sign)} {word}"])
    heads = ["files of", "before", "after", "bytes before", "after", ""]
    return columns([heads, *rows], indent=2, right=(1, 2, 3, 4)) if rows else []


def _rest(report: Mapping[str, Any]) -> list[str]:
    counts = report["counts"]
    figures = f"steps {counts['done']} of {counts['steps']} · retries {counts['retries']} · "
    figures += f"adopted {counts['adopted']} · already so {counts['already']} · not needed {counts['waived']} · "
    figures += f"undone {counts['undone']} · warnings {counts['warnings']}"
    if counts["runners"] > 1:
        figures += f" · resumed {counts['runners'] - 1} times"
    abilities = [f"{clean(name)} {_ability(value)}" for name, value in report["treasury"].items()]
    addresses = [f"{clean(name)} {clean(value)}" for name, value in report["addresses"].items()]
    return fields(
        [
            ("verified", " · ".join(clean(text) for text in report["probes"])),
            ("addresses", " · ".join(addresses)),
            ("names", " · ".join(_names(report))),
            ("controllers", " · ".join(_controllers(report))),
            ("treasury", " · ".join(abilities)),
            ("counts", figures),
        ]
    )


def _names(report: Mapping[str, Any]) -> list[str]:
    """Names with their addresses, and how long caches may lie: the one thing about them that castle cannot prove."""
    told = [f"{clean(name)} {clean(address)}" for name, address in report["names"].items()]
    until = report["stale_until"]
    if isinstance(until, int | float):
        moment = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        told.append(f"resolvers may answer the old address until {moment}")
    return told


def _controllers(report: Mapping[str, Any]) -> list[str]:
    """By their own title, which says what a stand-in is; one without a title by its image."""
    controllers = report.get("controllers", {})
    return [f"{clean(name)}: {clean(each.get('title') or each.get('image', ''))}" for name, each in controllers.items()]


def _ability(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else clean(value)


def _listing(title: str, lines: Sequence[str]) -> list[str]:
    return columns([(title if index == 0 else "", line) for index, line in enumerate(lines)], indent=2)


def _decision(entry: Mapping[str, Any]) -> str:
    reason = f": {entry['reason']}" if entry["reason"] else ""
    return f"{place(entry['step'])}  {entry['decision']}{reason}"


def _warning(entry: Mapping[str, Any]) -> str:
    return f"{place(entry['step']) + '  ' if entry['step'] else ''}{entry['severity']}: {entry['text']}"
