"""Episodes of crying, made of readings: one for each line of the diary.

Paper B's Figure 6 lists single answers. Here crying is one episode, whichever device heard it,
until `EPISODE_PAUSE_S` without any. A new episode begins earlier only if the models name another
state after a pause of more than `CRY_PAUSE_S`. The live page and the diary use this definition.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from cryutils.inference.readings import HOP_S, Kind, verdict
from cryutils.models.gate import CRY_PAUSE_S
from cryutils.words import UNSURE

EPISODE_PAUSE_S = 60.0  # the longest time without crying within an episode


class Sums:
    """The crying readings of an episode or of a part of it, in sums."""

    def __init__(self, start: float) -> None:
        """Begin at `start`, in s since 1970."""
        self.start = self.stop = start
        self.run, self.cried_s = "", 0.0
        self._readings, self._judged = Counter[str](), Counter[str]()  # by run
        self._shares = defaultdict[tuple[str, str], float](float)  # by run and state

    def add(self, time: float, shares: Mapping[str, float], run: str) -> None:
        """Add a reading, in order of time. shares: by state, {} if it names none."""
        self.cried_s += HOP_S * (math.floor(time / HOP_S) != math.floor(self.stop / HOP_S))
        self.stop, self.run = time, run
        self._readings[run] += 1
        self._judged[run] += bool(shares)
        for state, share in shares.items():
            self._shares[run, state] += share

    def joined(self, later: "Sums") -> "Sums":
        """Return both as one."""
        both = Sums(self.start)
        both.stop, both.run, both.cried_s = later.stop, later.run, self.cried_s + later.cried_s
        for part in (self, later):
            both._readings.update(part._readings)
            both._judged.update(part._judged)
            for key, share in part._shares.items():
                both._shares[key] += share
        return both

    def answer(self) -> tuple[str, dict[str, float]]:
        """Return one state, UNSURE if most readings are, and the mean probabilities.

        Answers of different models are never averaged: the run that answered last counts.
        """
        n, judged = self._readings[self.run], self._judged[self.run]
        mine = ((state, share) for (run, state), share in self._shares.items() if run == self.run)
        mean = {state: share / judged for state, share in mine}
        return (UNSURE if 2 * judged <= n else verdict(mean)), mean


class Episodes:
    """The episodes of readings that are added in order of time."""

    def __init__(self) -> None:
        self._before: list[Sums] = []
        self._cry: Sums | None = None  # since the last pause

    def add(self, time: float, kind: str, probabilities: Mapping[str, float], run: str = "") -> None:
        """Add a crying reading, whose fields these are."""
        if self._cry is None or time - self._cry.stop > CRY_PAUSE_S:
            self._before[-1:], self._cry = self._newest(), Sums(time - HOP_S)
        self._cry.add(time, {} if kind == Kind.UNLIKE else probabilities, run)

    def all(self) -> list[Sums]:
        """Return the episodes so far."""
        return [*self._before[:-1], *self._newest()]

    def _newest(self) -> list[Sums]:
        """Return the last episode before the cry, and the cry if it is another one."""
        if self._cry is None:
            return []
        if not self._before:
            return [self._cry]
        last = self._before[-1]
        states = {last.answer()[0], self._cry.answer()[0]} - {UNSURE}
        is_near = self._cry.start - last.stop <= EPISODE_PAUSE_S
        if is_near and len(states) < 2:
            return [last.joined(self._cry)]
        return [last, self._cry]
