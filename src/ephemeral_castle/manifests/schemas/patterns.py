r"""Regular expressions as the API server reads them: RE2, linear in the length of the text.

google-re2 is the C++ library from which Go's package was made. Python's own `re` would differ (`$`, `\pZ`) and could
be made to hang by a pattern like `(a+)+$`; where google-re2 is not installed, nobody judges.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

Matches = Callable[[str], bool]
_REMEMBERED: Final = 4096  # texts a pattern; manifests repeat themselves
_LONG: Final = 256  # characters; longer texts are matched anew each time, so that memory stays bounded


class BadPatternError(ValueError):
    """A pattern that RE2 does not take; the server says so for every value."""


@lru_cache(maxsize=1)
def engine() -> Any | None:
    """The library, imported at the first pattern; None: it is not installed here."""
    try:
        import re2  # no types
    except ImportError:
        return None
    return re2


def available() -> bool:
    """Whether patterns can be judged here; asked without importing the library."""
    return find_spec("re2") is not None


@lru_cache(maxsize=2048)
def pattern(text: str) -> Matches | None:
    """What tells whether a string holds a match of a pattern; None: nobody here can.

    Raises:
        BadPatternError: RE2 does not take the pattern.
    """
    library = engine()
    if library is None:
        return None
    options = library.Options()
    options.log_errors = False
    try:
        search = library.compile(text, options).search
    except (library.error, UnicodeError) as error:
        raise BadPatternError(str(error)) from error

    def found(value: str) -> bool:
        try:
            return search(value) is not None
        except UnicodeError:  # half of a surrogate pair: not a text that JSON over the wire can carry
            return False

    remembered = lru_cache(maxsize=_REMEMBERED)(found)
    return lambda value: remembered(value) if len(value) < _LONG else found(value)
