"""Where this computer gets its Debian packages from, so that images come from the same mirrors.

Source: sources.list(5), both of its formats.
"""

from __future__ import annotations

import re
from pathlib import Path

ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")
KEPT_OPTIONS = ("signed-by", "trusted", "check-valid-until")


def host_sources(suite: str, etc: Path = Path("/etc")) -> list[str]:
    """One-line sources for `suite`, its updates and its security fixes; empty when this computer is another suite.

    Sources of other vendors are left out: an image must not depend on what else is installed here.

    Args:
        suite: Debian code name ("bookworm").
        etc: directory that stands for /etc; for tests.
    """
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    lines = []
    for path in [etc / "apt/sources.list", *sorted((etc / "apt/sources.list.d").glob("*.list"))]:
        for line in _read(path).splitlines():
            match = ONE_LINE.match(line.split("#")[0].strip())
            if match and match["suite"] in wanted and "main" in match["components"].split():
                options = [part.split("=", 1) for part in (match["options"] or "").split() if "=" in part]
                lines.append(_line(dict(options), match["uri"], match["suite"]))
    for path in sorted((etc / "apt/sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", _read(path)):
            lines += _deb822(stanza, wanted)
    return lines if any(f" {suite} " in line for line in lines) else []


def _deb822(stanza: str, wanted: set[str]) -> list[str]:
    fields = {}
    for line in stanza.splitlines():
        name, separator, value = line.partition(":")
        if separator and not line.startswith((" ", "\t", "#")):
            fields[name.strip().lower()] = value.strip()
    if fields.get("enabled", "yes").lower() == "no" or "deb" not in fields.get("types", "").split():
        return []
    if "main" not in fields.get("components", "").split():
        return []
    return [
        _line(fields, uri, suite)
        for uri in fields.get("uris", "").split()
        for suite in fields.get("suites", "").split()
        if suite in wanted
    ]


def _line(options: dict[str, str], uri: str, suite: str) -> str:
    kept = " ".join(f"{name}={options[name]}" for name in KEPT_OPTIONS if options.get(name))
    return f"deb [{kept}] {uri} {suite} main" if kept else f"deb {uri} {suite} main"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
