"""The ledger: every number and checkable claim of both papers, and its verdicts.

`data/claims.csv` lists the claims, each with the rule by which it is judged; `data/README.md`
explains its columns. Each claim gets two verdicts: one with a random split, as in the papers, and
one leak-free. Synthetic infants can't reproduce anything, so each measurement on them is *in
simulation*. Sums, figures and references were judged by reading; the ledger has their verdicts.
Used in notebooks 03, 04, 06, 09, 11 and 14 and by the command `cryutils claims`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd
from scipy.stats import norm

from cryutils._io.paths import project_dir
from cryutils.claims import result_store
from cryutils.datasets.registry import is_synthetic
from cryutils.errors import InputError, near_miss

__all__ = [
    "ALPHA",
    "SPLITS",
    "Judgement",
    "Rule",
    "Verdict",
    "classes_in_use",
    "judge",
    "ledger",
    "of_runs",
    "published",
    "stand_in",
    "summary",
    "unstated",
    "with_verdict",
]

TRAININGS = 5  # needed to judge a network's score, since the seed alone moves it by points
ALPHA = 0.05  # a model with a larger p-value is not shown to be better than chance
SPLITS = ("random", "leak_free")  # each row has a verdict for each
_LAST_DIGIT = 0.5e-4  # shares are printed in hundredths of a percent
_FACES = "recordings of sound and face"  # as `data_required`
_OF_FACES = "ablation.image.accuracy"  # measured only where recordings have faces


class Rule(StrEnum):
    """How a row is judged. Rows with a verdict of their own, and settings, have no rule."""

    PUBLISHED = "published"  # a score, judged by single hold-outs
    ABOVE = "low > margin"
    BELOW = "high < margin"
    EQUAL = "count == value"  # a number without a split, such as the clips of a class
    MORE = "count > margin"  # a number without a split, such as the speed of the machine at hand
    LESS = "count < margin"
    EVERY = "every"  # holds if every row that is `part_of` it holds
    CITED = "cited"  # measured against the margin, but not claimed: at most *not shown*


class Verdict(StrEnum):
    """The verdict on a claim with one split, from a run or from the paper's own text."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    SUBSTITUTE = "not reproduced with a substitute class"  # another class replaces the paper's
    NOT_SHOWN = "not shown"
    IN_SIMULATION = "in simulation"  # measured on synthetic infants; `outcome` says what was found
    CANNOT_BE_TESTED = "cannot be tested"
    CONSISTENT = "consistent"  # judged by reading, as is the next
    INCONSISTENT = "inconsistent"


_IN_SIMULATION = {  # how a reason in simulation begins
    Verdict.REPRODUCED: "holds",
    Verdict.NOT_REPRODUCED: "does not hold",
    Verdict.NOT_SHOWN: "not shown",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found on a claim, as if all infants were real, and the measurement behind it.

    `value`, `low`, `high`: the measurement and its interval, NaN if nothing was measured.
    `trainings`: the number of seeds that the networks were trained with, NaN for other models.
    `against`: the two-sided p-value of the claim's opposite, from the normal distribution with the
    interval's bound; NaN if the measurement is on the claim's side or has no interval.
    """

    outcome: Verdict
    reason: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    trainings: float = math.nan
    against: float = math.nan

    def columns(self, split: str, data: str) -> dict[str, Any]:
        """Return the fields and the verdict as columns: on synthetic infants, in simulation."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["verdict"] = self.outcome
        if is_synthetic(data) and self.outcome in _IN_SIMULATION:
            fields["verdict"] = Verdict.IN_SIMULATION
            fields["reason"] = f"{_IN_SIMULATION[self.outcome]}: {self.reason}"
        return {f"{split}_{name}": value for name, value in fields.items()}


def ledger() -> pd.DataFrame:
    """Return `data/claims.csv`, one row for each number and claim. Missing texts are "".

    Columns as in `data/README.md`; `value` and `margin` are float64, NaN if missing.
    """
    path = project_dir() / "data" / "claims.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "margin")}
    return table.assign(key=[result_store.key(row) for row in _records(table)], **numbers)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def published() -> pd.DataFrame:
    """Return the rows of the ledger that results can be compared with, one row per `key`."""
    table = ledger()
    return table[table.key != ""].drop_duplicates("key").reset_index(drop=True)


def unstated(study: str) -> pd.DataFrame:
    """Return every setting that a paper leaves open in a `study`, with the choice made here.

    study: "Table 2" or "Table 3" of Paper A, or "Paper B". Columns: those of `data/unstated.csv`,
    which `data/README.md` explains.
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
    """Results by key, corpus and split.

    corpora: where each key was measured. stand_ins: `stand_in` of each corpus.
    """

    def __init__(self, results: pd.DataFrame) -> None:
        results = results[results.split != "random_frames"]
        rows = _records(results.astype(dict.fromkeys(("n", "n_infants", "trainings"), float)))
        self.rows = {(row["key"], row["data"], row["split"]): row for row in rows}
        self.corpora: dict[str, set[str]] = {}
        for key, data, _ in self.rows:
            self.corpora.setdefault(key, set()).add(data)
        self.stand_ins = {str(data): stand_in(part) for data, part in results.groupby("data")}

    def get(self, key: str, data: str, split: str) -> dict[str, Any] | None:
        """Return a result. A result without a split counts for both."""
        return self.rows.get((key, data, split)) or self.rows.get((key, data, ""))

    def origin(self, key: str, data: str) -> dict[str, Any]:
        """Return the corpus, clips, infants and notebook of a result, the leak-free one if any."""
        row = self.get(key, data, "leak_free") or self.get(key, data, "random") or {}
        missing = {"n": math.nan, "n_infants": math.nan, "notebook": ""}
        return {"data": data} | {name: row.get(name, none) for name, none in missing.items()}


def judge(results: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger with two verdicts on each row, from `results`.

    results: columns as in `claims.table`. There is a row for each corpus on which a claim was
    measured, or one with `data` "" if there is none. Columns: those of the ledger; data, n,
    n_infants and notebook of the measurement; for each split the fields of `Judgement` and the
    verdict, such as random_verdict and leak_free_low.
    """
    measured, book = _Results(results), _records(ledger())
    rows: list[dict[str, Any]] = []
    for claim in book:
        if claim["rule"] != Rule.EVERY:
            for data in sorted(measured.corpora.get(claim["key"], {""})):
                cases = {name: _Case(claim, name, data, measured) for name in SPLITS}
                judgements = {name: case.judgement() for name, case in cases.items()}
                origin = measured.origin(claim["key"], data)
                rows.append({**claim, **origin, "judgements": judgements})
    for claim in book:
        if claim["rule"] == Rule.EVERY:
            rows += _by_parts(claim, rows)
    order = {claim["id"]: place for place, claim in enumerate(book)}
    rows.sort(key=lambda row: order[row["id"]])
    for row in rows:
        for split, judgement in row.pop("judgements").items():
            row |= judgement.columns(split, row["data"])
    return pd.DataFrame(rows)


@dataclass(frozen=True, slots=True)
class _Case:
    """A claim with one split on one corpus, "" for none."""

    claim: Mapping[str, Any]
    split: str
    data: str
    results: _Results

    def judgement(self) -> Judgement:
        rule = self.claim["rule"]
        if self.claim["verdict"]:  # judged by reading
            return Judgement(Verdict(self.claim["verdict"]), self.claim["reason"])
        if not self.data:
            return Judgement(Verdict.CANNOT_BE_TESTED, self._what_is_missing())
        if rule in (Rule.EQUAL, Rule.MORE, Rule.LESS):
            return self._count()
        result = self._measured()
        if result is None:
            return Judgement(Verdict.CANNOT_BE_TESTED, "not measured with this split")
        if rule == Rule.PUBLISHED:
            if incomparable := self._incomparable(result):
                return incomparable
            is_new = self.split == "leak_free"
            return self._on_new_infants(result) if is_new else self._single_holdout(result)
        if rule in (Rule.ABOVE, Rule.BELOW, Rule.CITED):
            return self._one_sided(result)
        return replace(result, outcome=Verdict.CANNOT_BE_TESTED, reason=self._what_is_missing())

    def _measured(self, metric: str = "") -> Judgement | None:
        """Return the measurement, not judged yet. metric: another one than the claim's."""
        key = result_store.key({**self.claim, "metric": metric}) if metric else self.claim["key"]
        row = self.results.get(key, self.data, self.split)
        if row is None:
            return None
        numbers = {name: row[name] for name in ("value", "low", "high", "trainings")}
        return Judgement(Verdict.NOT_SHOWN, **numbers)

    def _what_is_missing(self) -> str:
        needs = self.claim["data_required"]
        at_hand = not needs or needs in self.results.stand_ins
        return "no run here has measured it" if at_hand else f"needs {needs}"

    def _count(self) -> Judgement:
        """Return whether a number without a split equals the figure, or is beyond the margin."""
        result = self._measured()
        if self.split == "leak_free" or result is None:
            reason = "nothing is claimed: no split is involved"
            return Judgement(Verdict.CANNOT_BE_TESTED, reason)
        rule, margin = self.claim["rule"], self.claim["margin"]
        if rule == Rule.EQUAL and (incomparable := self._incomparable(result)):
            return incomparable
        holds, reason = {
            Rule.EQUAL: (result.value == self.claim["value"], "equal to the figure in print"),
            Rule.MORE: (result.value > margin, f"above {margin:g}, on the machine that ran it"),
            Rule.LESS: (result.value < margin, f"below {margin:g}, on the machine that ran it"),
        }[rule]
        outcome = Verdict.REPRODUCED if holds else Verdict.NOT_REPRODUCED
        return replace(result, outcome=outcome, reason=reason if holds else f"not {reason}")

    def _incomparable(self, result: Judgement) -> Judgement | None:
        """Return the judgement if a published figure is of other data than `result`, else None."""
        needs, outcome = self.claim["data_required"], Verdict.CANNOT_BE_TESTED
        if is_synthetic(self.data):
            outcome, reason = Verdict.NOT_SHOWN, "synthetic infants reproduce nothing"
        elif self.data != needs:
            reason = f"the figure is of {needs}, not of {self.data}"
        elif self.claim["where"] == "Table 2" and self.results.stand_ins[self.data] is None:
            reason = "of other classes"
        else:
            return None
        return replace(result, outcome=outcome, reason=reason)

    def _on_new_infants(self, result: Judgement) -> Judgement:
        """Return how a published score compares with `result` on infants it says nothing about."""
        judgement = _unfit(result)
        if judgement is None:
            judgement = _sided(result, self.claim["value"] - self.claim["margin"], upwards=True)
            names = {Verdict.REPRODUCED: "as high", Verdict.NOT_REPRODUCED: "lower"}
            level = names.get(judgement.outcome, "not shown to be lower")
            reason = f"{level} here: {judgement.reason}, the figure minus its margin"
            judgement = replace(judgement, reason=reason)
        reason = f"nothing is claimed about new infants; {judgement.reason}{self._stand_in()}"
        return replace(judgement, outcome=Verdict.CANNOT_BE_TESTED, reason=reason)

    def _stand_in(self) -> str:
        """Return which class replaces another one, as the end of a reason; "" if none does."""
        classes = self.results.stand_ins[self.data] or ""
        return f"; {classes.replace(' for ', ' stands for ')}" * bool(classes)

    def _single_holdout(self, result: Judgement) -> Judgement:
        """Return whether a published score is within the middle 90 % of single hold-outs."""
        holdouts = self._measured("holdout_accuracy")
        if holdouts is None or math.isnan(holdouts.low):
            return replace(result, outcome=Verdict.CANNOT_BE_TESTED, reason="no single hold-outs")
        if holdouts.trainings < TRAININGS:
            return _undertrained(replace(result, trainings=holdouts.trainings))
        low, high = holdouts.low, holdouts.high
        inside = low - _LAST_DIGIT <= self.claim["value"] <= high + _LAST_DIGIT
        reason = (
            f"{'inside' if inside else 'outside'} the middle 90 % of hold-outs of one recipe,"
            f" {100 * low:.0f} to {100 * high:.0f} %"
        )
        # The verdict depends on one reading alone. The share over all readings is only mentioned.
        if every := self._measured("share_above_published"):
            reason += f"; reached by {100 * every.value:.2g} % of hold-outs with all readings"
        missed = Verdict.SUBSTITUTE if self._stand_in() else Verdict.NOT_REPRODUCED
        outcome = Verdict.REPRODUCED if inside else missed
        return replace(result, outcome=outcome, reason=reason + self._stand_in())

    def _one_sided(self, result: Judgement) -> Judgement:
        """Return whether the whole interval is on the claim's side of the margin."""
        rule, needs = self.claim["rule"], self.claim["data_required"]
        judgement = _sided(result, self.claim["margin"], upwards=rule != Rule.BELOW)
        with_faces = is_synthetic(self.data) or self.data in self.results.corpora.get(_OF_FACES, ())
        if needs == _FACES and not with_faces:
            reason = f"needs {needs}; on {self.data} {judgement.reason}"
            return replace(result, outcome=Verdict.CANNOT_BE_TESTED, reason=reason)
        if unfit := _unfit(result):
            return unfit
        if rule == Rule.CITED:
            reason = f"the paper only cites it; {judgement.reason}"
            return replace(result, outcome=Verdict.NOT_SHOWN, reason=reason)
        if judgement.outcome == Verdict.REPRODUCED and (weakness := self._weakness()):
            return replace(judgement, outcome=Verdict.NOT_SHOWN, reason=weakness)
        return judgement

    def _weakness(self) -> str:
        """Return why the winner that a claim names isn't shown to beat chance, "" if it is."""
        if not (winner := self.claim["winner"]):
            return ""
        test = self.results.get(f"{winner}.p_value", self.data, self.split)
        if test is None:
            return "that model isn't tested against chance"
        p_value = test["value"]
        return "" if p_value <= ALPHA else f"that model itself is at chance, p = {p_value:.2f}"


def _unfit(result: Judgement) -> Judgement | None:
    """Return the judgement on a result without an interval or with too few trainings, else None."""
    if math.isnan(result.low) or math.isnan(result.high):
        return replace(result, outcome=Verdict.CANNOT_BE_TESTED, reason="no interval")
    return _undertrained(result) if result.trainings < TRAININGS else None


def _undertrained(result: Judgement) -> Judgement:
    count = "one training" if result.trainings == 1 else f"{result.trainings:.0f} trainings"
    reason = f"{count} here, {TRAININGS} needed"
    return replace(result, outcome=Verdict.NOT_SHOWN, reason=reason)


def _sided(result: Judgement, margin: float, *, upwards: bool) -> Judgement:
    """Return whether a result's whole interval is above `margin` (below, unless `upwards`)."""
    sides = (Verdict.NOT_REPRODUCED, Verdict.REPRODUCED)
    if result.low > margin:
        place, outcome = "lies above", sides[upwards]
    elif result.high < margin:
        place, outcome = "lies below", sides[not upwards]
    else:
        place, outcome = "reaches across", Verdict.NOT_SHOWN
    beyond = margin - result.value if upwards else result.value - margin
    bound = result.high - result.value if upwards else result.value - result.low
    against = math.nan
    if beyond > 0:  # not on the claim's side
        against = float(2 * norm.sf(norm.ppf(0.975) * beyond / bound)) if bound > 0 else 0.0
    reason = f"the interval {place} {margin:.4g}"
    return replace(result, outcome=outcome, against=against, reason=reason)


def _by_parts(claim: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a claim made of several comparisons, judged by its parts on every corpus."""
    parts = [row for row in rows if row["part_of"] == claim["id"]]
    names = dict.fromkeys(row["id"] for row in parts)
    nowhere = dict.fromkeys(SPLITS, Judgement(Verdict.CANNOT_BE_TESTED))
    for data in sorted({row["data"] for row in parts} - {""}) or [""]:
        # A part that was measured only on another corpus counts as missing.
        by_id = {row["id"]: row["judgements"] for row in parts if row["data"] in ("", data)}
        judgements = {
            split: _together([by_id.get(name, nowhere)[split] for name in names]) for split in SPLITS
        }
        origin = {"data": data, "n": math.nan, "n_infants": math.nan, "notebook": ""}
        yield {**claim, **origin, "judgements": judgements}


def _together(parts: Sequence[Judgement]) -> Judgement:
    """Return the judgement on a claim that each of its comparisons must hold for.

    It is not reproduced if one comparison still isn't after Holm's correction for their number.
    """
    outcomes = [part.outcome for part in parts]
    against = [part.against for part in parts if not math.isnan(part.against)]
    # First step of Holm's correction: the smallest p-value times the number of comparisons.
    smallest = min(1.0, len(parts) * min(against, default=1.0))
    trainings = min((part.trainings for part in parts if part.trainings >= 0), default=math.nan)
    held = outcomes.count(Verdict.REPRODUCED)
    undertrained = sum(p.outcome == Verdict.NOT_SHOWN and p.trainings < TRAININGS for p in parts)
    untested, count = outcomes.count(Verdict.CANNOT_BE_TESTED), f"{len(parts)} comparisons"
    if smallest < ALPHA:
        outcome, reason = Verdict.NOT_REPRODUCED, f"{count}, smallest adjusted p = {smallest:.3f}"
    elif untested:
        return Judgement(Verdict.CANNOT_BE_TESTED, f"{untested} of {count} cannot be tested")
    elif undertrained:
        outcome = Verdict.NOT_SHOWN
        reason = f"{undertrained} of {count} by fewer than {TRAININGS} trainings"
    else:
        outcome = Verdict.REPRODUCED if held == len(parts) else Verdict.NOT_SHOWN
        reason = f"{held} of {count} hold"
    return Judgement(outcome, reason, trainings=trainings, against=smallest)


def of_runs(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the ledger judged by the results of several runs, as `judge` does for one.

    runs: results by run name. If several runs measured a row on the same corpus, the one with the
    most test clips counts; of equals, the one with more trainings, then the first in `runs`. The
    added column `run` names it.
    """
    judged = [judge(results).assign(run=name) for name, results in runs.items()]
    table = pd.concat(judged or [judge(result_store.table([])).assign(run="")], ignore_index=True)
    table["run"] = table.run.where(table.data != "", "")
    measured = table.groupby("id").data.transform("max") != ""
    table = table[~measured | (table.data != "")]
    most = ["n", "leak_free_trainings"]
    table = table.sort_values(most, ascending=False, kind="stable", na_position="last")
    place = pd.Index(ledger().id)
    return table.drop_duplicates(["id", "data"]).sort_values(
        ["id", "data"], key=lambda c: place.get_indexer(c) if c.name == "id" else c, ignore_index=True
    )


def summary(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows of `judged` have each verdict, the index.

    Columns: for each split, rows on real recordings (or without a corpus) and on synthetic infants;
    then those judged by reading.
    """
    in_print, synthetic = judged.verdict != "", judged.data.map(is_synthetic).astype(bool)
    parts = {"real": judged[~in_print & ~synthetic], "synthetic": judged[synthetic]}
    counts = {
        (result_store.SPLITS[split], where): part[f"{split}_verdict"].map(str).value_counts()
        for split in SPLITS
        for where, part in parts.items()
    }
    counts["in print", ""] = judged[in_print].random_verdict.map(str).value_counts()
    table = pd.DataFrame(counts).reindex([str(v) for v in Verdict]).dropna(how="all")
    return table.fillna(0).astype(int)


def with_verdict(judged: pd.DataFrame, verdict: str) -> pd.DataFrame:
    """Return the rows of `judged` that have a verdict with either split.

    Raises InputError for an unknown verdict.
    """
    if verdict not in (known := [str(v) for v in Verdict]):
        raise InputError(f"no verdict {verdict!r}.{near_miss(verdict, known)}")
    columns = [f"{split}_verdict" for split in SPLITS]
    return judged[(judged[columns].astype(str) == verdict).any(axis=1)]
