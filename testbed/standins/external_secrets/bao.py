"""OpenBao (or Vault) as the operator's provider `vault` reads it: key-value engine, version 1 or 2, by a token.

Errors say what the operator's say; they end in the event `UpdateFailed`.
Source: external-secrets v1.3.2, providers/v1/vault; the API of OpenBao (https://openbao.org/api-docs/secret/kv/).
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT = 20.0  # seconds


class ProviderError(Exception):
    """The store cannot be read."""


class NoSecret(ProviderError):
    """There is no such secret: no error where the deletion policy is another than Retain."""

    def __init__(self) -> None:
        super().__init__("Secret does not exist")


@dataclass(frozen=True)
class Bao:
    """One engine of one server.

    Attributes:
        server: its URL.
        path: of the engine, or "" where keys begin with it.
        version: of the engine, `v1` or `v2`.
        token: that opens it.
        ca: PEM text of the CA of its certificate; "" for a public one.
    """

    server: str
    path: str
    version: str
    token: str
    ca: str = ""

    def validate(self) -> None:
        """Asks whether the token is known, and the engine what it should be. Raises ProviderError."""
        code, answer = self._read("auth/token/lookup-self")
        if code != 200:
            raise ProviderError(f"invalid vault credentials: {_refusal(self._url('auth/token/lookup-self'), answer)}")
        mount = self.path.strip("/")
        code, answer = self._read(f"sys/internal/ui/mounts/{mount}") if mount else (0, {})
        if code != 200:
            return  # the token may not look there: reading will tell
        found = answer.get("data") or {}
        if found.get("type") != "kv":
            said = found.get("type")
            raise ProviderError(f'vault mount path "{mount}" is not a kv secret engine, got "{said}"')
        two = str((found.get("options") or {}).get("version")) == "2"
        if two != (self.version == "v2"):
            raise ProviderError(
                f'vault mount path "{mount}" uses kv version {"v2" if two else "v1"} but store is configured for '
                f"kv version {self.version}"
            )

    def read(self, key: str, version: str = "") -> dict[str, Any]:
        """What lies under a key. Raises NoSecret, ProviderError."""
        path = self._data(key)
        code, answer = self._read(path, {"version": version} if version else {})
        if code == 404:
            raise NoSecret
        if code != 200:
            raise ProviderError(f"cannot read secret data from Vault: {_refusal(self._url(path), answer)}")
        data = answer.get("data") or {}
        if self.version != "v2":
            return dict(data)
        if "data" not in data:
            raise ProviderError("failed to find data field")
        if data["data"] is None:
            raise NoSecret
        return dict(data["data"])

    def value(self, key: str, wanted: str = "", version: str = "") -> bytes:
        """A property of a secret, or all of it as JSON. Raises NoSecret, ProviderError."""
        data = self.read(key, version)
        if not wanted:
            return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
        found: Any = data
        if wanted in data:
            return _bytes(data[wanted])
        for part in wanted.split("."):
            found = found.get(part, _NOTHING) if isinstance(found, dict) else _NOTHING
        if found is _NOTHING:
            raise ProviderError(f'cannot find secret data for key: "{wanted}"')
        return _bytes(found)

    def values(self, key: str, wanted: str = "", version: str = "") -> dict[str, bytes]:
        """Every property of a secret, or of an object in it. Raises NoSecret, ProviderError."""
        try:
            found = json.loads(self.value(key, wanted, version))
            return {name: _bytes(value) for name, value in found.items()}
        except (ValueError, AttributeError) as error:
            raise ProviderError(f"unable to unmarshal secret data: {error}") from None

    def _data(self, key: str) -> str:
        """Where a key lies; the engine's path may stand in front of it already, and `data/` too."""
        parts = key.strip("/")
        mount = self.path.strip("/")
        if mount:
            parts = parts.removeprefix(f"{mount}/")
            if self.version == "v2":
                return f"{mount}/data/{parts.removeprefix('data/')}"
            return f"{mount}/{parts}"
        if self.version == "v2" and "/data/" not in parts:
            first, _, rest = parts.partition("/")
            return f"{first}/data/{rest}"
        return parts

    def _url(self, path: str) -> str:
        return f"{self.server.rstrip('/')}/v1/{urllib.parse.quote(path)}"

    def _read(self, path: str, query: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        url = self._url(path) + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(url, headers={"X-Vault-Token": self.token, "X-Vault-Request": "true"})
        tls = ssl.create_default_context(cadata=self.ca or None) if url.startswith("https:") else None
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT, context=tls) as answer:
                return answer.status, dict(json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {"errors": [], **_json(error.read()), "code": error.code}
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ProviderError(f'Get "{url}": {reason}') from None


_NOTHING = object()


def _json(body: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(body or b"{}"))
    except (ValueError, TypeError):
        return {"errors": [body.decode(errors="replace").strip()[:300]]}


def _refusal(url: str, answer: dict[str, Any]) -> str:
    errors = "\n".join(f"* {each}" for each in answer.get("errors") or ())
    return f"Error making API request.\n\nURL: GET {url}\nCode: {answer.get('code')}. Errors:\n\n{errors}"


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if value is None:
        return b""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
