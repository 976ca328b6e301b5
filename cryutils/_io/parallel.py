"""Parallel work: threads with results in order, and the workers of a Dask cluster."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cryutils._io.paths import check_file
from cryutils._io.progress import counting
from cryutils.errors import InputError

PATIENCE_S = 600  # without a worker, before work on a cluster is given up
_SCHEDULER_S = 8  # to wait for the scheduler
_LOOK_S = 2  # between looks at the cluster
_GROUPS = Path("/sys/fs/cgroup")  # Linux's limits of a container

T = TypeVar("T")
R = TypeVar("R")


class Identity(NamedTuple):
    """Path, size and modification time of a file, which identify its content."""

    path: str
    size: int
    modified_ns: int


def identities(paths: Iterable[Path | None]) -> tuple[Identity | None, ...]:
    """Return the identity of each file, if any. Raises InputError without paths or for a missing file."""
    files = tuple(None if path is None else identity(path) for path in paths)
    if not files:
        raise InputError("the corpus is empty: give at least one clip.")
    return files


def identity(path: Path) -> Identity:
    """Return the identity of the file at `path`. Raises InputError if it can't be opened."""
    try:
        status = path.stat()
    except OSError:
        check_file(path)
        raise
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
    """Yield function(clip) in order, computed by threads on all cores.

    Decoding and transforms release the GIL. BLAS uses one thread in each: with more, products took
    ten times as long. `what` names the work in the progress bar.
    """
    with ExitStack() as stack:
        report = stack.enter_context(counting(what, "clips", shown=progress))
        results: Iterable[R]
        if sys.platform == "emscripten":  # a browser has no threads
            results = map(function, clips)
        else:
            from joblib import cpu_count
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(1, "blas"))
            results = stack.enter_context(ThreadPoolExecutor(cpu_count())).map(function, clips)
        for done, result in enumerate(results, start=1):
            yield result
            report(done, len(clips))


@cache
def connect(address: str) -> Any:
    """Return this process's client of the Dask scheduler at `address`.

    Raises InputError if no scheduler answers within 10 s, or if it has no worker.
    """
    from distributed import Client, Security, rpc

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # errors are raised as well

    async def ask() -> dict[str, Any]:
        arguments = Security().get_connection_args("client")
        async with rpc(address, timeout=_SCHEDULER_S, connection_args=arguments) as scheduler:
            return dict(await asyncio.wait_for(scheduler.identity(), _SCHEDULER_S))

    # Client itself waits for ever for a program that listens and is no scheduler.
    with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has a running event loop
        answer = thread.submit(asyncio.run, ask())
    if answer.exception() or answer.result().get("type") != "Scheduler":
        what = f"{address}: no Dask scheduler answers; start one with `dask scheduler`."
        raise InputError(what) from answer.exception()
    if not answer.result()["workers"]:
        raise InputError(f"{address}: it has no worker; start `dask worker {address}`.")
    return Client(address, timeout=_SCHEDULER_S, set_as_default=False)


class Cluster:
    """The workers of the Dask scheduler at `address`; work waits `patience_s` once none is left."""

    def __init__(self, address: str, *, patience_s: float = PATIENCE_S) -> None:
        self._client, self._address, self._patience_s = connect(address), address, patience_s
        self._pool = self._client.get_executor(pure=False, retries=0)
        self._looked, self._lost = time.monotonic(), inf  # the last look, the last worker's loss

    def submit(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        """Return the future result of `function(*arguments)` on a worker."""
        return self._pool.submit(function, *arguments)  # type: ignore[no-any-return]

    def everywhere(self, function: Callable[..., R], *arguments: Any) -> dict[str, R | Exception]:
        """Return `function(*arguments)` on each worker, or what it raised, by address."""
        return dict(sorted(self._client.run(function, *arguments, on_error="return").items()))

    def watch(self) -> str:
        """Return a line to show if no worker is left, once, and "" otherwise.

        To be called about every second while work waits. Raises InputError after `patience_s`
        without a worker.
        """
        if (now := time.monotonic()) - self._looked < _LOOK_S:
            return ""
        self._looked, patience = now, f"{self._patience_s:.0f} s"
        with suppress(OSError):  # the scheduler is gone, or hangs
            if self._client.status == "running":
                answer = self._client.sync(self._client.scheduler.identity, callback_timeout=_LOOK_S)
                if answer["workers"]:
                    self._lost = inf
                    return ""
        if self._lost == inf:
            self._lost = now
            return f"{self._address}: no worker left; waiting up to {patience} for one"
        if now - self._lost > self._patience_s:
            remedy = f"start `dask worker {self._address}` and repeat the command, what has finished is kept"
            raise InputError(f"{self._address}: no worker for {patience}; {remedy}.")
        return ""

    def close(self) -> None:
        """Cancel what is still computed, whether or not a worker is left to hear of it."""
        self._pool.shutdown(wait=False)
        connect.cache_clear()
        with suppress(OSError):
            self._client.close(timeout=_LOOK_S)


def lost_workers() -> tuple[type[BaseException], ...]:
    """Return the error types of tasks whose Dask workers were lost; () if Dask was never used."""
    if "distributed" not in sys.modules:
        return ()
    from distributed import KilledWorker

    return KilledWorker, CancelledError
