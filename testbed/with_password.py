"""Runs a command with a user's password in PGPASSWORD, read from the castle's secrets; the password is never printed.

    python testbed/with_password.py -f examples/here/castle.yaml --secret database/user/app -- psql ...

The process replaces itself by the command, so signals and exit status are the command's own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from ephemeral_castle.cli import wiring, worlds

if TYPE_CHECKING:
    from ephemeral_castle.spi.secret import Secret


async def read(file: str, site: str | None, name: str) -> Secret | None:
    """The secret of that name from the castle's vault, or None."""
    castle = wiring.load_castle(file)
    opened = await worlds.open_world(castle, wiring.site_of(castle, site))
    try:
        return await opened.secrets.get(name)
    finally:
        await opened.close()


def main() -> NoReturn:
    """Parses the command line and becomes the command."""
    parser = argparse.ArgumentParser(description="runs a command with a password from the castle in PGPASSWORD")
    parser.add_argument("-f", "--file", required=True, help="definition of the castle")
    parser.add_argument("--site")
    parser.add_argument("--secret", default="database/user/app", help="name of the secret: LAYER/user/NAME")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    secret = asyncio.run(read(args.file, args.site, args.secret))
    if secret is None:
        sys.exit(f"with_password: the castle has no secret {args.secret}")
    os.execvpe(args.command[0], args.command, {**os.environ, "PGPASSWORD": secret.reveal()})


if __name__ == "__main__":
    main()
