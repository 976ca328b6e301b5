"""The ledger: every number and checkable claim of both papers, and its verdicts.

`data/claims.csv` lists the claims, each with a rule and a margin by which it is judged;
`data/README.md` explains its columns. Results are joined with it by `key`. Each claim gets two
verdicts: one under the protocol of its own paper and one leak-free. Synthetic infants can't
reproduce anything, so each measurement on them is *in simulation*. A network's score needs
`TRAININGS` (five) trainings, else it is *not shown*. `_Case._score` defines when a published score
is *reproduced*. Used in notebooks 03, 04, 06, 09, 11 and 14; `report` and `article` show the
ledger, and the command `cryutils claims` prints it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd

from cryutils._io.paths import project_dir
from cryutils.claims import store
from cryutils.claims.arithmetic import evaluate
from cryutils.claims.tables import portion
from cryutils.datasets.registry import is_synthetic
from cryutils.errors import InputError, near_miss

__all__ = [
    "PAPERS", "PROTOCOLS", "Judgement", "Kind", "Rule", "Verdict", "classes_in_use", "judge",
    "ledger", "of_runs", "outcome", "published", "reached", "selected", "stand_in", "summary",
    "together", "unstated", "verdicts",
]  # fmt: skip

TRAININGS = 5  # needed to judge a network's score, since the seed alone moves it by points
ALPHA = 0.05  # a model with a larger p-value is not shown to be better than chance
PAPERS = {"A": "Paper A", "B": "Paper B"}
_LAST_DIGIT = 0.5e-4  # shares are printed in hundredths of a percent


class Kind(StrEnum):
    """What a row of the ledger is."""

    NUMBER = "number"  # a figure that can be measured again
    SETTING = "setting"  # how something was done; not judged
    CLAIM = "claim"  # a statement that can be tested
    ARITHMETIC = "arithmetic"  # a figure that must follow from the paper's other figures
    FIGURE = "figure"  # what the text says about a figure or table, and what that shows
    CITATION = "citation"  # what the text says about a reference, and what the list has


class Rule(StrEnum):
    """How a row is judged. Rows of arithmetic, figures and citations have other forms of rule."""

    PUBLISHED = "published"  # a score, judged by single hold-outs or else by its interval
    ABOVE = "low > margin"
    BELOW = "high < margin"
    EQUAL = "count == value"  # a number without a split, such as the clips of a class
    MORE = "count > margin"  # a number without a split, such as the speed of the machine at hand
    LESS = "count < margin"
    EVERY = "every"  # holds if every row that is `part_of` it holds
    CITED = "cited"  # measured against the margin, but not claimed: at most *not shown*


class Verdict(StrEnum):
    """The verdict on a claim under one protocol, from a run or from the paper's own text."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_SHOWN = "not shown"
    IN_SIMULATION = "in simulation"  # measured on synthetic infants; the reason says what was found
    CANNOT_BE_TESTED = "cannot be tested"


_IN_SIMULATION = {  # how a reason in simulation begins
    Verdict.REPRODUCED: "holds",
    Verdict.NOT_REPRODUCED: "does not hold",
    Verdict.NOT_SHOWN: "not shown",
}
_FACES = "recordings of sound and face"  # as `data_required`
_OF_FACES = "ablation.image.accuracy"  # measured only where recordings have faces
PROTOCOLS = ("paper", "leak_free")  # each claim is judged under both
_PROTOCOL = {"clip": "paper", "infant": "leak_free", "": ""}
_NEW_INFANTS = {  # how a score on new infants compares with a published one
    Verdict.REPRODUCED: "as high here",
    Verdict.NOT_REPRODUCED: "lower on new infants here",
    Verdict.NOT_SHOWN: "not shown to be lower here",
}
_SPLITS = {"paper": "the paper's protocol", "leak_free": "a leak-free split"}
_FIELDS = ("value", "low", "high", "trainings", "verdict", "reason", "against")  # per protocol


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason, the measurement behind it, and the evidence against the claim.

    `value`, `low`, `high`: the measurement and its interval, NaN if nothing was measured.
    `trainings`: the number of seeds that the networks were trained with, NaN for other models.
    `against`: the two-sided p-value of the claim's opposite, from the normal distribution with the
    interval's bound; NaN if the measurement is on the claim's side or has no interval.
    """

    verdict: Verdict
    reason: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    trainings: float = math.nan
    against: float = math.nan

    @property
    def undertrained(self) -> bool:
        """Whether nothing is shown because a network was trained with too few seeds."""
        return self.verdict == Verdict.NOT_SHOWN and self.trainings < TRAININGS

    def __str__(self) -> str:
        return f"{self.verdict} ({self.reason})" if self.reason else str(self.verdict)


def ledger() -> pd.DataFrame:
    """Return `data/claims.csv`, one row for each number and claim. Missing texts are "".

    Columns as in `data/README.md`; `value` and `margin` are float64, NaN if missing.
    """
    path = project_dir() / "data" / "claims.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "margin")}
    return table.assign(key=[store.key(row) for row in _records(table)], **numbers)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def published() -> pd.DataFrame:
    """Return the rows of the ledger that results can be compared with, one row per `key`."""
    table = ledger()
    return table[table.key != ""].drop_duplicates("key").reset_index(drop=True)


def unstated(study: str) -> pd.DataFrame:
    """Return every setting that a paper leaves open in a `study`, with the choice made here.

    study: "Table 2" or "Table 3" of Paper A, or "Paper B". Columns: setting, where, says (what
    the paper says about it), choice, notebook and parameter (the notebook's parameter that sets
    it; empty if the code does). From `data/unstated.csv`.
    """
    register = pd.read_csv(project_dir() / "data" / "unstated.csv", keep_default_na=False)
    return register[register.study == study].drop(columns="study").reset_index(drop=True)


def stand_in(measured: pd.DataFrame) -> str | None:
    """Return which class replaces a class of Table 1, such as "hungry for pain"; "" if none does.

    None if the classes differ from those of Table 1 by more than one replacement.
    measured: the results on one corpus, columns as in `claims.table`.
    """
    used, of_paper = classes_in_use(measured), classes_in_use(published())
    substitutes, originals = used - of_paper, of_paper - used
    if len(substitutes) != len(originals) or len(substitutes) > 1:
        return None
    return " for ".join([*substitutes, *originals]).replace("_", " ")


def classes_in_use(counts: pd.DataFrame) -> set[str]:
    """Return the classes with test clips, from the rows of `counts` with the study "table1"."""
    used = (counts.study == "table1") & (counts.metric == "test_count") & (counts.value > 0)
    return set(counts.condition[used])


class _Results:
    """Results by key, corpus and protocol ("" if no split is involved).

    corpora: where each key was measured. stand_ins: `stand_in` of each corpus.
    """

    def __init__(self, results: pd.DataFrame) -> None:
        results = results[results.split != "frame"]
        rows = _records(results.astype(object).where(results.notna(), None))
        self.rows = {(row["key"], row["data"], _PROTOCOL[row["split"]]): row for row in rows}
        self.corpora: dict[str, set[str]] = {}
        for key, data, _ in self.rows:
            self.corpora.setdefault(key, set()).add(data)
        self.stand_ins = {str(data): stand_in(part) for data, part in results.groupby("data")}

    def get(self, key: str, data: str, protocol: str) -> dict[str, Any] | None:
        """Return a result. One without a split fits both protocols."""
        return self.rows.get((key, data, protocol)) or self.rows.get((key, data, ""))

    def origin(self, key: str, data: str) -> dict[str, Any]:
        """Return the corpus, clips, infants and notebook of a result, the leak-free one if any."""
        row = self.get(key, data, "leak_free") or self.get(key, data, "paper") or {}
        n, n_infants = row.get("n"), row.get("n_infants")
        return {
            "data": data,
            "n": math.nan if n is None else n,
            "n_infants": math.nan if n_infants is None else n_infants,
            "notebook": row.get("notebook", ""),
        }


def judge(results: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger with two verdicts on each row, from `results`.

    results: columns as in `claims.table`. There is a row for each corpus on which a claim was
    measured, or one with `data` "" if there is none. If a network was trained too few times, the
    reason also gives the verdict of a run in `outputs/reference` on the same corpus,
    if there is one.

    Columns: those of the ledger; data, n, n_infants and notebook of the measurement; the fields of
    `Judgement` under each protocol, such as paper_verdict and leak_free_low.
    """
    rows = _rows(results)
    judgements = [judgement for row in rows for judgement in row["judgements"].values()]
    reference = _of_reference() if any(each.undertrained for each in judgements) else {}
    for row in rows:
        for protocol, judgement in row.pop("judgements").items():
            words = reference.get((row["id"], row["data"], protocol))
            if words and judgement.undertrained:
                judgement = replace(judgement, reason=f"{judgement.reason}; {words}")
            judgement = _named(judgement, row["data"])
            row |= {f"{protocol}_{name}": getattr(judgement, name) for name in _FIELDS}
    return pd.DataFrame(rows)


def _named(judgement: Judgement, data: str) -> Judgement:
    """Return a judgement as it is shown: on synthetic infants, *in simulation*."""
    words = _IN_SIMULATION.get(judgement.verdict) if is_synthetic(data) else None
    if words is None:
        return judgement
    return replace(judgement, verdict=Verdict.IN_SIMULATION, reason=f"{words}: {judgement.reason}")


def outcome(verdict: str, reason: str) -> Verdict:
    """Return a verdict, or what it would be if the simulation were real recordings."""
    found = {words: real for real, words in _IN_SIMULATION.items()}
    return found.get(reason.partition(":")[0], Verdict(verdict))


def _of_reference() -> dict[tuple[str, str, str], str]:
    """Return the verdicts of reference runs with enough trainings, by row, corpus and protocol."""
    verdicts = {}
    home = project_dir() / "outputs" / "reference"
    for path in sorted(home.glob("*/results.json")):
        for row in _rows(store.table(store.read_results(path))):
            for protocol, judgement in row["judgements"].items():
                if judgement.trainings >= TRAININGS:
                    words = _IN_SIMULATION if is_synthetic(row["data"]) else {}
                    verdict = words.get(judgement.verdict, judgement.verdict)
                    run = f"{path.parent.name}, with {judgement.trainings:.0f}"
                    verdicts[row["id"], row["data"], protocol] = f"reference run {run}: {verdict}"
    return verdicts


def _rows(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the ledger's rows, each with its `judgements` by protocol, from `results` alone.

    Judgements are not yet `_named`.
    """
    measured, book = _Results(results), _records(ledger())
    figures = {claim["key"]: claim["value"] for claim in book if not math.isnan(claim["value"])}
    rows: list[dict[str, Any]] = []
    for claim in book:
        if claim["rule"] == Rule.EVERY:
            continue
        for data in sorted(measured.corpora.get(claim["key"], {""})):
            judgements = {
                protocol: _in_print(claim, figures)
                or _Case(claim, protocol, data, measured).judgement()
                for protocol in PROTOCOLS
            }
            origin = measured.origin(claim["key"], data)
            rows.append({**claim, **origin, "judgements": judgements})
    for claim in book:
        if claim["rule"] == Rule.EVERY:
            rows += _by_parts(claim, rows)
    order = {claim["id"]: place for place, claim in enumerate(book)}
    return sorted(rows, key=lambda row: order[row["id"]])


def _in_print(claim: Mapping[str, Any], figures: Mapping[str, float]) -> Judgement | None:
    """Return the verdict on a claim that needs no measurement, None for other claims.

    Does a figure follow from the paper's other figures, within the margin? Does the text agree with
    a figure or with the list of references?
    """
    value = math.nan
    if claim["kind"] == Kind.ARITHMETIC:
        value = evaluate(claim["rule"], figures)
        agrees = abs(value - claim["value"]) <= claim["margin"] + 1e-9  # floating-point error
        reason = f"it comes to {value:.6g}"
    elif claim["kind"] in (Kind.FIGURE, Kind.CITATION) and claim["rule"]:
        says, shows = claim["rule"].split(" = ")
        agrees = says == shows
        reason = f"both have {says}" if agrees else f"printed: {says}; found: {shows}"
    else:
        return None
    if agrees:
        return Judgement(Verdict.REPRODUCED, reason, value)
    if claim["kind"] != Kind.CITATION:  # a reference is compared with its source
        reason = f"internally inconsistent: {reason}"
    return Judgement(Verdict.NOT_REPRODUCED, reason, value)


@dataclass(frozen=True, slots=True)
class _Case:
    """A claim under one protocol on one corpus, "" for none."""

    claim: Mapping[str, Any]
    protocol: str
    data: str
    results: _Results

    def judgement(self) -> Judgement:
        rule = self.claim["rule"]
        if not self.data:
            return Judgement(Verdict.CANNOT_BE_TESTED, self._what_is_missing())
        if rule in (Rule.EQUAL, Rule.MORE, Rule.LESS):
            return self._count()
        result = self._measured()
        if result is None:
            split = _SPLITS[self.protocol]
            return Judgement(Verdict.CANNOT_BE_TESTED, f"not measured under {split}")
        if rule == Rule.PUBLISHED:
            return self._incomparable(result) or self._score(result)
        if rule in (Rule.ABOVE, Rule.BELOW, Rule.CITED):
            return self._one_sided(result)
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason=self._what_is_missing())

    def _measured(self, metric: str = "") -> Judgement | None:
        """Return the measurement, not judged yet. metric: another one than the claim's."""
        key = store.key({**self.claim, "metric": metric}) if metric else self.claim["key"]
        row = self.results.get(key, self.data, self.protocol)
        if row is None:
            return None
        names = ("value", "low", "high", "trainings")
        numbers = {name: row[name] for name in names if row[name] is not None}
        return Judgement(Verdict.NOT_SHOWN, **numbers)

    def _what_is_missing(self) -> str:
        needs = self.claim["data_required"]
        at_hand = not needs or needs in self.results.stand_ins
        return "no run here has measured it" if at_hand else f"needs {needs}"

    def _count(self) -> Judgement:
        """Return whether a number without a split equals the figure, or is beyond the margin.

        It has no interval over infants, since it comes from one run on one machine.
        """
        if self.protocol == "leak_free":
            reason = "nothing is claimed: no split is involved"
            return Judgement(Verdict.CANNOT_BE_TESTED, reason)
        result = replace(self, protocol="")._measured()
        if result is None:
            return Judgement(Verdict.CANNOT_BE_TESTED, "measured under a split alone")
        rule, margin = self.claim["rule"], self.claim["margin"]
        if rule == Rule.EQUAL and (incomparable := self._incomparable(result)):
            return incomparable
        holds, words = {
            Rule.EQUAL: (result.value == self.claim["value"], "equal to the figure in print"),
            Rule.MORE: (result.value > margin, f"above {margin:g}, on the machine that ran it"),
            Rule.LESS: (result.value < margin, f"below {margin:g}, on the machine that ran it"),
        }[rule]
        verdict = Verdict.REPRODUCED if holds else Verdict.NOT_REPRODUCED
        return replace(result, verdict=verdict, reason=words if holds else f"not {words}")

    def _incomparable(self, result: Judgement) -> Judgement | None:
        """Return the verdict if a published figure is of other data than `result`, else None."""
        needs, verdict = self.claim["data_required"], Verdict.CANNOT_BE_TESTED
        if is_synthetic(self.data):
            verdict = Verdict.IN_SIMULATION
            reason = "not shown: synthetic infants reproduce nothing"
        elif self.data != needs:
            reason = f"the figure is of {needs}, not of {self.data}"
        elif self.claim["where"] == "Table 2" and self.results.stand_ins[self.data] is None:
            reason = "of other classes"
        else:
            return None
        return replace(result, verdict=verdict, reason=reason)

    def _score(self, result: Judgement) -> Judgement:
        """Return whether a published score holds; higher counts as better.

        The paper's protocol is one hold-out, so a score is reproduced if it is within the middle
        90 % of single hold-outs. Without these, the interval must be within the margin around the
        score.
        """
        if self.protocol == "leak_free":
            return self._on_new_infants(result)
        holdouts = self._measured("holdout_accuracy")
        if holdouts is not None and not math.isnan(holdouts.low):
            return self._among(holdouts, result)
        if unfit := _unfit(result):
            return unfit
        below, above = (self.claim["value"] + sign * self.claim["margin"] for sign in (-1, 1))
        if below <= result.low and result.high <= above:
            inside = "the interval lies within the margin"
            return replace(result, verdict=Verdict.REPRODUCED, reason=inside)
        if result.high < below or above < result.low:
            outside = "the interval lies outside the margin"
            return replace(result, verdict=Verdict.NOT_REPRODUCED, reason=outside)
        return replace(result, reason="the interval reaches beyond the margin")

    def _on_new_infants(self, result: Judgement) -> Judgement:
        """Return how a published score compares with `result` on infants it says nothing about."""
        judgement = _unfit(result)
        if judgement is None:
            judgement = _sided(result, self.claim["value"] - self.claim["margin"], upwards=True)
            words = f"{_NEW_INFANTS[judgement.verdict]}: {judgement.reason}"
            judgement = replace(judgement, reason=f"{words}, the figure minus its margin")
        reason = f"nothing is claimed about new infants; {judgement.reason}{self._stand_in()}"
        return replace(judgement, verdict=Verdict.CANNOT_BE_TESTED, reason=reason)

    def _stand_in(self) -> str:
        """Return which class replaces another one, as the end of a reason; "" if none does."""
        words = self.results.stand_ins[self.data] or ""
        return f"; {words.replace(' for ', ' stands for ')}" * bool(words)

    def _among(self, holdouts: Judgement, result: Judgement) -> Judgement:
        """Return whether a published score is within the middle 90 % of single hold-outs."""
        if holdouts.trainings < TRAININGS:
            return _undertrained(replace(result, trainings=holdouts.trainings))
        low, high = holdouts.low, holdouts.high
        inside = low - _LAST_DIGIT <= self.claim["value"] <= high + _LAST_DIGIT
        reason = (
            f"{'inside' if inside else 'outside'} the middle 90 % of hold-outs of one recipe,"
            f" {100 * low:.0f} to {100 * high:.0f} %"
        )
        # The verdict depends on one recipe alone. The share over all recipes is only mentioned.
        if every := self._measured("share_above_published"):
            reason += f"; {reached(every.value)}"
        verdict = Verdict.REPRODUCED if inside else Verdict.NOT_REPRODUCED
        return replace(result, verdict=verdict, reason=reason + self._stand_in())

    def _one_sided(self, result: Judgement) -> Judgement:
        """Return whether the whole interval is on the claim's side of the margin."""
        rule, needs = self.claim["rule"], self.claim["data_required"]
        judgement = _sided(result, self.claim["margin"], upwards=rule != Rule.BELOW)
        with_faces = is_synthetic(self.data) or self.data in self.results.corpora.get(_OF_FACES, ())
        if needs == _FACES and not with_faces:
            reason = f"needs {needs}; on {self.data} {judgement.reason}"
            return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason=reason)
        if unfit := _unfit(result):
            return unfit
        if rule == Rule.CITED:
            reason = f"the paper only cites it; {judgement.reason}"
            return replace(result, verdict=Verdict.NOT_SHOWN, reason=reason)
        if judgement.verdict == Verdict.REPRODUCED and (weakness := self._weakness()):
            return replace(judgement, verdict=Verdict.NOT_SHOWN, reason=weakness)
        return judgement

    def _weakness(self) -> str:
        """Return why the winner that a claim names isn't shown to beat chance, "" if it is."""
        winner = self.claim["winner"]
        if not winner:
            return ""
        test = self.results.get(f"{winner}.p_value", self.data, self.protocol)
        if test is None:
            return "that model isn't tested against chance"
        p_value = test["value"]
        return "" if p_value <= ALPHA else f"that model itself is at chance, p = {p_value:.2f}"


def reached(share: float) -> str:
    """Return in words the share of `papers.multiverse` hold-outs that reach a published figure."""
    others = "the separate hold-outs with all recipes of appendix_table2"
    return f"reached by {portion(share)} of {others}"


def _unfit(result: Judgement) -> Judgement | None:
    """Return the judgement on a result without an interval or with too few trainings, else None."""
    if math.isnan(result.low) or math.isnan(result.high):
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason="no interval")
    return _undertrained(result) if result.trainings < TRAININGS else None


def _undertrained(result: Judgement) -> Judgement:
    count = "one training" if result.trainings == 1 else f"{result.trainings:.0f} trainings"
    reason = f"{count} here, {TRAININGS} needed"
    return replace(result, verdict=Verdict.NOT_SHOWN, reason=reason)


def _sided(result: Judgement, margin: float, *, upwards: bool) -> Judgement:
    """Return whether a result's whole interval is above `margin` (below, unless `upwards`)."""
    from scipy.stats import norm

    sides = (Verdict.NOT_REPRODUCED, Verdict.REPRODUCED)
    if result.low > margin:
        place, verdict = "lies above", sides[upwards]
    elif result.high < margin:
        place, verdict = "lies below", sides[not upwards]
    else:
        place, verdict = "reaches across", Verdict.NOT_SHOWN
    beyond = margin - result.value if upwards else result.value - margin
    bound = result.high - result.value if upwards else result.value - result.low
    if beyond <= 0:  # on the claim's side
        against = math.nan
    else:
        against = float(2 * norm.sf(norm.ppf(0.975) * beyond / bound)) if bound > 0 else 0.0
    reason = f"the interval {place} {margin:.4g}"
    return replace(result, verdict=verdict, against=against, reason=reason)


def _by_parts(
    claim: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield a claim made of several comparisons, judged by its parts on every corpus."""
    parts = [row for row in rows if row["part_of"] == claim["id"]]
    names = dict.fromkeys(row["id"] for row in parts)
    nowhere = dict.fromkeys(PROTOCOLS, Judgement(Verdict.CANNOT_BE_TESTED))
    for data in sorted({row["data"] for row in parts} - {""}) or [""]:
        # A part that was measured only on another corpus counts as missing.
        by_id = {row["id"]: row["judgements"] for row in parts if row["data"] in ("", data)}
        judgements = {
            protocol: _together([by_id.get(name, nowhere)[protocol] for name in names])
            for protocol in PROTOCOLS
        }
        origin = {"data": data, "n": math.nan, "n_infants": math.nan, "notebook": ""}
        yield {**claim, **origin, "judgements": judgements}


def _together(parts: Sequence[Judgement]) -> Judgement:
    if not parts:
        return Judgement(Verdict.CANNOT_BE_TESTED, "no comparison was measured")
    verdicts = [part.verdict for part in parts]
    against = [part.against for part in parts if not math.isnan(part.against)]
    # First step of Holm's correction: the smallest p-value times the number of comparisons.
    smallest = min(1.0, len(parts) * min(against, default=1.0))
    trainings = min((part.trainings for part in parts if part.trainings >= 0), default=math.nan)
    held = verdicts.count(Verdict.REPRODUCED)
    undertrained = sum(part.undertrained for part in parts)
    verdict, reason = Verdict.NOT_SHOWN, f"{len(parts)} comparisons"
    if smallest < ALPHA:
        verdict = Verdict.NOT_REPRODUCED
        reason = f"{reason}, smallest adjusted p = {smallest:.3f}"
    elif untested := verdicts.count(Verdict.CANNOT_BE_TESTED):
        return Judgement(Verdict.CANNOT_BE_TESTED, f"{untested} of {reason} cannot be tested")
    elif undertrained:
        reason = f"{undertrained} of {reason} by fewer than {TRAININGS} trainings"
    else:
        verdict = Verdict.REPRODUCED if held == len(parts) else verdict
        reason = f"{held} of {reason} hold"
    return Judgement(verdict, reason, trainings=trainings, against=smallest)


def verdicts(results: pd.DataFrame, *, paper: str) -> pd.DataFrame:
    """Return the leak-free verdicts of `results` on a paper's claims, one row each.

    A claim is *reproduced* if its whole interval is on the claim's side of the margin, *not
    reproduced* if the whole interval is on the other side, and otherwise *not shown*. A claim that
    one model beats another is reproduced only if the winner is also shown to be better than chance.
    On synthetic infants each verdict is *in simulation*.

    Parameters
    ----------
    results : pandas.DataFrame
        Columns as in `claims.table`.
    paper : {"A", "B"}

    Returns
    -------
    pandas.DataFrame
        Columns of `claims.COLUMNS`, then claim, value, low, high, data, verdict (with its reason),
        trainings and against (see `Judgement`).
    """
    table = judge(results)
    table = table[table.rule.isin([Rule.ABOVE, Rule.BELOW]) & (table.paper == paper)]
    table = table[table.leak_free_value.notna()].drop_duplicates(["key", "data"])
    words = [
        str(Judgement(verdict, reason))
        for verdict, reason in table[["leak_free_verdict", "leak_free_reason"]].to_numpy()
    ]
    fields = ("value", "low", "high", "trainings", "against")
    renamed = {f"leak_free_{name}": name for name in fields}
    table = table.drop(columns="value").rename(columns=renamed)  # `value` is now the measured one
    columns = ["claim", "value", "low", "high", "data", "verdict", "trainings", "against"]
    return table.assign(verdict=words)[[*store.COLUMNS, *columns]].reset_index(drop=True)


def together(judged: pd.DataFrame) -> str:
    """Return the verdict on a claim made of several comparisons, rows of `verdicts`.

    "In every comparison" is reproduced only if each comparison is. It is not reproduced if one of
    them still isn't after Holm's correction for the number of comparisons.
    """
    parts = [
        Judgement(outcome(verdict, reason), trainings=trainings, against=against)
        for words, trainings, against in judged[["verdict", "trainings", "against"]].to_numpy()
        for verdict, _, reason in [words.partition(" (")]
    ]
    return str(_named(_together(parts), next(iter(judged.data), "")))


def of_runs(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the ledger judged by the results of several runs, as `judge` does for one.

    runs: results by run name. If several runs measured a row on the same corpus, the one with the
    most test clips counts; of equals, the first in `runs`. The added column `run` names it.
    """
    judged = [judge(results).assign(run=name) for name, results in runs.items()]
    table = pd.concat(judged or [judge(store.table([])).assign(run="")], ignore_index=True)
    table["run"] = table.run.where(table.data != "", "")
    measured = table.groupby("id").data.transform("max") != ""
    table = table[~measured | (table.data != "")]
    table = table.sort_values("n", ascending=False, kind="stable", na_position="last")
    table = table.drop_duplicates(["id", "data"])
    place = pd.Index(ledger().id).get_indexer(table.id)
    table = table.assign(place=place).sort_values(["place", "data"], ignore_index=True)
    return table.drop(columns="place")


_OPTIONS = {  # values that `selected` accepts even if no row has them
    "paper": set(PAPERS),
    "kind": {str(kind) for kind in Kind},
    "verdict": {str(verdict) for verdict in Verdict},
}


def in_print(judged: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of `judged` compare the paper's text with itself or with its references."""
    return judged.kind.isin([Kind.ARITHMETIC, Kind.FIGURE, Kind.CITATION]) & (judged.rule != "")


def summary(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows of `judged` have each verdict, by protocol.

    The index is the verdict. Columns: for each protocol, the number on real recordings (or without
    a corpus) and in simulation; then the number of rows `in_print`, which no protocol concerns.
    """
    printed, synthetic = in_print(judged), judged.data.map(is_synthetic).astype(bool)
    parts = {"real": judged[~printed & ~synthetic], "synthetic": judged[synthetic]}
    counts = {
        (words, where): part[f"{protocol}_verdict"].map(str).value_counts()
        for protocol, words in (("paper", "paper's protocol"), ("leak_free", "leak-free"))
        for where, part in parts.items()
    }
    counts["in print", ""] = judged[printed].paper_verdict.map(str).value_counts()
    table = pd.DataFrame(counts).reindex([str(v) for v in Verdict]).dropna(how="all")
    return table.fillna(0).astype(int)


def selected(judged: pd.DataFrame, **chosen: str | None) -> pd.DataFrame:
    """Return the rows of `judged` that have each of the `chosen` values; None allows any value.

    Names are columns of `judged`, or `verdict` for the verdict under either protocol.

    Raises
    ------
    InputError
        An unknown value; the message suggests the nearest known one.
    """
    for name, value in chosen.items():
        if value is None:
            continue
        columns = [f"{p}_verdict" for p in PROTOCOLS] if name == "verdict" else [name]
        texts = judged[columns].astype(str)
        if not (has_it := (texts == value).any(axis=1)).any():
            options = _OPTIONS.get(name) or set(texts.to_numpy().ravel()) - {""}
            if value not in options:
                raise InputError(f"no {name} {value!r}.{near_miss(value, options)}")
        judged = judged[has_it]
    return judged
