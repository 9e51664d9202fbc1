"""Templates of ExternalSecrets that use what was not fetched, or what nobody puts in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, NOTE, dig, each, fault, mapping, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "template-key"
ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
FIELD = re.compile(r"(?<![\w.)$\]])\.([A-Za-z_]\w*)")
BOUND = re.compile(r"\b(range|with|define|block|template)\b")
VARIABLE = re.compile(r"\$\{[A-Z_][A-Z0-9_]*\}|(?<![\w$\\])\$[A-Z_][A-Z0-9_]{2,}\b")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every template that stands in an ExternalSecret."""
    for one in repository.of("ExternalSecret", "external-secrets.io"):
        whole = not dig(one.manifest, "spec", "dataFrom")
        fetched = {text(found.get("secretKey")) for _, found in each(one.manifest, "spec", "data")}
        base = ("spec", "target", "template", "data")
        for key, value in mapping(dig(one.manifest, *base)).items():
            actions = " ".join(ACTION.findall(text(value)))
            for name in dict.fromkeys(FIELD.findall(actions) if whole and not BOUND.search(actions) else ()):
                if name not in fetched:
                    near = get_close_matches(name, fetched, 1, 0.6)
                    meant = (f"did you mean `.{near[0]}`?",) if near else ()
                    message = f"the template of `{key}` uses `.{name}`, which is not among the fetched keys"
                    says = f'map has no entry for key "{name}"'
                    hints = (*meant, f"fetch it: `data: [{{secretKey: {name}, remoteRef: …}}]`")
                    yield fault(ID, ERROR, one, (*base, key), message, hints=hints, says=says, key=True)
            bare = VARIABLE.search(ACTION.sub("", text(value)))
            if bare and not key.endswith((".sh", ".bash")):
                message = f"`{bare[0]}` in the template of `{key}` is put in by nobody but the program that reads it"
                hints = ("if that program does not, fetch the value and write `{{ .NAME }}`",)
                yield fault(ID, NOTE, one, (*base, key), message, hints=hints, key=True)


RULE = Rule(
    ID,
    "a template of an ExternalSecret uses a key that is not fetched, or a variable that nobody puts in",
    "external-secrets refuses a template that names a missing key: the Secret is never written, and the reason "
    "stands in an event only. A `$VARIABLE` is plain text to it: few programs put variables into their own files, "
    "and one that does not, reads the dollar.",
    "external-secrets' documentation of templates; a login provider without its client_id",
    find,
    ("F136",),
)
