"""The rules that belong to `castle check` itself: about files, comments, the baseline, the definition."""

from __future__ import annotations

from ephemeral_castle.manifests.explanations import READING
from ephemeral_castle.model.checked import Explanation

OWN = (
    *READING,
    Explanation(
        "definition",
        "castle.yaml has a mistake",
        "Every verb reads the definition first and refuses one with errors. All of them are told at once, with the key "
        "that was probably meant.",
        "docs/reference/definition.md",
        "castle: here\nlaiers: {}\n",
        "castle: here\nlayers: {}\n",
    ),
    Explanation(
        "world",
        "a system that the castle stands on would not carry another life",
        "Everything that a rebirth asks before it destroys anything, asked now: treasury, repository, name servers, "
        "certificates, cluster, this computer. Each has five seconds; one that is silent is told as not looked into. A "
        "rebirth asks the same again and refuses. `--offline` asks nobody.",
    ),
    Explanation(
        "yaml",
        "a file is not YAML as the tools of Kubernetes read it",
        "A syntax error, a second key of one name, of which the later one would silently win, or a document that is no "
        "object. What stands behind a syntax error is not read at all.",
        "YAML 1.2.2; sigs.k8s.io/yaml",
        "data:\n  a: b\n  a: c\n",
        "data:\n  a: c\n",
    ),
    Explanation(
        "file-unreadable",
        "a file is there and cannot be read",
        "No permission, too large, no usual file, or a link that leaves the directory. What is in it is not known, so "
        "nothing about it is passed as well.",
    ),
    Explanation(
        "file-not-utf8",
        "a file is not UTF-8",
        "YAML is Unicode. The tools of Kubernetes take UTF-8; a byte of another encoding ends the whole file.",
        "YAML 1.2.2 section 5.2",
    ),
    Explanation(
        "nothing-to-check",
        "nothing was there to look at",
        "No file with an object of Kubernetes in it. A check of nothing proves nothing: a directory or file that was "
        "named, or standard input, is an error then, since most often the command before it failed or the name is "
        "wrong. The manifests of a castle's repository, and the directory here, count as not looked into.",
    ),
    Explanation(
        "repository-unread",
        "the manifests of the castle's repository were not read",
        "It lies elsewhere, and nobody fetched its revision: because of --offline, without root, or since its host "
        "does not answer. `castle check DIRECTORY` looks at a checkout.",
    ),
    Explanation(
        "ignore-without-reason",
        "a comment `castle:ignore` gives no rule or no reason",
        "It leaves nothing out. Whoever reads the file next year has to know why the finding is lived with.",
        "",
        "runAsUser: 0  # castle:ignore pod-security\n",
        "runAsUser: 0  # castle:ignore pod-security the driver of the disks writes to /dev\n",
    ),
    Explanation(
        "ignore-unknown-rule",
        "a comment `castle:ignore` names a rule that does not exist",
        "It leaves nothing out; the name is probably misspelled.",
    ),
    Explanation(
        "ignore-unused",
        "a comment `castle:ignore` leaves nothing out any more",
        "The fault was mended, or moved to another line. A comment that stays would hide the next one.",
    ),
    Explanation(
        "baseline-without-reason",
        "an entry of the baseline has no reason",
        "It leaves nothing out. `castle check --write-baseline FILE --reason TEXT` writes one into each new entry.",
    ),
    Explanation(
        "baseline-stale",
        "an entry of the baseline is found no more",
        "The fault was mended. An entry that stays would hide the next one of its kind in that file.",
    ),
)
