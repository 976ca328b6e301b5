"""Questions to the store from the server's pages: `ask`.

A store that does not answer holds up neither what needs no store nor the end of the program.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from starlette.exceptions import HTTPException

from crydecode.store.database import NO_ANSWER, StoreUnavailable

T = TypeVar("T")

ANSWER_S = 12.0  # longer than a store itself waits for another program
STORE = asyncio.Semaphore(8)  # how many questions wait for an answer at once


async def ask(
    question: Callable[..., T], *about: object, turns: asyncio.Semaphore = STORE, limit_s: float = ANSWER_S
) -> T:
    """Ask the store in a thread, in one of `turns`, and return its answer.

    Raises error 503 with the reason, for caregivers, if it can't be used or does not answer within
    `limit_s`; a question whose turn has not come by then is dropped.
    """
    answer: Future[T] = Future()

    def find() -> None:
        answer.set_running_or_notify_cancel()  # from here on, it can't be cancelled
        try:
            answer.set_result(question(*about))
        except BaseException as error:
            answer.set_exception(error)

    try:
        async with asyncio.timeout(limit_s), turns:
            # Unlike the threads of an executor, a daemon does not delay the program's end.
            Thread(target=find, daemon=True).start()
            return await asyncio.wrap_future(answer)
    except StoreUnavailable as error:
        raise HTTPException(503, error.advice) from error
    except TimeoutError as error:
        silent = StoreUnavailable("no answer", "the store", NO_ANSWER)
        raise HTTPException(503, silent.advice) from error
