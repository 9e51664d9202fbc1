"""For each rule an example that fails and one that passes, as short as it can be. The trees of the tests are whole."""

from __future__ import annotations

from ephemeral_castle.manifests.rules import examples_data, examples_gitops, examples_objects

EXAMPLES: dict[str, tuple[str, str]] = {
    **examples_data.EXAMPLES,
    **examples_gitops.EXAMPLES,
    **examples_objects.EXAMPLES,
}
