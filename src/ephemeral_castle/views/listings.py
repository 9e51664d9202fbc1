"""Short lists: runs, events of a step, lines of `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.table import columns, fields
from ephemeral_castle.views.words import Sign, clean, clock, count, duration, hint, instant, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ephemeral_castle.model.events import Event

_VERDICTS = {True: (Sign.DONE, "ok"), False: (Sign.FAILED, "failed"), None: (Sign.WARNING, "warning")}
_PROGRAMS = ("castle", "sudo", "apt-get")
_HIDDEN = frozenset({"facts", "inputs"})  # long; they stand in the JSON form


def runs_text(runs: Sequence[Mapping[str, Any]]) -> str:
    """Runs, newest first: `id`, `verb`, `site`, `status`, `created_at`, `finished_at` (Unix seconds)."""
    if not runs:
        return "no runs yet"
    rows = [["run", "verb", "site", "status", "created", "took"]]
    for run in runs:
        created, finished = run.get("created_at"), run.get("finished_at")
        took = duration(finished - created) if finished is not None and created is not None else "-"
        words = [clean(run.get(key, "")) for key in ("id", "verb", "site", "status")]
        rows.append([*words, instant(created), took])
    return "\n".join(columns(rows, right=(5,)))


def log_lines(events: Iterable[Event], zero: float) -> list[str]:
    """Every event with its data, the full detail that the plain view leaves out. `zero`: start of the run."""
    lines = []
    for event in events:
        data = " ".join(
            f"{key}={clean(value)}" for key, value in event.data.items() if key not in _HIDDEN and value != ""
        )
        where = f"{place(event.step)}#{event.attempt} " if event.step else ""
        lines.append(f"{clock(event.at - zero)} {event.seq:>5} {event.kind.value:<17} {where}{data}".rstrip())
    return lines


def doctor_text(checks: Sequence[Mapping[str, Any]], paint: Paint = PLAIN) -> str:
    """Checks by section; after each that failed the command that mends it.

    Args:
        checks: `title`, `ok` (true, false, None = warning), `fact`, `mend`, `section`.
        paint: colour, or none.
    """
    lines: list[str] = []
    width = max((len(clean(check["title"])) for check in checks), default=0)
    for section in dict.fromkeys(clean(check.get("section", "")) for check in checks):
        lines += ["", paint.strong(section)] if lines else [paint.strong(section)]
        for check in checks:
            if clean(check.get("section", "")) != section:
                continue
            sign, word = _VERDICTS[check["ok"]]
            title = clean(check["title"]).ljust(width)
            lines.append(f"  {paint.sign(sign)} {word:<7} {title}  {clean(check['fact'])}".rstrip())
            if check["ok"] is not True and check.get("mend"):
                lines.append(f"      hint: {hint(check['mend'], _PROGRAMS)}")
    failed = sum(1 for check in checks if check["ok"] is False)
    warned = sum(1 for check in checks if check["ok"] is None)
    verdict = f"{count(len(checks), 'check')}: {failed} failed, {count(warned, 'warning')}"
    return "\n".join([*lines, "", verdict]) if lines else verdict


def answer_text(answer: Mapping[str, Any]) -> str:
    """What a verb has to say: its `text` first, then every other value under its name."""
    lines = [clean(answer["text"])] if answer.get("text") else []
    pairs = [(clean(key).replace("_", " "), _shown(value)) for key, value in answer.items() if key != "text"]
    return "\n".join([*lines, *fields(pairs, indent=2 if lines else 0)])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(clean, value)) if isinstance(value, list | tuple) else clean(value)


def init_text(answer: Mapping[str, Any]) -> str:
    """What `castle init` wrote (`files`), the text of a systemd timer (`timer`), and what comes next (`next`)."""
    lines = [f"wrote {clean(path)}" for path in answer.get("files") or ()]
    if answer.get("timer"):
        timer = [line.rstrip() for line in str(answer["timer"]).splitlines()]
        lines += ["", "a systemd timer for backups and alarms:", "", *(f"  {line}".rstrip() for line in timer)]
    lines += ["", *map(clean, answer["notes"])] if answer.get("notes") else []
    steps = answer.get("next") or ("castle doctor", "castle plan raise --new", "castle raise --new")
    return "\n".join([*lines, "", *(f"next: `{clean(step)}`" for step in steps)])
