"""Whose password is hashed next, when many want to log in at once."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

__all__ = ["Turns"]


class Turns:
    """A few places, and a queue for them that no crowd of strangers can block.

    First come the addresses from which somebody has logged in before. Then, each address has one
    turn before any has a second. Among equals the newest comes first: a new client is still waiting
    for an answer, and old guesses can't hold up a right password.
    """

    def __init__(self, places: int) -> None:
        """Have so many places."""
        self._free = places
        self._waiting: list[tuple[bool, int, int, asyncio.Future[bool]]] = []
        self._asked: Counter[str] = Counter()
        self._number = count(0, -1)

    @asynccontextmanager
    async def turn(
        self, address: str, *, is_known: bool, gone: asyncio.Future[None]
    ) -> AsyncIterator[bool]:
        """Wait for a place, and give it back at the end.

        It yields whether there is a place: there is none for a client who is `gone` before.
        """
        place = asyncio.get_running_loop().create_future()
        gone.add_done_callback(lambda _: _settle(place, False))
        rank = (not is_known, self._asked[address], next(self._number), place)
        self._asked[address] += 1
        heapq.heappush(self._waiting, rank)
        self._fill()
        has_place = await place
        try:
            yield has_place
        finally:
            self._free += has_place
            self._asked -= Counter([address])
            self._fill()

    def _fill(self) -> None:
        while self._free and self._waiting:
            *_, place = heapq.heappop(self._waiting)
            self._free -= _settle(place, True)


def _settle(place: asyncio.Future[bool], has_place: bool) -> bool:
    """Set the result, unless there is one; return whether there was none."""
    is_open = not place.done()
    if is_open:
        place.set_result(has_place)
    return is_open
