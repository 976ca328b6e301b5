"""Episodes of crying, `episodes`, made of an infant's readings and of what caregivers said.

Paper B's Figure 6 lists single answers; an episode is one line for one cry. Crying readings belong
to the same episode until `PAUSE_S` without one, whichever device heard them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from cryutils.app.readings import CALM, HOP_S, one_answer
from cryutils.models.fusion import verdict

Row: TypeAlias = Mapping[Any, Any]

__all__ = ["PAUSE_S", "Episode", "episodes"]

PAUSE_S = 60.0  # the longest time without crying within an episode


@dataclass(frozen=True)
class Episode:
    """Crying from `start` to `stop`, in s since 1970.

    state: the most likely one, UNSURE, or None if only a caregiver heard it. probability: of the
    state, averaged over the readings; None if they have none. said: the newest correction by a
    caregiver, NO_CRY for a false alarm, or None.
    """

    start: float
    stop: float
    state: str | None
    probability: float | None = None
    said: str | None = None


def episodes(readings: Iterable[Row], corrections: Iterable[Row]) -> list[Episode]:
    """Return the episodes of readings in order of time, as corrected, in order of their starts.

    readings: `time`, `verdict` and `probabilities` (JSON by state); calm ones may be left out.
    corrections: `start`, `stop`, `verdict`, the newest first. A correction at a time without crying
    adds an episode.
    """
    cries = [_episode(run) for run in _runs(readings)]
    for correction in corrections:
        start, stop, said = (correction[name] for name in ("start", "stop", "verdict"))
        hit = [k for k, each in enumerate(cries) if start <= each.stop and stop >= each.start]
        for k in hit:
            if cries[k].said is None:
                cries[k] = replace(cries[k], said=said)
        if not hit:
            cries.append(Episode(start, stop, None, said=said))
    heard = (each for each in cries if each.state is not None or each.said not in CALM)
    return sorted(heard, key=lambda each: each.start)


def _runs(readings: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the crying readings of each episode."""
    run: list[Row] = []
    for reading in readings:
        if reading["verdict"] in CALM:
            continue
        if run and reading["time"] - run[-1]["time"] > PAUSE_S:
            yield run
            run = []
        run.append(reading)
    if run:
        yield run


def _episode(run: Sequence[Row]) -> Episode:
    start, stop = run[0]["time"] - HOP_S, run[-1]["time"]
    shares = [json.loads(reading["probabilities"]) for reading in run]
    if not any(shares):
        return Episode(start, stop, Counter(row["verdict"] for row in run).most_common(1)[0][0])
    # A reading may be unsure although its probabilities name a state: an unknown kind of sound.
    judged = [
        each if each and verdict(each) == reading["verdict"] else {}
        for each, reading in zip(shares, run, strict=True)
    ]
    state, mean = one_answer(judged)
    return Episode(start, stop, state, mean.get(state))
