"""One mistake is told once, also where a rule of experience and a schema both see it."""

from pathlib import Path

from tests.check.checked import looked

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: postgresclusters.postgres-operator.crunchydata.com}
spec:
  group: postgres-operator.crunchydata.com
  scope: Namespaced
  names: {kind: PostgresCluster, listKind: PostgresClusterList, plural: postgresclusters, singular: postgrescluster}
  versions:
  - name: v1beta1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-preserve-unknown-fields: true
            properties:
              users:
                type: array
                items:
                  type: object
                  properties: {name: {type: string, maxLength: 5, pattern: '^[a-z-]+$'}}
"""
CLUSTER = """
apiVersion: postgres-operator.crunchydata.com/v1beta1
kind: PostgresCluster
metadata: {name: db, namespace: data}
spec:
  users:
  - name: a_b
  - name: much-too-long
"""


def test_what_a_rule_explains_is_not_told_again_in_the_words_of_a_schema(tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").write_text(CRD)
    (tmp_path / "db.yaml").write_text(CLUSTER)
    told = [(each.rule, each.mark.line) for each in looked(tmp_path).findings]
    assert told == [("pgo-user-name", 7), ("schema-invalid", 8)]
