"""Images of programs that play what cannot be built here, under the names of what they play. Their titles say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import debian
from .images import Archive, Files, Image, Layer
from .places import HERE

CODE = HERE.parent / "standins"
PACKAGES = "usr/lib/python3/dist-packages"  # where Debian's Python looks
SUFFIXES = (".py", ".sh")
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
TRIXIE = "trixie"
# What no stand-in needs of Perl, of other languages' words and of compilers.
LEFT_OUT = (
    "etc/pgbackrest.conf", "etc/pgbouncer/*", "etc/postgresql*", "usr/bin/perl*", "usr/bin/pg_*", "usr/bin/psql",
    "usr/lib/*/gconv/*", "usr/lib/*/libLLVM*", "usr/lib/*/libperl*", "usr/lib/*/perl*", "usr/lib/postgresql/*/bitcode*",
    "usr/lib/postgresql/*/llvmjit*", "usr/lib/postgresql/*/pgxs*", "usr/share/i18n/*", "usr/share/perl*",
    "usr/share/postgresql-common/*",
)  # fmt: skip
POSTGRES = "usr/lib/postgresql/17/bin"
# The names of people and groups that a program asks for; PGO's pods run as 26, its PgBouncer with the group 2.
PASSWD = (
    "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    "postgres:x:26:26:PostgreSQL:/tmp:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
GROUP = "root:x:0:\nbin:x:2:\npostgres:x:26:\nnobody:x:65534:\n"


@dataclass(frozen=True)
class Standin:
    """One image.

    Attributes:
        name: by which it is chosen on the command line.
        reference: the name of what it stands in for, with its tag.
        title: what that is.
        root: Debian packages.
        code: folders and files below testbed/standins that it holds.
        command: what it runs, unless the pod says otherwise.
        user: `UID:GID`.
        links: as in `images.Files`.
        directories: as in `images.Files`.
    """

    name: str
    reference: str
    title: str
    root: debian.Root
    code: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    links: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)

    def image(self) -> Image:
        """The image."""
        archive = self.root.ensure()
        files = {"etc/passwd": PASSWD, "etc/group": GROUP, "etc/nsswitch.conf": NSSWITCH}
        if "ca-certificates" in self.root.packages:
            files["etc/ssl/certs/ca-certificates.crt"] = debian.certificates(archive)
        for path in self.code:
            whole = CODE / path
            found = sorted(whole.rglob("*")) if whole.is_dir() else [whole]
            texts = (each for each in found if each.suffix in SUFFIXES)
            files |= {f"{PACKAGES}/standins/{each.relative_to(CODE)}": each.read_text() for each in texts}
        layers: tuple[Layer, ...] = (
            Archive(archive),
            Files(files, self.links, {"tmp": 0o1777, **self.directories}),
        )
        labels = {
            "org.opencontainers.image.title": f"stand-in for {self.title}",
            "org.opencontainers.image.description": "Of the test bed of Ephemeral Castle; not the vendor's own image.",
        }
        return Image(self.reference, layers, self.command, self.user, labels)


SHARED = ("__init__.py", "api.py", "execs.py", "work.py")
CRUNCHY = "registry.developers.crunchydata.com/crunchydata"
OPERATOR = debian.Root(("python3", "base-files", "libc-bin", "openssl"), TRIXIE, LEFT_OUT)
STANDINS = (
    Standin(
        "external-secrets",
        "ghcr.io/external-secrets/external-secrets:v1.3.2",
        "the External Secrets Operator",
        OPERATOR,
        (*SHARED, "external_secrets"),
        ("python3", "-m", "standins.external_secrets"),
        "1000:1000",
    ),
    Standin(
        "source-controller",
        "ghcr.io/fluxcd/source-controller:v1.9.5",
        "Flux' source-controller",
        debian.Root(
            ("python3", "git", "openssh-client", "ca-certificates", "dash", "base-files", "libc-bin"), TRIXIE, LEFT_OUT
        ),
        (*SHARED, "source_controller"),
        ("python3", "-m", "standins.source_controller"),
        "65534:65534",
        {"usr/bin/sh": "dash"},  # the package makes this link by a script, which is not run
    ),
    Standin(
        "ingress",
        "docker.io/library/traefik:v3.7.13",
        "Traefik: Debian's Caddy",
        debian.Root(("python3", "caddy", "openssl", "base-files", "libc-bin"), TRIXIE, LEFT_OUT),
        (*SHARED, "ingress"),
        ("python3", "-m", "standins.ingress"),
        "65532:65532",
    ),
    Standin(
        "pgo",
        f"{CRUNCHY}/postgres-operator:ubi9-6.0.3-0",
        "CrunchyData's PostgreSQL operator 6.0.3",
        OPERATOR,
        (*SHARED, "pgo"),
        ("python3", "-m", "standins.pgo"),
        "2:2",
    ),
    Standin(
        "pgo-postgres",
        f"{CRUNCHY}/crunchy-postgres:ubi9-17.6-2534",
        "CrunchyData's images of PostgreSQL 17, pgBackRest and PgBouncer: Debian's programs",
        debian.Root(
            (
                "postgresql-17", "postgresql-17-pgaudit", "postgresql-17-pgvector", "pgbackrest", "pgbouncer",
                "base-files", "bash", "ca-certificates", "coreutils", "dash", "findutils", "grep", "libc-bin", "procps",
                "python3", "sed", "tzdata",
            ),
            TRIXIE,
            LEFT_OUT,
        ),
        (*SHARED, "pgo"),
        ("bash",),
        "26:26",
        {
            "usr/bin/sh": "dash",  # the package makes this link by a script, which is not run
            **{f"usr/local/bin/{each}": f"/{POSTGRES}/{each}" for each in ("pg_controldata", "pg_ctl", "psql")},
        },
    ),
)  # fmt: skip
BY_NAME = {each.name: each for each in STANDINS}
