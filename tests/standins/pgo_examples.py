"""Clusters that the definition takes, and some that it refuses."""

from __future__ import annotations

from tests.standins.pgo_bed import CLAIM, REPO, backups, source, spec

EXAMPLES = {
    "smallest": {"postgresVersion": 17, "instances": [{"name": "a", "dataVolumeClaimSpec": CLAIM}]},
    "notes": spec(
        dataSource=source(),
        proxy={"pgBouncer": {"replicas": 1, "config": {"global": {"pool_mode": "transaction"}}}},
        databaseInitSQL={"name": "init", "key": "init.sql"},
        config={"parameters": {"archive_timeout": 10, "work_mem": "8MB"}},
        service={"type": "LoadBalancer", "metadata": {"annotations": {"a": "b"}}},
        patroni={"syncPeriodSeconds": 2, "dynamicConfiguration": {"postgresql": {"parameters": {"jit": "off"}}}},
    ),
    "posts": spec(
        users=[{"name": "mnemosyne", "databases": ["tazlab_memory"], "options": "CREATEDB NOSUPERUSER"}],
        backups=backups(
            manual={"repoName": "repo1", "options": ["--type=full"]},
            repos=[
                {**REPO, "schedules": {"full": "0 1 * * 0", "differential": "0 1 * * 1-6"}},
                {"name": "repo2", "volume": {"volumeClaimSpec": {**CLAIM, "storageClassName": "longhorn-postgres"}}},
            ],
        ),
    ),
}  # fmt: skip
REFUSED = {
    "s3Credentials": spec(backups=backups(repos=[{**REPO, "s3Credentials": {"secret": "x"}}])),
    "unknown": spec(monitoring={"pgmonitor": {}}),
    "16": spec(postgresVersion=16),
    "replicas": spec(instances=[{"name": "a", "replicas": 2, "dataVolumeClaimSpec": CLAIM}]),
    "port": spec(config={"parameters": {"port": 1}}),
    "volume as a source": spec(dataSource=source(repo={"name": "repo1", "volume": {"volumeClaimSpec": CLAIM}})),
    "password": spec(users=[{"name": "app", "options": "PASSWORD 'x'"}]),
}
