"""Who decodes ahead gives each file's frames, few of them waiting, and ends with who takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils._io import ahead

BOTH = pytest.mark.parametrize("kind", [ahead.InChunks, ahead.Whole])


def decode(path: Path) -> Iterator[np.ndarray]:
    """As many frames as the path's number says, each with that number and its own."""
    for k in range(int(path.name)):
        yield np.array([[int(path.name), k]], np.uint8)


def taken(decoding: ahead.Ahead, number: int) -> list[list[int]]:
    return [frame[0].tolist() for some in decoding.frames(number) for frame in some]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "CHUNK", 3)


@BOTH
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    left_out=st.sets(st.integers(0, 11)),
)
def test_each_file_gives_its_own_frames_whichever_are_left_out(
    kind: type[ahead.InChunks], counts: list[int], left_out: set[int]
) -> None:
    files = {n: Path(str(count)) for n, count in enumerate(counts)}
    with kind(files, decode) as decoding:
        for n, count in enumerate(counts):
            assert n in decoding
            if n not in left_out:
                assert taken(decoding, n) == [[count, k] for k in range(count)]
        assert len(counts) not in decoding


@BOTH
def test_what_the_decoder_raises_is_raised_where_its_frames_are_taken(
    kind: type[ahead.InChunks],
) -> None:
    def broken(path: Path) -> Iterator[np.ndarray]:
        if path.name == "7":
            raise OSError("not to be read")
        yield from decode(path)

    with kind({0: Path("2"), 1: Path("7")}, broken) as decoding:
        assert len(taken(decoding, 0)) == 2
        with pytest.raises(OSError, match="not to be read"):
            taken(decoding, 1)


def test_few_frames_wait_for_the_network() -> None:
    decoded, used, most = 0, 0, 0

    def counted(path: Path) -> Iterator[np.ndarray]:
        nonlocal decoded, most
        for frame in decode(path):
            decoded += 1
            most = max(most, decoded - used)
            yield frame

    with ahead.InChunks({n: Path("40") for n in range(4)}, counted) as decoding:
        for n in range(4):
            for some in decoding.frames(n):
                assert len(some) <= 3
                used += len(some)
    assert decoded == used == 160
    assert most <= 3 * (ahead.AHEAD + 1)


def test_few_whole_files_wait_for_the_network() -> None:
    begun: list[str] = []

    def noted(path: Path) -> Iterator[np.ndarray]:
        begun.append(path.name)
        yield from decode(path)

    with ahead.Whole({n: Path(str(n + 1)) for n in range(40)}, noted) as decoding:
        for n in range(20):
            assert len(taken(decoding, n)) == n + 1
            assert len(begun) <= n + 1 + ahead.AHEAD


@BOTH
def test_no_thread_is_left(kind: type[ahead.InChunks]) -> None:
    before = set(threading.enumerate())
    with kind({n: Path("5") for n in range(9)}, decode) as decoding:
        next(decoding.frames(0))
    assert set(threading.enumerate()) <= before
