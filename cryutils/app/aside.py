"""The thread in which a page asks the log on behalf of a caregiver: `Aside`.

The page's own thread takes in sound and pictures, so it can wait for a slow log only briefly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

__all__ = ["Aside"]

HURRY_S = 1.0  # a page that gets no answer for 3 s takes what it hears for lost
PATIENCE_S = 10.0  # where nothing is heard


class Aside:
    """Runs tasks in a thread, one at a time, and waits for each for a limited time."""

    def __init__(self, hurries: Callable[[], bool] = lambda: False) -> None:
        """Wait only briefly while `hurries()`: somebody listens in the thread that waits."""
        self._hurries = hurries
        self._thread: threading.Thread | None = None

    def __call__(self, task: Callable[[], object]) -> str:
        """Run a task; return "" if it has ended, else a sentence for the caregiver.

        A task that is not waited for any longer goes on. Until it ends no other is begun, except
        by itself: what a task runs is part of it.
        """
        if threading.current_thread() is self._thread:
            task()
            return ""
        if self._thread is not None and self._thread.is_alive():
            return "The log does not answer yet. Nothing was done; try again later."
        self._thread = threading.Thread(target=copy_context().run, args=(task,), daemon=True)
        self._thread.start()
        self._thread.join(HURRY_S if self._hurries() else PATIENCE_S)
        if self._thread.is_alive():
            return "The log does not answer yet. This is done as soon as it does."
        return ""
