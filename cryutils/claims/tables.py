"""The two tables of results: the ledger of claims with their verdicts, and the scoreboard.

**The ledger.** `data/claims.csv` lists every number and checkable claim of both papers;
`data/README.md` explains its columns and the rules. Each claim gets two verdicts: one with a random
split, as in the papers, and one leak-free. Synthetic infants can't reproduce anything, so each
measurement on them is *in simulation*.

**The scoreboard** has the rows of `data/scoreboard.csv`, the scores in both papers' tables: the
published figure, the scores under each split and the score of the most common class side by side.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from scipy.special import ndtr, ndtri  # of the normal distribution; scipy.stats takes a second to load

from cryutils import evaluation
from cryutils._io.paths import project_dir
from cryutils.claims.records import key, load_predictions, table
from cryutils.datasets.registry import is_synthetic, title
from cryutils.words import SPLITS

_SIMULATED = "Synthetic infants: no evidence about real infants."
TRAININGS = 5  # needed to judge a network's score, since the seed alone moves it by points
ALPHA = 0.05  # a model with a larger p-value is not shown to be better than chance
_LAST_DIGIT = 0.5e-4  # shares are printed in hundredths of a percent
_FACES = "recordings of sound and face"  # as `data_required`
_OF_FACES = "ablation.image.accuracy"  # measured only where recordings have faces


class Verdict(StrEnum):
    """The verdict on a claim with one split, from a run or from the paper's own text."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    SUBSTITUTE = "not reproduced with a substitute class"  # another class replaces the paper's
    NOT_SHOWN = "not shown"
    IN_SIMULATION = "in simulation"  # measured on synthetic infants; the reason says what was found
    CANNOT_BE_TESTED = "cannot be tested"
    CONSISTENT = "consistent"  # judged by reading, as is the next
    INCONSISTENT = "inconsistent"


_IN_SIMULATION = {  # how a reason in simulation begins
    Verdict.REPRODUCED: "holds",
    Verdict.NOT_REPRODUCED: "does not hold",
    Verdict.NOT_SHOWN: "not shown",
}


class Judgement(NamedTuple):
    """The verdict on a claim, as if all infants were real, and the measurement behind it.

    `value`, `low`, `high`: the measurement and its interval, NaN if nothing was measured.
    `trainings`: the number of seeds that the networks were trained with, NaN for other models.
    `against`: the two-sided p-value of the claim's opposite, from the normal distribution with the
    interval's bound; NaN if the measurement is on the claim's side or has no interval.
    """

    verdict: Verdict
    reason: str = ""
    value: float = nan
    low: float = nan
    high: float = nan
    trainings: float = nan
    against: float = nan

    def say(self, verdict: Verdict, reason: str) -> "Judgement":
        """Return another verdict on the same measurement."""
        return self._replace(verdict=verdict, reason=reason)


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
    """Return which class replaces a class of Table 1, such as "; hungry stands for pain", or "".

    None if the classes differ from those of Table 1 by more than one replacement.
    measured: the results on one corpus, columns as in `claims.table`.
    """
    counts = (
        rows[(rows.study == "table1") & (rows.metric == "test_count") & (rows.value > 0)]
        for rows in (measured, published())
    )
    used, of_paper = (set(rows.condition) for rows in counts)
    substitutes, originals = used - of_paper, of_paper - used
    if len(substitutes) != len(originals) or len(substitutes) > 1:
        return None
    replacement = " stands for ".join([*substitutes, *originals]).replace("_", " ")
    return f"; {replacement}" if replacement else ""


# Verdicts


class _Measured:
    """Results by key, corpus and split. stand_ins: `stand_in` of each corpus."""

    def __init__(self, results: pd.DataFrame) -> None:
        results = results[results.split != "random_frames"]
        rows = _records(results.astype(dict.fromkeys(("n", "n_infants", "trainings"), float)))
        self._rows = {(row["key"], row["data"], row["split"]): row for row in rows}
        self.corpora = {str(name): set(data) for name, data in results.groupby("key").data}
        self.stand_ins = {str(data): stand_in(part) for data, part in results.groupby("data")}

    def get(self, name: str, data: str, *splits: str) -> dict[str, Any]:
        """Return a result with the first of the splits, or without one; {} if there is none."""
        rows = (self._rows.get((name, data, split)) for split in (*splits, ""))
        return next(filter(None, rows), {})


def judge(results: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger with two verdicts on each row, from `results`.

    results: columns as in `claims.table`. There is a row for each corpus on which a claim was
    measured, or one with `data` "". Columns: those of the ledger; data, n, n_infants and notebook of
    the measurement; and the fields of `Judgement` for each split, such as leak_free_low.
    """
    measured, book, rows = _Measured(results), _records(ledger()), list[dict[str, Any]]()
    for claim in sorted(book, key=lambda claim: claim["rule"] == "every"):  # after its parts
        parts = [row for row in rows if row["part_of"] == claim["id"]]
        corpora = measured.corpora.get(claim["key"], {row["data"] for row in parts} - {""})
        for data in sorted(corpora or {""}):
            number = measured.get(claim["key"], data, "leak_free", "random")
            row = {**claim, "data": data, "n": nan, "n_infants": nan, "notebook": ""}
            row |= {name: number[name] for name in ("n", "n_infants", "notebook") if number}
            for split in evaluation.SPLITS:
                if claim["rule"] == "every":
                    row[split] = _by_parts(parts, data, split)
                else:
                    row[split] = _judgement(claim, data, split, measured)
            rows.append(row)
    order = [claim["id"] for claim in book]
    rows.sort(key=lambda row: order.index(row["id"]))
    for row in rows:
        for split in evaluation.SPLITS:
            result: Judgement = row.pop(split)
            if is_synthetic(row["data"]) and (says := _IN_SIMULATION.get(result.verdict)):
                result = result.say(Verdict.IN_SIMULATION, f"{says}: {result.reason}")
            row |= {f"{split}_{name}": value for name, value in result._asdict().items()}
    return pd.DataFrame(rows)


def _judgement(claim: Mapping[str, Any], data: str, split: str, measured: _Measured) -> Judgement:
    """Return the judgement on a claim with one split on one corpus, "" for none."""
    rule, needs = claim["rule"], claim["data_required"]
    if claim["verdict"]:  # judged by reading
        return Judgement(Verdict(claim["verdict"]), claim["reason"])
    missing = f"needs {needs}" if needs and needs not in measured.stand_ins else "no run here has measured it"
    if not data:
        return Judgement(Verdict.CANNOT_BE_TESTED, missing)
    row = measured.get(claim["key"], data, split)
    is_count = rule.startswith("count")
    if is_count and (split == "leak_free" or not row):
        return Judgement(Verdict.CANNOT_BE_TESTED, "nothing is claimed: no split is involved")
    if not row:
        return Judgement(Verdict.CANNOT_BE_TESTED, "not measured with this split")
    numbers = {name: row[name] for name in ("value", "low", "high", "trainings")}
    result = Judgement(Verdict.CANNOT_BE_TESTED, missing, **numbers)
    if rule in ("published", "count == value"):
        if is_synthetic(data):
            return result.say(Verdict.NOT_SHOWN, "synthetic infants reproduce nothing")
        if data != needs:
            return result.say(Verdict.CANNOT_BE_TESTED, f"the figure is of {needs}, not of {data}")
        if claim["where"] == "Table 2" and measured.stand_ins[data] is None:
            return result.say(Verdict.CANNOT_BE_TESTED, "of other classes")
    if is_count:
        return _count(claim, result)
    if rule == "published":
        is_new = split == "leak_free"
        return (_on_new_infants if is_new else _single_holdout)(claim, data, result, measured)
    return _one_sided(claim, data, split, result, measured) if rule else result


def _count(claim: Mapping[str, Any], result: Judgement) -> Judgement:
    """Return whether a number without a split equals the figure, or is beyond the margin."""
    margin = claim["margin"]
    holds, reason = {
        "count == value": (result.value == claim["value"], "equal to the figure in print"),
        "count > margin": (result.value > margin, f"above {margin:g}, on the machine that ran it"),
        "count < margin": (result.value < margin, f"below {margin:g}, on the machine that ran it"),
    }[claim["rule"]]
    if holds:
        return result.say(Verdict.REPRODUCED, reason)
    return result.say(Verdict.NOT_REPRODUCED, f"not {reason}")


def _on_new_infants(claim: Mapping[str, Any], data: str, result: Judgement, measured: _Measured) -> Judgement:
    """Return how a published score compares with `result` on infants it says nothing about."""
    comparison = _unfit(result)
    if comparison is None:
        comparison = _sided(result, claim["value"] - claim["margin"], upwards=True)
        names = {Verdict.REPRODUCED: "as high", Verdict.NOT_REPRODUCED: "lower"}
        level = names.get(comparison.verdict, "not shown to be lower")
        reason = f"{level} here: {comparison.reason}, the figure minus its margin"
        comparison = comparison._replace(reason=reason)
    reason = f"nothing is claimed about new infants; {comparison.reason}{measured.stand_ins[data] or ''}"
    return comparison.say(Verdict.CANNOT_BE_TESTED, reason)


def _single_holdout(claim: Mapping[str, Any], data: str, result: Judgement, measured: _Measured) -> Judgement:
    """Return whether a published score is within the middle 90 % of single hold-outs."""

    def other(metric: str) -> dict[str, Any]:
        return measured.get(key({**claim, "metric": metric}), data, "random")

    holdouts, every = other("holdout_accuracy"), other("share_above_published")
    if not holdouts or math.isnan(holdouts["low"]):
        return result.say(Verdict.CANNOT_BE_TESTED, "no single hold-outs")
    if holdouts["trainings"] < TRAININGS:
        return _undertrained(result._replace(trainings=holdouts["trainings"]))
    low, high = holdouts["low"], holdouts["high"]
    inside = low - _LAST_DIGIT <= claim["value"] <= high + _LAST_DIGIT
    reason = (
        f"{'inside' if inside else 'outside'} the middle 90 % of hold-outs of one recipe,"
        f" {100 * low:.0f} to {100 * high:.0f} %"
    )
    # The verdict depends on one reading alone. The share over all readings is only mentioned.
    if every:
        reason += f"; reached by {100 * every['value']:.2g} % of hold-outs with all readings"
    replaced = measured.stand_ins[data] or ""
    missed = Verdict.SUBSTITUTE if replaced else Verdict.NOT_REPRODUCED
    return result.say(Verdict.REPRODUCED if inside else missed, reason + replaced)


def _one_sided(
    claim: Mapping[str, Any], data: str, split: str, result: Judgement, measured: _Measured
) -> Judgement:
    """Return whether the whole interval is on the claim's side of the margin."""
    rule, needs = claim["rule"], claim["data_required"]
    side = _sided(result, claim["margin"], upwards=rule != "high < margin")
    with_faces = is_synthetic(data) or data in measured.corpora.get(_OF_FACES, ())
    if needs == _FACES and not with_faces:
        return result.say(Verdict.CANNOT_BE_TESTED, f"needs {needs}; on {data} {side.reason}")
    if unfit := _unfit(result):
        return unfit
    if rule == "cited":
        return result.say(Verdict.NOT_SHOWN, f"the paper only cites it; {side.reason}")
    if side.verdict == Verdict.REPRODUCED and claim["winner"]:
        # Of two models at chance, neither beats the other.
        p_value = measured.get(f"{claim['winner']}.p_value", data, split).get("value")
        if p_value is None:
            return side.say(Verdict.NOT_SHOWN, "that model isn't tested against chance")
        if p_value > ALPHA:
            return side.say(Verdict.NOT_SHOWN, f"that model itself is at chance, p = {p_value:.2f}")
    return side


def _unfit(result: Judgement) -> Judgement | None:
    """Return the judgement on a result without an interval or with too few trainings, else None."""
    if math.isnan(result.low) or math.isnan(result.high):
        return result.say(Verdict.CANNOT_BE_TESTED, "no interval")
    return _undertrained(result) if result.trainings < TRAININGS else None


def _undertrained(result: Judgement) -> Judgement:
    count = "one training" if result.trainings == 1 else f"{result.trainings:.0f} trainings"
    return result.say(Verdict.NOT_SHOWN, f"{count} here, {TRAININGS} needed")


def _sided(result: Judgement, margin: float, *, upwards: bool) -> Judgement:
    """Return whether a result's whole interval is above `margin` (below, unless `upwards`)."""
    sides = (Verdict.NOT_REPRODUCED, Verdict.REPRODUCED)
    if result.low > margin:
        place, verdict = "lies above", sides[upwards]
    elif result.high < margin:
        place, verdict = "lies below", sides[not upwards]
    else:
        place, verdict = "reaches across", Verdict.NOT_SHOWN
    beyond = margin - result.value if upwards else result.value - margin
    bound = result.high - result.value if upwards else result.value - result.low
    against = nan
    if beyond > 0:  # not on the claim's side
        against = float(2 * ndtr(-ndtri(0.975) * beyond / bound)) if bound > 0 else 0.0
    return result._replace(verdict=verdict, reason=f"the interval {place} {margin:.4g}", against=against)


def _by_parts(rows: Sequence[Mapping[str, Any]], data: str, split: str) -> Judgement:
    """Return the judgement on a claim that each of its comparisons must hold for.

    It is not reproduced if one comparison still isn't after Holm's correction for their number.
    rows: of the comparisons. One that was measured only on another corpus counts as missing.
    """
    by_id = {row["id"]: Judgement(Verdict.CANNOT_BE_TESTED) for row in rows}
    by_id |= {row["id"]: row[split] for row in rows if row["data"] in ("", data)}
    parts, count = list(by_id.values()), f"{len(by_id)} comparisons"
    verdicts = [part.verdict for part in parts]
    against = [part.against for part in parts if not math.isnan(part.against)]
    # First step of Holm's correction: the smallest p-value times the number of comparisons.
    smallest = min(1.0, len(parts) * min(against, default=1.0))
    trainings = min((part.trainings for part in parts if part.trainings >= 0), default=nan)
    held, untested = verdicts.count(Verdict.REPRODUCED), verdicts.count(Verdict.CANNOT_BE_TESTED)
    undertrained = sum(p.verdict == Verdict.NOT_SHOWN and p.trainings < TRAININGS for p in parts)
    if smallest < ALPHA:
        verdict, reason = Verdict.NOT_REPRODUCED, f"{count}, smallest adjusted p = {smallest:.3f}"
    elif untested:
        return Judgement(Verdict.CANNOT_BE_TESTED, f"{untested} of {count} cannot be tested")
    elif undertrained:
        verdict = Verdict.NOT_SHOWN
        reason = f"{undertrained} of {count} by fewer than {TRAININGS} trainings"
    else:
        verdict = Verdict.REPRODUCED if held == len(parts) else Verdict.NOT_SHOWN
        reason = f"{held} of {count} hold"
    return Judgement(verdict, reason, trainings=trainings, against=smallest)


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


def claim_lines(judged: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the ledger from `judge_runs`, real and synthetic infants apart."""
    order = judged.assign(synthetic=judged.data.map(is_synthetic).astype(bool))
    for (paper, synthetic, data), rows in order.groupby(["paper", "synthetic", "data"]):
        yield f"Paper {paper}: {f'on {data}' if data else 'measured on nothing'}"
        if synthetic:
            yield _SIMULATED
        for row in _records(rows):
            yield f"- {row['claim']}"
            scale, unit = (100, "%") if row["unit"] == "share" else (1, row["unit"])
            in_print = f"in print {scale * row['value']:,.6g} {unit}" * pd.notna(row["value"])
            yield f"  {', '.join(filter(None, [row['id'], row['where'], in_print, row['run']]))}"
            for split in evaluation.SPLITS:
                ends = [row[f"{split}_{name}"] for name in ("value", "low", "high")]
                measured = f"{in_percent(*ends)} %" if unit == "%" else f"{ends[0]:,.6g} {unit}"
                measured *= pd.notna(ends[0])
                says = [measured, row[f"{split}_verdict"], row[f"{split}_reason"]]
                yield f"  {SPLITS[split]}: {'; '.join(filter(None, says))}"
        yield ""


# The scoreboard

_ROWS = pd.read_csv(project_dir() / "data" / "scoreboard.csv", keep_default_na=False)
TABLE2, _, TABLE3, *_ = _ROWS.table.unique()
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "area under the ROC curve",
}
COMMONEST = "most common class"
PHONE = "phone type alone"
WITHOUT_SOUND = {"majority": COMMONEST, "phone": PHONE}  # models without any sound
_TABLE3 = _ROWS[_ROWS.table == TABLE3]
PAIRS = dict(zip(_TABLE3.condition, _TABLE3.group, strict=True))  # the rows of Table 3
# Those of the paper's text, without class weights, come first.
ENSEMBLES = {n: m for n, m in zip(_TABLE3.name, _TABLE3.model, strict=True) if n not in WITHOUT_SOUND}
_ABOUT = ["study", "condition", "feature", "name"]
MODEL = ["study", "condition", "feature", "model", "data"]


def scores(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each model and metric in the papers' tables, real recordings first.

    If several runs measured a table on the same corpus, the one with the most test clips is shown;
    of equals, the first.

    runs: results by run name, columns as in `claims.table`. Columns: those of `data/scoreboard.csv`,
    such as table, group and model (in words); data, run, metric; key (the columns of the results as
    one text); published (the paper's figure); for each of `SPLITS` the value and, with `_low` and
    `_high`, its 95 % interval; commonest (the leak-free score of the most common class); p_value (of
    the leak-free balanced accuracy); n, n_infants. Shares are float64, 0-1, NaN if missing.
    """
    parts = [results.assign(run=run) for run, results in runs.items()]
    results = pd.concat(parts or [table([]).assign(run="")], ignore_index=True)
    others = [at for at, part in results.groupby(["run", "data"]) if stand_in(part) is None]
    measured = results[results.rival == ""].rename(columns={"model": "name"})
    measured = _ROWS.reset_index(names="place").merge(measured, on=_ABOUT)
    measured = measured.astype({"n": float, "n_infants": float})
    scored = measured[measured.metric.isin(METRICS)]
    at = ["table", "data"]
    largest = scored.groupby([*at, "run"], sort=False).n.max().reset_index()
    largest = largest.sort_values("n", ascending=False, kind="stable").drop_duplicates(at)
    measured, scored = (rows.merge(largest[[*at, "run"]]) for rows in (measured, scored))
    free = measured[measured.split == "leak_free"]

    row = [*_ROWS, "place", "data", "run", "metric", "key"]
    shown = scored.groupby(row)[["n", "n_infants"]].max()
    for split in SPLITS:
        ends = scored[scored.split == split].set_index(row)[["value", "low", "high"]]
        shown[[split, f"{split}_low", f"{split}_high"]] = ends
    shown = shown.reset_index()
    tests = free[free.metric == "p_value"].rename(columns={"value": "p_value"})
    shown = shown.merge(tests[["place", "data", "p_value"]], on=["place", "data"], how="left")
    # The paper mentions no class weights: its figure is compared with and without them.
    printed = published().set_index("key").value
    shown["published"] = shown.key.str.replace("_unweighted", "").map(printed)
    for run, data in others:
        is_other = (shown.study == "feature_validation") & (shown.run == run) & (shown.data == data)
        shown.loc[is_other, "published"] = nan
    majority = free[free.model == COMMONEST].set_index([*at, "metric", "group"]).value
    shown["commonest"] = [
        majority.get((*place, group), majority.get((*place, ""), nan))  # else that of the whole table
        for *place, group in shown[[*at, "metric", "group"]].itertuples(index=False)
    ]
    shown["metric"] = pd.Categorical(shown.metric, list(METRICS))
    shown["synthetic"] = shown.data.map(is_synthetic)
    shown = shown.sort_values(["synthetic", "data", "place", "metric"], ignore_index=True)
    return shown.drop(columns=["synthetic", "place"]).astype({"metric": object})


def in_words(shown: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric of `scores` as texts, in percent with intervals, one row per model.

    shown: rows of `scores`. Columns: published, the splits in words, commonest and p. Columns without
    any value are left out.
    """
    rows = shown[shown.metric == metric].set_index(["table", "group", "model"])
    texts = {"published": rows.published.map(in_percent)}
    for split, heading in SPLITS.items():
        ends = rows[[split, f"{split}_low", f"{split}_high"]].to_numpy()
        texts[heading] = pd.Series([in_percent(*cell) for cell in ends], rows.index)
    texts["commonest"] = rows.commonest.map(in_percent)
    texts["p"] = rows.p_value.map("{:.3f}".format).replace("nan", "–")
    frame = pd.DataFrame(texts, rows.index)
    return frame.loc[:, (frame != "–").any()]


def gaps(shown: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus the leak-free one.

    shown: rows of `scores`. Columns: those of `shown`, and value, low and high of `split_gaps`.
    """
    runs = shown[["run", "data"]].drop_duplicates().itertuples(index=False)
    parts = [split_gaps(run, data=data) for run, data in runs]
    paired = pd.concat(parts or [split_gaps(pd.DataFrame(columns=MODEL))])
    rows = shown[(shown.metric == "balanced_accuracy") & ~shown.name.isin(WITHOUT_SOUND)]
    return rows.merge(paired.rename(columns={"model": "name"}), on=[*_ABOUT, "data"], suffixes=("_board", ""))


def split_gaps(answers: pd.DataFrame | str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    Both scores are of the same clips, so the difference is paired over infants. There is a row for
    each model that was scored on both splits. Columns: study, condition, feature, model, data,
    value, low, high (of the difference), n and n_infants.

    answers: a table of answers, or a run, of which `columns` select them as in
    `claims.load_predictions`.
    """
    rows: list[dict[str, Any]] = []
    table = answers if isinstance(answers, pd.DataFrame) else load_predictions(answers, **columns)
    for about, part in table.groupby(MODEL, sort=False):
        random, free = (part[part.split == split] for split in ("random", "leak_free"))
        alike = len(random) and set(random["clip"]) == set(free["clip"])
        single = any(each.duplicated(["repeat", "clip"]).any() for each in (random, free))
        if not alike or single or random.predicted.nunique(dropna=False) == 1:
            continue  # other clips, single windows, or always the same answer
        gap = evaluation.difference(random, free)
        rows.append({**dict(zip(MODEL, about, strict=True)), **gap.row()})
    return pd.DataFrame(rows, columns=[*MODEL, "value", "low", "high", "n", "n_infants"])


def in_percent(value: float, low: float = nan, high: float = nan) -> str:
    """Return a share and its interval in percent, "–" if it is missing.

    Parameters
    ----------
    value, low, high : float
        The share, 0 to 1, and the ends of its interval, NaN without one.

    Returns
    -------
    str

    Examples
    --------
    >>> in_percent(0.26, 0.12, 0.4)
    '26 [12, 40]'
    """
    if pd.isna(value):
        return "–"
    interval = "" if pd.isna(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{interval}"


def scoreboard_lines(scores: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the papers' tables, from `scores`."""
    short = {SPLITS["random_frames"]: "random, windows"}  # so that a line fits 80 columns
    for (data, name, run), rows in scores.groupby(["data", "table", "run"], sort=False):
        for metric in ("balanced_accuracy", "accuracy"):
            yield f"{name}, {METRICS[metric]} in % on {title(str(data))} ({run})"
            if is_synthetic(str(data)):
                yield _SIMULATED
            texts = in_words(rows, metric).droplevel("table").rename(columns=short)
            texts = texts.drop(columns="commonest", errors="ignore")
            for group, part in texts.groupby(level="group", sort=False):
                yield from [str(group)] * bool(group)
                yield from part.droplevel("group").rename_axis(None).to_string().splitlines()
            yield ""
