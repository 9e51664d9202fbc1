"""The key of an S3 server, handed over in a file or by standard input; never on a command line, which others see."""

from __future__ import annotations

import click

from ephemeral_castle.errors import UsageError


def access_of(file: str) -> tuple[str, str]:
    """Access key id and secret: two lines of a file, or of standard input for `-`.

    Raises:
        UsageError: the file cannot be read, or has something else than two lines.
    """
    try:
        with click.open_file(file) as stream:
            lines = [line.strip() for line in stream.read().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("--access cannot be read", where=file, why=str(error)) from None
    if len(lines) != len(("id", "secret")):
        why = f"it has {len(lines)} lines with something in them"
        raise UsageError("--access needs two lines: access key id, secret", where=file, why=why)
    return lines[0], lines[1]
