"""How far long work is: a bar on a terminal or in a notebook, silence in a pipe.

No notebook walks it. Bars are tqdm's, on stderr, so that what a command prints can be piped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryutils._io.paths import writing
from cryutils.errors import printable

__all__ = ["counting"]

_NEWS_S = 2.0  # from one news to the next where a command shows them


@contextmanager
def counting(what: str, unit: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Give `report(done, total)`: a bar that goes away, on a terminal or in a notebook.

    Within a run nothing is drawn, since a cell's output can't depend on how long it takes: the
    file that `CRYUTILS_PROGRESS_FILE` names says how much is done, and the time left at the
    latest pace, for the command to show. Unless `shown`, nothing anywhere.
    """
    bar: Any = None

    def report(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = _bar(printable(what), unit, initial=done, total=total)
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield report if shown else (lambda done, total: None)
        if bar is not None:
            bar.total = bar.n  # training that stops early is no failure, which would stay, in red
    finally:
        if bar is not None:
            bar.close()


def _bar(what: str, unit: str, **counts: int) -> Any:
    # The latest pace: the first clips may have been found in the cache.
    options: dict[str, Any] = {"miniters": 1, "smoothing": 0.5, "leave": False, **counts}
    if place := os.environ.get("CRYUTILS_PROGRESS_FILE"):
        from tqdm import tqdm

        return tqdm(
            desc=what, unit=unit, file=_News(Path(place)), mininterval=_NEWS_S, delay=_NEWS_S,
            bar_format="{desc}: {n} of {total} {unit}, about {remaining} left", **options,
        )  # fmt: skip
    from tqdm.auto import tqdm

    return tqdm(desc=what, unit=f" {unit}", disable=None if sys.stderr else True, **options)


class _News:
    """A stream whose last line is the content of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        if line := text.strip():
            with suppress(OSError), writing(self.path) as part:  # no work fails for its news
                part.write_text(line, encoding="utf-8")
