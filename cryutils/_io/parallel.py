"""Parallel work in order: on files in threads, on folds in processes or on a Dask cluster.

`audio` and `video` use `thread_map` for the files of a corpus, and `identities` in the keys of
their caches; `papers.embeddings` decodes ahead of a network; `evaluation` uses `process_map` for
folds and permutations. No notebook walks this module.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from functools import cache
from itertools import chain, islice, repeat, takewhile
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cryutils._io.progress import counting
from cryutils.errors import InputError

__all__ = [
    "SCHEDULER", "Identity", "connect", "identities", "identity", "lost_workers", "on_cluster",
    "ordered_map", "prefetch", "process_map", "thread_map",
]  # fmt: skip

SCHEDULER = "CRYUTILS_SCHEDULER"  # the variable with the address of a Dask scheduler
_SCHEDULER_S = 10  # to wait for it

T = TypeVar("T")
R = TypeVar("R")


class Identity(NamedTuple):
    """Path, size and time of change of a file: another content has another identity."""

    path: str
    size: int
    modified_ns: int


def identities(paths: Iterable[Path]) -> tuple[Identity, ...]:
    """Return the identity of each file. Raises InputError if there is none, or one is missing."""
    files = tuple(identity(path) for path in paths)
    if not files:
        raise InputError("the corpus is empty: give at least one clip.")
    return files


def identity(path: Path) -> Identity:
    """Return the identity of the file at `path`. Raises InputError if there is none."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - ten times faster than Path.absolute
    try:
        stat = os.stat(absolute)  # noqa: PTH116
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    return Identity(absolute, stat.st_size, stat.st_mtime_ns)


def ordered_map(
    pool: Executor, function: Callable[[T], R], items: Iterable[T], *, ahead: int
) -> Iterator[R]:
    """Yield function(item) in order, while `pool` works on the next `ahead` items at most.

    An error of `function` is raised in that item's place. After it, or when the caller stops, no
    item is started, and the pool ends with those that were. `pool` may be any executor, including
    that of a Dask client (`get_executor()`) if function and items can be pickled.

    Python 3.14 has this as `Executor.map(buffersize=)`. joblib's generator doesn't wait for its
    reader: of 200 results, 198 were in memory before a slow reader took them.
    """
    waiting: deque[Future[R]] = deque()
    with pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def thread_map(
    function: Callable[[T], R],
    clips: Sequence[T],
    *,
    what: str,
    progress: bool = False,
    jobs: int | None = None,
) -> Iterator[R]:
    """Yield function(clip) in order, computed by threads, a few clips ahead.

    Threads, because decoding and transforms release Python's lock, and a process would need its own
    imports and send every array back. BLAS has one thread each: with more, products took ten times
    as long. On a Dask cluster the workers compute, which must have the files at the same paths.

    Parameters
    ----------
    function : function
        Of a clip.
    clips : sequence
        Its arguments.
    what : str
        Names the work in the progress.
    progress : bool
        Show a bar on a terminal or in a notebook.
    jobs : int, optional
        Threads; None: one for each core that this process may use.

    Raises
    ------
    InputError
        Less than one thread.
    """
    from joblib import cpu_count
    from threadpoolctl import threadpool_limits

    threads = cpu_count() if jobs is None else jobs
    if threads < 1:
        raise InputError(f"jobs={threads}: give at least one thread, or None for all cores.")

    if on_cluster():
        results = process_map(function, clips, shared=(), jobs=None)
    else:
        results = ordered_map(ThreadPoolExecutor(threads), function, clips, ahead=4 * threads)
    shown = counting(what, "clips", shown=progress)
    with threadpool_limits(1, "blas"), shown as report:
        report(0, len(clips))
        for done, result in enumerate(results, start=1):
            yield result
            report(done, len(clips))


def process_map(
    function: Callable[..., R], items: Iterable[T], *, shared: Sequence[Any], jobs: int | None
) -> Iterator[R]:
    """Yield function(*shared, item) in order, computed by processes.

    These are `jobs` local ones (None: one for each core), or the workers of the Dask scheduler that
    CRYUTILS_SCHEDULER names. `shared` is sent to each worker once. joblib's own Dask backend was
    slower with two workers than with one.
    """
    from joblib import Parallel, cpu_count, delayed

    if on_cluster():
        client = connect(os.environ[SCHEDULER])
        (sent,) = client.scatter([tuple(shared)], broadcast=True)
        futures = client.map(_in_worker, list(items), function=function, shared=sent, pure=False)
        yield from (future.result() for future in futures)
    else:
        workers = Parallel(n_jobs=jobs or cpu_count(), return_as="generator")
        yield from workers(delayed(function)(*shared, item) for item in items)


def on_cluster() -> bool:
    """Return whether this process sends its work to a Dask cluster."""
    return bool(os.environ.get(SCHEDULER))


@cache
def connect(address: str) -> Any:
    """Return the client of the Dask scheduler at `address`, one in each process.

    Raises InputError if no scheduler answers, or if it has no worker.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_SCHEDULER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{address}: no Dask scheduler answers; start one with `dask scheduler`."
        ) from error
    if not client.scheduler_info()["workers"]:
        raise InputError(f"{address}: it has no worker; start `dask worker {address}`.")
    return client


def lost_workers() -> tuple[type[BaseException], ...]:
    """Return the errors of tasks whose Dask workers were lost; none if Dask was never used."""
    if "distributed" not in sys.modules:
        return ()
    from distributed import KilledWorker

    return KilledWorker, CancelledError


def _in_worker(item: T, *, function: Callable[..., R], shared: Sequence[Any]) -> R:
    from threadpoolctl import threadpool_limits

    os.environ.pop(SCHEDULER, None)  # a task that waits for tasks could block every worker
    with threadpool_limits(1):
        return function(*shared, item)


def prefetch(items: Iterable[T], *, ahead: int) -> Iterator[T]:
    """Yield `items`, up to `ahead` of which a thread takes in advance."""
    source = iter(items)
    pool = ThreadPoolExecutor(1)
    single = ordered_map(pool, lambda _: list(islice(source, 1)), repeat(None), ahead=ahead)
    yield from chain.from_iterable(takewhile(bool, single))
