"""Shell patterns on texts, as `${VAR#pattern}` uses them. Pure.

`*` any text, `?` one character, `[a-z]` and `[^a-z]` one of several, a backslash before a character takes it as it is.
"""

from __future__ import annotations

LONGEST = 2_000  # characters: every beginning of a value is compared, so that time grows with its square


def shortest(value: str) -> bool:
    """Whether a value is short enough to be compared."""
    return len(value) <= LONGEST


def without(value: str, pattern: str, *, end: bool, longest: bool) -> str:
    """A value without what matches a pattern at its beginning or its end.

    Args:
        value: at most LONGEST characters.
        pattern: of the shell; one that is none takes nothing away.
        end: at the end.
        longest: as much as matches, rather than as little.
    """
    if end:
        return without(value[::-1], pattern[::-1], end=False, longest=longest)[::-1]
    try:
        sizes = range(len(value), 0, -1) if longest else range(1, len(value) + 1)
        return next((value[size:] for size in sizes if matches(pattern, value[:size])), value)
    except ValueError:
        return value


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches.

    Raises:
        ValueError: this is no pattern.
    """
    items = _items(pattern)
    at = here = 0
    star = mark = -1
    while here < len(text):
        if at < len(items) and items[at] is None:
            star, mark, at = at, here, at + 1
        elif at < len(items) and _is_one(items[at], text[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            at, here, mark = star + 1, mark + 1, mark + 1
        else:
            return False
    return all(each is None for each in items[at:])


Item = tuple[bool, tuple[tuple[str, str], ...]] | None  # whether these ranges are meant, or all others; None is `*`
ANY: Item = (False, ())


def _items(pattern: str) -> list[Item]:
    found: list[Item] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            found.append(None)
        elif char == "?":
            found.append(ANY)
        elif char == "[":
            item, at = _class(pattern, at)
            found.append(item)
        else:
            if char == "\\":
                char, at = _one(pattern, at - 1)
            found.append((True, ((char, char),)))
    return found


def _class(pattern: str, at: int) -> tuple[Item, int]:
    meant = not pattern.startswith("^", at)
    at += not meant
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        if pattern[at : at + 1] in ("", "-", "]"):
            raise ValueError(pattern)
        low, at = _one(pattern, at)
        high = low
        if pattern.startswith("-", at):
            if pattern[at + 1 : at + 2] in ("", "-", "]"):
                raise ValueError(pattern)
            high, at = _one(pattern, at + 1)
        ranges.append((low, high))
    return (meant, tuple(ranges)), at + 1


def _one(pattern: str, at: int) -> tuple[str, int]:
    """A character, perhaps behind a backslash."""
    if pattern.startswith("\\", at):
        at += 1
    if at >= len(pattern):
        raise ValueError(pattern)
    return pattern[at], at + 1


def _is_one(item: Item, char: str) -> bool:
    return item is not None and any(low <= char <= high for low, high in item[1]) == item[0]
