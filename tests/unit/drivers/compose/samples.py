"""A project as people write it, and helpers to break it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ephemeral_castle.drivers.compose import finding, reading
from ephemeral_castle.drivers.compose.reading import Reading, Wanted
from ephemeral_castle.spi.world import File

GOOD = """\
services:
  web:
    image: registry.example/web:1
    ports: ["8000:80"]
    environment:
      PEER: ${CASTLE_ADDRESS_EDGE}
      PASSWORD_FILE: /run/secrets/token
    env_file: web.env
    secrets: [token]
    volumes:
      - data:/data
      - ./conf:/etc/web:ro
    healthcheck: {test: ["CMD", "true"], interval: 5s, start_interval: 250ms}
    depends_on: {job: {condition: service_completed_successfully}}
  job:
    image: localhost/tool
    command: ["migrate"]
volumes: {data: {}}
secrets: {token: {file: ./secrets/token}}
"""
FILES = {"web.env": "MODE=quiet\n", "conf/web.conf": "listen\n"}
OFFERED = ("CASTLE_NAME", "CASTLE_LIFE", "CASTLE_MACHINE", "CASTLE_ADDRESS_EDGE", "CASTLE_DATABASE_HOST")


def files(compose: str = GOOD, **more: str) -> dict[str, File]:
    texts = {"compose.yaml": compose, **FILES, **more}
    return {path: File(path, text.encode(), 0o644) for path, text in texts.items()}


def wanted(secrets: Mapping[str, str] | None = None, accepted: Sequence[str] = (), lost: Sequence[str] = ()) -> Wanted:
    known = {"token": "blog/token"} if secrets is None else secrets
    return Wanted("blog", "data", "stacks/data", known, tuple(accepted), OFFERED, ("blog_data",), tuple(lost))


def read(compose: str, *, accepted: Sequence[str] = (), lost: Sequence[str] = (), **more: str) -> Reading:
    return reading.read(wanted(accepted=accepted, lost=lost), files(compose, **more))


def said(compose: str, *, accepted: Sequence[str] = (), lost: Sequence[str] = (), **more: str) -> list[str]:
    """Everything that stops the run."""
    return [str(each) for each in finding.errors(read(compose, accepted=accepted, lost=lost, **more).findings)]


def warned(compose: str, *, accepted: Sequence[str] = (), lost: Sequence[str] = (), **more: str) -> list[str]:
    return [str(each) for each in finding.warnings(read(compose, accepted=accepted, lost=lost, **more).findings)]
