"""Why a decision is refused, in words for a person who fears for files. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ephemeral_castle.errors import CastleError, Refused, Unreachable


@dataclass(frozen=True)
class Refuse:
    """Stop; nothing was changed. `code` is stable, for scripts. `transient`: soon it may be answered otherwise."""

    code: str
    message: str
    why: str
    hints: tuple[str, ...]
    transient: bool = False

    def error(self, where: str = "") -> CastleError:
        """The error to raise: Unreachable while it may pass by itself, else Refused (exit code 9)."""
        kind = Unreachable if self.transient else Refused
        return kind(self.message, where=where, why=self.why, state="nothing was changed", hints=self.hints)


def place_unknown(why: str) -> Refuse:
    """Whether files still stand cannot be seen."""
    return Refuse(
        "place-unknown",
        "whether the files of the old life still stand cannot be seen",
        why,
        (
            "run it where the old life stands",
            "if it is lost for good: castle rebirth --source-lost",
        ),
    )


def another_volume(why: str) -> Refuse:
    """The volume was removed and made anew behind castle's back."""
    return Refuse(
        "another-volume",
        "the volume is not the one that castle knows",
        why,
        (
            "if what is in it now is right: castle raise --adopt",
            "to give up what is in it now, and bring the newest snapshot home: castle rebirth --abandon-data",
        ),
    )


def no_repository(path: str, files: str, *, life: bool = True) -> Refuse:
    """Nothing is under the path, and nobody said that this is right. `life`: one stands, and the files join it."""
    return Refuse(
        "no-repository",
        f"no restic repository was found at {path}",
        f"{files}; a repository is begun on request only, since an empty one beside a wrong path looks like a new one",
        (
            "look at `treasury.url` in the definition if there should be one",
            f"to begin one: castle raise {'--adopt' if life else '--new'}",
        ),
    )


def wrong_path(path: str, recorded: str) -> Refuse:
    """The record knows a repository that is not there."""
    return Refuse(
        "wrong-path",
        f"there is no repository at {path}, yet the record knows one at {recorded}",
        "its objects are gone, or the definition names another bucket, prefix or layer than before",
        (
            "look at `treasury.url` and at the layer's name",
            "if objects were deleted: older versions of them may still be in the bucket",
            "castle doctor",
        ),
    )


def odd(path: str, why: str) -> Refuse:
    """Objects, but no repository."""
    return Refuse(
        "odd",
        f"objects lie at {path}, but no repository",
        why or "its configuration object is missing",
        ("look at older versions of `config` in the bucket", "castle doctor"),
    )


def foreign(path: str) -> Refuse:
    """Another repository took the place."""
    return Refuse(
        "foreign",
        f"the repository at {path} is not the one that the record knows",
        "its configuration object has another digest: it was made anew, or brought from elsewhere",
        ("look at older versions of `config` in the bucket", "castle doctor"),
    )


def not_recorded(path: str, count: int, newest: str, host: str) -> Refuse:
    """Snapshots of which the record knows nothing."""
    secret = f"'{path.rsplit('/', 1)[-1]}/repository'"
    return Refuse(
        "not-recorded",
        f"a repository with {count} snapshots lies at {path}, and the record does not know it",
        f"the newest is {newest} of host {host or 'unknown'}",
        (
            f"if it is yours, put its password into the key file under [secrets]: {secret} = '...'",
            "castle raise --adopt",
        ),
    )


def nothing_to_choose(verb: str, words: Sequence[str], where: str) -> Refuse:
    """Words that say what comes home, where nothing does."""
    said = " and ".join(words)
    fate = "are here and will be sealed" if verb == "rebirth" else "are here and stand"
    return Refuse(
        "nothing-to-choose",
        f"the files {fate}: {said} would choose nothing",
        f"these words say what comes home from {where} when no files are left here",
        ("castle restore --set LAYER=SNAPSHOT, to replace them by older ones", f"castle {verb}, without {said}"),
    )


def new_but_exists(path: str, newest: str) -> Refuse:
    """--new over history."""
    return Refuse(
        "new-but-exists",
        f"--new was given, but the record knows files, and snapshot {newest} lies at {path}",
        "a first birth would put an empty tree beside them",
        ("castle raise, without --new, to bring them home",),
    )


def behind(path: str, why: str) -> Refuse:
    """The repository is older than what was proven."""
    return Refuse(
        "behind",
        f"the repository at {path} is behind the record",
        why,
        (
            "older versions of its objects may still be in the bucket",
            "to bring home what there is, by name: castle raise --set LAYER=SNAPSHOT",
            "castle doctor",
        ),
    )


def other_path(path: str, label: str, paths: Sequence[str]) -> Refuse:
    """A snapshot of something else: an empty tree would come home."""
    return Refuse(
        "other-path",
        f"snapshot {label} in the repository at {path} does not hold the path /data",
        f"it holds {', '.join(paths) or 'no path'}: nothing of it would come home",
        ("back the files up under /data, for example from a container that mounts them there", "castle raise --adopt"),
    )


def no_such_snapshot(path: str, label: str, known: Sequence[str]) -> Refuse:
    """A label that nothing has."""
    return Refuse(
        "no-such-snapshot",
        f"snapshot `{label}` is not in the repository at {path}, or the name fits several",
        f"its newest are {', '.join(known)}",
        ("castle status",),
    )


def unreadable(kind: str, path: str, why: str, mend: Sequence[str]) -> Refuse:
    """Closed, damaged, locked, or not answering."""
    words = {
        "closed": f"the repository at {path} cannot be opened",
        "damaged": f"the repository at {path} is damaged",
        "locked": f"somebody else works on the repository at {path}",
    }
    message = words.get(kind, f"the repository at {path} cannot be seen")
    return Refuse(kind, message, why, tuple(mend) or ("castle doctor",), transient=kind in ("unknown", "locked"))
