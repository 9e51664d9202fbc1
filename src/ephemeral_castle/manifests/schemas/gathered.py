"""What a source of schemas gives: the entries of every CRD and built-in kind in its files. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ephemeral_castle.manifests import load
from ephemeral_castle.manifests.schemas.crds import definitions, is_crd
from ephemeral_castle.manifests.schemas.lock import Entry
from ephemeral_castle.manifests.schemas.openapi import Definitions, builtin_kinds, is_openapi
from ephemeral_castle.manifests.schemas.store import digest, pack
from ephemeral_castle.manifests.schemas.structural import Definition

_GROUP = "apiextensions.k8s.io/"
File = tuple[str, bytes]  # its path inside of the source, and its content
_SIGN = re.compile(
    rb"""^["']?(?:- )?kind["']?: *["']?CustomResourceDefinition|"CustomResourceDefinition"|io\.k8s\.api\.core\.""",
    re.MULTILINE,
)


def gathered(files: Iterable[File]) -> Iterator[tuple[Entry, bytes]]:
    """Every version of every kind, with its packed entry; files that hold no schema are passed over.

    Raises:
        ValueError: a file that speaks of CRDs cannot be read; the text begins with its path.
    """
    for path, content in files:
        if _SIGN.search(content):
            for each in _kinds(path, content):
                packed = pack(each)
                served = each.served if isinstance(each, Definition) else True
                yield Entry(each.api, each.kind, digest(packed), "", path, served), packed


def _kinds(path: str, content: bytes) -> Iterator[Definition | Definitions]:
    for document in _documents(path, content):
        if is_crd(document):
            yield from definitions(document)
        elif is_openapi(document):
            yield from builtin_kinds(document)


def _documents(path: str, content: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
        if path.endswith(".json"):
            found = json.loads(text)
            yield from found.get("items", [found]) if isinstance(found, dict) else []
            return
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    documents, faults = load.read(text, path)
    found_here = [each.manifest for each in documents if is_crd(each.manifest)]
    if (
        faults and not found_here and _GROUP in text and "{{" not in text
    ):  # a chart's template is not YAML before it is rendered
        raise ValueError(f"{path}:{faults[0].line}: {faults[0].message}")
    yield from found_here
