"""Progress of long work: a bar on a terminal or in a notebook, nothing in a pipe.

Bars are tqdm's, on stderr, so that a command's output can be piped. No notebook walks this module.
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

_NEWS_S = 2.0  # between two texts in the file that a command reads


@contextmanager
def counting(what: str, unit: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Give `report(done, total)`, which draws a bar that is removed at the end.

    Within a run nothing is drawn, since a cell's output must not depend on how long it takes.
    Instead, the file that `CRYUTILS_PROGRESS_FILE` names says how much is done and how long it will
    still take, for the command to show. Unless `shown`, nothing is reported.
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
            bar.total = bar.n  # else a training that stops early stays on the screen, in red
    finally:
        if bar is not None:
            bar.close()


def _bar(what: str, unit: str, **counts: int) -> Any:
    # Smoothed, since the first clips may have come from the cache.
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
    """A stream that keeps its last line in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        if line := text.strip():
            with suppress(OSError), writing(self.path) as part:  # work goes on without
                part.write_text(line, encoding="utf-8")
