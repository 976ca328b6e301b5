"""The time in tests: `Clock`, which a test sets forward, and `until`, which waits."""

import time
from collections.abc import Callable

__all__ = ["Clock", "until"]


class Clock:
    """The time in s since 1970, which a test sets forward."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], object], limit_s: float = 600) -> None:
    """Wait until `condition()` is true; the limit only ends a hang."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
