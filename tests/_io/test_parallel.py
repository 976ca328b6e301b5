"""A parallel map keeps the order, works a few items ahead, and ends when its reader stops."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils._io.parallel import ordered_map, prefetch, thread_map


@given(st.lists(st.integers(), max_size=20), st.integers(1, 30), st.integers(1, 4))
def test_fewer_and_more_items_than_are_computed_ahead(
    items: list[int], ahead: int, size: int
) -> None:
    assert list(ordered_map(ThreadPoolExecutor(size), str, items, ahead=ahead)) == [
        *map(str, items)
    ]


def test_few_results_wait_for_the_reader() -> None:
    begun: list[int] = []
    results = ordered_map(ThreadPoolExecutor(3), begun.append, range(100), ahead=5)
    for taken, _ in enumerate(results, start=1):
        assert len(begun) <= taken + 5
    assert len(begun) == 100


def test_an_error_is_raised_in_place_of_its_item_and_no_more_begin() -> None:
    begun: list[int] = []

    def fail_at_three(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise OSError("not to be read")
        return item

    results = ordered_map(ThreadPoolExecutor(1), fail_at_three, range(100), ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="not to be read"):
        next(results)
    assert len(begun) <= 3 + 1 + 4


@pytest.mark.parametrize("stop", [KeyboardInterrupt, GeneratorExit])
def test_a_reader_that_stops_waits_only_for_started_items(stop: type[BaseException]) -> None:
    before, begun, is_ending = set(threading.enumerate()), [], threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *options: bool, **named: bool) -> None:
            is_ending.set()
            super().shutdown(*options, **named)

    def wait(item: int) -> None:
        begun.append(item)
        if item:
            is_ending.wait()

    results = ordered_map(Pool(2), wait, range(100), ahead=50)
    next(results)
    with pytest.raises(stop):
        results.throw(stop)  # type: ignore[attr-defined]
    assert len(begun) <= 1 + 2
    assert set(threading.enumerate()) <= before


def test_a_thread_takes_a_few_items_in_advance() -> None:
    made: list[int] = []
    ahead_of_us = threading.Event()

    def items() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            if item == 3:
                ahead_of_us.set()
            yield item

    taken = prefetch(items(), ahead=4)
    assert next(taken) == 0
    assert ahead_of_us.wait(timeout=600)
    for item in taken:
        assert made[-1] <= item + 4 + 1
    assert item == 99
    assert set(made) == set(range(100))


def test_an_error_of_the_source_reaches_the_reader() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise OSError("not to be read")

    taken = prefetch(items(), ahead=4)
    assert next(taken) == 0
    with pytest.raises(OSError, match="not to be read"):
        next(taken)


def test_a_reader_that_stops_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    taken = prefetch(range(100), ahead=4)
    next(taken)
    del taken
    clips = thread_map(operator.neg, range(100), what="sound")
    next(clips)
    del clips
    assert set(threading.enumerate()) <= before
