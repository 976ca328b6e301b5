"""The diary of an infant: its lines, made of readings and of what caregivers said, and its days.

Paper B §3 and Figure 6, which lists single answers. A day goes from noon to noon, so that a night
is in one piece.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from cryutils import words
from cryutils.inference.episodes import Episodes, Sums
from cryutils.words import CALM

CRY, MISSED = "cry", "missed cry"
NOTES = {
    "fed": "Fed",
    "asleep": "Fell asleep",
    "awake": "Woke up",
    "nappy": "Nappy changed",
    "coming": "On the way",
}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Line:
    """What happened from `start` to `stop`, in s since 1970.

    what: `CRY`; `MISSED`, which only a caregiver heard, at about `stop`; or a note such as "fed".
    state: the most likely one of a cry, or UNSURE. probability: of the state, averaged over the
    readings; None if they have none. cried_s: how long crying was heard; pauses do not count, and
    several devices count once. run: whose models answered. corrected: the newest correction by a
    caregiver, NO_CRY for a false alarm, or None.
    """

    start: float
    stop: float
    what: str
    state: str = ""
    probability: float | None = None
    cried_s: float = 0.0
    run: str = ""
    corrected: str | None = None

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
        if self.corrected is None:
            return ""
        return "this was right" if self.corrected == self.state else words.name(self.corrected)


@dataclass(frozen=True)
class Day:
    """The lines from noon of `start` to the next, newest first. is_now: whether it has not ended."""

    start: date
    lines: list[Line]
    listened_s: float
    cried_s: float
    is_now: bool


def lines(readings: Iterable[Mapping[str, Any]], said: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return the lines of a diary in order of their starts.

    readings: in order of time, with `time`, `verdict`, `kind`, `probabilities` (JSON by state) and
    `run`. said: the newest first, with `what` (`CRY`, `MISSED` or a note), `start`, `stop` and
    `verdict`. A missed cry in a cry that was heard corrects this one.
    """
    episodes, others = Episodes(), []
    for row in readings:
        if row["verdict"] not in CALM:
            episodes.add(row["time"], row["kind"], json.loads(row["probabilities"]), row["run"])
    cries = [_cry(sums) for sums in episodes.all()]
    for row in said:
        start, stop, what, verdict = (row[name] for name in ("start", "stop", "what", "verdict"))
        is_of_cry = what in (CRY, MISSED)
        hit = [k for k, cry in enumerate(cries) if is_of_cry and start <= cry.stop and stop >= cry.start]
        for k in hit:
            if cries[k].corrected is None:
                cries[k] = replace(cries[k], corrected=verdict)
        if not hit and what != CRY:
            others.append(Line(start, stop, what, corrected=verdict or None))
    return sorted(cries + others, key=lambda line: line.start)


def _cry(sums: Sums) -> Line:
    state, mean = sums.answer()
    return Line(sums.start, sums.stop, CRY, state, mean.get(state), sums.cried_s, sums.run)
