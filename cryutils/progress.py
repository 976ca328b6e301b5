"""Progress: bars with the time left on a terminal, plain lines or silence elsewhere.

Everything goes to stderr, so that what a command prints can be piped. No notebook walks it.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryutils.locations import writing

__all__ = ["counting", "watching"]


_ENDS = ("kept", "done", "failed")  # what the runner says of a notebook last
_LINE_S = 60.0  # from one plain line to the next
_NEWS_S = 2.0  # from one to the next where a command shows them
_LATEST = 12  # reports whose pace counts: the first ones may have been found in the cache


@contextmanager
def counting(
    what: str, unit: str, *, lines: bool = False, shown: bool = True
) -> Iterator[Callable[[int, int], None]]:
    """Give `report(done, total)`: one bar on a terminal that goes away, nothing elsewhere.

    With `lines`, one line a minute elsewhere: how much is done, and the time left at the latest
    pace. Unless `shown`, nothing anywhere.
    """
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    place = os.environ.get("CRYUTILS_PROGRESS_FILE")  # of a run, whose command shows it
    if (lines or place) and not console.is_terminal:
        yield _now_and_then(what, unit, place)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TextColumn(unit),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _now_and_then(what: str, unit: str, place: str | None) -> Callable[[int, int], None]:
    every_s = _NEWS_S if place else _LINE_S
    told_s = time.monotonic()
    latest: deque[tuple[float, int]] = deque(maxlen=_LATEST)

    def report(done: int, total: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        latest.append((now_s, done))
        first_s, first = latest[0]
        if now_s - told_s < every_s or done == first:
            return
        left_min = (total - done) * (now_s - first_s) / (done - first) / 60
        line = f"{what}: {done} of {total} {unit}, about {left_min:.0f} min left"
        if place:
            with suppress(OSError), writing(Path(place)) as part:  # no work fails for its news
                part.write_text(line, encoding="utf-8")
        else:
            print(line, file=sys.stderr, flush=True)
        told_s = now_s

    return report


@contextmanager
def watching(names: Sequence[str], *, title: str) -> Iterator[Callable[[str, str, float], None]]:
    """Give `report(notebook, what, share)`: a bar each on a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("{task.fields[what]}"),
    )  # fmt: skip
    console.print(f"Run [bold]{title}[/bold]")
    with Progress(*columns, console=console) as bars:
        tasks = {
            name: bars.add_task(name, total=1.0, start=False, what="waiting") for name in names
        }

        def show(name: str, what: str, share: float) -> None:
            if what == "running" and share == 0:
                bars.start_task(tasks[name])
            bars.update(tasks[name], completed=share, what=what)
            if what in _ENDS:
                bars.stop_task(tasks[name])

        yield show


def _plain_lines() -> Callable[[str, str, float], None]:
    told_s: dict[str, float] = {}

    def show(name: str, what: str, share: float) -> None:
        if what == "running" and share:
            return
        known = {"kept": "finished before, kept", "running": "started"}
        if what not in (*known, *_ENDS):  # from within a cell, every few seconds
            if time.monotonic() - told_s.setdefault(name, time.monotonic()) < _LINE_S:
                return
            told_s[name] = time.monotonic()
        print(f"{name}: {known.get(what, what)}", file=sys.stderr, flush=True)

    return show
