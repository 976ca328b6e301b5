"""How often each stored interval holds the truth, simulated at its own scores on its own infants.

An interval of 95 % should hold it in 95 of 100 corpora. `measure` looks at every result of a run
that has one. Where the answers behind it are kept in `predictions/`, corpora like its own are drawn
at its own recalls (`evaluation.intervals`), a difference's from the answers of both its models; for
any other it says why nothing can be drawn. A score of one training is held against what this one
would score on new infants, of several against what all such trainings would. Coverage and reasons
are kept in `coverage.json` beside `results.json`: only what changed is measured again. Where an
interval holds the truth less often than `ENOUGH`, tables, report and `cryutils claims` say so
behind it. `cryutils claims --coverage` runs it; no notebook walks this module.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from cryutils._io import cache as content
from cryutils._io.parallel import ordered_map
from cryutils._io.paths import writing
from cryutils._io.progress import counting
from cryutils.claims.store import PROTOCOLS, load_predictions, read_results
from cryutils.errors import InputError
from cryutils.evaluation import intervals
from cryutils.evaluation.splits import Fold

__all__ = [
    "ENOUGH", "Answers", "Case", "beside", "measure", "of_verdicts", "plan", "stored", "words",
]  # fmt: skip

ENOUGH = 0.93  # of 95 %: 1,000 corpora leave a standard error of 0.7 %
_VERSION = 1  # of what is simulated; a higher one measures everything again
_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc")
_HONEST = "audit.honest"  # leak-free whatever the mistakes that are held against it
_PAIRS = (  # which results are differences, and of which two scores
    (r"audit\.(\w+)\.added_\w+", r"audit.\1", _HONEST),
    (r"table2\.gain\.(\w+)\.(\w+)\.\w+", r"feature_validation.\1.dnn",
     r"feature_validation.\1.\2"),
    (r"cry2\.gain\.(\w+)\.\w+", "cry2", r"baseline.audio.\1"),
    (r"image\.gain\.(\w+)\.\w+", "image", r"baseline.image.\1"),
    (r"full\.gain\.(\w+)\.\w+", "full", r"full.single.\1"),
    (r"ae_dnn\.(\w+)\.gain\.(svm\w*)\.\w+", r"ae_dnn.\1", r"ae_dnn.\1.\2"),
    (r"ae_dnn\.(\w+)\.epoch_by_test_gain\.\w+", r"ae_dnn.\1", r"ae_dnn.\1.by_validation"),
    (r"table3\.gain\.(\w+)\.(\w+)\.\w+", r"table3.\2.proposed", r"table3.\2.\1"),
    (r"ablation\.gain\.([\w+]+)\.\w+", "table3.total.proposed", r"ablation.\1"),
    (r"full\.stress_gain\.(.+)\.(\w+)\.\w+", r"full.stress.\1.fused", r"full.stress.\1.\2"),
    (r"robust\.change\.(.+\.(\w+))\.\w+", r"robust.\1", r"robust.none.0.\2"),
    (r"robust\.gain\.(.+)\.(\w+)\.\w+", r"robust.\1.fused", r"robust.\1.\2"),
    (r"(frozen_vs_finetuned)\.gain\.\w+", r"\1.frozen", r"\1.finetuned"),
)  # fmt: skip
_NO_ANSWERS = "its answers aren't kept clip by clip"
_REASONS = (  # why other results can't be simulated
    (r"start_here\..+|.+\.holdout_accuracy", "a range of single hold-outs, no confidence interval"),
    (r"table3\.hardest\..+", "of two rows with clips in common, which aren't drawn together"),
    (
        r"(calibration|control\.infant|denoise|explain|gate|full\.stability|robust\.steadier)\..+"
        r"|rolling\.(\d+\.(accuracy|flicker\w*)|gain\..+)",
        "a mean of measurements whose distribution isn't known",
    ),
)


@dataclass(frozen=True, eq=False)
class Answers:
    """What was answered behind a score.

    `predicted` is int64 (repeats, units), -1 without an answer; `truth` int64 (units,), both
    indices of the classes in alphabetical order; `fold` int64 (repeats, units); `strengths`
    float64 (repeats, units, classes), of no classes where only the answer is kept. A unit is a
    clip, or a window where windows were divided; `clips` and `infants` name each one's.
    """

    predicted: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int64]
    strengths: npt.NDArray[np.float64]
    clips: tuple[str, ...]
    infants: tuple[str, ...]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Answers:
        """Return the answers of one protocol and corpus, columns as in `record_predictions`.

        Raises InputError where repeats differ in their units.
        """
        table = table.sort_values("repeat", kind="stable")
        repeats = table["repeat"].nunique()
        units = table[["clip", "infant", "truth"]].to_numpy(dtype=str)
        n = len(units) // repeats
        if len(units) % repeats or (units.reshape(repeats, n, -1) != units[:n]).any():
            raise InputError("its repeats aren't of the same clips")
        clips, infants, labels = units[:n].T
        classes, truth = np.unique(labels, return_inverse=True)
        columns = [f"p_{name}" for name in classes]
        columns = columns if set(columns) <= set(table.columns) else []
        return cls(
            pd.Index(classes).get_indexer(table.predicted).reshape(repeats, n),
            truth, table.fold.to_numpy(np.int64).reshape(repeats, n),
            table[columns].to_numpy(np.float64).reshape(repeats, n, len(columns)),
            tuple(clips), tuple(infants),
        )  # fmt: skip

    @property
    def folds(self) -> list[list[Fold]]:
        """The folds of each repeat, of which only the tested units are known."""
        none = np.zeros(0, np.int64)
        return [[(none, np.flatnonzero(row == k)) for k in np.unique(row)] for row in self.fold]


class Case(NamedTuple):
    """A stored interval, and what its coverage is simulated from.

    `answers` are those of a score, or of both models of a difference; none where a `reason` says
    why.
    """

    key: str
    protocol: str | None
    data: str
    value: float
    low: float
    high: float
    answers: tuple[Answers, ...] = ()
    reason: str = ""

    @property
    def metric(self) -> Any:
        """What of the answers was scored."""
        return self.key.rpartition(".")[2].removeprefix("added_")

    def interval(self) -> intervals.Interval:
        """Return the interval of the answers."""
        a, *rival = self.answers
        if self.metric == "roc_auc":
            return intervals.auc_interval(a.strengths, a.truth, a.infants, a.folds)
        if rival:
            return intervals.paired_interval(
                a.predicted, rival[0].predicted, a.truth, a.infants, metric=self.metric
            )
        return intervals.interval(a.predicted, a.truth, a.infants, metric=self.metric)

    def coverage(self, simulations: int) -> float:
        """Return how often such an interval holds the truth, 0-1."""
        a, *rival = self.answers
        if self.metric == "roc_auc":
            return intervals.auc_coverage(
                a.strengths, a.truth, a.infants, a.folds, simulations=simulations
            )
        return intervals.measured_coverage(
            a.predicted, a.truth, a.infants, rival=rival[0].predicted if rival else None,
            metric=self.metric, simulations=simulations,
        )  # fmt: skip

    def digest(self, simulations: int) -> str:
        """Return what tells this coverage from any other; "" where there is none."""
        if not self.answers:
            return ""
        a = self.answers[0]
        drawn = [each.predicted for each in self.answers]
        arrays = [a.strengths, a.fold] if self.metric == "roc_auc" else drawn
        return content.key(_VERSION, simulations, self.metric, list(a.infants), a.truth, *arrays)

    def row(self, coverage: float | None, digest: str) -> dict[str, Any]:
        """Return it as `coverage.json` has it."""
        about = {name: getattr(self, name) for name in _FIELDS[:6]}
        return {**about, "coverage": coverage, "reason": self.reason, "digest": digest}


_FIELDS = ("key", "protocol", "data", "value", "low", "high", "coverage", "reason", "digest")


def plan(folder: Path) -> list[Case]:
    """Return every interval in the results of a run's folder, with what it is simulated from.

    Raises InputError where there are no results, or damaged ones.
    """
    try:
        rows = read_results(folder / "results.json")
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no results here; `cryutils run` writes them.") from error

    read = cache(partial(load_predictions, run=folder.absolute()))

    @cache
    def answers(key: str, protocol: str | None, data: str) -> Answers:
        """Return a score's answers. Raises InputError where there are none, with the reason."""
        under = "leak_free" if key == _HONEST else protocol
        try:
            table = read(key)
        except InputError as error:  # no such file
            raise InputError(_NO_ANSWERS) from error
        except (OSError, ValueError) as error:  # pyarrow's are such
            raise InputError(f"predictions/{key}.parquet: damaged") from error
        part = table[(table.protocol == under) & (table.data == data)]
        if part.empty:
            raise InputError(_NO_ANSWERS)
        return Answers.of(part)

    names = ("key", "protocol", "data", "value", "low", "high")
    with threadpool_limits(1, "blas"):  # so small are its matrices
        return [
            _case(Case(*(row[name] for name in names)), answers)
            for row in rows
            if row["low"] is not None and row["high"] is not None
        ]


def _case(case: Case, answers: Callable[[str, str | None, str], Answers]) -> Case:
    """Return a stored interval with the answers behind it, or with the reason for none."""
    for pattern, reason in _REASONS:
        if re.fullmatch(pattern, case.key):
            return case._replace(reason=reason)
    if case.metric not in _METRICS:
        return case._replace(reason=_NO_ANSWERS)
    scores = [case.key.rpartition(".")[0]]
    for pattern, *pair in _PAIRS:
        if difference := re.fullmatch(pattern, case.key):
            scores = [difference.expand(score) for score in pair]
    try:
        parts = tuple(answers(score, case.protocol, case.data) for score in scores)
        drawn = case._replace(answers=parts)
        _check(drawn)
    except InputError as error:
        return case._replace(reason=str(error))
    return drawn


def _check(case: Case) -> None:
    """Raise InputError where the answers aren't those behind the interval."""
    a, b = case.answers[0], case.answers[-1]
    if (a.clips, a.infants) != (b.clips, b.infants):
        raise InputError("the two models' answers aren't to the same clips")
    if case.metric == "roc_auc" and not a.strengths.size:
        raise InputError("how strongly each class was answered isn't kept")
    score = case.interval()
    ends = [math.nan if end is None else end for end in (score.value, score.low, score.high)]
    if not np.allclose(ends, (case.value, case.low, case.high), rtol=0, atol=1e-6):
        raise InputError("the answers that are kept give another interval")


def measure(folder: Path, *, simulations: int = 1000, progress: bool = False) -> pd.DataFrame:
    """Return every interval in a run's results with its simulated coverage, or why it has none.

    What `coverage.json` in `folder` has of the same answers isn't simulated again; each figure is
    kept there as soon as it is measured.

    Parameters
    ----------
    folder : Path
        Of a run, with `results.json`.
    simulations : int
        Corpora drawn for each interval.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    pandas.DataFrame
        Columns key, protocol, data, value, low, high, coverage (float64, 0-1, NaN where there is
        none) and reason ("" where there is one).

    Raises
    ------
    InputError
        There are no results, or damaged ones.
    OSError
        `folder` can't be written to.
    """
    cases = plan(folder)
    digests = [case.digest(simulations) for case in cases]
    measured: dict[str, float] = {}
    with suppress(InputError):  # a damaged file is made anew
        measured = {row["digest"]: row["coverage"] for row in stored(folder) if row["digest"]}
    missing = {
        digest: case for digest, case in zip(digests, cases, strict=True)
        if digest and digest not in measured
    }  # fmt: skip

    def rows() -> list[dict[str, Any]]:
        pairs = zip(cases, digests, strict=True)
        done = [(c, d) for c, d in pairs if not d or d in measured]
        return [case.row(measured.get(digest), digest) for case, digest in done]

    _write(folder, rows())
    threads = cpu_count()
    coverages = ordered_map(
        ThreadPoolExecutor(threads), lambda case: case.coverage(simulations), missing.values(),
        ahead=threads,
    )  # fmt: skip
    shown = counting("Simulating", "intervals", shown=progress)
    with threadpool_limits(1, "blas"), shown as report:
        report(0, len(missing))
        for done, (digest, coverage) in enumerate(zip(missing, coverages, strict=True), start=1):
            measured[digest] = coverage
            _write(folder, rows())
            report(done, len(missing))
    table = pd.DataFrame(rows(), columns=list(_FIELDS)).drop(columns="digest")
    return table.astype({"coverage": float})


def _path(folder: Path) -> Path:
    return folder / "coverage.json"


def _write(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = json.dumps(list(rows), indent=1) + "\n"
    path = _path(folder)
    if not path.is_file() or path.read_bytes() != text.encode():
        with writing(path) as part:
            part.write_text(text, encoding="utf-8")


def stored(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's `coverage.json`, none where there is none.

    Raises InputError where it is damaged.
    """
    path = _path(folder)
    if not path.is_file():
        return []
    with suppress(ValueError, RecursionError):
        rows = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(rows, list) and all(map(_is_row, rows)):
            return rows
    raise InputError(f"{path}: damaged; `cryutils claims --coverage` makes it again.")


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or set(row) != set(_FIELDS):
        return False
    coverage = row["coverage"]
    return (
        all(isinstance(row[name], str) for name in ("key", "data", "reason", "digest"))
        and all(type(row[name]) in (int, float) for name in ("value", "low", "high"))
        and row["protocol"] in (None, *PROTOCOLS)
        and (coverage is None) == (row["digest"] == "")
        and (coverage is None or (type(coverage) in (int, float) and 0 <= coverage <= 1))
    )


def beside(results: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return results with a column `coverage` of their intervals, NaN where none was measured.

    What `coverage.json` says of an interval that has changed since doesn't count, nor does a
    damaged file. results: columns as in `claims.Result`.
    """
    rows: list[dict[str, Any]] = []
    with suppress(InputError):
        rows = stored(folder)
    names = ["key", "protocol", "data", "value", "low", "high"]
    measured = {tuple(row[name] for name in names): row["coverage"] for row in rows}
    keys = results[names].astype(object).where(results[names].notna(), None)
    coverages = [measured.get(tuple(row)) for row in keys.to_numpy().tolist()]
    return results.assign(coverage=np.array(coverages, dtype=float))


def of_verdicts(judged: pd.DataFrame, runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a judged ledger with `paper_coverage` and `leak_free_coverage` of its intervals.

    Where no run has measured any, it stays as it is. judged: as of `ledger.of_runs`, or of
    `ledger.judge` with the run's name "". runs: results by name, as `beside` returns them.
    """
    measured: dict[tuple[Any, ...], float] = {}
    for run, results in runs.items():
        rows: Any = results.reindex(columns=_FIELDS).dropna(subset="coverage").itertuples()
        for row in rows:
            place = run, row.key, row.data, row.value, row.low, row.high
            measured[place] = min(row.coverage, measured.get(place, 1.0))
    if not measured:
        return judged

    def of(row: Mapping[str, Any], protocol: str) -> float:
        ends = (row[f"{protocol}_{name}"] for name in ("value", "low", "high"))
        return measured.get((row.get("run", ""), row["key"], row["data"], *ends), math.nan)

    rows = judged.to_dict("records")
    columns = {f"{p}_coverage": [of(row, p) for row in rows] for p in PROTOCOLS}
    return judged.assign(**columns)


def words(coverage: float) -> str:
    """Return what stands behind an interval that holds the truth too seldom: ", covers 89 %".

    "" where it does often enough, or nobody measured it (NaN). Rounded down: 92.9 % is below 93.
    """
    if pd.isna(coverage) or coverage >= ENOUGH:
        return ""
    return f", covers {math.floor(100 * coverage + 1e-9)} %"
