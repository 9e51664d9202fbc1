"""Rules of experience: faults that somebody met, each in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import (
    api_version_gone,
    claim_missing,
    config_map_missing,
    issuer_missing,
    key_missing,
    pgo_born_empty,
    pgo_conf_key,
    pgo_encryption,
    pgo_fixed_target,
    pgo_immediate,
    pgo_repository_path,
    pgo_restore_credentials,
    pgo_restore_option,
    pgo_retention,
    pgo_s3_credentials,
    pgo_schedule,
    pgo_shared_path,
    pgo_source_differs,
    pgo_user_name,
    secret_missing,
    secret_store_missing,
    service_account_missing,
    source_missing,
    storage_class_missing,
)
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

RULES: tuple[Rule, ...] = (
    pgo_user_name.RULE,
    pgo_s3_credentials.RULE,
    pgo_conf_key.RULE,
    pgo_born_empty.RULE,
    pgo_restore_credentials.RULE,
    pgo_source_differs.RULE,
    pgo_immediate.RULE,
    pgo_restore_option.RULE,
    pgo_fixed_target.RULE,
    pgo_repository_path.RULE,
    pgo_encryption.RULE,
    pgo_retention.RULE,
    pgo_schedule.RULE,
    pgo_shared_path.RULE,
    api_version_gone.RULE,
    secret_missing.RULE,
    config_map_missing.RULE,
    service_account_missing.RULE,
    claim_missing.RULE,
    storage_class_missing.RULE,
    secret_store_missing.RULE,
    issuer_missing.RULE,
    source_missing.RULE,
    key_missing.RULE,
)
BY_ID = {rule.id: rule for rule in RULES}


def find(repository: Repository, setting: Setting, rules: Iterable[Rule] = RULES) -> Iterator[Finding]:
    """Runs rules over a repository; what several renderings of one object share is said once."""
    seen: set[tuple[str, str, object, str]] = set()
    for rule in rules:
        for found in rule.find(repository, setting):
            key = (found.rule, found.message, found.mark, found.path)
            if key not in seen:
                seen.add(key)
                yield found
