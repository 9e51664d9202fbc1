"""Corefiles that CoreDNS does not start with, or that wait for themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, fault, mapping
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding, Severity

ID = "corefile"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every ConfigMap with a Corefile."""
    for one in repository.of("ConfigMap", ""):
        for key, value in mapping(one.manifest.get("data")).items():
            if (key == "Corefile" or key.endswith((".server", ".override"))) and isinstance(value, str):
                for severity, line, message, hint in _wrong(value):
                    told = f"line {line} of `{key}`: {message}"
                    yield fault(ID, severity, one, ("data", key), told, hints=(hint,), key=True)


def _wrong(text: str) -> Iterator[tuple[Severity, int, str, str]]:
    depth = 0
    number = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if "{" in words and words[-1] != "{":
            message = "a block that opens and goes on in one line is not parsed"
            yield ERROR, number, message, "write `{` at the end of its line, each option and `}` on lines of their own"
            depth += words.count("{") - words.count("}")
            continue
        depth += (words[-1:] == ["{"]) - (words == ["}"])
        if depth < 0:
            yield ERROR, number, "a `}` too many", "take it away"
            return
        if words[:1] == ["forward"]:
            for target in words[2:]:
                if target != "{" and not _reachable(target):
                    message = f"`forward` to the name `{target}`: CoreDNS would have to ask itself"
                    yield (
                        ERROR,
                        number,
                        message,
                        "write an address, or /etc/resolv.conf; fix a Service's clusterIP for it",
                    )
    if depth > 0:
        yield ERROR, number, "a `{` is not closed", "close it by a `}` on a line of its own"


def _reachable(target: str) -> bool:
    """Whether a target is an address or a file, perhaps with a protocol and a port."""
    bare = re.sub(r"^(dns|tls|https|grpc)://", "", target)
    if bare.startswith(("/", "{$")) or "$" in bare:
        return True
    host = bare.rpartition(":")[0].strip("[]") if bare.count(":") == 1 or bare.startswith("[") else bare
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


RULE = Rule(
    ID,
    "a Corefile does not parse, or forwards to a name",
    "CoreDNS does not start with a Corefile that it cannot parse, and with it every name of the cluster is gone. "
    "Its blocks want each option on a line of its own: `health { lameduck 5s }` is refused. `forward` takes "
    "addresses; a name would be asked of CoreDNS itself.",
    "CoreDNS' manual: Corefile, the plugins health and forward",
    find,
    ("F95",),
)
