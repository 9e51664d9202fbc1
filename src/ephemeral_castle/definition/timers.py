"""systemd units that back up a castle every night, drill it every month and look after it every five minutes."""

from __future__ import annotations

from dataclasses import dataclass

_SERVICE = """\
[Unit]
Description={what} of castle {castle}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command} {verb} -f {file}{flags}
{more}"""

_TIMER = """\
[Unit]
Description={what} of castle {castle}, {rhythm}

[Timer]
{when}

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class _Duty:
    verb: str
    flags: str
    what: str
    rhythm: str
    when: str
    more: str = ""


_DUTIES = (
    _Duty(
        verb="backup",
        flags=" --prove --expire",
        what="Backup",
        rhythm="every night",
        when="OnCalendar=*-*-* 03:00:00\nRandomizedDelaySec=30min\nPersistent=true",
        more="Nice=10\nIOSchedulingClass=idle\nTimeoutStartSec=6h\n",
    ),
    _Duty(
        verb="drill",
        flags=" --enforce-budget --progress none",
        what="Drill",
        rhythm="every month",
        when="OnCalendar=monthly\nRandomizedDelaySec=12h\nPersistent=true",
        more="Nice=10\nIOSchedulingClass=idle\nTimeoutStartSec=6h\n",
    ),
    _Duty(
        verb="status",
        flags="",
        what="Status",
        rhythm="every five minutes",
        when="OnBootSec=2min\nOnUnitActiveSec=5min\nAccuracySec=30s",
        more="TimeoutStartSec=2min\n"
        "# `castle status` fails when something needs a person; `systemctl --failed` lists it.\n"
        "# To be told, add to [Unit]: OnFailure=YOUR-NOTIFIER@%n.service\n",
    ),
)


def systemd_units(castle: str, file: str, command: str = "/usr/local/bin/castle") -> dict[str, str]:
    """Unit files by name (systemd.service(5), systemd.timer(5)).

    Args:
        castle: name of the castle.
        file: the definition, absolute.
        command: the `castle` command, absolute.
    """
    units = {}
    for duty in _DUTIES:
        name = f"castle-{castle}-{duty.verb}"
        units[f"{name}.service"] = _SERVICE.format(
            what=duty.what,
            castle=castle,
            command=_escaped(command),
            verb=duty.verb,
            file=_escaped(file),
            flags=duty.flags,
            more=duty.more,
        )
        units[f"{name}.timer"] = _TIMER.format(what=duty.what, castle=castle, rhythm=duty.rhythm, when=duty.when)
    return units


def systemd_text(castle: str, file: str, command: str = "/usr/local/bin/castle") -> str:
    """All units in one text, with the commands that switch them on: what `castle init` prints."""
    units = systemd_units(castle, file, command)
    timers = " ".join(name for name in units if name.endswith(".timer"))
    parts = [f"# /etc/systemd/system/{name}\n{text}" for name, text in units.items()]
    parts.append(f"# systemctl daemon-reload && systemctl enable --now {timers}\n")
    return "\n".join(parts)


def _escaped(word: str) -> str:
    """One word of a command line for systemd: `%` and `$` are doubled, others quoted (systemd.syntax(7))."""
    doubled = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    plain = all(char.isalnum() or char in "/._-+%$@:" for char in doubled)
    return doubled if plain else f'"{doubled}"'
