"""Questions to the store from the server's pages, `ask`, and the threads that wait for its answers.

A store that does not answer holds up neither what needs no store nor the end of the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from starlette.exceptions import HTTPException

from crydecode.store.database import NO_ANSWER, StoreUnavailable

T = TypeVar("T")

ANSWER_S = 12.0  # longer than a store itself waits for another program


class Threads(Executor):
    """At most `n` threads that, unlike those of a ThreadPoolExecutor, end with the program."""

    def __init__(self, n: int) -> None:
        self._free, self._tasks = n, SimpleQueue[tuple[Future[Any], Callable[[], Any]]]()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call a function in a thread, in the order of the calls."""
        future: Future[T] = Future()
        self._tasks.put((future, partial(fn, *args, **kwargs)))
        if self._free:
            self._free -= 1
            Thread(target=self._work, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, task = self._tasks.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:
                    future.set_exception(error)


STORE = Threads(8)


async def ask(
    question: Callable[..., T], *about: Any, threads: Threads = STORE, limit_s: float = ANSWER_S
) -> T:
    """Ask the store in a thread and return its answer.

    Raises error 503 with the reason, for caregivers, if it can't be used or does not answer within
    `limit_s`; then the question is dropped if no thread was free for it.
    """
    answer = asyncio.get_running_loop().run_in_executor(threads, question, *about)
    try:
        return await asyncio.wait_for(answer, limit_s)
    except StoreUnavailable as error:
        raise HTTPException(503, error.advice) from error
    except TimeoutError as error:
        silent = StoreUnavailable("no answer", "the store", NO_ANSWER)
        raise HTTPException(503, silent.advice) from error
