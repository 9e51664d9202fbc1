"""What restic's containers read: address of the repository, password, keys. Delivered into memory only."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path

from ephemeral_castle.drivers.restic import tree, work
from ephemeral_castle.drivers.restic.locks import host_name
from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import TreasuryAccess

FOLDER = "restic"  # below the castle's prefix
HERE = "/run/castle"
GRACE = 60.0  # seconds that a way in waits longer than restic has: it then hears why restic was ended
_turns: dict[str, asyncio.Lock] = {}


def script(verb: str, args: Sequence[str], seconds: float) -> list[str]:
    """The command for the script in a container; each restic that it starts is ended after so many seconds."""
    return ["sh", f"{HERE}/work.sh", f"{seconds:.0f}", verb, *args]


def host_of(ctx: Context, life: int) -> str:
    """Host name of a container that this run starts for a life: under it restic locks."""
    return host_name(life, ctx.run, ctx.request.castle.name, str(ctx.world.computer["id"]))


def repository(layer: str) -> str:
    """Key prefix of the repository below the castle's prefix."""
    return f"{FOLDER}/{layer}"


def where(ctx: Context) -> str:
    """The repository, for messages."""
    access = ctx.world.access
    return f"s3://{access.bucket}/{access.prefix}/{repository(ctx.layer.id)}"


def address(access: TreasuryAccess, layer: str) -> str:
    """How restic names it: s3:https://HOST:PORT/BUCKET/PREFIX/restic/LAYER."""
    parts = [access.bucket, access.prefix, repository(layer)]
    return f"s3:https://{access.host}:{access.port}/" + "/".join(part for part in parts if part)


def render_env(access: TreasuryAccess, layer: str, *, disk: str) -> str:
    """Shell variables without any secret.

    Args:
        access: the treasury as seen from the container.
        layer: whose repository.
        disk: directory for restic's cache and packs under way; what lies there is encrypted. `/tmp` is memory.
    """
    options = ["-o", f"s3.bucket-lookup={'path' if access.path_style else 'dns'}", "-o", f"s3.region={access.region}"]
    if access.ca:
        options += ["--cacert", f"{HERE}/ca.crt"]
    values = {
        "RESTIC_REPOSITORY": address(access, layer),
        "RESTIC_PASSWORD_FILE": f"{HERE}/password",
        "AWS_SHARED_CREDENTIALS_FILE": f"{HERE}/credentials",
        "RESTIC_CACHE_DIR": f"{disk}/cache",
        "TMPDIR": f"{disk}/under-way",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "options": " ".join(options),
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


async def secret(ctx: Context, name: str, *, create: bool) -> Secret:
    """A secret of the castle; generated and stored before its first use.

    Raises:
        Permanent: it is missing and must not be made up: a new password opens no repository.
    """
    async with _turns.setdefault(name, asyncio.Lock()):
        known = await ctx.secrets.get(name)
        if known is not None:
            return known
        if not create:
            raise Permanent(
                f"the secret `{name}` is missing",
                why="without it the snapshots cannot be read; a new one would open nothing",
                state="nothing was changed",
                hints=[
                    f"for an adopted repository, put its password into the key file under [secrets]: '{name}' = '...'",
                    "else bring back an earlier version of secrets.age in the treasury",
                    "castle doctor",
                ],
            )
        made = Secret(secrets.token_urlsafe(30))
        await ctx.secrets.put(name, made)
        return made


async def identity(ctx: Context, kind: str, life: int) -> tuple[str, Secret]:
    """Access key of the treasury for a purpose: "writer" of a life, "reader" or "keeper" of restic's repositories."""
    identities = ctx.world.identities
    if identities is None:
        key = await ctx.secrets.get("treasury/access_key")
        value = await ctx.secrets.get("treasury/secret_key")
        if key is None or value is None:
            raise Permanent("the key file has no access key for the treasury", hints=["castle doctor"])
        return key.reveal(), value
    short = ctx.record.id[:8]
    if kind == "writer":
        found = await ctx.secrets.get(f"writer/{life}")
        if found is None:
            raise Permanent(f"life {life} has no writer identity", hints=["castle raise"])
        return f"castle-{short}-{life}", found
    name = f"castle-{short}-{FOLDER}-{kind}"
    value = await secret(ctx, f"{FOLDER}/{kind}", create=True)
    async with _turns.setdefault(name, asyncio.Lock()):
        if kind == "reader":
            has, mint = identities.may_read, identities.mint_reader
        else:
            has, mint = identities.may_keep, identities.mint_keeper
        if not await has(name, FOLDER):
            await mint(name, value.reveal(), FOLDER)
    return name, value


async def files(
    ctx: Context,
    kind: str,
    life: int,
    *,
    create: bool = False,
    disk: str = "/castle",
) -> dict[str, str]:
    """All that a container of restic reads.

    Args:
        ctx: of the step.
        kind: "writer", "reader" or "keeper".
        life: whose writer.
        create: whether the password may be made: for a repository that does not exist yet.
        disk: directory for restic's own files in the container.
    """
    access = ctx.world.access
    password = await secret(ctx, f"{ctx.layer.id}/repository", create=create)
    key, value = await identity(ctx, kind, life)
    found = {
        "env": render_env(access, ctx.layer.id, disk=disk),
        "password": password.reveal(),
        "credentials": f"[default]\naws_access_key_id={key}\naws_secret_access_key={value.reveal()}\n",
        "work.sh": work.SCRIPT,
        "tree.py": Path(tree.__file__).read_text(),  # noqa: ASYNC240 - a few kB of the package itself
    }
    return found | ({"ca.crt": access.ca} if access.ca else {})
