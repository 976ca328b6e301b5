"""The ledger: every number and checkable claim of both papers, and its verdicts.

`data/claims.csv` lists the claims, each with a rule and a margin by which it is judged;
`data/README.md` explains its columns. Results are joined with it by `key`. Each claim gets two
verdicts: one under the protocol of its own paper and one leak-free. Synthetic infants can't
reproduce anything, so results on them give verdicts about the simulation only. A network's score
needs `TRAININGS` (five) trainings, else it is *not judged*. `_score` defines when a published score
is *reproduced*. Used in notebooks 03, 04, 06, 09, 11 and 14; `report` and `article` show the
ledger, and the command `cryutils claims` prints it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from cryutils._io.paths import project_dir
from cryutils.claims import store
from cryutils.claims.arithmetic import evaluate
from cryutils.claims.tables import portion
from cryutils.datasets.registry import is_synthetic
from cryutils.errors import InputError, near_miss

__all__ = [
    "COLUMNS", "PAPERS", "PROTOCOLS", "Judgement", "Kind", "Rule", "Verdict", "classes_in_use",
    "judge", "ledger", "of_runs", "published", "reached", "selected", "stand_in", "summary",
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


class Verdict(StrEnum):
    """The verdict on a claim under one protocol, from a run or from the paper's own text."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    HOLDS = "holds"
    CONTRADICTED = "contradicted"
    NOT_SHOWN = "not shown"
    NOT_JUDGED = "not judged"  # too few trainings of a network
    IN_SIMULATION = "in simulation"  # measured, but no published figure is comparable
    HOLDS_IN_SIMULATION = "holds in simulation"
    CONTRADICTED_IN_SIMULATION = "contradicted in simulation"
    NOT_SHOWN_IN_SIMULATION = "not shown in simulation"
    NOT_JUDGED_IN_SIMULATION = "not judged in simulation"
    CANNOT_BE_TESTED = "cannot be tested"
    CONSISTENT = "internally consistent"
    INCONSISTENT = "internally inconsistent"
    NOTHING_CLAIMED = "nothing claimed"


_IN_SIMULATION = {
    Verdict.HOLDS: Verdict.HOLDS_IN_SIMULATION,
    Verdict.CONTRADICTED: Verdict.CONTRADICTED_IN_SIMULATION,
    Verdict.NOT_SHOWN: Verdict.NOT_SHOWN_IN_SIMULATION,
    Verdict.NOT_JUDGED: Verdict.NOT_JUDGED_IN_SIMULATION,
}
_OF_PAPER = {  # the same verdicts under the paper's protocol
    Verdict.HOLDS: Verdict.REPRODUCED,
    Verdict.CONTRADICTED: Verdict.NOT_REPRODUCED,
}
_POSITIVE = {Verdict.HOLDS, Verdict.REPRODUCED, Verdict.HOLDS_IN_SIMULATION}
_UNJUDGED = {Verdict.NOT_JUDGED, Verdict.NOT_JUDGED_IN_SIMULATION}
PROTOCOLS = ("paper", "leak_free")  # each claim is judged under both
_PROTOCOL = {"clip": "paper", "infant": "leak_free", "": ""}
_SPLITS = {"paper": "the paper's protocol", "leak_free": "a leak-free split"}
_SIMULATED = "synthetic infants reproduce nothing"
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

    def __str__(self) -> str:
        return f"{self.verdict} ({self.reason})" if self.reason else str(self.verdict)


COLUMNS = (  # that `judge` adds to those of the ledger
    "data", "n", "n_infants", "notebook",
    *(f"{protocol}_{field}" for protocol in PROTOCOLS for field in _FIELDS),
)  # fmt: skip


def ledger() -> pd.DataFrame:
    """Return `data/claims.csv`, one row for each number and claim. Missing texts are "".

    Columns as in `data/README.md`; `value` and `margin` are float64, NaN if missing.
    """
    return _read(*_place()).copy()


def _place() -> tuple[Path, int]:
    path = project_dir() / "data" / "claims.csv"
    return path, path.stat().st_mtime_ns


@lru_cache(maxsize=1)
def _read(path: Path, mtime_ns: int) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "margin")}
    rows: Any = table.to_dict("records")
    keys = [store.key(row) for row in rows]
    return table.assign(key=keys, **numbers)


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


class _Measurements:
    """Results by key and corpus, then by protocol ("" if no split is involved)."""

    def __init__(self, results: pd.DataFrame) -> None:
        self.rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.corpora: dict[str, list[str]] = {}
        results = results[results.split != "frame"]
        rows: Any = results.astype(object).where(results.notna(), None).to_dict("records")
        for row in rows:
            protocols = self.rows.setdefault((row["key"], row["data"]), {})
            protocols[_PROTOCOL[row["split"]]] = row
        for key, data in self.rows:
            self.corpora.setdefault(key, []).append(data)
        # Whether each corpus has the classes of Paper A's Table 1, so that its figures apply.
        self.table1 = {
            str(data): stand_in(rows) is not None for data, rows in results.groupby("data")
        }

    def get(
        self, claim: Mapping[str, Any], data: str, protocol: str, metric: str = ""
    ) -> Judgement | None:
        """Return the measurement, not judged yet. A result without a split fits both protocols.

        metric: overrides the claim's metric.
        """
        key = store.key({**claim, "metric": metric}) if metric else claim["key"]
        protocols = self.rows.get((key, data), {})
        row = protocols.get(protocol) or protocols.get("")
        if row is None:
            return None
        names = ("value", "low", "high", "trainings")
        numbers = {name: row[name] for name in names if row.get(name) is not None}
        return Judgement(Verdict.NOT_SHOWN, **numbers)


def judge(results: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger with two verdicts on each row, from `results`.

    results: columns as in `claims.table`. Columns: the ledger's and `COLUMNS`. There is a row for
    each corpus on which a claim was measured, or one with `data` "" if there is none. If a
    network was trained too few times to be judged, the reason also gives the verdict of a run in
    `outputs/reference` on the same corpus, if there is one.
    """
    rows = _rows(results)
    if any(row[f"{p}_verdict"] in _UNJUDGED for row in rows for p in PROTOCOLS):
        home, book = project_dir() / "outputs" / "reference", project_dir() / "data" / "claims.csv"
        paths = [book, *sorted(home.glob("*/results.json"))]
        verdicts = _of_reference(tuple((path, path.stat().st_mtime_ns) for path in paths))
        rows = [_beside(row, verdicts) for row in rows]
    return pd.DataFrame(rows, columns=[*ledger().columns, *COLUMNS])


_Verdicts = dict[tuple[str, str, str], str]  # verdicts by row, corpus and protocol


def _beside(row: Mapping[str, Any], verdicts: _Verdicts) -> dict[str, Any]:
    """Append the reference run's verdict to the reasons of a row that isn't judged."""
    reasons = {
        f"{protocol}_reason": f"{row[f'{protocol}_reason']}; {words}"
        for protocol in PROTOCOLS
        if row[f"{protocol}_verdict"] in _UNJUDGED
        and (words := verdicts.get((row["id"], row["data"], protocol)))
    }
    return {**row, **reasons}


@lru_cache(maxsize=1)
def _of_reference(files: tuple[tuple[Path, int], ...]) -> _Verdicts:
    """Return in words the verdicts of reference runs that have enough trainings.

    files: the ledger, then the results files, with their modification times.
    """
    verdicts: _Verdicts = {}
    for path, _ in files[1:]:
        for row in _rows(store.table(store.read_results(path))):
            for protocol in PROTOCOLS:
                verdict, trainings = (row[f"{protocol}_{f}"] for f in ("verdict", "trainings"))
                if verdict not in _UNJUDGED and trainings >= TRAININGS:
                    words = f"reference run {path.parent.name}, with {trainings:.0f}: {verdict}"
                    verdicts[row["id"], row["data"], protocol] = words
    return verdicts


def _rows(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the ledger's rows, each with both verdicts, from `results` alone."""
    measured = _Measurements(results)
    book, figures = ledger(), _figures()
    rows: list[dict[str, Any]] = []
    book_rows: Any = book.to_dict("records")
    for claim in book_rows:
        if claim["rule"] == Rule.EVERY:
            continue
        for data in sorted(measured.corpora.get(claim["key"], [])) or [""]:
            both = {
                protocol: _judged(claim, protocol, data, measured, figures)
                for protocol in PROTOCOLS
            }
            rows.append({**claim, **_origin(claim, data, measured), **_columns(both)})
    rows += _whole_claims(book, rows)
    order = {name: place for place, name in enumerate(book.id)}
    return sorted(rows, key=lambda row: order[row["id"]])


def _figures() -> dict[str, float]:
    table = published()
    table = table[table.value.notna()]
    return dict(zip(table.key, table.value.astype(float), strict=True))


def _origin(claim: Mapping[str, Any], data: str, measured: _Measurements) -> dict[str, Any]:
    """Return the corpus, and the notebook, clips and infants of the claim's leak-free result."""
    origin: dict[str, Any] = {"data": data, "n": math.nan, "n_infants": math.nan, "notebook": ""}
    protocols = measured.rows.get((claim["key"], data))
    if protocols is None:
        return origin
    row = protocols.get("leak_free") or next(iter(protocols.values()))
    counts = {name: row[name] for name in ("n", "n_infants") if row[name] is not None}
    return {**origin, **counts, "notebook": row["notebook"]}


def _columns(both: Mapping[str, Judgement]) -> dict[str, Any]:
    return {
        f"{protocol}_{field}": getattr(judgement, field)
        for protocol, judgement in both.items()
        for field in _FIELDS
    }


def _judged(
    claim: Mapping[str, Any],
    protocol: str,
    data: str,
    measured: _Measurements,
    figures: Mapping[str, float],
) -> Judgement:
    """Return the verdict on a claim under one protocol on the corpus `data`, "" for none."""
    if claim["kind"] == Kind.ARITHMETIC:
        return _sum(claim, figures)
    if claim["kind"] in (Kind.FIGURE, Kind.CITATION) and claim["rule"]:
        return _in_print(claim)
    if not data:
        return Judgement(Verdict.CANNOT_BE_TESTED, _what_is_missing(claim, measured))
    if claim["rule"] == Rule.EQUAL:
        return _equal(claim, protocol, data, measured)
    if claim["rule"] in (Rule.MORE, Rule.LESS):
        return _limit(claim, protocol, data, measured)
    result = measured.get(claim, data, protocol)
    if result is None:
        return Judgement(Verdict.CANNOT_BE_TESTED, f"not measured under {_SPLITS[protocol]}")
    if claim["rule"] == Rule.PUBLISHED:
        return _score(claim, protocol, data, result, measured)
    if claim["rule"] not in (Rule.ABOVE, Rule.BELOW):
        return replace(
            result, verdict=Verdict.CANNOT_BE_TESTED, reason=_what_is_missing(claim, measured)
        )
    return _one_sided(claim, protocol, data, result, measured)


def _what_is_missing(claim: Mapping[str, Any], measured: _Measurements) -> str:
    needs = claim["data_required"]
    at_hand = not needs or needs in measured.table1
    return "no run here has measured it" if at_hand else f"needs {needs}"


def _sum(claim: Mapping[str, Any], figures: Mapping[str, float]) -> Judgement:
    """Return whether a figure follows from the paper's other figures, within the margin."""
    value = evaluate(claim["rule"], figures)
    agrees = abs(value - claim["value"]) <= claim["margin"] + 1e-9  # floating-point error
    verdict = Verdict.CONSISTENT if agrees else Verdict.INCONSISTENT
    return Judgement(verdict, f"it comes to {value:.6g}", value)


def _in_print(claim: Mapping[str, Any]) -> Judgement:
    """Return whether the text agrees with the figure or with the list of references."""
    says, stands = claim["rule"].split(" = ")
    if says == stands:
        return Judgement(Verdict.CONSISTENT, f"both have {says}")
    return Judgement(Verdict.INCONSISTENT, f"the text has {says}, and there is {stands}")


def _equal(
    claim: Mapping[str, Any], protocol: str, data: str, measured: _Measurements
) -> Judgement:
    """Return whether a number without a split equals the published figure."""
    if protocol == "leak_free":
        return Judgement(Verdict.NOTHING_CLAIMED, "no split is involved")
    result = measured.get(claim, data, "")
    if result is None:
        return Judgement(Verdict.CANNOT_BE_TESTED, "measured under a split alone")
    if is_synthetic(data):
        return replace(result, verdict=Verdict.IN_SIMULATION, reason=_SIMULATED)
    if (other := _other_data(claim, data)) is not None:
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason=other)
    agrees = result.value == claim["value"]
    verdict = Verdict.REPRODUCED if agrees else Verdict.NOT_REPRODUCED
    reason = f"{'' if agrees else 'not '}equal to the figure in print"
    return replace(result, verdict=verdict, reason=reason)


def _limit(
    claim: Mapping[str, Any], protocol: str, data: str, measured: _Measurements
) -> Judgement:
    """Return whether a number without a split is on the claim's side of the margin.

    It has no interval over infants, since it comes from one run on one machine.
    """
    if protocol == "leak_free":
        return Judgement(Verdict.NOTHING_CLAIMED, "no split is involved")
    result = measured.get(claim, data, "")
    if result is None:
        return Judgement(Verdict.CANNOT_BE_TESTED, "measured under a split alone")
    upwards = claim["rule"] == Rule.MORE
    holds = result.value > claim["margin"] if upwards else result.value < claim["margin"]
    verdict = Verdict.HOLDS if holds else Verdict.CONTRADICTED
    verdict = _IN_SIMULATION[verdict] if is_synthetic(data) else _said_of(protocol, verdict)
    reason = f"{'' if holds else 'not '}{'above' if upwards else 'below'} {claim['margin']:g}"
    return replace(result, verdict=verdict, reason=f"{reason}, on the machine that ran it")


def _other_data(claim: Mapping[str, Any], data: str) -> str | None:
    """Return why a figure can't be compared with results on `data`, None if it can."""
    needs = claim["data_required"]
    return None if data == needs else f"the figure is of {needs}, not of {data}"


def _said_of(protocol: str, verdict: Verdict) -> Verdict:
    return _OF_PAPER.get(verdict, verdict) if protocol == "paper" else verdict


def _score(
    claim: Mapping[str, Any], protocol: str, data: str, result: Judgement, measured: _Measurements
) -> Judgement:
    """Return whether a published score is reproduced; higher counts as better.

    The paper's protocol is one hold-out, so a score is reproduced if it is within the middle 90 %
    of single hold-outs. Without these, the interval must be within the margin around the score.
    Leak-free, a score holds if the whole interval is above the score minus the margin.
    """
    if is_synthetic(data):
        return replace(result, verdict=Verdict.IN_SIMULATION, reason=_SIMULATED)
    if (other := _other_data(claim, data)) is not None:
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason=other)
    if claim["where"] == "Table 2" and not measured.table1[data]:
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason="of other classes")
    value, margin = claim["value"], claim["margin"]
    drawn = measured.get(claim, data, protocol, "holdout_accuracy")
    if protocol == "paper" and drawn is not None and not math.isnan(drawn.low):
        if drawn.trainings < TRAININGS:
            return _not_judged(replace(result, trainings=drawn.trainings))
        inside = drawn.low - _LAST_DIGIT <= value <= drawn.high + _LAST_DIGIT
        verdict = Verdict.REPRODUCED if inside else Verdict.NOT_REPRODUCED
        words = "inside" if inside else "outside"
        band = f"{100 * drawn.low:.0f} to {100 * drawn.high:.0f} %"
        reason = f"{words} the middle 90 % of hold-outs of one recipe, {band}"
        # The verdict depends on one recipe alone. The share over all recipes is only mentioned.
        every = measured.get(claim, data, protocol, "share_above_published")
        if every is not None:
            reason += f"; {reached(every.value)}"
        return replace(result, verdict=verdict, reason=reason)
    if math.isnan(result.low):
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason="no interval")
    if result.trainings < TRAININGS:
        return _not_judged(result)
    below, above = value - margin, value + margin
    if protocol == "leak_free":
        judgement = _sided(result, below, upwards=True)
        return replace(judgement, reason=f"{judgement.reason}, the figure minus its margin")
    if below <= result.low and result.high <= above:
        inside = "the interval lies within the margin"
        return replace(result, verdict=Verdict.REPRODUCED, reason=inside)
    if result.high < below or above < result.low:
        outside = "the interval lies outside the margin"
        return replace(result, verdict=Verdict.NOT_REPRODUCED, reason=outside)
    return replace(result, reason="the interval reaches beyond the margin")


def reached(share: float) -> str:
    """Return in words the share of `papers.multiverse` hold-outs that reach a published figure."""
    others = "the separate hold-outs with all recipes of notebook 03 and newly drawn clips"
    return f"reached by {portion(share)} of {others}"


def _one_sided(
    claim: Mapping[str, Any], protocol: str, data: str, result: Judgement, measured: _Measurements
) -> Judgement:
    """Return whether the whole interval is on the claim's side of the margin."""
    if math.isnan(result.low) or math.isnan(result.high):
        return replace(result, verdict=Verdict.CANNOT_BE_TESTED, reason="no interval")
    if result.trainings < TRAININGS:
        judgement = _not_judged(result)
    else:
        judgement = _sided(result, claim["margin"], upwards=claim["rule"] == Rule.ABOVE)
    if judgement.verdict == Verdict.HOLDS:
        weakness = _weakness(claim["winner"], protocol, data, measured)
        if weakness:
            judgement = replace(judgement, verdict=Verdict.NOT_SHOWN, reason=weakness)
    if is_synthetic(data):
        return replace(judgement, verdict=_IN_SIMULATION[judgement.verdict])
    return replace(judgement, verdict=_said_of(protocol, judgement.verdict))


def _not_judged(result: Judgement) -> Judgement:
    """Return *not judged*, because a network was trained with too few seeds."""
    count = "one training" if result.trainings == 1 else f"{result.trainings:.0f} trainings"
    return replace(result, verdict=Verdict.NOT_JUDGED, reason=f"{count} here, {TRAININGS} needed")


def _sided(result: Judgement, margin: float, *, upwards: bool) -> Judgement:
    """Return whether a result's whole interval is above `margin` (below, unless `upwards`)."""
    from scipy.stats import norm

    sides = result.low > margin, result.high < margin
    holds, contradicted = sides if upwards else sides[::-1]
    verdict = Verdict.HOLDS if holds else Verdict.CONTRADICTED if contradicted else None
    place = "lies above" if sides[0] else "lies below" if sides[1] else "reaches across"
    beyond = margin - result.value if upwards else result.value - margin
    bound = result.high - result.value if upwards else result.value - result.low
    if beyond <= 0:  # on the claim's side
        against = math.nan
    else:
        against = float(2 * norm.sf(norm.ppf(0.975) * beyond / bound)) if bound > 0 else 0.0
    return replace(
        result, verdict=verdict or Verdict.NOT_SHOWN, against=against,
        reason=f"the interval {place} {margin:.4g}",
    )  # fmt: skip


def _weakness(winner: str, protocol: str, data: str, measured: _Measurements) -> str:
    """Return why the winner that a claim names isn't shown to beat chance, "" if it is."""
    if not winner:
        return ""
    test = measured.rows.get((f"{winner}.p_value", data), {}).get(protocol)
    if test is None:
        return "that model isn't tested against chance"
    p_value = test["value"]
    return "" if p_value <= ALPHA else f"that model itself is at chance, p = {p_value:.2f}"


def _whole_claims(book: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the claims made of several comparisons, each judged by its parts on every corpus."""
    whole: list[dict[str, Any]] = []
    several: Any = book[book.rule == Rule.EVERY].to_dict("records")
    for claim in several:
        parts = [row for row in rows if row["part_of"] == claim["id"]]
        for data in sorted({row["data"] for row in parts} - {""}) or [""]:
            # A part that was measured only on another corpus counts as missing.
            by_id = {row["id"]: row for row in parts if row["data"] in ("", data)}
            both = {
                protocol: _together(
                    [Judgement(**_of(by_id.get(name), protocol)) for name in
                     dict.fromkeys(row["id"] for row in parts)]
                )
                for protocol in PROTOCOLS
            }  # fmt: skip
            origin = {"data": data, "n": math.nan, "n_infants": math.nan, "notebook": ""}
            whole.append({**claim, **origin, **_columns(both)})
    return whole


def _of(row: Mapping[str, Any] | None, protocol: str) -> dict[str, Any]:
    if row is None:
        return {"verdict": Verdict.CANNOT_BE_TESTED}
    names = ("trainings", "verdict", "reason", "against")
    return {name: row[f"{protocol}_{name}"] for name in names}


def _together(parts: Sequence[Judgement]) -> Judgement:
    if not parts:
        return Judgement(Verdict.CANNOT_BE_TESTED, "no comparison was measured")
    simulated = any(str(part.verdict).endswith(" in simulation") for part in parts)
    paper = any(part.verdict in _OF_PAPER.values() for part in parts)
    missing = [part for part in parts if part.verdict == Verdict.CANNOT_BE_TESTED]
    unjudged = [part for part in parts if part.verdict in _UNJUDGED]
    against = [part.against for part in parts if not math.isnan(part.against)]
    # First step of Holm's correction: the smallest p-value times the number of comparisons.
    smallest = min(1.0, len(parts) * min(against, default=1.0))
    trainings = min((part.trainings for part in parts if part.trainings >= 0), default=math.nan)
    reason = f"{len(parts)} comparisons"
    held = sum(part.verdict in _POSITIVE for part in parts)
    if smallest < ALPHA:
        verdict, reason = Verdict.CONTRADICTED, f"{reason}, smallest adjusted p = {smallest:.3f}"
    elif missing:
        return Judgement(Verdict.CANNOT_BE_TESTED, "some comparison is missing")
    elif unjudged:
        verdict = Verdict.NOT_JUDGED
        reason = f"{len(unjudged)} of {reason} by fewer than {TRAININGS} trainings"
    else:
        verdict = Verdict.HOLDS if held == len(parts) else Verdict.NOT_SHOWN
        reason = f"{held} of {reason} hold"
    if simulated:
        verdict = _IN_SIMULATION[verdict]
    elif paper:
        verdict = _OF_PAPER.get(verdict, verdict)
    return Judgement(verdict, reason, trainings=trainings, against=smallest)


def verdicts(results: pd.DataFrame, *, paper: str) -> pd.DataFrame:
    """Return the leak-free verdicts of `results` on a paper's claims, one row each.

    The rule and margin of a claim are in `data/claims.csv`: "low > margin" needs the whole interval
    above the margin, "high < margin" below it. A claim *holds* if this is so, is *contradicted* if
    the whole interval is on the other side, and is otherwise *not shown*. With synthetic data each
    verdict is about the simulation only. A claim that one model beats another holds only if the
    winner is also shown to be better than chance. With fewer than `TRAININGS` trainings of a
    network a claim is *not judged*, and the reference run's verdict is given.

    Parameters
    ----------
    results : pandas.DataFrame
        Columns as in `claims.table`.
    paper : {"A", "B"}

    Returns
    -------
    pandas.DataFrame
        Columns of `claims.COLUMNS`, then claim, value, low, high, data, verdict (with its reason)
        and against (see `Judgement`).
    """
    table = judge(results)
    table = table[table.rule.isin([Rule.ABOVE, Rule.BELOW]) & (table.paper == paper)]
    table = table[table.leak_free_value.notna()].drop_duplicates(["key", "data"])
    words = [
        str(Judgement(verdict, reason))
        for verdict, reason in table[["leak_free_verdict", "leak_free_reason"]].to_numpy()
    ]
    renamed = {f"leak_free_{name}": name for name in ("value", "low", "high", "against")}
    table = table.drop(columns="value").rename(columns=renamed)  # `value` is now the measured one
    columns = ["claim", "value", "low", "high", "data", "verdict", "against"]
    return table.assign(verdict=words)[[*store.COLUMNS, *columns]].reset_index(drop=True)


def together(judged: pd.DataFrame) -> str:
    """Return the verdict on a claim made of several comparisons, rows of `verdicts`.

    "In every comparison" holds only if each comparison holds. It is contradicted if one of them
    still is after Holm's correction for the number of comparisons.
    """
    parts = [
        Judgement(Verdict(words.partition(" (")[0]), against=against)
        for words, against in judged[["verdict", "against"]].to_numpy()
    ]
    return str(_together(parts))


def of_runs(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the ledger judged by the results of several runs, as `judge` does for one.

    runs: results by run name. If several runs measured a row on the same corpus, the one with the
    most test clips counts; of equals, the first in `runs`. The added column `run` names it.
    """
    judged = [judge(results).assign(run=name) for name, results in runs.items()]
    if not judged:
        judged = [judge(store.table([])).assign(run="")]
    table = pd.concat(judged, ignore_index=True)
    table["run"] = table.run.where(table.data != "", "")
    measured = table.groupby("id").data.transform("max") != ""
    table = table[~measured | (table.data != "")]
    table = table.sort_values("n", ascending=False, kind="stable", na_position="last")
    table = table.drop_duplicates(["id", "data"])
    order = pd.Index(ledger().id)
    place = order.get_indexer(table.id)
    table = table.assign(place=place).sort_values(["place", "data"]).drop(columns="place")
    return table.reset_index(drop=True)


_OPTIONS = {  # values that `selected` accepts even if no row has them
    "paper": set(PAPERS),
    "kind": {str(kind) for kind in Kind},
    "verdict": {str(verdict) for verdict in Verdict},
}


def summary(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows of `judged` have each verdict, by protocol.

    The index is the verdict. Columns: for each protocol, the number on real recordings (or without
    a corpus) and in simulation.
    """
    synthetic = judged.data.map(is_synthetic).astype(bool)
    counts = {
        (words, where): part[f"{protocol}_verdict"].map(str).value_counts()
        for protocol, words in (("paper", "paper's protocol"), ("leak_free", "leak-free"))
        for where, part in (("real", judged[~synthetic]), ("synthetic", judged[synthetic]))
    }
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
