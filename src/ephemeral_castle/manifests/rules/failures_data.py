"""What went wrong with secrets and databases."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.failure import Failure, Kind

FAILURES: tuple[Failure, ...] = (
    Failure(
        "F129",
        "LINT",
        "a field of a store was renamed between versions",
        Kind.RULE,
        "and `schema-unknown-field`, against the CRDs of the version in use",
    ),
    Failure(
        "F130",
        "PRE",
        "a store is not valid, although its token can read",
        Kind.GATE,
        "`secrets/store` waits for the store itself and quotes the operator",
    ),
    Failure(
        "F131",
        "POST",
        "a Secret is synced and its values are empty",
        Kind.RULE,
        "and `secrets/whole` looks at every secret of this life",
    ),
    Failure("F132", "LINT", "a store needs an operator that needs the store", Kind.RULE),
    Failure(
        "F133",
        "LINT",
        "Flux cannot clone: its token comes from what it would clone",
        Kind.RULE,
        "and `gitops/first` brings the first Secrets",
    ),
    Failure(
        "F134",
        "HEAL POST",
        "an application cannot log in after a restore",
        Kind.GATE,
        "`database/roles` sets the passwords that the store has; `answers/sql` logs in as every user",
    ),
    Failure(
        "F135",
        "LINT GATE",
        "pods fail until a Secret is there",
        Kind.RULE,
        "and `gitops/units` waits; kubelet tries again by itself",
    ),
    Failure("F136", "LINT POST", "a variable in a configuration is not put in", Kind.RULE),
    Failure(
        "F137",
        "LINT GATE",
        "a proxy crashes until its login provider answers",
        Kind.NOT,
        (
            "whether a program bears the absence of another is not in its manifest; `gitops/units` retries, `verify` "
            "looks at the end"
        ),
    ),
    Failure("F138", "LINT POST", "applications go on with old credentials", Kind.RULE),
    Failure(
        "F139",
        "INV",
        "a known bug of an injector's version",
        Kind.NOT,
        "a table of bugs by version would be out of date; release notes are the place",
    ),
    Failure(
        "F140",
        "PRE",
        "a login works in some namespaces only",
        Kind.GATE,
        "`secrets/synced` waits for every ExternalSecret of the castle, each with its own store",
    ),
    Failure(
        "F141",
        "LINT POST",
        "a certificate is from an unknown authority",
        Kind.RULE,
        "and `tls/ready` and the probes check the chain",
    ),
    Failure(
        "F142",
        "LINT POST",
        "a container cannot resolve names after a reboot",
        Kind.NOT,
        "order of a machine's services; castle's machines are tested by reboots",
    ),
    Failure(
        "F143",
        "POST",
        "a first backup fails",
        Kind.GATE,
        "`database/backup-after` and the proof: no backup counts that was not restored",
    ),
    Failure("F144", "INV", "every run uploads although nothing changed", Kind.GATE, "as F30"),
    Failure(
        "F145",
        "INV",
        "a restore takes the wrong branch, because an error was lost",
        Kind.GATE,
        "the table of [concepts](../concepts.md): absent, unreadable, foreign are different answers",
    ),
    Failure(
        "F146",
        "GATE",
        "a store is restored and sealed",
        Kind.NOT,
        "castle does not restore that store: it lies outside of the castle",
    ),
    Failure(
        "F147",
        "INV POST",
        "tests leave a second identity",
        Kind.GATE,
        (
            "every castle has an id, and one living writer ([decision "
            "4](../decisions/0004-a-writer-identity-for-each-life.md))"
        ),
    ),
    Failure(
        "F148",
        "INV",
        "a store is initialised anew by mistake",
        Kind.GATE,
        "create needs four negatives and `--new` ([concepts](../concepts.md))",
    ),
    Failure("F149", "LINT", "a password stands in the repository", Kind.RULE, "its history is not read"),
    Failure("F150", "LINT", "a user's name with an underscore is refused", Kind.RULE),
    Failure("F151", "LINT", "`s3Credentials` is not in the schema", Kind.RULE),
    Failure(
        "F152",
        "PRE",
        "a restore does not find the backup: another path",
        Kind.RULE,
        "and `database/survey` lists what lies in the repository",
    ),
    Failure("F153", "PRE LINT", "a restore has no keys", Kind.RULE),
    Failure(
        "F154",
        "LINT POST",
        "the newest rows are missing after a restore",
        Kind.RULE,
        "and the marker of the cut has to come back",
    ),
    Failure(
        "F155",
        "INV POST",
        "a user may not write into a schema",
        Kind.RULE,
        "and `answers/sql` writes as every user",
    ),
    Failure(
        "F156",
        "POST",
        "a client is asked for a password, or not",
        Kind.GATE,
        "`answers/sql` logs in as every user; logins that must be refused are not tried",
    ),
    Failure(
        "F157",
        "POST",
        "clients with certificates fail for many reasons",
        Kind.GATE,
        "`answers/sql` logs in over TLS as every user",
    ),
    Failure("F158", "PRE LINT", "an upgrade object is left", Kind.RULE),
    Failure(
        "F159",
        "INV",
        "a connection cannot be made before its database is there",
        Kind.GATE,
        "layers wait for what they need",
    ),
)
