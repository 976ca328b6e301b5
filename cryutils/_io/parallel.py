"""Work on many files: what tells one from another, and threads that keep their order.

Walked by no notebook. `audio` and `video` spread a corpus over all cores with `Work` and
key what they keep on disk by `identities`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from cryutils._io.progress import counting
from cryutils.errors import InputError

__all__ = ["Identity", "Work", "identities", "identity"]

Array = npt.NDArray[Any]


class Identity(NamedTuple):
    """What tells a file from any other and from itself before it was changed."""

    path: str
    size: int
    modified_ns: int


def identities(paths: Iterable[Path]) -> tuple[Identity, ...]:
    """Return what tells each file apart. Raises InputError for none at all, or a missing one."""
    files = tuple(identity(path) for path in paths)
    if not files:
        raise InputError("the corpus is empty: give at least one clip.")
    return files


def identity(path: Path) -> Identity:
    """Return what tells the file at `path` apart. Raises InputError where there is none."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - ten times faster than Path.absolute
    try:
        stat = os.stat(absolute)  # noqa: PTH116
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    return Identity(absolute, stat.st_size, stat.st_mtime_ns)


class Work(NamedTuple):
    """How work on many clips is spread and shown."""

    name: str
    progress: bool
    jobs: int | None

    def each(self, function: Callable[[Any], Array], items: Sequence[Any]) -> Iterator[Array]:
        """Yield function(item) in order, computed by threads, a few items ahead and no more.

        Threads, because decoding and transforms leave Python's lock alone, and a process
        would pay for its own imports and for sending every array back. Each matrix product
        keeps to its thread: BLAS's own threads under ours took ten times as long.
        """
        threads = os.cpu_count() or 1 if self.jobs is None else self.jobs
        if threads < 1:
            raise InputError(f"jobs={threads}: give at least one thread, or None for all cores.")
        from threadpoolctl import threadpool_limits

        waiting: deque[Future[Array]] = deque()
        shown = counting(self.name, "clips", lines=True, shown=self.progress)
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool, shown as report:
            for done, item in enumerate(items):
                waiting.append(pool.submit(function, item))
                if len(waiting) > 4 * threads:
                    yield waiting.popleft().result()
                    report(done + 1 - len(waiting), len(items))
            while waiting:
                yield waiting.popleft().result()
                report(len(items) - len(waiting), len(items))
