"""The tables that reports and scoreboards show, drawn from a run's results: nothing is computed.

Paper A's Tables 1, 2 and 3, and for Paper B one row a model. Walked by no notebook; `report` and
the command `cryutils report` show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from cryutils import claims
from cryutils.models.classical import BASELINES, CLASSIFIERS

__all__ = [
    "COMMONEST", "ENSEMBLES", "METRICS", "PAIRS", "Row", "Table", "every", "paper_b", "table1",
    "table2", "table3",
]  # fmt: skip

FEATURES = ("stft", "mfcc")
PAIRS = {  # the rows of Table 3
    "sleepy_hungry": "sleepy & hungry",
    "sleepy_hugging": "sleepy & hugging",
    "hugging_hungry": "hugging & hungry",
    "total": "all three states",
}
ENSEMBLES = {"svm": "SVM", "ae_dnn": "AE+DNN", "proposed": "ensemble"}
PAPER_B = {"cry2": "cry2", "image": "image", "full": "full"}
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
}
COMMONEST = "commonest class"
# An accuracy says little where one class has more than this share of the clips.
_MOST = 0.6

_Result = dict[str, Any]
_Key = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One model of a table: its results by metric and split, where they were measured.

    `published` is the paper's accuracy, a share 0-1; `p_value` that of the leak-free balanced
    accuracy. A row named `COMMONEST` always gives the answer that most clips of its group have.
    """

    group: str
    name: str
    scores: Mapping[tuple[str, str], _Result]
    published: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a paper beside what a run measured on `data`.

    `splits` names the columns. `metrics` are shown in their order, the first one with p values.
    `comparable`: whether the classes are the paper's, so that its figures may stand beside ours.
    """

    title: str
    data: str
    rows: Sequence[Row]
    splits: Mapping[str, str]
    metrics: Sequence[str]
    comparable: bool = True

    def groups(self, metric: str) -> Iterator[tuple[str, list[Row]]]:
        """Give the rows with a score in `metric` by group, with its name ("" where it has none)."""
        rows = [row for row in self.rows if any(metric == name for name, _ in row.scores)]
        for group, members in groupby(rows, lambda row: row.group):
            yield group, list(members)

    def reference(self, row: Row, metric: str) -> float | None:
        """Return the leak-free score of always giving the commonest answer, where measured."""
        for other in self.rows:
            if other.name == COMMONEST and other.group in ("", row.group):
                result = other.scores.get((metric, "leak_free"))
                return None if result is None else float(result["value"])
        return None

    @property
    def has_published(self) -> bool:
        """Whether any row has a figure of the paper."""
        return any(row.published is not None for row in self.rows)

    @property
    def has_p_values(self) -> bool:
        """Whether any row was tested."""
        return any(row.p_value is not None for row in self.rows)


def every(results: pd.DataFrame) -> list[Table]:
    """Return Tables 2 and 3 of Paper A and the models of Paper B, each corpus on its own."""
    return [*table2(results), *table3(results), *paper_b(results)]


def table2(results: pd.DataFrame) -> list[Table]:
    """Return Table 2 of Paper A from a run's results, cells that weren't measured left out."""
    measured, published = _by_key(results), _published("Table 2")
    splits = {"paper": "paper's protocol", "leak_free": "leak-free"}
    found = []
    for data in _corpora(results):
        comparable = _has_classes_of_table1(measured, data)
        rows = [
            _row(measured, data, splits, f"feature_validation.{feature}.{model}", feature.upper(),
                 name, published if comparable else {})
            for feature in FEATURES
            for model, name in CLASSIFIERS.items()
        ]  # fmt: skip
        if any(row.scores for row in rows):
            rows.append(_row(measured, data, splits, "feature_validation.majority", "", COMMONEST))
        found += _table("Paper A, Table 2", data, rows, splits, comparable=comparable)
    return found


def table3(results: pd.DataFrame) -> list[Table]:
    """Return Table 3 of Paper A from a run's results, cells that weren't measured left out.

    Its rows are named after the paper's states, so that each stands for the same ones.
    """
    measured, published = _by_key(results), _published("Table 3")
    splits = {"frame": "frames split", "paper": "clips split", "leak_free": "leak-free"}
    models = {**ENSEMBLES, "majority": COMMONEST}
    found = []
    for data in _corpora(results):
        rows = [
            _row(measured, data, splits, f"table3.{pair}.{model}", words, name, published)
            for pair, words in PAIRS.items()
            for model, name in models.items()
        ]
        found += _table("Paper A, Table 3", data, rows, splits)
    return found


def paper_b(results: pd.DataFrame) -> list[Table]:
    """Return Paper B's models, their classical rivals and the commonest class, where measured."""
    measured = _by_key(results)
    splits = {"paper": "paper's protocol", "leak_free": "leak-free"}
    names = {
        "sound": {"cry2": "cry2"} | {f"baseline.audio.{k}": n for k, n in BASELINES.items()},
        "face": {"image": "image"} | {f"baseline.image.{k}": n for k, n in BASELINES.items()},
        "sound and face": {"full": "full, late fusion"},
    }
    names["sound"]["baseline.audio.majority"] = COMMONEST
    names["face"]["baseline.image.majority"] = COMMONEST
    found = []
    for data in _corpora(results):
        rows = [
            _row(measured, data, splits, key, group, name)
            for group, models in names.items()
            for key, name in models.items()
        ]
        found += _table("Paper B", data, rows, splits, metrics=("balanced_accuracy", "macro_f1"))
    return found


def table1(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return Table 1 of Paper A beside a run's counts by corpus: one row a class, NaN for none.

    The paper's columns are left out where the classes that were used aren't its own.
    """
    measured, published = _by_key(results), _published("Table 1")
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for (key, _, data), result in measured.items():
        if key.startswith("table1."):
            label, _, what = key.removeprefix("table1.").rpartition(".")  # labels may have dots
            row = rows.setdefault(data, {}).setdefault(label, {})
            row[what] = float(result["value"])
            row[f"published_{what}"] = published.get(key, float("nan"))
    found = {}
    for data, by_label in sorted(rows.items()):
        columns = ["count", "test_count"]
        if _has_classes_of_table1(measured, data):
            columns = ["published_count", "count", "published_test_count", "test_count"]
        found[data] = pd.DataFrame(
            list(by_label.values()), index=list(by_label), columns=columns, dtype=float
        )
    return found


def _table(
    title: str, data: str, rows: Iterable[Row], splits: Mapping[str, str], *,
    metrics: Sequence[str] = (), comparable: bool = True,
) -> list[Table]:  # fmt: skip
    """Return the table of the rows that were measured; none where nothing was."""
    rows = [row for row in rows if row.scores]
    if not metrics:
        shares = [
            result["value"]
            for row in rows
            for (metric, _), result in row.scores.items()
            if row.name == COMMONEST and metric == "accuracy"
        ]
        lopsided = max(shares, default=0) > _MOST
        metrics = ("balanced_accuracy", "accuracy") if lopsided else ("accuracy",)
    metrics = [m for m in metrics if any(m == metric for row in rows for metric, _ in row.scores)]
    return [Table(title, data, rows, splits, metrics, comparable)] if metrics else []


def _row(
    measured: Mapping[_Key, _Result], data: str, splits: Iterable[str], key: str, group: str,
    name: str, published: Mapping[str, float] | None = None,
) -> Row:  # fmt: skip
    scores = {
        (metric, split): result
        for metric in METRICS
        for split in splits
        if (result := _of_split(measured, data, key, metric, split))
    }
    p = measured.get((f"{key}.p_value", "leak_free", data))
    figure = (published or {}).get(f"{key}.accuracy")
    return Row(group, name, scores, figure, None if p is None else float(p["value"]))


def _of_split(
    measured: Mapping[_Key, _Result], data: str, key: str, metric: str, split: str
) -> _Result | None:
    """Return a score. What Table 3's paper's protocol divides by default has the plain key."""
    frames, clips = (
        measured.get((f"{key}.{unit}_split.{metric}", "paper", data)) for unit in ("frame", "clip")
    )
    plain = measured.get(
        (f"{key}.{metric}", "leak_free" if split == "leak_free" else "paper", data)
    )
    if split == "leak_free":
        return plain
    if split == "frame":
        return plain if clips else frames
    return clips or plain


def _has_classes_of_table1(measured: Mapping[_Key, _Result], data: str) -> bool:
    """Return whether the clips used are of Table 1's classes, but for one that stands in."""
    used = {
        key.removesuffix(".test_count")
        for (key, _, of), result in measured.items()
        if of == data and key.startswith("table1.") and key.endswith(".test_count")
        if result["value"] > 0
    }
    of_paper = {key.rpartition(".")[0] for key in _published("Table 1")}
    return len(used) == len(of_paper) and len(used - of_paper) <= 1


def _published(where: str) -> dict[str, float]:
    figures = claims.published()
    figures = figures[figures["where"] == where]
    return dict(zip(figures.key, figures.value.astype(float), strict=True))


def _corpora(results: pd.DataFrame) -> list[str]:
    return sorted(set(results.data))


def _by_key(results: pd.DataFrame) -> dict[_Key, _Result]:
    """Return each result by its key, protocol and corpus, None for what it lacks."""
    rows = results.astype(object).where(results.notna(), None).to_dict("records")
    return {
        (row["key"], row["protocol"], row["data"]): {str(k): v for k, v in row.items()}
        for row in rows
    }
