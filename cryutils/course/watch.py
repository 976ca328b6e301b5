"""Progress of a run: bars with the time left on a terminal, plain lines elsewhere: `watching`.

Everything goes to stderr, so that a command's output can be piped. No notebook uses this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryutils.course.cli_group import say
from cryutils.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["watching"]

Report = Callable[[str, str, float], None]

_ENDS = ("kept", "done", "failed")  # the last report of a notebook
_LINE_S = 60.0  # between plain lines
_PACE = 0.1  # share of the run after which its own pace is used instead of earlier runs


@contextmanager
def watching(
    names: Sequence[str], *, before: Mapping[str, float], processes: int, title: str
) -> Iterator[Report]:
    """Show the progress of a run; yield `report(notebook, what, share)` for `course.run`.

    `names` are the notebooks of the run `title`, and `processes` of them are executed in parallel.
    `before` has the durations of earlier executions in s, by notebook.
    """
    from rich.console import Console

    console = Console(stderr=True)
    run = _Run(names, before, processes)
    if console.is_terminal:
        console.print(f"Run [bold]{title}[/bold]")
        with _bars(run, console) as report:
            yield report
    else:
        yield _plain_lines(run)


class _Run:
    """The progress of each notebook of a run, and the time left."""

    def __init__(self, names: Sequence[str], before: Mapping[str, float], processes: int) -> None:
        usual = sorted(before.values())[len(before) // 2] if before else 1.0
        self.seconds = {name: before.get(name, usual) for name in names}
        self.shares = dict.fromkeys(names, 0.0)
        self.ended: set[str] = set()
        self.before, self.processes, self.began_s = before, processes, time.monotonic()

    def update(self, name: str, what: str, share: float) -> bool:
        """Record a report; return whether the notebook has just started."""
        is_new = what == "running" and not self.shares[name]
        if what == "kept":
            del self.seconds[name]  # takes no time
        if what in ("running", *_ENDS):
            self.shares[name] = max(share, 1e-9)
        if what in _ENDS:
            self.ended.add(name)
        return is_new

    def left_s(self) -> float | None:
        """Return the estimated time left in s, None while it is unknown."""
        total = sum(self.seconds.values())
        done = sum(seconds * self.shares[name] for name, seconds in self.seconds.items())
        if done > _PACE * total:
            return (time.monotonic() - self.began_s) * (total - done) / done
        if not self.seconds or self.seconds.keys() - self.before.keys():
            return None
        return max(*self.seconds.values(), total / self.processes) - done / self.processes

    def words(self) -> str:
        """Return the time left in words."""
        left_s = self.left_s()
        if left_s is None:
            return "estimating the time left"
        if left_s < 60:
            return "less than a minute left"
        if left_s < 90 * 60:
            return f"about {left_s / 60:.0f} min left"
        return f"about {left_s / 3600:.1f} h left"


@contextmanager
def _bars(run: _Run, console: Console) -> Iterator[Report]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("{task.fields[what]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as bars:
        tasks = {
            name: bars.add_task(name, total=1.0, start=False, what="waiting") for name in run.shares
        }
        whole = bars.add_task("the whole run", total=1.0, what="")

        def show(name: str, what: str, share: float) -> None:
            if name:
                if run.update(name, what, share):
                    bars.start_task(tasks[name])
                bars.update(tasks[name], completed=share, what=printable(what))
                if what in _ENDS:
                    bars.stop_task(tasks[name])
            elif what:
                bars.console.print(printable(what), markup=False)
            done = sum(run.shares.values()) / len(run.shares)
            bars.update(whole, completed=done, what=run.words())

        yield show


def _plain_lines(run: _Run) -> Report:
    said_s, count = time.monotonic(), ""

    def show(name: str, what: str, share: float) -> None:
        nonlocal said_s, count
        if name:
            if run.update(name, what, share):
                say(f"{name}: started", err=True)
            if what in _ENDS:
                say(f"{name}: {'finished before, kept' if what == 'kept' else what}", err=True)
            is_count = what not in ("running", *_ENDS)
            count = f"; {name}: {what.partition(', about ')[0]}" if is_count else ""
        elif what:
            say(what, err=True)
        if time.monotonic() - said_s >= _LINE_S:
            said_s = time.monotonic()
            done = f"{len(run.ended)} of {len(run.shares)} notebooks done"
            say(f"{done}, {run.words()}{count}", err=True)

    return show
