"""Progress of long work: a bar on a terminal or in a notebook, nothing in a pipe.

Bars are tqdm's, on stderr, so that a command's output can be piped.
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

_NEWS_S = 2.0  # between updates of the file that a command reads


@contextmanager
def counting(what: str, unit: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Yield `report(done, total)`, which draws a progress bar that is removed at the end.

    Within a run nothing is drawn, because a cell's output must not depend on its duration. Instead,
    the count and the time left are written to the file in `CRYUTILS_PROGRESS_FILE`, which the
    command shows. Nothing is reported if `shown` is False.
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
            bar.total = bar.n  # otherwise the bar of a training that stops early remains, in red
    finally:
        if bar is not None:
            bar.close()


def _bar(what: str, unit: str, **counts: int) -> Any:
    # Smoothing, because the first clips may come from the cache.
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
    """A stream that writes its last line to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        if line := text.strip():
            with suppress(OSError), writing(self.path) as part:  # work continues without it
                part.write_text(line, encoding="utf-8")
