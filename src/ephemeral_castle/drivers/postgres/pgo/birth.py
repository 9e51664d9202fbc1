"""How a PostgresCluster is to be born in this life: what was decided, as the operator is told. Pure.

`dataSource` stands in the very first form of a cluster or never: added to a living one, the operator deletes what runs
and restores over its data; left out beside a repository that is full, it makes an empty database and takes the
repository over for it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.postgres.pgo.vocabulary import FOLDER, REPO, STANZA
from ephemeral_castle.postgres.config import S3Repository
from ephemeral_castle.postgres.moment import Moment

CREATE, RESTORE, STANDS = "create", "restore", "stands"
SECRET_OPTIONS = ("repo1-s3-key", "repo1-s3-key-secret", "repo1-cipher-pass")
GIVEN = ("repo1-type", "repo1-s3-bucket", "repo1-s3-endpoint", "repo1-s3-region")  # that the operator writes itself


@dataclass(frozen=True)
class Birth:
    """The answer.

    Attributes:
        answer: CREATE, RESTORE, or STANDS: no birth at all in this run.
        options: for pgBackRest, where it restores.
    """

    answer: str
    options: tuple[str, ...] = ()

    @classmethod
    def restored(cls, label: str, timeline: object, target: str) -> Birth:
        """From a backup, along a timeline, to a named restore point, or to the end of the archive when `target` is "".

        `--target-timeline` would make the operator add an option that pgBackRest takes only beside a target.
        """
        if target:
            line = [f"--target-timeline={timeline}"] if timeline else []
            return cls(RESTORE, (f"--set={label}", *line, "--type=name", f"--target={target}"))
        line = [f"--recovery-option=recovery_target_timeline={timeline}"] if timeline else []
        return cls(RESTORE, (f"--set={label}", *line))

    @classmethod
    def at(cls, moment: Moment, cut: str = "") -> Birth:
        """As of a moment. `cut`: the restore point that stands for the newest state, "" for the end of the archive.

        The operator joins these with blanks into a line of shell: the blank within a time is the author's to quote.
        """
        if moment.alone:
            return cls(RESTORE, (f"--set={moment.label}", "--type=immediate"))
        if not moment.target:
            return cls.restored(moment.label, moment.timeline or "", cut)
        line = [f"--target-timeline={moment.timeline}"] if moment.timeline else []
        target = f"--target={shlex.quote(moment.target)}"
        return cls(RESTORE, (f"--set={moment.label}", *line, "--type=time", target))


@dataclass(frozen=True)
class Repository:
    """repo1, as both `backups` and `dataSource` name it.

    Attributes:
        secret: name of the Secret with the credentials.
        options: pgBackRest's, without those.
        bucket, endpoint, region: of the bucket.
    """

    secret: str
    options: Mapping[str, str]
    bucket: str
    endpoint: str
    region: str

    @property
    def path(self) -> str:
        """In the bucket."""
        return self.options["repo1-path"]

    def repo(self) -> dict[str, Any]:
        """The entry of `repos`."""
        return {"name": REPO, "s3": {"bucket": self.bucket, "endpoint": self.endpoint, "region": self.region}}

    def configuration(self) -> list[dict[str, Any]]:
        """Where credentials come from."""
        return [{"secret": {"name": self.secret}}]


def repository(s3: S3Repository, secret: str, process_max: int) -> Repository:
    """From what castle knows of the treasury; `secret`: name of the Secret."""
    lines = dict(line.split("=", 1) for line in s3.lines())
    options = {key: value for key, value in lines.items() if key not in (*SECRET_OPTIONS, *GIVEN)}
    # The life's own writer may delete nothing: an expire at the end of a backup would fail it.
    more = {"compress-type": "zst", "compress-level": "1", "process-max": str(process_max), "start-fast": "y",
            "expire-auto": "n"}  # fmt: skip
    return Repository(secret, {**options, **more}, s3.bucket, lines["repo1-s3-endpoint"], s3.region)


def credentials(s3: S3Repository) -> str:
    """The text of `s3.conf`; a secret."""
    lines = [line for line in s3.lines() if line.split("=", 1)[0] in SECRET_OPTIONS]
    return "\n".join(["[global]", *lines, ""])


def passes(text: str) -> str:
    """The cipher pass in the text of an `s3.conf`; "" when there is none."""
    found = [line.split("=", 1)[1].strip() for line in text.splitlines() if line.strip().startswith(SECRET_OPTIONS[2])
             and "=" in line]  # fmt: skip
    return found[-1] if found else ""


def data_source(birth: Birth, repo: Repository) -> dict[str, Any] | None:
    """`spec.dataSource`, or None where nothing is restored."""
    if birth.answer != RESTORE:
        return None
    keep = {key: value for key, value in repo.options.items() if key.startswith("repo1-") or key == "process-max"}
    keep.pop("repo1-retention-full", None)
    source = {"stanza": STANZA, "configuration": repo.configuration(), "global": keep,
              "options": list(birth.options), "repo": repo.repo()}  # fmt: skip
    return {"pgbackrest": source}


def life_data(layer: str, life: int, birth: Birth, repo: Repository) -> dict[str, str]:
    """What a tree in Git takes from the ConfigMap, by variables that begin with the layer's name.

    `${LAYER_birth_key}: ${LAYER_birth_value}` is the one line for both answers: server-side apply takes no `null` in
    place of `dataSource`, so a new database gets a word there that says what holds anyway.
    """
    name, source = layer.replace("-", "_"), data_source(birth, repo)
    key, value = ("shutdown", "false") if source is None else ("dataSource", json.dumps(source, sort_keys=True))
    return {
        "castle_life": str(life),
        f"{name}_birth_key": key,
        f"{name}_birth_value": value,
        f"{name}_repository": json.dumps(repo.repo(), sort_keys=True),
        f"{name}_global": json.dumps(dict(repo.options), sort_keys=True),
        f"{name}_secret": repo.secret,
    }


def token(parts: Sequence[object]) -> str:
    """A short mark of what was wanted."""
    return hashlib.sha256(json.dumps(list(parts), sort_keys=True, default=str).encode()).hexdigest()[:12]


def ca_file() -> str:
    """Where the CA's certificate arrives in pods."""
    return f"{FOLDER}/ca.crt"
