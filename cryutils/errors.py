"""`InputError`, which is raised for a user's mistake, and helpers for its message.

Notebooks raise it as well. The command turns it into one line on stderr and exit code 2.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

# The name of a file has up to 255 bytes and its path 4096; each may be escaped as four characters.
_OVERLONG = re.compile(r"[^\s/]{1021,}|\S{16385,}")
NO_MEMORY = "it needs more memory than there is; cut it into shorter files"


class InputError(ValueError):
    """The user's input is wrong; the message names the problem and the remedy in one line.

    `problems` are all `datasets.corpus.Problem`s; the message names only the first.
    """

    problems: Sequence[Any] = ()


class Unavailable(Exception):
    """A file can't be downloaded; the message names the cause in a few words."""


def near_miss(name: str, names: Iterable[str]) -> str:
    """Return " Did you mean X?" or " Known: a, b, c." for a name that is not in `names`.

    >>> near_miss("tset_size", ["test_size", "seed"])
    ' Did you mean test_size?'
    """
    options = sorted(names)
    for close in difflib.get_close_matches(name, options, n=1):
        return f" Did you mean {close}?"
    return f" Known: {', '.join(options)}." if options else ""


def printable(text: object) -> str:
    """Return `text` as one line that is safe to print on a terminal, such as a file's name.

    Control characters and bytes that are not UTF-8 are escaped. A word that is longer than any
    name or path of a file is cut in the middle.

    >>> printable("a\\x1b[2J\\n.wav")
    'a\\\\x1b[2J\\\\n.wav'
    """
    text = str(text)
    with suppress(UnicodeEncodeError):  # a surrogate that does not encode a byte
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    text = "".join(c if _is_shown(c) else ascii(c)[1:-1] for c in text)
    return _OVERLONG.sub(lambda word: f"{word[0][:50]}...{word[0][-50:]}", text)


def _is_shown(character: str) -> bool:
    # `isprintable` excludes all spaces except " ", and the joiners of letters and emoji.
    is_joiner = character in "\u200c\u200d"
    return character.isprintable() or is_joiner or unicodedata.category(character) == "Zs"
