"""Stars over what looks like a secret in a line of a file that is shown."""

from __future__ import annotations

import re

KEY = r"(?:password|passwd|passphrase|secret|token|(?:^|[_-])key)"
LOOKS_SECRET = re.compile(
    r"AGE-SECRET-KEY-1|-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|://[^/\s:@]+:[^/\s@]+@"
)
_LINE = re.compile(
    r"((?:password|passwd|passphrase|secret|token|\bkey|[_-]key)[\"']?\s*:\s+)(?![\"']?secret:)(\S.*)", re.IGNORECASE
)


def mask_line(line: str) -> str:
    """A line of a file of which nothing else is known, with stars for what looks like a secret."""
    masked = _LINE.sub(lambda match: match.group(1) + "*" * len(match.group(2)), line)
    found = LOOKS_SECRET.search(masked)
    return masked if found is None else masked[: found.start()] + "*" * (len(masked) - found.start())
