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

BRIEF_S = 1.0  # after 3 s without an answer, a page that listens takes its sound for lost
LONG_S = 10.0

Task = Callable[[], object]
Show = Callable[[str], object]


class Aside:
    """Runs one task at a time in a thread, and waits for it for a limited time."""

    def __init__(self, is_brief: Callable[[], bool] = lambda: False) -> None:
        """Wait only briefly while `is_brief()`, such as while the page listens."""
        self._is_brief = is_brief
        self._thread: threading.Thread | None = None

    def __call__(self, task: Task, show: Show) -> None:
        """Run a task. If it fails or takes too long, `show` is called with a sentence.

        A slow task continues, and until it ends no other is started. A task that a task starts is
        run at once, as part of it.
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
