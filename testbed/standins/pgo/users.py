"""Secrets of users: adopted by their labels, or made; with everything that an application needs to connect."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import string
from urllib.parse import quote, urlencode

from ..api import Object
from . import names, pki
from .moment import Moment

LENGTH = 24
ITERATIONS = 4096  # PostgreSQL's own
# Without what would have to be escaped in a URI, in SQL or in a shell.
SYMBOLS = "!#$%&()*+,-./:;<=>?@[]^_{|}~"
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def wanted(moment: Moment) -> list[Object]:
    """The users of the spec; without that word one who is called like the cluster, and so is his database."""
    users = moment.spec.get("users")
    if users is not None:
        return list(users)
    if NAME.fullmatch(moment.name) and len(moment.name) <= 63:
        return [{"name": moment.name, "databases": [moment.name]}]
    moment.event("InvalidUser", f'spec.users[0].name: Invalid value: "{moment.name}"')
    return []


def databases(moment: Moment) -> list[str]:
    """The databases that shall be there, sorted."""
    return sorted({each for user in wanted(moment) for each in user.get("databases") or ()})


def reconcile(moment: Moment) -> dict[str, str]:
    """Writes the Secrets, and removes those of users that are not wanted any more; the verifiers by user."""
    known = _known(moment)
    verifiers = {}
    for user in wanted(moment):
        name = user["name"]
        data = _data(moment, user, pki.texts(known.pop(name, None)))
        verifiers[name] = data["verifier"]
        labels = {names.ROLE: "pguser", names.PGUSER: name}
        meta = moment.meta(f"{moment.name}-pguser-{name}", labels)
        moment.write("v1", "Secret", meta, data=pki.encoded(data))
    for secret in known.values():
        if moment.owns(secret):
            moment.api.delete(secret)
    return verifiers


def _known(moment: Moment) -> dict[str, Object]:
    """The Secrets that say by their labels whose they are; the operator's own names win, then the youngest."""
    found = moment.listed("v1", "Secret", role="pguser")

    def order(secret: Object) -> tuple[bool, str, str]:
        meta = secret["metadata"]
        return "pguser" in meta["name"], meta.get("creationTimestamp", ""), meta["name"]

    users = ((each["metadata"]["labels"].get(names.PGUSER, ""), each) for each in sorted(found, key=order))
    return {name: each for name, each in users if name}


def _data(moment: Moment, user: Object, known: dict[str, str]) -> dict[str, str]:
    password, proof = known.get("password", ""), known.get("verifier", "")
    if not password:
        password, proof = new_password((user.get("password") or {}).get("type", "ASCII")), ""
    if not proof:
        proof = verifier(password)
    name = user["name"]
    host, port = f"{moment.name}-primary.{moment.namespace}.svc", str(moment.port)
    data = {"host": host, "port": port, "user": name, "password": password, "verifier": proof}
    owned = user.get("databases") or []
    if owned:
        data |= {"dbname": owned[0], **_uris("", name, password, f"{host}:{port}", owned[0], {})}
    if moment.bouncer is not None:
        host, port = f"{moment.name}-pgbouncer.{moment.namespace}.svc", str(moment.bouncer.get("port", 5432))
        data |= {"pgbouncer-host": host, "pgbouncer-port": port}
        if owned:
            # Transactions of one session go to several servers: statements cannot be prepared.
            more = {"prepareThreshold": "0"}
            data |= _uris("pgbouncer-", name, password, f"{host}:{port}", owned[0], more)
    return data


def _uris(prefix: str, user: str, password: str, place: str, database: str, more: dict[str, str]) -> dict[str, str]:
    login, path = f"{quote(user, safe='')}:{quote(password, safe='')}", quote(database, safe="")
    query = urlencode({"password": password, **more, "user": user})
    return {
        f"{prefix}uri": f"postgresql://{login}@{place}/{path}",
        f"{prefix}jdbc-uri": f"jdbc:postgresql://{place}/{path}?{query}",
    }


def new_password(kind: str = "ASCII") -> str:
    """A password of letters and digits, with symbols unless `AlphaNumeric` is wanted."""
    alphabet = string.ascii_letters + string.digits + (SYMBOLS if kind == "ASCII" else "")
    return "".join(secrets.choice(alphabet) for _ in range(LENGTH))


def verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802). The password must be ASCII or normalised."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(each).decode() for each in (salt, client, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"
