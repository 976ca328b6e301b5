"""A line of an infant's diary, `Line`: a cry, made of readings and of what a caregiver said, or a note.

Paper B §3 and Figure 6, which lists single answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryutils import words
from cryutils.inference.episodes import Episodes, Sums
from cryutils.words import CALM

CRY, MISSED = "cry", "missed cry"
NOTES = {"fed": "Fed", "asleep": "Fell asleep", "awake": "Woke up"}


@dataclass(frozen=True)
class Line:
    """What happened from `start` to `stop`, in s since 1970.

    what: `CRY`; `MISSED`, which only a caregiver heard, at about `stop`; or a note such as "fed".
    state: the most likely one of a cry, or UNSURE. probability: of the state, averaged over the
    readings; None if they have none. cried_s: how long crying was heard; pauses do not count, and
    several devices count once. run: whose models answered. corrected: the newest correction by a
    caregiver, NO_CRY for a false alarm, or None. note: the number of a note, or None.
    """

    start: float
    stop: float
    what: str
    state: str = ""
    probability: float | None = None
    cried_s: float = 0.0
    run: str = ""
    corrected: str | None = None
    note: int | None = None

    @property
    def times(self) -> str:
        """When it was, and how long the infant cried, in words."""
        first, last = (f"{datetime.fromtimestamp(at):%H:%M}" for at in (self.start, self.stop))
        if self.what == MISSED:
            return f"about {last}"
        between = first if first == last else f"{first} to {last}"
        return f"{between}, {words.spent(self.cried_s)} of crying" if self.what == CRY else first

    @property
    def answer(self) -> str:
        """The models' answer or the note, in words."""
        if self.what == CRY:
            return words.answer(self.state, self.probability, by_model=self.run != "")
        return "a cry that was missed" if self.what == MISSED else NOTES.get(self.what, self.what)

    @property
    def said(self) -> str:
        """What a caregiver said about a cry, in words, or ""."""
        return words.said(self.corrected, self.state)


def lines(
    readings: Iterable[Mapping[str, Any]],
    corrections: Iterable[Mapping[str, Any]],
    notes: Iterable[Mapping[str, Any]] = (),
) -> list[Line]:
    """Return the lines of a diary in order of their starts.

    readings: in order of time, with `time`, `verdict`, `kind`, `probabilities` (JSON by state) and
    `run`. corrections: `start`, `stop`, `verdict`, the newest first. A correction at a time without
    crying adds a missed cry. notes: `time`, `what`, `id`.
    """
    episodes = Episodes()
    for row in readings:
        if row["verdict"] not in CALM:
            shares = json.loads(row["probabilities"])
            episodes.add(row["time"], row["kind"], shares, row["run"] or "")
    cries = [_cry(sums) for sums in episodes.all()]
    for correction in corrections:
        start, stop, verdict = (correction[name] for name in ("start", "stop", "verdict"))
        hit = [k for k, cry in enumerate(cries) if start <= cry.stop and stop >= cry.start]
        for k in hit:
            if cries[k].corrected is None:
                cries[k] = replace(cries[k], corrected=verdict)
        if not hit:
            cries.append(Line(start, stop, MISSED, corrected=verdict))
    known = [cry for cry in cries if cry.what == CRY or cry.corrected not in CALM]
    known += [Line(note["time"], note["time"], note["what"], note=note["id"]) for note in notes]
    return sorted(known, key=lambda line: line.start)


def _cry(sums: Sums) -> Line:
    state, mean = sums.answer()
    return Line(sums.start, sums.stop, CRY, state, mean.get(state), sums.cried_s, sums.run)
