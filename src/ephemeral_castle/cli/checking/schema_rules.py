"""The rules that belong to the schemas of the API: what the server itself would refuse or warn of."""

from __future__ import annotations

from ephemeral_castle.model.checked import Explanation

_SERVER = "the API server's own validation of fields (fieldValidation=Strict, server-side apply)"

SCHEMAS = (
    Explanation(
        "schema-invalid",
        "a value is not what the schema of its kind allows",
        "A wrong type, a value outside of its limits, a name that no object may have, a required field that is "
        "missing. The API server refuses the object, and Flux the whole Kustomization that it is in.",
        _SERVER,
        "apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: two\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: 2\n",
    ),
    Explanation(
        "schema-unknown-field",
        "a field that the schema of its kind does not know",
        "Misspelled, one level too deep or too high, or of another version. Server-side apply refuses it; older ways "
        "drop it without a word, and the setting never takes effect.",
        _SERVER,
        "spec:\n  replica: 2\n",
        "spec:\n  replicas: 2\n",
    ),
    Explanation(
        "schema-cel",
        "an object breaks a rule that its CRD states (x-kubernetes-validations)",
        "Rules of a CRD see several fields at once. The server refuses the object with the rule's own message. A "
        "rule that castle cannot evaluate is told as not looked into.",
        "CustomResourceDefinition validation rules (CEL)",
    ),
    Explanation(
        "schema-unserved-version",
        "an apiVersion that is not served",
        "The kind is known, and not in this version: `no matches for kind`. Nothing of the apply that it is in is "
        "done. Write the version that is served; fields may have moved.",
        "CustomResourceDefinition spec.versions[].served",
        "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\n",
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\n",
    ),
    Explanation(
        "schema-deprecated-version",
        "an apiVersion that will not be served for long",
        "The server warns today. At the next upgrade of its operator or of the cluster it is gone.",
        "CustomResourceDefinition spec.versions[].deprecated",
    ),
    Explanation(
        "schema-other-version",
        "the pinned schemas are those of another version of Kubernetes",
        "`--kubernetes-version`, or the castle's cluster, is of one version, and castle-schemas.lock pins the built-in "
        "kinds of another: a field that came or went in between is judged wrongly. Pull the version that you run.",
    ),
    Explanation(
        "schema-unknown-kind",
        "a kind without a known schema",
        "Its objects are counted and named, and never passed as valid. Give castle the CRDs of the operator, and the "
        "schemas of the cluster's version: `castle schemas pull`.",
    ),
)
