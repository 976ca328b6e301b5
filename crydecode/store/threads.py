"""The store in threads, so that a store that does not answer holds up nothing: `ask` and `Writer`.

Pages `ask` it. The live analysis has a `Writer`: readings that the log can't take now wait in memory,
and are written in order once it is back. Those that it refuses (InputError: the infant was removed)
are dropped, and the page says why.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from crydecode.store.database import NO_ANSWER, StoreUnavailable
from cryutils.errors import InputError
from cryutils.inference.readings import HOP_S, Reading
from cryutils.words import spent

T = TypeVar("T")

ANSWER_S = 12.0  # longer than a store itself waits for another program
STORE = asyncio.Semaphore(8)  # how many questions wait for an answer at once
WAITING = 7_200  # most readings that wait: one hour
RETRY_S = 5.0  # between attempts to write
SLOW_S = 2.0  # a log that has not answered after this time is reported


async def ask(
    question: Callable[..., T], *about: object, turns: asyncio.Semaphore = STORE, limit_s: float = ANSWER_S
) -> T:
    """Ask the store in a thread, in one of `turns`, and return its answer.

    Raises StoreUnavailable also if it does not answer within `limit_s`; a question whose turn has not
    come by then is dropped.
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
            threading.Thread(target=find, daemon=True).start()
            return await asyncio.wrap_future(answer)
    except TimeoutError as error:
        raise StoreUnavailable("no answer", "the store", NO_ANSWER) from error


class Writer:
    """Writes readings to `log`; at most `WAITING` wait, and those that come during an attempt.

    log: a function that returns once readings are durable. If more arrive, the oldest are lost. The
    thread ends when nothing waits. refused: why the log refused the last readings, or "".
    """

    def __init__(self, log: Callable[[list[Reading]], object]) -> None:
        self._log, self._changed = log, threading.Condition()
        self._waiting: list[Reading] = []  # also those being written
        self._begun = 0.0  # when the present attempt to write began
        self._why = self.refused = ""

    def put(self, readings: Sequence[Reading]) -> None:
        """Queue readings."""
        with self._changed:
            is_idle = not self._waiting
            self._waiting += readings
            if readings and is_idle:
                self._begun = time.monotonic()
                threading.Thread(target=self._run, name="log", daemon=True).start()

    def flush(self, wait_s: float) -> None:
        """Try again at once, and wait at most `wait_s` seconds until all readings are written."""
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting, wait_s)

    @property
    def waiting(self) -> int:
        """The number of readings that wait or are being written."""
        return len(self._waiting)

    def trouble(self) -> str:
        """Return a sentence that says why readings can't be logged; "" if they can."""
        with self._changed:
            is_slow = self._waiting and time.monotonic() - self._begun > SLOW_S
            why = self._why or (NO_ANSWER if is_slow else "")
            n, refused = self.waiting, self.refused
        if refused:
            return f"Nothing is saved now: {refused.rstrip('.')}."
        if not why:
            return ""
        older = " Older readings are lost." if n >= WAITING else ""
        return (
            f"Not saved yet: {why}. The last {spent(n * HOP_S)} wait and are saved as soon as"
            f" possible, unless the program ends before that.{older}"
        )

    def _run(self) -> None:
        batch = self._waiting.copy()
        while batch:
            why = refused = ""
            try:
                self._log(batch)
            except InputError as error:
                refused = str(error)  # not for the server's log: it may name the infant
            except StoreUnavailable as error:
                why = error.reason  # which is in the server's log
            except Exception as error:  # otherwise the thread ends and readings wait forever
                why = f"the program has a fault ({type(error).__name__})"
            with self._changed:
                self._why, self.refused = why, refused
                if why:
                    self._changed.wait(RETRY_S)
                else:
                    del self._waiting[: len(batch)]
                del self._waiting[:-WAITING]
                batch, self._begun = self._waiting.copy(), time.monotonic()
                self._changed.notify_all()
