"""The diary of an infant: its lines, made of readings and of what caregivers said, and its days.

Paper B §3 and Figure 6, which lists single answers. A day goes from noon to noon, so that a night
is in one piece. What helped after a cry is Paper A's label of the cry: `score` compares the models'
answers with it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, TypeAlias

from cryutils import words
from cryutils.inference.episodes import Episodes, Sums
from cryutils.words import CALM, NO_CRY, UNSURE

CRY, MISSED = "cry", "missed cry"
NOTES = dict(fed="Fed", asleep="Fell asleep", awake="Woke up", nappy="Nappy changed", coming="On the way")
ONE_DAY = timedelta(days=1)
LONGEST_SLEEP_S = 16 * 3600.0  # after that long, somebody forgot to note the end of a sleep
# What a caregiver can say about a cry: what helped.
HELPED = {
    "feed": "a feed helped",
    "sleep": "sleep helped",
    "cuddle": "a cuddle helped",
    "nappy": "a clean nappy helped",
    "nothing": "nothing helped",
}
# Paper A's label of a cry is what the parent had to do to end it. Each state has several names. The
# paper has no label for a nappy: discomfort is Paper B's. Nothing is no label.
LABELS = {"feed": ("hungry",), "sleep": ("tired", "sleepy"), "cuddle": ("hug",), "nappy": ("discomfort",)}

Span: TypeAlias = tuple[float, float]  # from when to when, in s since 1970


@dataclass(frozen=True)
class Line:
    """What happened from `start` to `stop`, in s since 1970.

    what: `CRY`; `MISSED`, which only a caregiver heard, at about `stop`; or a note such as "fed".
    state: the most likely one of a cry, or UNSURE. probability: of the state, averaged over the
    readings; None if they have none. cried_s: how long crying was heard; pauses do not count, and
    several devices count once. run: whose models answered. corrected: what a caregiver said last: what
    helped, NO_CRY for a false alarm, a state (which earlier versions asked for), or None. Of the note
    "coming", it is who came.
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
        first, last = clock(self.start), clock(self.stop)
        if self.what == MISSED:
            return f"about {last}"
        between = first if first == last else f"{first} to {last}"
        return f"{between}, {words.spent(self.cried_s)} of crying" if self.what == CRY else first

    @property
    def answer(self) -> str:
        """The models' answer or the note, in words."""
        if self.what == CRY:
            return words.answer(self.state, self.probability, by_model=self.run != "")
        if self.what == "coming" and self.corrected:
            return f"{self.corrected} was coming"
        return "a cry that was missed" if self.what == MISSED else NOTES.get(self.what, self.what)

    @property
    def said(self) -> str:
        """What a caregiver said about a cry, in words, or ""."""
        if self.corrected is None or self.what in NOTES:
            return ""
        named = HELPED.get(self.corrected, words.name(self.corrected))
        return "this was right" if self.corrected == self.state else named

    @property
    def helped(self) -> str:
        """What helped, a key of `HELPED`, or ""."""
        return self.corrected if self.corrected in HELPED else ""


@dataclass(frozen=True)
class Day:
    """The diary from `since` to `until`, in s since 1970, usually from noon to noon.

    lines: the newest first. listened: the minutes in which a device listened, even if only to a part
    of one. slept: may reach beyond the day. now: when this was made.
    """

    since: float
    until: float
    lines: list[Line]
    listened: list[Span]
    slept: list[Span]
    now: float

    @property
    def start(self) -> date:
        """The date on which it begins."""
        return datetime.fromtimestamp(self.since).date()

    @property
    def is_now(self) -> bool:
        """Whether it has not ended."""
        return self.since <= self.now < self.until

    @cached_property
    def cries(self) -> list[Line]:
        """The cries, also missed ones, in order of time, without false alarms."""
        return [line for line in self.lines[::-1] if line.what in (CRY, MISSED) and line.corrected != NO_CRY]

    @property
    def cried_s(self) -> float:
        """How long crying was heard, in s."""
        return sum(line.cried_s for line in self.cries)

    def noted(self, what: str) -> list[Line]:
        """Return the notes of a kind in order of time."""
        return [line for line in self.lines[::-1] if line.what == what]

    @property
    def listened_s(self) -> float:
        """How long at least one device listened, in s, in whole minutes."""
        return sum(stop - start for start, stop in self.listened)

    @property
    def slept_s(self) -> float:
        """How long the infant slept according to the notes, in s."""
        return sum(common((self.since, self.until), span) for span in self.slept)

    @property
    def total(self) -> str:
        """The day in words."""
        heard, missed = (sum(line.what == what for line in self.cries) for what in (CRY, MISSED))
        listened = f"Listened {words.spent(self.listened_s)}" if self.listened else "No device listened"
        cried = f"cried {words.spent(self.cried_s)} in {heard} {'cry' if heard == 1 else 'cries'}"
        parts = [cried if heard else "no crying"] if self.listened else []
        parts += [f"missed cries: {missed}"] if missed else []
        parts += [f"slept {words.spent(self.slept_s)}"] if self.slept_s else []
        kinds = (("fed", "feeds"), ("nappy", "nappies"))
        parts += [f"{name}: {n}" for what, name in kinds if (n := len(self.noted(what)))]
        return "; ".join([listened, *parts]) + "."

    @property
    def marks(self) -> list[tuple[str, float, float]]:
        """What a strip of the day shows: kind, and start and length in percent of the day."""
        spans = [("heard", span) for span in self.listened] + [("slept", span) for span in self.slept]
        spans += [("cried" if line.what == CRY else "missed", (line.start, line.stop)) for line in self.cries]
        spans += [(what, (line.start, line.stop)) for what in ("fed", "nappy") for line in self.noted(what)]
        ends = [(kind, self._percent(start), self._percent(stop)) for kind, (start, stop) in spans]
        return [(kind, start, round(stop - start, 2)) for kind, start, stop in ends]

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Every sixth hour within the day: percent of the day, and time."""
        hours = range(-int(-self.since // 3600) * 3600, int(self.until), 3600)
        local = [(at, datetime.fromtimestamp(at)) for at in hours if at > self.since]
        return [(self._percent(at), f"{hour:%H:%M}") for at, hour in local if hour.hour % 6 == 0]

    @property
    def hours(self) -> list[float | None]:
        """Crying in s by hour of the clock, from noon on; None where nobody listened.

        The crying of a line is spread evenly over its length.
        """
        cried: list[float | None] = [None] * 24
        for start in range(int(self.since), int(self.until), 3600):
            hour, k = (start, start + 3600), (datetime.fromtimestamp(start).hour - 12) % 24
            if any(common(span, hour) for span in self.listened):
                spans = [(line.cried_s, line.start, line.stop) for line in self.cries if line.cried_s]
                parts = (s * common((first, last), hour) / (last - first) for s, first, last in spans)
                cried[k] = (cried[k] or 0.0) + sum(parts)
        return cried

    def _percent(self, at: float) -> float:
        share = (min(max(at, self.since), self.until) - self.since) / (self.until - self.since)
        return round(100 * share, 2)


@dataclass(frozen=True)
class Score:
    """The models' answers next to what helped. interval: of `right` / `named`, 95 %, by Wilson.

    answers: cries after which something helped that is a state of the models. named: those for which
    the models named a state. right: for which they named this one. common, most: the most frequent
    state by what helped, and its number.
    """

    answers: int
    named: int
    right: int
    common: str
    most: int

    @property
    def interval(self) -> tuple[float, float]:
        """The interval, as if the cries were independent, which those of one infant are not."""
        from scipy.stats import binomtest

        found = binomtest(self.right, self.named).proportion_ci(method="wilson")
        return found.low, found.high


def score(lines: Iterable[Line], states: Collection[str]) -> Score:
    """Compare lines with what helped. states: those that the models can name."""
    known = {helped: next((name for name in names if name in states), "") for helped, names in LABELS.items()}
    pairs = [(line.state, label) for line in lines if line.what == CRY and (label := known.get(line.helped))]
    named = [(state, label) for state, label in pairs if state != UNSURE]
    ranked = Counter(label for _, label in named).most_common(1)
    common, most = ranked[0] if ranked else ("", 0)
    return Score(len(pairs), len(named), sum(state == label for state, label in named), common, most)


def clock(at: float) -> str:
    """Return a time of the day, in this machine's time zone."""
    return f"{datetime.fromtimestamp(at):%H:%M}"


def common(one: Span, other: Span) -> float:
    """Return how long two spans overlap, in s."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def sleeps(notes: Iterable[tuple[float, str]], now: float) -> list[Span]:
    """Return when the infant slept, from notes (time, "asleep" or "awake") in order of time.

    The newest sleep lasts until `now`. Of several "asleep" in a row, the first one counts. A sleep of
    more than `LONGEST_SLEEP_S` is left out, because its end was not noted.
    """
    spans, began = list[Span](), None
    for at, what in [*notes, (now, "awake")]:
        is_over = began is None or at - began > LONGEST_SLEEP_S
        if what == "asleep" and is_over:
            began = at
        elif what == "awake":
            spans += [] if began is None or is_over else [(began, at)]
            began = None
    return spans


def joined(minutes: Iterable[float]) -> list[Span]:
    """Return spans of minutes in a row. minutes: numbers since 1970, in order."""
    spans = list[Span]()
    for start in (60.0 * float(minute) for minute in minutes):
        follows = bool(spans) and spans[-1][1] == start
        spans[-1 if follows else len(spans) :] = [(spans[-1][0] if follows else start, start + 60.0)]
    return spans


def lines(readings: Iterable[Mapping[str, Any]], said: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return the lines of a diary in order of their starts.

    readings: in order of time, with `time`, `verdict`, `kind`, `probabilities` (by state) and
    `run`. said: the newest first, with `what` (`CRY`, `MISSED` or a note), `start`, `stop` and
    `verdict`. A missed cry in a cry that was heard corrects this one, and another one at the same
    time says more about it.
    """
    episodes, others = Episodes(), list[Line]()
    for row in readings:
        if row["verdict"] not in CALM:
            episodes.add(row["time"], row["kind"], row["probabilities"], row["run"])
    cries = [_cry(sums) for sums in episodes.all()]
    for row in said:
        start, stop, what, verdict = (row[name] for name in ("start", "stop", "what", "verdict"))
        is_of_cry = what in (CRY, MISSED)
        hit = [k for k, cry in enumerate(cries) if is_of_cry and start <= cry.stop and stop >= cry.start]
        for k in hit:
            if cries[k].corrected is None:
                cries[k] = replace(cries[k], corrected=verdict or None)
        is_known = what == MISSED and any((each.what, each.start) == (what, start) for each in others)
        if not hit and what != CRY and not is_known:
            others.append(Line(start, stop, what, corrected=verdict or None))
    return sorted(cries + others, key=lambda line: line.start)


def _cry(sums: Sums) -> Line:
    state, mean = sums.answer()
    return Line(sums.start, sums.stop, CRY, state, mean.get(state), sums.cried_s, sums.run)
