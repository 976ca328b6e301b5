"""Parallel maps keep the order, pass errors on, and end when their reader stops."""

import threading
from collections.abc import Callable, Iterator

import pytest

from cryutils._io.parallel import process_map, thread_map

Map = Callable[[list[int]], Iterator[int]]


def fail_at_three(item: int) -> int:
    if item == 3:
        raise OSError("not to be read")
    return -item


def by_threads(items: list[int]) -> Iterator[int]:
    return thread_map(fail_at_three, items, what="sound")


def by_processes(items: list[int]) -> Iterator[int]:
    return process_map(fail_at_three, items, shared=(), jobs=2)


def test_a_browser_needs_no_threads(monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "emscripten")
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    assert list(by_threads([5, 2])) == [-5, -2]


@pytest.mark.parametrize("mapped", [by_threads, by_processes])
def test_results_come_in_order_and_an_error_in_place_of_its_item(mapped: Map) -> None:
    assert list(mapped([5, 2, 9, 7, 4, 1])) == [-5, -2, -9, -7, -4, -1]
    assert list(mapped([])) == []
    with pytest.raises(OSError, match="not to be read"):
        list(mapped([0, 1, 2, 3, 4]))
