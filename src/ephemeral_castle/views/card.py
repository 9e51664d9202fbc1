"""The page to carry: all that brings the castle back on a computer that has nothing.

The card is a mapping with these keys, all but `castle` optional:

- `castle`, `id`, `site`: names and the castle's id; `definition`: where `castle.yaml` is kept (URL or path)
- `treasury`: `url`, `endpoint`, `region`, `ca_fingerprint` (SHA-256 of the DER form), `server` ("here": kept beside
  the machines, so it must be carried along)
- `recipient`: public age recipient of the key file
- `secrets`: list of `name`, `where`, `for`: what to bring, never a value
- `life`, `addresses`: as of the day of printing; `printed`: Unix seconds
- `version`: version of the program that wrote the card; `install`: command that installs it on a fresh computer
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ephemeral_castle.views.table import columns, fields
from ephemeral_castle.views.words import clean, instant

if TYPE_CHECKING:
    from collections.abc import Mapping


def commands(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What to type on a fresh computer, in order: command and what it does."""
    wheel = f"ephemeral_castle-{clean(card.get('version', 'VERSION'))}-py3-none-any.whl"
    key = next((clean(s.get("where", "")) for s in card.get("secrets") or () if s.get("where")), "")
    definition = clean(card.get("definition") or "castle.yaml")
    name = shlex.quote(clean(card["castle"]))
    file = shlex.quote(definition.rsplit("/", 1)[-1])
    rows = [(clean(card.get("install") or f"uv tool install ./{wheel}"), "the program, from where you keep it")]
    if "://" in definition:
        clone = f"git clone {shlex.quote(definition)} castle && cd castle"
        rows.append((clone, "the definition, or copy castle.yaml from where it is kept"))
        file = "castle.yaml"
    if key:
        rows.append((f"install -D -m 0600 KEYFILE {shlex.quote(key)}", "the key file, from where you keep it"))
    rows += [
        (f"castle doctor -f {file}", "what this computer lacks, and the commands that mend it"),
        (f"castle plan raise -f {file}", "what would happen; changes nothing"),
        (
            f"castle raise -f {file} --source-lost --confirm {name}",
            "brings it back; the old castle can never archive again",
        ),
        (f"castle status -f {file}", "whether it stands"),
    ]
    return rows


def card_text(card: Mapping[str, Any]) -> str:
    """The page, to print on paper. It holds no secret."""
    treasury = card.get("treasury") or {}
    head = f"castle {clean(card['castle'])}: how to come back from nothing"
    where = fields(
        [
            ("castle id", clean(card.get("id", ""))),
            ("life", str(card["life"]) if card.get("life") else ""),
            ("treasury", clean(treasury.get("url", ""))),
            ("endpoint", clean(treasury.get("endpoint", ""))),
            ("region", clean(treasury.get("region", ""))),
            ("CA SHA-256", clean(treasury.get("ca_fingerprint", ""))),
            ("recipient", clean(card.get("recipient", ""))),
            ("definition", clean(card.get("definition", ""))),
        ]
    )
    secrets = [
        [clean(s.get("name", "")), clean(s.get("where", "")), clean(s.get("for", ""))]
        for s in card.get("secrets") or ()
    ]
    steps = [[f"{index}.", command, f"# {what}"] for index, (command, what) in enumerate(commands(card), 1)]
    blocks = [
        "\n".join([head, "=" * len(head)]),
        "\n".join(["where everything is", *where]),
        "\n".join(["secrets to bring (their values are not on this page)", *columns(secrets, indent=2)])
        if secrets
        else "",
        _warning(treasury),
        "\n".join(["on a fresh computer", *columns(steps, indent=2)]),
        _foot(card),
    ]
    return "\n\n".join(block for block in blocks if block)


def card_json(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card with its commands."""
    return {**card, "kind": "card", "commands": [command for command, _ in commands(card)]}


def _warning(treasury: Mapping[str, Any]) -> str:
    if treasury.get("server") != "here":
        return ""
    return (
        "warning: this treasury is kept beside the machines, on the same computer.\n"
        "  If that computer is lost, so are the backups. Give `treasury` an endpoint elsewhere to survive it."
    )


def _foot(card: Mapping[str, Any]) -> str:
    lines = fields((f"{clean(k)} answered at", clean(v)) for k, v in (card.get("addresses") or {}).items())
    if card.get("printed"):
        lines.append(f"printed {instant(card['printed'])}; print it again after the treasury or its keys change")
    return "\n".join(lines)
