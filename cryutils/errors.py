"""The one error that a user's mistake raises, and the near miss that mends it.

Walked by no notebook: it is what every notebook shows instead of a traceback's
last line. The command turns it into one line on stderr and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "near_miss", "require_counts"]


class InputError(ValueError):
    """The user's input is wrong; the message names the thing and the mend, in one line."""


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean X?" or " Known: a, b, c." for a name that is not in `known`.

    >>> near_miss("tset_size", ["test_size", "seed"])
    ' Did you mean test_size?'
    """
    options = sorted(known)
    longer = [option for option in options if name and option.startswith(name)]
    turned = [option for option in options if sorted(option) == sorted(name)]  # "rnu"
    close = longer or turned or difflib.get_close_matches(name, options, n=1, cutoff=0.75)
    if close:
        return f" Did you mean {close[0]}?"
    return f" Known: {', '.join(options)}." if options else ""


def require_counts(given: object, *names: str) -> None:
    """Raise InputError for the first of the attributes `names` of `given` that is below 1."""
    for name in names:
        if getattr(given, name) < 1:
            raise InputError(f"{name}={getattr(given, name)}: give 1 or more.")
