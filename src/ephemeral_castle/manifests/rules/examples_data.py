"""Examples of the rules about databases and machines: what fails, and what passes."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, str]] = {
    "pgo-user-name": (
        ("users:\n- name: tazlab_admin\n"),
        ("users:\n- name: tazlab-admin\n"),
    ),
    "pgo-s3-credentials": (
        ("repos:\n- name: repo1\n  s3Credentials: {secretName: db-s3}\n"),
        (
            "configuration:\n"
            "- secret: {name: db-s3}   # its key s3.conf: [global], repo1-s3-key=…, repo1-s3-key-secret=…\n"
            "repos:\n"
            "- name: repo1\n"
        ),
    ),
    "pgo-conf-key": (
        ("stringData:   # of the Secret that `configuration` names\n  AWS_ACCESS_KEY_ID: …\n"),
        ("stringData:\n  s3.conf: |\n    [global]\n    repo1-s3-key=…\n    repo1-s3-key-secret=…\n"),
    ),
    "pgo-born-empty": (
        (
            "spec:   # of a cluster that is not born yet\n"
            "  backups: {pgbackrest: {repos: [{name: repo1, s3: {bucket: treasury}}]}}\n"
        ),
        (
            "spec:\n"
            "  dataSource: {pgbackrest: {stanza: db, repo: {name: repo1}}}\n"
            "  backups: {pgbackrest: {repos: [{name: repo1, s3: {bucket: treasury}}]}}\n"
        ),
    ),
    "pgo-restore-credentials": (
        ("dataSource:\n  pgbackrest: {stanza: db, repo: {name: repo1, s3: {bucket: treasury}}}\n"),
        (
            "dataSource:\n"
            "  pgbackrest:\n"
            "    stanza: db\n"
            "    configuration: [{secret: {name: db-s3}}]\n"
            "    repo: {name: repo1, s3: {bucket: treasury}}\n"
        ),
    ),
    "pgo-source-differs": (
        (
            "dataSource: {pgbackrest: {global: {repo1-path: /castle/db}}}\n"
            "backups: {pgbackrest: {global: {repo1-path: /castle/db, repo1-cipher-type: aes-256-cbc}}}\n"
        ),
        (
            "dataSource: {pgbackrest: {global: {repo1-path: /castle/db, repo1-cipher-type: aes-256-cbc}}}\n"
            "backups: {pgbackrest: {global: {repo1-path: /castle/db, repo1-cipher-type: aes-256-cbc}}}\n"
        ),
    ),
    "pgo-immediate": (
        "options: [--type=immediate]\n",
        "options: []   # everything that was archived comes back\n",
    ),
    "pgo-restore-option": (
        "options: [--repo=1]\n",
        "repo: {name: repo1}   # a field of its own\n",
    ),
    "pgo-fixed-target": (
        "dataSource: {pgbackrest: {options: [--type=time, \"--target='2026-05-01 10:00:00+00'\"]}}\n",
        "dataSource: {pgbackrest: {options: []}}   # once the cluster lives\n",
    ),
    "pgo-repository-path": (
        "global: {repo1-path: castle/db}\n",
        "global: {repo1-path: /castle/db}\n",
    ),
    "pgo-encryption": (
        "global: {repo1-path: /castle/db}\n",
        "global: {repo1-path: /castle/db, repo1-cipher-type: aes-256-cbc}   # before the first backup\n",
    ),
    "pgo-retention": (
        'global: {repo1-retention-full: "1"}\n',
        'global: {repo1-retention-full: "4"}\n',
    ),
    "pgo-schedule": (
        ("- name: repo1\n  s3: {bucket: treasury}\n"),
        ('- name: repo1\n  schedules: {full: "0 1 * * 0", differential: "0 1 * * 1-6"}\n  s3: {bucket: treasury}\n'),
    ),
    "pgo-shared-path": (
        "global: {repo1-path: /pgbackrest/repo1}   # in two clusters with one bucket\n",
        "global: {repo1-path: /blog/repo1}   # a path for each\n",
    ),
    "pgo-upgrade-left": (
        ("kind: PGUpgrade\nspec: {postgresClusterName: db, toPostgresVersion: 17}   # and db is of version 17\n"),
        "# no PGUpgrade\n",
    ),
    "pgo-init-sql": (
        "init.sql: INSERT INTO marks VALUES (1, 'here');\n",
        "init.sql: INSERT INTO marks VALUES (1, 'here') ON CONFLICT DO NOTHING;\n",
    ),
    "cnpg-born-empty": (
        "plugins: [{isWALArchiver: true}]\n",
        ("bootstrap: {recovery: {source: origin}}\nplugins: [{isWALArchiver: true}]\n"),
    ),
    "cnpg-server-name": (
        (
            "externalClusters: [{name: origin, plugin: {parameters: {serverName: db-7}}}]\n"
            "plugins: [{parameters: {serverName: db-7}}]\n"
        ),
        (
            "externalClusters: [{name: origin, plugin: {parameters: {serverName: db-7}}}]\n"
            "plugins: [{parameters: {serverName: db-8}}]\n"
        ),
    ),
    "cnpg-empty-check": (
        "annotations: {cnpg.io/skipEmptyWalArchiveCheck: enabled}\n",
        "annotations: {}\n",
    ),
    "cnpg-recovery": (
        "bootstrap: {recovery: {source: origin, recoveryTarget: {targetImmediate: true}}}\n",
        "bootstrap: {recovery: {source: origin}}\n",
    ),
    "talos-vip": (
        "machine: {type: worker, network: {interfaces: [{vip: {ip: 192.0.2.9}}]}}\n",
        "machine: {type: controlplane, network: {interfaces: [{vip: {ip: 192.0.2.9}}]}}\n",
    ),
    "talos-storage": (
        "machine: {type: worker}   # and Longhorn is installed\n",
        (
            "machine:\n"
            "  kubelet:\n"
            "    extraMounts:\n"
            "    - {destination: /var/lib/longhorn, options: [bind, rshared, rw], …: …}\n"
        ),
    ),
}
