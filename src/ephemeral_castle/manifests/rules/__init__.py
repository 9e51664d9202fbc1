"""Rules of experience: faults that somebody met, each in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import (
    api_version_gone,
    claim_missing,
    config_map_missing,
    crd_beside_operator,
    crd_too_late,
    depends_on_cycle,
    depends_on_missing,
    flux_strips,
    helm_retries,
    issuer_missing,
    key_missing,
    live_fields,
    namespace_missing,
    namespace_too_late,
    needs_cycle,
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
    prunes_data,
    replicas_fight,
    retry_interval,
    secret_missing,
    secret_store_missing,
    service_account_missing,
    source_missing,
    source_secret_loop,
    storage_class_missing,
    two_owners,
    wait_blind,
    wait_heavy,
    wait_ignores_checks,
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
    depends_on_missing.RULE,
    depends_on_cycle.RULE,
    needs_cycle.RULE,
    crd_beside_operator.RULE,
    crd_too_late.RULE,
    namespace_missing.RULE,
    namespace_too_late.RULE,
    wait_heavy.RULE,
    wait_blind.RULE,
    wait_ignores_checks.RULE,
    retry_interval.RULE,
    helm_retries.RULE,
    prunes_data.RULE,
    two_owners.RULE,
    live_fields.RULE,
    flux_strips.RULE,
    replicas_fight.RULE,
    source_secret_loop.RULE,
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
