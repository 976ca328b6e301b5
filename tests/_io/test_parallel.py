"""A parallel map keeps the order and passes errors on."""

import threading
from collections.abc import Iterator

import pytest

from cryutils._io.parallel import thread_map


def fail_at_three(item: int) -> int:
    if item == 3:
        raise OSError("not to be read")
    return -item


def by_threads(items: list[int]) -> Iterator[int]:
    return thread_map(fail_at_three, items, what="sound")


def test_a_browser_needs_no_threads(monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "emscripten")
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    assert list(by_threads([5, 2])) == [-5, -2]


def test_results_come_in_order_and_an_error_in_place_of_its_item() -> None:
    assert list(by_threads([5, 2, 9, 7, 4, 1])) == [-5, -2, -9, -7, -4, -1]
    assert list(by_threads([])) == []
    with pytest.raises(OSError, match="not to be read"):
        list(by_threads([0, 1, 2, 3, 4]))
