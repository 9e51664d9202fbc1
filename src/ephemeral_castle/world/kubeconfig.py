"""Reads kubeconfig files as kubectl does, up to the key of one context. What stands in them is never told.

Rules: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and
https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Of several files the first that names a cluster, user or
context wins; paths in a file are relative to that file. What a file asks to run, or not to verify, is refused.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from ephemeral_castle.errors import CastleError, Damaged, NotFound, Permanent
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.secret import Secret

VARIABLE = "KUBECONFIG"
USUAL = "~/.kube/config"
LARGEST = 4 << 20  # bytes; a kubeconfig has some kilobytes
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HAND_OVER = (
    "castle adopt --context NAME --rbac prints the rights that castle needs; give them to a ServiceAccount and put its "
    "token into a kubeconfig of castle's own"
)
# Keys of a user that stand for a key which castle cannot hold on to, and why.
_FOREIGN = {
    "exec": "a program makes its key; castle starts no program that a kubeconfig names, and a run that is resumed a "
    "day later would have no key",
    "auth-provider": "a plugin that kubectl itself no longer has makes its key",
    "username": "API servers no longer take passwords",
    "as": "it acts in somebody else's name, which castle's record would not show",
}
_UNSAFE = {
    "insecure-skip-tls-verify": "the server's certificate would not be verified, and secrets are sent to it",
    "proxy-url": "castle speaks to API servers directly",
}


@dataclass(frozen=True)
class _Entry:
    """One named entry. `home`: the directory that its paths are relative to."""

    data: Mapping[str, Any] = field(repr=False)
    home: Path


@dataclass
class _Merged:
    """All files together."""

    current: str = ""
    contexts: dict[str, _Entry] = field(default_factory=dict)
    clusters: dict[str, _Entry] = field(default_factory=dict)
    users: dict[str, _Entry] = field(default_factory=dict)


def files(named: str, beside: str = "") -> list[Path]:
    """The files that kubectl would read.

    Args:
        named: paths joined by the system's separator (`:`), or "" for `KUBECONFIG`, or else the usual place.
        beside: what relative ones are relative to; "" for the present directory.
    """
    text = named or os.environ.get(VARIABLE, "") or USUAL
    return [Path(beside) / Path(each).expanduser() for each in text.split(os.pathsep) if each]


def current(named: str) -> str:
    """The name of the current context, "" where none is; raises as `read` does."""
    return _merged(files(named)).current


def read(named: str, context: str, beside: str = "") -> ClusterAccess:
    """How the cluster of a context is reached, with its key, which stays in memory.

    Args:
        named: as for `files`.
        context: its name; "" for the current one.
        beside: as for `files`.

    Raises:
        NotFound: no file, or no such context, cluster or user. Damaged: a file is no kubeconfig. Permanent: it asks for
            what castle does not do (a program, no verification), or has no key. Where and why are told, never a value.
    """
    paths = files(named, beside)
    where = os.pathsep.join(map(str, paths))
    merged = _merged(paths)
    name = context or merged.current
    chosen = _chosen(merged.contexts, name, "context", where).data
    cluster = _chosen(merged.clusters, str(chosen.get("cluster", "")), "cluster", where)
    user = _chosen(merged.users, str(chosen.get("user", "")), "user", where)
    _refuse(cluster.data, _UNSAFE, f"cluster `{chosen.get('cluster')}`", where)
    _refuse(user.data, _FOREIGN, f"user `{chosen.get('user')}`", where)
    try:
        return _access(cluster, user, where)
    except CastleError as error:
        error.where = error.where or where
        raise


def _access(cluster: _Entry, user: _Entry, where: str) -> ClusterAccess:
    server = cluster.data.get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise Permanent("the kubeconfig names no API server", where=where, why="`server` must be an https address")
    ca = _pem(cluster, "certificate-authority")
    if not ca:
        raise Permanent(
            "the kubeconfig names no certificate authority",
            where=where,
            why="castle believes an API server by its own CA alone, not by those of this computer",
            hints=["kubectl config set-cluster NAME --certificate-authority=FILE --embed-certs"],
        )
    token, certificate, key = _token(user), _pem(user, "client-certificate"), _pem(user, "client-key")
    if not token and not (certificate and key):
        why = "it has neither a token nor a client certificate with its key"
        raise Permanent("the kubeconfig's user has no key", where=where, why=why, hints=[HAND_OVER])
    return ClusterAccess(
        server=server.rstrip("/"),
        ca=ca,
        certificate=certificate if key else "",
        key=Secret(key) if certificate and key else None,
        token=Secret(token) if token else None,
        name=str(cluster.data.get("tls-server-name") or ""),
    )


def _merged(paths: list[Path]) -> _Merged:
    """Of several files some may be missing; of one, it may not."""
    merged, seen = _Merged(), 0
    for path in paths:
        document = _document(path)
        if document is None:
            continue
        seen += 1
        merged.current = merged.current or str(document.get("current-context") or "")
        home = path.resolve().parent
        for key, kind, into in (
            ("contexts", "context", merged.contexts),
            ("clusters", "cluster", merged.clusters),
            ("users", "user", merged.users),
        ):
            for name, data in _named(document.get(key), kind, path):
                into.setdefault(name, _Entry(data, home))
    if not seen:
        raise NotFound(
            "there is no kubeconfig",
            where=os.pathsep.join(map(str, paths)),
            why=f"castle looks where kubectl does: `{VARIABLE}`, else {USUAL} of the user that runs it",
            hints=["castle adopt --kubeconfig FILE --context NAME"],
        )
    return merged


def _document(path: Path) -> Mapping[str, Any] | None:
    """A file's content, or None where there is none."""
    try:
        with path.open("rb") as stream:
            text = stream.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Permanent("a kubeconfig cannot be read", where=str(path), why=error.strerror or str(error)) from None
    try:
        found = yaml.load(text.decode(), _LOADER) if len(text) <= LARGEST else None
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if found is None and not text.strip():
        return {}
    if not isinstance(found, Mapping):
        raise _broken(path)
    return found


def _named(entries: Any, kind: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """`[{name: N, cluster: {...}}, ...]` as pairs."""
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise _broken(path)
    found = []
    for each in entries:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise _broken(path)
        data = each.get(kind) or {}
        if not isinstance(data, Mapping):
            raise _broken(path)
        found.append((each["name"], data))
    return found


def _broken(path: Path) -> Damaged:
    return Damaged(
        "a file is no kubeconfig", where=str(path), why="its form is another one", hints=["kubectl config view"]
    )


def _chosen(entries: Mapping[str, _Entry], name: str, kind: str, where: str) -> _Entry:
    if name in entries:
        return entries[name]
    known = ", ".join(entries) or "none"
    near = get_close_matches(name, entries, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "castle adopt --context NAME"
    what = f"the kubeconfig has no {kind} `{name}`" if name else f"no {kind} was chosen"
    raise NotFound(what, where=where, why=f"it has: {known}", hints=["kubectl config get-contexts", hint])


def _refuse(data: Mapping[str, Any], reasons: Mapping[str, str], what: str, where: str) -> None:
    for key, why in reasons.items():
        if data.get(key):
            raise Permanent(f"{what} of the kubeconfig has `{key}`", where=where, why=why, hints=[HAND_OVER])


def _pem(entry: _Entry, key: str) -> str:
    """The text behind `KEY-data`, or else in the file behind `KEY`; "" where neither is."""
    inline = entry.data.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(str(inline), validate=True).decode()
        except ValueError:
            raise Damaged(f"`{key}-data` of the kubeconfig cannot be read", why="it is no base64 of a text") from None
    return _file(entry, key)


def _token(entry: _Entry) -> str:
    """As client-go: the file's newest content counts before the token beside it."""
    return (_file(entry, "tokenFile") or str(entry.data.get("token") or "")).strip()


def _file(entry: _Entry, key: str) -> str:
    path = entry.data.get(key)
    if not path:
        return ""
    whole = entry.home / Path(str(path)).expanduser()
    try:
        return whole.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no text"
        raise Permanent(f"`{key}` of the kubeconfig cannot be read", where=str(whole), why=why) from None
