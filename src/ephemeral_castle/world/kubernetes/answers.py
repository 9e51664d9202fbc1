"""What an API server's answer means: which words it says, what a person has to know, whether to ask again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.errors import CastleError, Conflict, Denied, NotFound, Permanent, Transient, Unreachable

MANAGERS = "FieldManagerConflict"
WEBHOOK = re.compile(r'failed calling webhook "(?P<silent>[^"]*)"|admission webhook "(?P<denies>[^"]*)" denied')
WEBHOOKS, LEAVING = 90.0, 120.0  # seconds for a webhook that is just being replaced, for a namespace that goes
# The API server passes these on as 500, and no later try makes the object smaller or the field known.
HOPELESS = (
    "request is too large",
    "trying to send message larger than max",
    "failed to create typed patch object",
)


class Expired(Exception):
    """The server no longer has, or does not have yet, the state of the moment that was asked for."""


@dataclass(frozen=True)
class Said:
    """One answer. `headers`: names in lower case; `body` is kept out of `repr`, it may be a Secret."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Its JSON; an empty object when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def failure(self) -> Mapping[str, Any]:
        """The `Status` object of a failure, or an empty mapping: proxies and old servers answer in other ways."""
        body = self.json()
        return body if isinstance(body, dict) and body.get("kind") == "Status" else {}

    @property
    def words(self) -> str:
        """The server's own words, in one line."""
        text = self.failure.get("message") or self.body[:500].decode(errors="replace")
        return " ".join(str(text).split()) or f"HTTP {self.status}"

    @property
    def reason(self) -> str:
        """Its reason in one word, such as `AlreadyExists`, or ""."""
        return str(self.failure.get("reason") or "")

    @property
    def causes(self) -> tuple[Mapping[str, Any], ...]:
        """The single causes of a failure."""
        details = self.failure.get("details") or {}
        return tuple(each for each in details.get("causes") or () if isinstance(each, Mapping))

    def has_cause(self, reason: str) -> bool:
        """Whether one of its causes has that reason."""
        return any(each.get("reason") == reason for each in self.causes)

    @property
    def wait(self) -> float:
        """Seconds that the server asks to wait before the next try; 0 when it says nothing."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdigit() else 0.0

    @property
    def expired(self) -> bool:
        """Whether a moment was asked for that the server does not have.

        Too old (410), or ahead of it: then its store was brought back from a backup, or it is behind its fellows.
        """
        return self.status == 410 or self.has_cause("ResourceVersionTooLarge")

    @property
    def names_object(self) -> bool:
        """For 404: whether an object is missing; otherwise its kind or its path is."""
        return bool((self.failure.get("details") or {}).get("name"))


def worth_another_try(said: Said) -> bool:
    """Whether the same request may be answered better in a moment; what a webhook holds up takes longer than that."""
    if WEBHOOK.search(said.words):
        return False
    if said.status == 409:
        # Server-side apply gives up after five tries against a busy writer: nobody's wish stands against ours.
        return said.reason == "Conflict" and not said.causes and "the object has been modified" in said.words
    if said.status >= 500 and any(each in said.words for each in HOPELESS):
        return False
    return said.status == 429 or (said.status >= 500 and said.status != 501)


def surely_undone(said: Said) -> bool:
    """Whether the server refused before it did anything: 429 is given at its door."""
    return said.status == 429


def failure(said: Said, doing: str, where: str) -> CastleError:
    """The error for an answer that is none of those expected.

    Args:
        said: the answer.
        doing: what was tried, like "applying Deployment data/web".
        where: the server.
    """
    webhook = WEBHOOK.search(said.words) if said.status >= 400 else None
    if webhook:
        return _held_up(said, doing, where, webhook)
    if said.status == 401:
        hints = ("the certificate or token is of another cluster or life, or has ended", "castle status")
        return Denied(f"{doing}: the API server does not know us", where=where, why=said.words, hints=hints)
    if said.status == 403 and said.has_cause("NamespaceTerminating"):
        return Transient(f"{doing}: {DELETED}", where=where, why=said.words, patience=LEAVING)
    if said.status == 403:
        return Denied(f"{doing} is not allowed", where=where, why=said.words)
    if said.status == 404:
        return NotFound(f"{doing}: it is not there", where=where, why=said.words)
    if said.status == 409:
        return Conflict(f"{doing}: {_conflict(said)}", where=where, why=said.words)
    if worth_another_try(said):
        retry_after = said.wait or None
        return Unreachable(f"{doing}: the API server cannot now", where=where, why=said.words, retry_after=retry_after)
    return Permanent(f"{doing} was refused by the API server", where=where, why=said.words)


DELETED = "the namespace is being deleted"


def _held_up(said: Said, doing: str, where: str, found: re.Match[str]) -> Transient:
    """A webhook that does not answer, or says no: one that is just being rolled out does both for a while."""
    name, does = found["silent"] or found["denies"], "does not answer" if found["silent"] else "refuses it"
    return Transient(
        f"{doing}: the webhook {name} {does}",
        where=where,
        why=said.words,
        state="nothing was written",
        hints=[
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            "bring up what answers there, or remove its configuration",
            "castle resume",
        ],
        patience=WEBHOOKS,
    )


def _conflict(said: Said) -> str:
    if said.has_cause(MANAGERS):
        return "another manager owns a field"
    if said.reason == "AlreadyExists":
        return "it exists already"
    return "it is not as it was expected"
