"""The two tables of results: the ledger of claims with their verdicts, and the scoreboard.

**The ledger.** `data/claims.csv` lists every number and checkable claim of both papers, each with
the rule by which it is judged; `data/README.md` explains its columns. Each claim gets two verdicts:
one with a random split, as in the papers, and one leak-free. Synthetic infants can't reproduce
anything, so each measurement on them is *in simulation*. Sums, figures and references were judged by
reading; the ledger has their verdicts.

**The scoreboard** has a row for each score of both papers' tables: the published figure, the scores
under each split and the score of the most common class side by side. Real and synthetic infants
never share a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import norm

from cryutils import evaluation
from cryutils._io.paths import project_dir
from cryutils.claims.records import key, load_predictions, load_results, table
from cryutils.datasets.registry import is_synthetic, title
from cryutils.errors import InputError, near_miss
from cryutils.words import BASELINES, CLASSIFIERS, SPLITS

__all__ = [
    "ALPHA",
    "COMMONEST",
    "ENSEMBLES",
    "LAYOUTS",
    "METRICS",
    "MODEL",
    "PAIRS",
    "PAPER_B",
    "PHONE",
    "TABLE2",
    "TABLE2_SCALED",
    "TABLE3",
    "WITHOUT_SOUND",
    "Judgement",
    "Layout",
    "Rule",
    "Verdict",
    "claim_lines",
    "conclusions",
    "gaps",
    "in_percent",
    "in_words",
    "judge",
    "judge_runs",
    "ledger",
    "note",
    "of_corpus",
    "paired_gaps",
    "published",
    "reference",
    "scoreboard_lines",
    "scores",
    "split_gaps",
    "unstated",
    "verdict_counts",
    "with_verdict",
]

_SIMULATED = "Synthetic infants: no evidence about real infants."
TRAININGS = 5  # needed to judge a network's score, since the seed alone moves it by points
ALPHA = 0.05  # a model with a larger p-value is not shown to be better than chance
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
    value: float = nan
    low: float = nan
    high: float = nan
    trainings: float = nan
    against: float = nan

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
    book = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = {name: pd.to_numeric(book[name]) for name in ("value", "margin")}
    return book.assign(key=[key(row) for row in _records(book)], **numbers)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def published() -> pd.DataFrame:
    """Return the rows of the ledger that results can be compared with, one row per `key`."""
    book = ledger()
    return book[book.key != ""].drop_duplicates("key").reset_index(drop=True)


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
        for name, data, _ in self.rows:
            self.corpora.setdefault(name, set()).add(data)
        self.stand_ins = {str(data): stand_in(part) for data, part in results.groupby("data")}

    def get(self, name: str, data: str, split: str) -> dict[str, Any] | None:
        """Return a result. A result without a split counts for both."""
        return self.rows.get((name, data, split)) or self.rows.get((name, data, ""))

    def origin(self, name: str, data: str) -> dict[str, Any]:
        """Return the corpus, clips, infants and notebook of a result, the leak-free one if any."""
        row = self.get(name, data, "leak_free") or self.get(name, data, "random") or {}
        missing = {"n": nan, "n_infants": nan, "notebook": ""}
        return {"data": data} | {column: row.get(column, none) for column, none in missing.items()}


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
                cases = {name: _Case(claim, name, data, measured) for name in evaluation.SPLITS}
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
        name = key({**self.claim, "metric": metric}) if metric else self.claim["key"]
        row = self.results.get(name, self.data, self.split)
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
    against = nan
    if beyond > 0:  # not on the claim's side
        against = float(2 * norm.sf(norm.ppf(0.975) * beyond / bound)) if bound > 0 else 0.0
    reason = f"the interval {place} {margin:.4g}"
    return replace(result, outcome=outcome, against=against, reason=reason)


def _by_parts(claim: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a claim made of several comparisons, judged by its parts on every corpus."""
    parts = [row for row in rows if row["part_of"] == claim["id"]]
    names = dict.fromkeys(row["id"] for row in parts)
    nowhere = dict.fromkeys(evaluation.SPLITS, Judgement(Verdict.CANNOT_BE_TESTED))
    for data in sorted({row["data"] for row in parts} - {""}) or [""]:
        # A part that was measured only on another corpus counts as missing.
        by_id = {row["id"]: row["judgements"] for row in parts if row["data"] in ("", data)}
        judgements = {
            split: _together([by_id.get(name, nowhere)[split] for name in names])
            for split in evaluation.SPLITS
        }
        origin = {"data": data, "n": nan, "n_infants": nan, "notebook": ""}
        yield {**claim, **origin, "judgements": judgements}


def _together(parts: Sequence[Judgement]) -> Judgement:
    """Return the judgement on a claim that each of its comparisons must hold for.

    It is not reproduced if one comparison still isn't after Holm's correction for their number.
    """
    outcomes = [part.outcome for part in parts]
    against = [part.against for part in parts if not math.isnan(part.against)]
    # First step of Holm's correction: the smallest p-value times the number of comparisons.
    smallest = min(1.0, len(parts) * min(against, default=1.0))
    trainings = min((part.trainings for part in parts if part.trainings >= 0), default=nan)
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


def judge_runs(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the ledger judged by the results of several runs, as `judge` does for one.

    runs: results by run name. If several runs measured a row on the same corpus, the one with the
    most test clips counts; of equals, the one with more trainings, then the first in `runs`. The
    added column `run` names it.
    """
    parts = [judge(results).assign(run=name) for name, results in runs.items()]
    judged = pd.concat(parts or [judge(table([])).assign(run="")], ignore_index=True)
    judged["run"] = judged.run.where(judged.data != "", "")
    measured = judged.groupby("id").data.transform("max") != ""
    judged = judged[~measured | (judged.data != "")]
    most = ["n", "leak_free_trainings"]
    judged = judged.sort_values(most, ascending=False, kind="stable", na_position="last")
    place = pd.Index(ledger().id)
    return judged.drop_duplicates(["id", "data"]).sort_values(
        ["id", "data"], key=lambda c: place.get_indexer(c) if c.name == "id" else c, ignore_index=True
    )


def verdict_counts(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows of `judged` have each verdict, the index.

    Columns: for each split, rows on real recordings (or without a corpus) and on synthetic infants;
    then those judged by reading.
    """
    in_print, synthetic = judged.verdict != "", judged.data.map(is_synthetic).astype(bool)
    parts = {"real": judged[~in_print & ~synthetic], "synthetic": judged[synthetic]}
    counts = {
        (SPLITS[split], where): part[f"{split}_verdict"].map(str).value_counts()
        for split in evaluation.SPLITS
        for where, part in parts.items()
    }
    counts["in print", ""] = judged[in_print].random_verdict.map(str).value_counts()
    named = pd.DataFrame(counts).reindex([str(v) for v in Verdict]).dropna(how="all")
    return named.fillna(0).astype(int)


def with_verdict(judged: pd.DataFrame, verdict: str) -> pd.DataFrame:
    """Return the rows of `judged` that have a verdict with either split.

    Raises InputError for an unknown verdict.
    """
    if verdict not in (known := [str(v) for v in Verdict]):
        raise InputError(f"no verdict {verdict!r}.{near_miss(verdict, known)}")
    columns = [f"{split}_verdict" for split in evaluation.SPLITS]
    return judged[(judged[columns].astype(str) == verdict).any(axis=1)]


# The scoreboard

PAIRS = {  # the rows of Table 3
    "sleepy_hungry": "sleepy & hungry",
    "sleepy_hugging": "sleepy & hugging",
    "hugging_hungry": "hugging & hungry",
    "total": "all three states",
}
ENSEMBLES = {  # those of the paper's text, without class weights, first
    "svm_unweighted": "SVM, unweighted",
    "svm": "SVM",
    "svm_stop": "SVM, fit+stop",
    "ae_dnn_unweighted": "AE+DNN, unweighted",
    "ae_dnn": "AE+DNN",
    "ae_dnn_patches": "AE+DNN, patches",
    "proposed_unweighted": "ensemble, unweighted",
    "proposed": "ensemble",
}
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "area under the ROC curve",
}
COMMONEST = "most common class"
PHONE = "phone type alone"
WITHOUT_SOUND = {"majority": COMMONEST, "phone": PHONE}  # models without any sound
_NO_TEST = [("donateacry-uploads", "proposed")]  # chosen when the score was known: p is not valid
_ABOUT = ["study", "condition", "feature", "name"]
MODEL = ["study", "condition", "feature", "model", "data"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A table of a paper.

    rows: each has columns of a result (study, condition, feature, name of the model), the `group`
    of rows that it belongs to, and the `model` in words. The model `COMMONEST` always predicts the
    most common class. It is the baseline of its group, or of all groups if its own is "".
    metrics: those that reports show. of_table1: whether the paper's figures are for the classes of
    its Table 1, so that only results on these classes are comparable.
    """

    title: str
    rows: Sequence[Mapping[str, str]]
    metrics: Sequence[str] = ("balanced_accuracy", "accuracy")
    of_table1: bool = False


def _table2(condition: str, names: Sequence[str]) -> list[dict[str, str]]:
    """Return Table 2's rows for the classifiers in `names`, by feature."""
    return [
        {
            "study": "feature_validation",
            "condition": condition,
            "feature": feature,
            "name": name,
            "group": feature.upper(),
            "model": CLASSIFIERS[name],
        }
        for feature in ("stft", "mfcc")
        for name in names
    ]


def _network_and_rivals(study: str, group: str, examples: str) -> Iterator[dict[str, str]]:
    """Yield rows for a network, classical models on clips and on `examples`, and the majority.

    The network is trained with and without class weights, which the paper does not mention.
    """
    names = {f"{study}_unweighted": f"{study}, unweighted", study: study, **BASELINES}
    names |= {f"{name}_{examples}": f"{words}, on {examples}" for name, words in BASELINES.items()}
    for name, words in (names | WITHOUT_SOUND).items():
        yield {"study": study, "name": name, "group": group, "model": words}


TABLE2 = Layout(
    "Paper A, Table 2",
    [
        *_table2("", list(CLASSIFIERS)),
        *({"study": "feature_validation", "name": n, "model": m} for n, m in WITHOUT_SOUND.items()),
    ],
    of_table1=True,
)
TABLE2_SCALED = Layout(
    "Paper A, Table 2, features standardised",
    _table2("scaled", ["svm", "nb", "knn"]),
    ("balanced_accuracy",),
    of_table1=True,
)
TABLE3 = Layout(
    "Paper A, Table 3",
    [
        {"study": "table3", "condition": pair, "name": name, "group": group, "model": model}
        for pair, group in PAIRS.items()
        for name, model in {**ENSEMBLES, **WITHOUT_SOUND}.items()
    ],
)
PAPER_B = Layout(
    "Paper B",
    [
        *_network_and_rivals("cry2", "sound", "windows"),
        *_network_and_rivals("image", "face", "crops"),
        {"study": "full", "name": "full", "group": "sound and face", "model": "full, late fusion"},
    ],
    ("balanced_accuracy", "macro_f1"),
)
LAYOUTS = (TABLE2, TABLE2_SCALED, TABLE3, PAPER_B)


def note(shown: pd.DataFrame) -> str:
    """Return the data note for a figure that shows rows of `scores`: corpora and runs."""
    corpora, runs = dict.fromkeys(shown.data), dict.fromkeys(shown.run)
    warning = ": no evidence about real infants" * any(map(is_synthetic, corpora))
    names = " and ".join(map(title, corpora))
    return f"{names}{warning}; measured by {' and '.join(runs)}"


def scores(runs: Mapping[str, pd.DataFrame], layouts: Sequence[Layout] = LAYOUTS) -> pd.DataFrame:
    """Return a row for each model and metric in the papers' tables, real recordings first.

    If several runs measured a table on the same corpus, the one with the most test clips is shown;
    of equals, the first.

    runs: results by run name, columns as in `claims.table`.

    Returns
    -------
    pandas.DataFrame
        Columns: table, data, run, group, model (in words), metric; study, condition, feature, name
        (the columns of the results) and key (the same as one text); published (the paper's figure);
        for each of `SPLITS` the value and, with `_low` and `_high`, its 95 % interval; commonest
        (the leak-free score of the most common class; for a balanced accuracy of Table 2 without
        it, 1 over the number of classes); p_value (of the leak-free balanced accuracy) and number
        of permutations behind it; n, n_infants. Shares are float64, 0-1, NaN if missing.
    """
    tables: list[pd.DataFrame] = []
    for layout in layouts:
        drawn: dict[str, pd.DataFrame] = {}
        for run, results in runs.items():
            for data, measured in results.groupby("data"):
                table = _table(layout, measured.assign(run=run))
                if len(table) and (data not in drawn or table.n.max() > drawn[str(data)].n.max()):
                    drawn[str(data)] = table
        tables += drawn.values()
    ends = [f"{column}{end}" for column in SPLITS for end in ("", "_low", "_high")]
    first = ["table", "data", "run", "group", "model", "metric", *_ABOUT, "key", "published"]
    columns = [*first, *ends, "commonest", "p_value", "permutations", "n", "n_infants"]
    if not tables:
        return pd.DataFrame(columns=columns)
    tables.sort(key=lambda table: (is_synthetic(table.data.iloc[0]), table.data.iloc[0]))
    return pd.concat(tables, ignore_index=True).reindex(columns=columns)


def _table(layout: Layout, measured: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one table measured on one corpus, columns as in `scores`."""
    nothing = dict.fromkeys([*_ABOUT, "group"], "")
    rows = pd.DataFrame([{**nothing, **row} for row in layout.rows])
    rows = rows.assign(place=range(len(rows)))
    scored = measured[measured.rival == ""].rename(columns={"model": "name"})
    scored = rows.merge(scored.drop(columns="key"), on=_ABOUT)
    numbers = ["value", "low", "high", "n", "n_infants", "permutations"]
    scored = scored.astype(dict.fromkeys(numbers, float))
    free = scored[scored.split == "leak_free"]
    tests = free[free.metric == "p_value"].set_index("place")
    scored = scored[scored.metric.isin(METRICS)]
    if scored.empty:
        return scored
    wide = scored.pivot(index=["place", "metric"], columns="split", values=["value", "low", "high"])
    pairs: Any = wide.columns
    wide.columns = pd.Index([s if end == "value" else f"{s}_{end}" for end, s in pairs])
    first = ["data", "run", *_ABOUT, "group", "model"]
    shown = scored.groupby(["place", "metric"]).agg(
        {**dict.fromkeys(first, "first"), "n": "max", "n_infants": "max"}
    )
    shown = shown.join(wide).reset_index()
    records: Any = shown.to_dict("records")
    shown = shown.assign(
        table=layout.title,
        key=[key({**row, "model": row["name"]}) for row in records],
        published=float("nan"),
        p_value=shown.place.map(tests.value),
        permutations=shown.place.map(tests.permutations),
        commonest=_commonest(shown, free),
    )
    if not layout.of_table1 or stand_in(measured) is not None:
        # The paper mentions no class weights: its figure is compared with and without them.
        printed = published().set_index("key").value
        keys = shown.key.str.replace("_unweighted", "")
        shown["published"] = keys.map(printed).astype(float)
    if layout.of_table1 and (classes := classes_in_use(measured)):
        guessing = shown.commonest.isna() & (shown.metric == "balanced_accuracy")
        shown["commonest"] = shown.commonest.mask(guessing, 1 / len(classes))
    shown["metric"] = pd.Categorical(shown.metric, list(METRICS))
    return shown.sort_values(["place", "metric"]).astype({"metric": object})


def _commonest(shown: pd.DataFrame, free: pd.DataFrame) -> pd.Series[float]:
    """Return the leak-free score of the most common class in each row's group and metric."""
    majority = free[free.model == COMMONEST].set_index(["group", "metric"]).value
    groups = set(majority.index.get_level_values("group"))
    return shown.apply(
        lambda row: majority.get((row.group if row.group in groups else "", row.metric)), axis=1
    ).astype(float)


def in_words(shown: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric of `scores` as texts, in percent with intervals, one row per model.

    shown: rows of `scores`. Columns: published, the splits in words, commonest, p and B (the number
    of permutations). Columns without any value are left out.
    """
    rows = shown[shown.metric == metric].set_index(["table", "group", "model"])
    splits = {
        heading: [in_percent(*cell) for cell in rows[[s, f"{s}_low", f"{s}_high"]].to_numpy()]
        for s, heading in SPLITS.items()
    }
    texts = pd.DataFrame(
        {
            "published": rows.published.map(in_percent),
            **splits,
            "commonest": rows.commonest.map(in_percent),
            "p": rows.p_value.map(lambda p: "–" if pd.isna(p) else f"{p:.3f}"),
            "B": rows.permutations.map(lambda count: "–" if pd.isna(count) else f"{count:.0f}"),
        },
        index=rows.index,
    )
    return texts.loc[:, (texts != "–").any()]


def reference(groups: Mapping[str, str], layout: Layout) -> pd.DataFrame:
    """Return scores of stored runs as text, in percent with intervals, one row per model.

    groups: by run in `outputs/reference`, the group of rows in `layout` to show. The index is data,
    group and model. Columns: accuracy and balanced accuracy, each with both splits, and p.
    """
    parts = []
    for run, group in groups.items():
        rows = scores({run: load_results(f"reference/{run}")}, [layout])
        rows = rows[rows.group == group]
        accuracy, balanced = (in_words(rows, m) for m in ("accuracy", "balanced_accuracy"))
        columns = [SPLITS["random"], SPLITS["leak_free"]]
        part = pd.concat({"accuracy": accuracy[columns], "balanced accuracy": balanced[columns]}, axis=1)
        part["p", ""] = balanced.get("p", "–")
        parts.append(pd.concat({title(rows.data.iloc[0]): part.droplevel("table")}, names=["data"]))
    return pd.concat(parts)


def gaps(shown: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus the leak-free one.

    shown: rows of `scores`. Columns: those of `shown`, and value, low and high of the difference,
    which is paired over infants. Models without stored predictions are left out.
    """
    parts = [pd.DataFrame(columns=[*MODEL, "value", "low", "high"])]
    for run, data in shown[["run", "data"]].drop_duplicates().itertuples(index=False):
        with suppress(InputError):  # no predictions
            parts.append(split_gaps(run, data=data))
    paired = pd.concat(parts).rename(columns={"model": "name"})
    rows = shown[(shown.metric == "balanced_accuracy") & ~shown.name.isin(WITHOUT_SOUND)]
    return rows.merge(paired, on=[*_ABOUT, "data"], suffixes=("_board", ""))


def split_gaps(run: str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    run: as in `claims.load_results`. columns: which predictions (study, condition, feature, model,
    data). Columns of the result are as in `paired_gaps`.
    """
    return paired_gaps(load_predictions(run, **columns))


def paired_gaps(answers: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    Both scores are of the same clips, so the difference is paired over infants. There is a row for
    each model that was scored on both splits. Columns: study, condition, feature, model, data,
    value, low, high (of the difference), n and n_infants.

    answers: columns as in `claims.load_predictions`.
    """
    rows: list[dict[str, Any]] = []
    for about, part in answers.groupby(MODEL, sort=False):
        random, free = (part[part.split == split] for split in ("random", "leak_free"))
        alike = len(random) and set(random["clip"]) == set(free["clip"])
        single = any(each.duplicated(["repeat", "clip"]).any() for each in (random, free))
        if not alike or single or random.predicted.nunique(dropna=False) == 1:
            continue  # other clips, single windows, or always the same answer
        gap = evaluation.difference(random, free)
        rows.append({**dict(zip(MODEL, about, strict=True)), **gap.row()})
    return pd.DataFrame(rows, columns=[*MODEL, "value", "low", "high", "n", "n_infants"])


def of_corpus(shown: pd.DataFrame, data: str) -> pd.DataFrame:
    """Return the rows of `scores` on the corpus or folder `data`, or else on the first corpus."""
    name = Path(data).name
    return shown[shown.data == (name if name in set(shown.data) else next(iter(shown.data), ""))]


def conclusions(shown: pd.DataFrame) -> pd.DataFrame:
    """Return by corpus how many leak-free scores are above those of answers without any skill.

    An SVM that is fitted twice counts once, and a p-value only if the model was chosen before its
    score was known.

    shown: rows of `scores`. Columns: accuracies, above the most common answer, whole interval
    above; models tested, better than guessing (p of 0.05 at most), smallest p.
    """
    rows = {}
    models = shown[~shown.name.isin([*WITHOUT_SOUND, "svm_stop"])]
    for data, part in models.groupby("data", sort=False):
        scores = part[(part.metric == "accuracy") & part.leak_free.notna() & part.commonest.notna()]
        tested = part[part.metric == "balanced_accuracy"].set_index(["data", "name"]).p_value
        p_values = tested.drop(_NO_TEST, errors="ignore").dropna()
        rows[title(str(data))] = {
            "accuracies": len(scores),
            "above the most common answer": (scores.leak_free > scores.commonest).sum(),
            "whole interval above": (scores.leak_free_low > scores.commonest).sum(),
            "models tested": len(p_values),
            "better than guessing": (p_values <= ALPHA).sum(),
            "smallest p": p_values.min(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def in_percent(value: float, low: float = nan, high: float = nan) -> str:
    """Return a share and its interval in percent, such as "26 [12, 40]"; "–" if missing."""
    if pd.isna(value):
        return "–"
    interval = "" if pd.isna(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{interval}"


# As text


def scoreboard_lines(scores: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the papers' tables, from `scores`."""
    short = {SPLITS["random_frames"]: "random, windows"}  # so that a line fits 80 columns
    for name, warning, texts in _tables(scores):
        yield name
        if warning:
            yield warning
        for group, rows in texts.rename(columns=short).groupby(level="group", sort=False):
            yield from [str(group)] * bool(group)
            yield from rows.droplevel("group").rename_axis(None).to_string().splitlines()
        yield ""


def _tables(scores: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each table of a paper on each corpus, by metric: title, warning and texts."""
    layouts = {layout.title: layout for layout in LAYOUTS}
    for (data, name), rows in scores.groupby(["data", "table"], sort=False):
        for metric in layouts[str(name)].metrics:
            texts = in_words(rows, metric).droplevel("table")
            texts = texts.drop(columns=["commonest", "B"], errors="ignore")
            heading = f"{name}, {METRICS[metric]} in % on {title(str(data))} ({rows.run.iloc[0]})"
            if len(texts):
                yield heading, _SIMULATED * is_synthetic(str(data)), texts


def claim_lines(judged: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the ledger from `judge_runs`, real and synthetic infants apart."""
    order = judged.assign(synthetic=judged.data.map(is_synthetic).astype(bool))
    order = order.sort_values(["paper", "synthetic", "data"])
    for (paper, data), rows in order.groupby(["paper", "data"], sort=False):
        yield f"Paper {paper}: {f'on {data}' if data else 'measured on nothing'}"
        if is_synthetic(str(data)):
            yield _SIMULATED
        for row in rows.to_dict("records"):
            yield f"- {row['claim']}"
            yield f"  {', '.join(filter(None, [row['id'], row['where'], row['run']]))}"
            if in_print := _number(row["unit"], row["value"]):
                yield f"  in print: {in_print}"
            texts = {SPLITS[split]: _judged(row, split) for split in evaluation.SPLITS}
            if not data and len(set(texts.values())) == 1:
                yield f"  {texts[SPLITS['random']]}"
            else:
                yield from (f"  {split}: {text}" for split, text in texts.items())
        yield ""
    yield "How many rows have which verdict:"
    yield from verdict_counts(judged).to_string().splitlines()


def _judged(row: Mapping[Any, Any], split: str) -> str:
    """Return the measurement, if any, the verdict and its reason."""
    ends = (row[f"{split}_{name}"] for name in ("value", "low", "high"))
    measured = _number(row["unit"], *ends) if row["data"] else ""
    verdict, reason = row[f"{split}_verdict"], row[f"{split}_reason"]
    return f"{measured}{'; ' * bool(measured)}{verdict}{f' ({reason})' * bool(reason)}"


def _number(unit: str, value: float, low: float = nan, high: float = nan) -> str:
    """Return a number with its interval and unit, "" if it is missing."""
    if pd.isna(value):
        return ""
    factor, end = (100, " %") if unit == "share" else (1, f" {unit}".rstrip())
    if pd.isna(low):
        return f"{factor * value:,.6g}{end}"
    digits = "z.0f" if unit == "share" else "z.2f"
    return f"{factor * value:{digits}} [{factor * low:{digits}}, {factor * high:{digits}}]{end}"
