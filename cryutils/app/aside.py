"""A thread for a page's requests to the log, `Aside`.

The page's own thread receives sound and pictures, so it can wait for a slow log only briefly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from cryutils.app.store.database import StoreUnavailable
from cryutils.errors import InputError

__all__ = ["Aside"]

BRIEF_S = 1.0  # a listening page logs a gap after 3 s without an answer
LONG_S = 10.0

Task = Callable[[], object]
Show = Callable[[str], object]


class Aside:
    """Runs one task at a time in a thread, and waits for it for a limited time."""

    def __init__(self, is_brief: Callable[[], bool] = lambda: False) -> None:
        """Wait only `BRIEF_S` while `is_brief()` is true, for example while the page listens."""
        self._is_brief = is_brief
        self._thread: threading.Thread | None = None

    def __call__(self, task: Task, show: Show) -> None:
        """Run a task. If it fails or takes too long, call `show` with a message.

        A slow task keeps running, and no other task is started until it ends. A task that is
        started by the running task is part of it and runs at once.
        """
        if threading.current_thread() is self._thread:
            _run(task, show)
        elif self._thread is not None and self._thread.is_alive():
            show("The log does not answer yet. Nothing was done; try again later.")
        else:
            run = copy_context().run
            self._thread = threading.Thread(target=run, args=(_run, task, show), daemon=True)
            self._thread.start()
            self._thread.join(BRIEF_S if self._is_brief() else LONG_S)
            if self._thread.is_alive():
                show("The log does not answer yet. This is done as soon as it does.")


def _run(task: Task, show: Show) -> None:
    try:
        task()
    except InputError as error:
        show(str(error))
    except StoreUnavailable:
        show("The log can't be reached now; its contents are safe. Look again.")
