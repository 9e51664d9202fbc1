"""The files that are delivered into memory: rendered by the pure package, filled with secrets here."""

from __future__ import annotations

import hashlib
import secrets

from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.whereabouts import SHARED, folder, shared
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.postgres.bouncer import PgBouncer, PoolMode, render_pgbouncer, render_userlist
from ephemeral_castle.postgres.config import Access, LocalRepository, PgBackRest, S3Repository, render_pgbackrest
from ephemeral_castle.postgres.scram import verifier
from ephemeral_castle.postgres.serverconf import Login, Server, render_hba, render_postgresql
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.ways import way

CONFIG = "/run/castle/pgbackrest.conf"
SOCKET = "/tmp"  # noqa: S108 - in the container, on a tmpfs of its own


async def secret(part: Part, name: str, *, create: bool = True) -> Secret:
    """A secret of the castle; generated and stored before its first use.

    Raises:
        Permanent: it is missing and must not be made up (a cipher pass of an existing repository).
    """
    known = await part.ctx.secrets.get(name)
    if known is not None:
        return known
    if not create:
        raise Permanent(
            f"the secret `{name}` is missing",
            why="without it the backups cannot be read; a new one would open nothing",
            state="nothing was changed",
            hints=[
                f"for an adopted repository, put its pass into the key file under [secrets]: '{name}' = '...'",
                "else bring back an earlier version of secrets.age in the treasury",
                "castle doctor",
            ],
        )
    made = Secret(secrets.token_urlsafe(30))
    await part.ctx.secrets.put(name, made)
    return made


async def identity(part: Part, kind: str, life: int) -> tuple[str, Secret]:
    """Access key of the treasury for a purpose: "writer" of a life, "reader" or "keeper"."""
    identities = part.ctx.world.identities
    record = part.ctx.record
    if identities is None:
        key, value = (
            await part.ctx.secrets.get("treasury/access_key"),
            await part.ctx.secrets.get("treasury/secret_key"),
        )
        if key is None or value is None:
            raise Permanent("the key file has no access key for the treasury", hints=["castle doctor"])
        return key.reveal(), value
    if kind == "writer":
        found = await part.ctx.secrets.get(f"writer/{life}")
        if found is None:
            raise Permanent(f"life {life} has no writer identity", hints=["castle raise"])
        return f"castle-{record.id[:8]}-{life}", found
    # A repository that was adopted lies in a folder of its own: what may read all others may not read there.
    whose = kind if shared(part.ctx.layer) else f"{part.layer}-{kind}"
    return f"castle-{record.id[:8]}-{whose}", await secret(part, kind if whose == kind else f"{part.layer}/{kind}")


async def admit(part: Part, access: Access) -> None:
    """Makes the account of the reader or the keeper where it, or one of its rights, is missing."""
    identities = part.ctx.world.identities
    if identities is None:
        return
    name, value = await identity(part, access.value, part.ctx.life)
    if access is Access.READER:
        has, mint = identities.may_read, identities.mint_reader
    else:
        has, mint = identities.may_keep, identities.mint_keeper
    lies = SHARED if shared(part.ctx.layer) else folder(part.ctx.layer)
    if not await has(name, lies):
        await mint(name, value.reveal(), lies)


def reached(part: Part, access: Access) -> tuple[str, int]:
    """Where the treasury is found: by who writes from his own home, or by the container for proofs on this computer."""
    treasury = part.ctx.world.access
    if access is not Access.WRITER or not part.options.namespace:
        return treasury.host, treasury.port
    found = way(part.ctx.request, treasury)
    return found.host, found.port


async def pgbackrest_conf(part: Part, access: Access, life: int, *, create: bool = False, ahead: bool = False) -> str:
    """pgbackrest.conf for a purpose. `ahead`: segments are fetched ahead of the replay."""
    treasury = part.ctx.world.access
    host, port = reached(part, access)
    key, value = await identity(part, access.value, life)
    cipher = await secret(part, f"{part.layer}/cipher", create=create)
    repository = S3Repository(
        bucket=treasury.bucket,
        region=treasury.region,
        host=host,
        port=port,
        path=f"/{treasury.prefix}/{folder(part.ctx.layer)}",
        key=key,
        key_secret=value.reveal(),
        cipher_pass=cipher.reveal(),
        path_style=treasury.path_style,
        ca_file="/run/castle/ca.crt" if treasury.ca else "",
        retention_full=part.options.retention_full,
    )
    local = LocalRepository("/var/lib/pgbackrest", cipher.reveal()) if access is Access.WRITER else None
    return render_pgbackrest(
        PgBackRest(
            stanza=part.layout.stanza,
            data="/pg/data",
            s3=repository,
            access=access,
            local=local,
            socket=SOCKET,
            port=part.options.port,
            spool="/pg/spool",
            async_get=ahead,
            process_max=part.options.process_max,
        )
    )


async def writer_files(part: Part, life: int, *, create: bool = False, ahead: bool = False) -> dict[str, str]:
    """All that the database's container reads; in a drill as a reader, who archives nothing.

    Nothing where an operator configures the server.
    """
    if not part.layout.delivered:
        return {}
    options = part.options
    drill = part.ctx.request.verb is Verb.DRILL
    access = Access.READER if drill else Access.WRITER
    server = Server(
        stanza=part.layout.stanza,
        config=CONFIG,
        hba_file="/run/castle/pg_hba.conf",
        listen=("*",),
        socket=SOCKET,
        port=options.port,
        archive=not drill,
        archive_timeout=max(1, int(options.archive_timeout)),
        settings={
            "shared_buffers": f"{options.shared_buffers >> 10}kB",
            "max_wal_size": f"{options.max_wal_size >> 20}MB",
            "checkpoint_timeout": "15min",
            "wal_retrieve_retry_interval": "100ms",
            "logging_collector": "off",
        },
    )
    logins = [Login("all", user, network) for user in options.users for network in part.place().networks()]
    return {
        "pgbackrest.conf": await pgbackrest_conf(part, access, life, create=create, ahead=ahead),
        "castle.conf": render_postgresql(server),
        "pg_hba.conf": render_hba(logins),
        "heartbeat": str(options.heartbeat),
        **_ca(part),
    }


async def reader_files(part: Part, *, create: bool = False) -> dict[str, str]:
    """All that the container for proofs reads; the reader's account is made on the way."""
    await admit(part, Access.READER)
    return {
        "pgbackrest.conf": await pgbackrest_conf(part, Access.READER, part.ctx.life, create=create),
        "pg_hba.conf": render_hba([]),
        **_ca(part),
    }


def _ca(part: Part) -> dict[str, str]:
    return {"ca.crt": part.ctx.world.access.ca} if part.ctx.world.access.ca else {}


async def verifiers(part: Part, life: int) -> dict[str, str]:
    """SCRAM verifier of each user: the same text for PostgreSQL and PgBouncer, equal again on a resume.

    A salt must be unique, not secret: it is made of castle, life and user.
    """
    found: dict[str, str] = {}
    for user in part.options.users:
        password = await secret(part, f"{part.layer}/user/{user}")
        salt = hashlib.sha256(f"{part.ctx.record.id}/{life}/{user}".encode()).digest()[:16]
        found[user] = verifier(password.reveal(), salt)
    return found


async def pooler_files(part: Part, address: str, life: int) -> dict[str, str]:
    """pgbouncer.ini and its user list, with the verifiers that the database of that life has.

    Nothing where an operator configures it.
    """
    if not part.layout.delivered:
        return {}
    options = part.options
    described = PgBouncer(
        databases=tuple(options.databases),
        host=address,
        port=options.port,
        auth_file="/run/castle/userlist.txt",
        listen_port=options.pooler_port,
        pool_mode=PoolMode(options.pool_mode),
        admins=("pgbouncer",),
        socket=SOCKET,
        server_login_retry=0.05,
    )
    return {"pgbouncer.ini": render_pgbouncer(described), "userlist.txt": render_userlist(await verifiers(part, life))}
