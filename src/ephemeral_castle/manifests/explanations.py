"""What `castle explain` tells of the faults that are found while a repository is read. Pure."""

from __future__ import annotations

from ephemeral_castle.model.checked import Explanation

READING = (
    Explanation(
        "kustomization",
        "kustomize refuses a kustomization",
        "A file that is not there, a patch for an object that is not there, two objects of one name, an unknown field. "
        "Neither `kubectl apply -k` nor Flux applies anything of it. Its objects are judged as they are written.",
        "sigs.k8s.io/kustomize 5.8",
        "resources: [webb.yaml]\n",
        "resources: [web.yaml]\n",
    ),
    Explanation(
        "kustomization-not-rendered",
        "a kustomization has something that castle does not render",
        "Plugins, variables, remote bases and the like. With kubectl here castle asks it, unless --offline; "
        "without, the objects are judged as they are written, and what would come of them is not known.",
        "docs/guides/check.md",
    ),
    Explanation(
        "kustomization-by-kubectl",
        "kubectl rendered a kustomization that castle does not",
        "Nothing is wrong. The places of what is found in its objects are those where the objects begin.",
        "docs/guides/check.md",
    ),
    Explanation(
        "patch-without-target",
        "a patch meets no object",
        "kustomize says nothing when the target of a patch selects nothing; the wanted change is not made.",
        "sigs.k8s.io/kustomize 5.8",
        "patches:\n- target: {kind: Deployment, name: wbe}\n  path: patch.yaml\n",
        "patches:\n- target: {kind: Deployment, name: web}\n  path: patch.yaml\n",
    ),
    Explanation(
        "unit-path-missing",
        "a Kustomization of Flux applies a directory that is not there",
        "It is told only where another Kustomization of the same source applies a directory of this repository. Flux "
        "applies nothing of it, and whatever depends on it waits.",
        "kustomize-controller 1.9",
        "spec: {path: ./app}\n",
        "spec: {path: ./apps}\n",
    ),
    Explanation(
        "substitution",
        "Flux cannot fill in a text",
        "With `postBuild` Flux takes every `${` in every object for a variable, those of shell scripts in ConfigMaps "
        "too. Braces that it cannot read, or values that break the YAML around them, stop the whole Kustomization. "
        "`$${` stays as it is; the label `kustomize.toolkit.fluxcd.io/substitute: disabled` leaves an object out.",
        "github.com/fluxcd/pkg/envsubst 1.7",
        'data: {run: "echo ${LIST[@]}"}\n',
        'data: {run: "echo $${LIST[@]}"}\n',
    ),
    Explanation(
        "substitution-undefined",
        "a variable of Flux has no value",
        "kustomize-controller 1.9 (Flux 2.9) and later stop the whole Kustomization; earlier ones write nothing in its "
        "place, without a word. A value that comes from an object outside of the repository is not missed.",
        "kustomize-controller 1.9, StrictPostBuildSubstitutions",
        "host: blog.${DOMAIN}\n",
        "host: blog.${DOMAIN:=example.org}\n",
    ),
    Explanation(
        "chart-not-rendered",
        "the chart of a Helm release was not looked into",
        "What it makes is not known, and neither is what is wrong with it. A chart that lies in the repository is "
        "rendered by `helm template` where helm is installed, unless --offline.",
        "docs/guides/check.md",
    ),
)
