"""Parallel work with results in order: in threads, in processes or on a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cryutils._io.progress import counting
from cryutils.errors import InputError

__all__ = [
    "SCHEDULER", "Identity", "connect", "identities", "identity", "lost_workers", "memory",
    "on_cluster", "process_map", "thread_map",
]  # fmt: skip

SCHEDULER = "CRYUTILS_SCHEDULER"  # environment variable with the address of a Dask scheduler
_SCHEDULER_S = 10  # to wait for the scheduler
_GROUPS = Path("/sys/fs/cgroup")  # Linux's limits of a container

T = TypeVar("T")
R = TypeVar("R")


class Identity(NamedTuple):
    """Path, size and modification time of a file, which identify its content."""

    path: str
    size: int
    modified_ns: int


def identities(paths: Iterable[Path]) -> tuple[Identity, ...]:
    """Return the identity of each file. Raises InputError without files, or if one is missing."""
    files = tuple(identity(path) for path in paths)
    if not files:
        raise InputError("the corpus is empty: give at least one clip.")
    return files


def identity(path: Path) -> Identity:
    """Return the identity of the file at `path`. Raises InputError if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    return Identity(str(path.absolute()), status.st_size, status.st_mtime_ns)


def memory() -> int:
    """Return the memory in bytes that this process may use: a container's limit, or all."""
    import psutil

    limits = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # not in a container, or no limit ("max")
            limits.append(int((_GROUPS / name).read_text()))
    return min(limits)


def thread_map(
    function: Callable[[T], R], clips: Sequence[T], *, what: str, progress: bool = False
) -> Iterator[R]:
    """Yield function(clip) in order, computed by threads on all cores or by a Dask cluster.

    Threads, because decoding and transforms release the GIL, while a process would have to import
    everything and send every array back. BLAS uses one thread in each: with more, products took ten
    times as long. The workers of a cluster need the files at the same paths. `what` names the work
    in the progress bar.
    """
    from joblib import cpu_count
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1, "blas"),
        counting(what, "clips", shown=progress) as report,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        results = (
            process_map(function, clips, shared=(), jobs=None)
            if on_cluster()
            else pool.map(function, clips)
        )
        for done, result in enumerate(results, start=1):
            yield result
            report(done, len(clips))


def process_map(
    function: Callable[..., R], items: Iterable[T], *, shared: Sequence[Any], jobs: int | None
) -> Iterator[R]:
    """Yield function(*shared, item) in order, computed by processes.

    These are `jobs` local processes (None: one for each core), or the workers of the Dask scheduler
    in CRYUTILS_SCHEDULER. `shared` is sent to each Dask worker once. joblib's own Dask backend was
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
    """Return this process's client of the Dask scheduler at `address`.

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
    """Return the error types of tasks whose Dask workers were lost; () if Dask was never used."""
    if "distributed" not in sys.modules:
        return ()
    from distributed import KilledWorker

    return KilledWorker, CancelledError


def _in_worker(item: T, *, function: Callable[..., R], shared: Sequence[Any]) -> R:
    from threadpoolctl import threadpool_limits

    os.environ.pop(SCHEDULER, None)  # a task that waits for tasks could block every worker
    with threadpool_limits(1):
        return function(*shared, item)
