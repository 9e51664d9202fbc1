r"""The key file: what a person keeps of a castle. It opens the treasury, and all that is private in it.

TOML, 0600, outside the checkout. Its identity is an age identity (https://age-encryption.org/v1, X25519), so that the
stock `age` command opens everything that castle encrypts. It reads no TOML, so the identity is handed to it alone:

    sed -n 's/^identity = "\(.*\)"$/\1/p' KEYFILE | age --decrypt --identity - secrets.age
"""

from __future__ import annotations

import os
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # ships no type information

from ephemeral_castle.errors import Conflict, Damaged, NotFound, Permanent, Refused
from ephemeral_castle.spi.secret import Secret


class NotFilledIn(Permanent):
    """The key file waits for the access key of a server that castle does not keep."""


@dataclass(frozen=True)
class KeyFile:
    """The keys of one castle.

    Attributes:
        castle: name of the castle they belong to.
        identity: age identity, `AGE-SECRET-KEY-1...`.
        access_key: custodian's access key id of the treasury.
        secret_key: its secret.
        ca: PEM text of the treasury's own authority, or "".
        secrets: secrets that a person gives by hand, by name; they win over those that castle keeps in the treasury.
            An adopted repository needs its cipher pass here: "LAYER/cipher".
        path: where it was read from or written to, for messages; "" before.
    """

    castle: str
    identity: Secret
    access_key: str
    secret_key: Secret
    ca: str = ""
    path: str = ""
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @classmethod
    def generate(cls, castle: str, access: tuple[str, Secret] | None = None) -> KeyFile:
        """Fresh keys: an identity, and an access key for a treasury that castle keeps itself.

        Args:
            castle: name of the castle.
            access: access key id and secret of another server, empty ones to be filled in by hand.
        """
        identity = str(pyrage.x25519.Identity.generate())
        own = f"CASTLE{secrets.token_hex(7).upper()}", Secret(secrets.token_urlsafe(30))
        return cls(castle, Secret(identity), *(own if access is None else access))

    @classmethod
    def load(cls, path: str | Path) -> KeyFile:
        """Reads a key file.

        Raises:
            NotFound: there is none.
            Refused: others than its owner may read it, or it belongs to somebody else.
            Damaged: it is not a key file.
            NotFilledIn: the access key of the treasury was never written into it.
        """
        file = Path(path).expanduser()
        try:
            with file.open("rb") as stream:
                _only_ours(os.fstat(stream.fileno()), file)
                text = stream.read().decode()
        except FileNotFoundError:
            raise NotFound(
                "there is no key file",
                where=str(file),
                hints=("put the key file of this castle there, or make a new castle: castle init",),
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror or "" if isinstance(error, OSError) else "it is not text"
            raise Damaged("the key file cannot be read", where=str(file), why=why) from None
        return cls._parse(text, file)

    @classmethod
    def _parse(cls, text: str, file: Path) -> KeyFile:
        # Causes are not chained: what a parser quotes of this file could be a secret.
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            where = str(error).rpartition("(")[2].rstrip(")")
            raise Damaged("the key file is not valid TOML", where=str(file), why=f"error {where}") from None
        treasury = raw.get("treasury")
        if not isinstance(treasury, dict):
            raise Damaged("the key file has no [treasury]", where=str(file))
        empty = [key for key in ("access_key", "secret_key") if treasury.get(key) == ""]
        if empty:
            raise _not_filled_in(empty, text, file)
        keys = cls(
            castle=_text(raw, "castle", file),
            identity=Secret(_text(raw, "identity", file)),
            access_key=_text(treasury, "access_key", file),
            secret_key=Secret(_text(treasury, "secret_key", file)),
            ca=_text(treasury, "ca", file, optional=True),
            path=str(file),
            secrets=_secrets(raw.get("secrets", {}), file),
        )
        keys._identity()
        return keys

    def write(self, path: str | Path) -> Path:
        """Writes it, 0600; gives its path. The directory is made, 0700, when it is missing.

        Raises:
            Conflict: a file is there already; it is never overwritten.
        """
        file = Path(path).expanduser()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise Conflict(
                "a key file is there already",
                where=str(file),
                why="what it opens would be lost with it",
                state="it was left as it is",
                hints=(f"mv {file} {file}.old",),
            ) from None
        except OSError as error:
            raise Permanent("the key file cannot be written", where=str(file), why=error.strerror or "") from None
        with os.fdopen(handle, "w") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(self._toml())
            stream.flush()
            os.fsync(stream.fileno())
        return file

    def _toml(self) -> str:
        note = [] if self.access_key and self.secret_key.reveal() else ["# Fill in the access key of the S3 server:"]
        lines = [
            f"# Keys of the castle {self.castle}. Whoever has this file has the data; without it nobody has.",
            f"castle = {_quoted(self.castle)}",
            f"identity = {_quoted(self.identity.reveal())}",
            "",
            "[treasury]",
            *note,
            f"access_key = {_quoted(self.access_key)}",
            f"secret_key = {_quoted(self.secret_key.reveal())}",
        ]
        if self.ca:
            lines.append(f"ca = {_quoted(self.ca)}")
        if self.secrets:
            lines += ["", "[secrets]"]
            lines += [f"{_quoted(name)} = {_quoted(value.reveal())}" for name, value in self.secrets.items()]
        return "\n".join(lines) + "\n"

    def _identity(self) -> Any:
        try:
            return pyrage.x25519.Identity.from_str(self.identity.reveal().strip())
        except pyrage.IdentityError:
            raise Damaged(
                "the key file has no valid identity",
                where=self.path,
                why="expected AGE-SECRET-KEY-1 and 58 characters more",
                hints=("restore the key file from your copy of it",),
            ) from None

    @property
    def recipient(self) -> str:
        """The public half of the identity, `age1...`: names the castle's keys without giving them."""
        return str(self._identity().to_public())

    def encrypt(self, data: bytes) -> bytes:
        """Encrypts to this file's own identity (binary age format)."""
        return bytes(pyrage.encrypt(data, [self._identity().to_public()]))

    def decrypt(self, data: bytes, what: str = "data") -> bytes:
        """Decrypts what `encrypt` made. `what`: its name, for messages.

        Raises:
            Damaged: it was encrypted to another identity, or it is not whole.
        """
        try:
            return bytes(pyrage.decrypt(data, [self._identity()]))
        except pyrage.DecryptError as error:
            raise Damaged(
                f"{what} cannot be decrypted with the key file {self.path or '(not written yet)'}",
                where=self.path,
                why=str(error),
                hints=(f"use the key file whose recipient encrypted it; this one is {self.recipient}",),
            ) from None


def _not_filled_in(keys: list[str], text: str, file: Path) -> NotFilledIn:
    lines = [
        str(number)
        for number, line in enumerate(text.splitlines(), 1)
        if line.partition("=")[0].strip() in keys and line.partition("=")[2].strip()[:2] in ('""', "''")
    ]
    where = f"line{'s' * (len(lines) > 1)} {' and '.join(lines)} of {file}" if lines else str(file)
    return NotFilledIn(
        "the access key of the treasury is not filled in",
        where=str(file),
        why=f"{' and '.join(keys)} under [treasury] are empty, and castle cannot invent the keys of a server of others",
        state="nothing was changed",
        hints=(f"write {' and '.join(keys)} into {where}", "castle doctor"),
    )


def _only_ours(status: os.stat_result, file: Path) -> None:
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise Refused(
            "the key file may be read by others",
            where=str(file),
            why=f"its mode is {stat.S_IMODE(status.st_mode):04o}, it must be 0600",
            state="nothing was read from it",
            hints=(f"chmod 600 {file}",),
        )
    if status.st_uid not in (0, os.geteuid()):
        raise Refused(
            "the key file belongs to another user",
            where=str(file),
            why=f"its owner has the user id {status.st_uid}",
            hints=(f"chown {os.geteuid()} {file}",),
        )


def _text(table: dict[str, Any], key: str, file: Path, *, optional: bool = False) -> str:
    value = table.get(key, "" if optional else None)
    if not isinstance(value, str) or not (value or optional):
        raise Damaged(f"the key file has no {key}", where=str(file), why="expected a text")
    return value


def _secrets(table: Any, file: Path) -> dict[str, Secret]:
    if not isinstance(table, dict):
        raise Damaged("[secrets] of the key file is no table", where=str(file))
    return {name: Secret(_text(table, name, file)) for name in table}


def _quoted(text: str) -> str:
    """A TOML basic string (TOML 1.0, "String")."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'
