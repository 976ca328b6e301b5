"""What is shown of a run: bars with the time left on a terminal, plain lines elsewhere.

Everything goes to stderr, so that what a command prints can be piped. No notebook walks it.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryutils.course.time_left import Standing, time_left, words
from cryutils.errors import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["watching"]

_ENDS = ("kept", "done", "failed")  # what the runner says of a notebook last
_LINE_S = 60.0  # from one plain line to the next


@contextmanager
def watching(
    names: Sequence[str],
    *,
    before: Mapping[str, Sequence[float]],
    processes: int,
    after: Mapping[str, Sequence[str]],
    title: str,
) -> Iterator[Callable[[str, str, float], None]]:
    """Give `report(notebook, what, share)` of a run: bars on a terminal, plain lines elsewhere.

    `before`, `processes` and `after` are for the time left, as in `time_left.time_left`. On a
    terminal each notebook has a bar, and the run has one with the time left; elsewhere a line
    says when a notebook begins and ends, and one a minute how long the run still takes. Without a
    notebook `what` is a line about the whole run, or "" for a look at the clock.
    """
    from rich.console import Console

    console = Console(stderr=True)
    run = _Run(names, before, processes, after)
    if console.is_terminal:
        console.print(f"Run [bold]{title}[/bold]")
        with _bars(run, console) as report:
            yield report
    else:
        yield _plain_lines(run)


@contextmanager
def _bars(run: _Run, console: Console) -> Iterator[Callable[[str, str, float], None]]:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("{task.fields[what]}"),
    )  # fmt: skip

    class Bars(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            """Yield the bars, the last with the time left as of now."""
            if whole is not None:
                left_s = run.left_s()
                share = 0.0 if left_s is None else run.passed_s() / (run.passed_s() + left_s)
                self.update(whole, completed=share, what=words(left_s))
            yield from super().get_renderables()

    whole: TaskID | None = None
    with Bars(*columns, console=console) as bars:
        tasks = {
            name: bars.add_task(name, total=1.0, start=False, what="waiting")
            for name in run.standings
        }
        whole = bars.add_task("the whole run", total=1.0, what="")

        def show(name: str, what: str, share: float) -> None:
            run.hear(name, what, share)
            if not name:
                if what:
                    bars.console.print(printable(what), markup=False)
                return
            if what == "running" and share == 0:
                bars.start_task(tasks[name])
            bars.update(tasks[name], completed=share, what=printable(what), refresh=True)
            if what in _ENDS:
                bars.stop_task(tasks[name])

        yield show
        bars.update(whole, visible=False)


class _Run:
    """How far each notebook of a run is, from what is reported of it."""

    def __init__(
        self,
        names: Sequence[str],
        before: Mapping[str, Sequence[float]],
        processes: int,
        after: Mapping[str, Sequence[str]],
    ) -> None:
        self.before, self.processes, self.after = before, processes, after
        self.standings = {name: Standing() for name in names}
        self.ended: set[str] = set()
        self.counts: dict[str, str] = {}  # what long cells count, by notebook
        self.began_s = time.monotonic()

    def hear(self, name: str, what: str, share: float) -> None:
        now_s = time.monotonic()
        if not name:
            return
        if what == "kept":
            # A new one, for bars are drawn by a thread of their own.
            self.standings = {k: other for k, other in self.standings.items() if k != name}
            self.ended.add(name)
            return
        standing = self.standings[name]
        self.counts.pop(name, None)
        if what in _ENDS:
            standing.ended_s = now_s
            self.ended.add(name)
        elif what == "running":
            if standing.started_s is None:
                standing.started_s = now_s
            standing.share, standing.news_s = share, now_s
            standing.count_left_s = 0.0
        else:
            count, _, left = what.partition(", about ")  # of `progress.counting`
            self.counts[name] = f"; {name}: {count}"
            clock = re.fullmatch(r"(\d+(:\d+)+) left", left)
            parts = reversed(clock[1].split(":")) if clock else ()
            standing.counted_s = now_s
            standing.count_left_s = float(sum(int(part) * 60**k for k, part in enumerate(parts)))

    def passed_s(self) -> float:
        return time.monotonic() - self.began_s

    def left_s(self) -> float | None:
        return time_left(
            self.standings, self.before, now_s=time.monotonic(), processes=self.processes,
            after=self.after,
        )  # fmt: skip


def _plain_lines(run: _Run) -> Callable[[str, str, float], None]:
    said_s = time.monotonic()
    texts = {"kept": "finished before, kept", "running": "started"}

    def show(name: str, what: str, share: float) -> None:
        nonlocal said_s
        run.hear(name, what, share)
        line = ""
        if not name:
            line = what
        elif what in _ENDS or (what == "running" and not share):
            line = f"{name}: {texts.get(what, what)}"
        if line:
            print(printable(line), file=sys.stderr, flush=True)
        if time.monotonic() - said_s >= _LINE_S:
            said_s = time.monotonic()
            n = len(run.standings.keys() | run.ended)
            latest = next(reversed(run.counts.values()), "")
            line = f"{len(run.ended)} of {n} notebooks done, {words(run.left_s())}{latest}"
            print(line, file=sys.stderr, flush=True)

    return show
