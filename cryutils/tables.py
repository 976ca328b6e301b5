"""The tables that reports and scoreboards show, drawn from a run's results: nothing is computed.

Paper A's Tables 1, 2 and 3, and for Paper B one row a model. Walked by no notebook; `report` and
the command `cryutils report` show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cryutils import claims
from cryutils.models import BASELINES, CLASSIFIERS

__all__ = [
    "ENSEMBLES", "PAIRS", "Cell", "EnsembleRow", "ModelRow", "majorities", "paper_b", "table1",
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
PAPER_B = {"cry2": "cry2 (sound)", "image": "image (face)", "full": "full (late fusion)"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of Table 2: the published accuracy beside ours under each protocol, shares 0-1."""

    data: str
    feature: str
    classifier: str
    published: float
    paper: dict[str, Any] | None
    leak_free: dict[str, Any] | None
    p_value: float | None


def table2(results: pd.DataFrame) -> list[Cell]:
    """Return Table 2 of Paper A from a run's results, cells that weren't measured left out."""
    published = _published("Table 2")
    cells = []
    for data in sorted(set(results.data)):
        for feature in FEATURES:
            for model in CLASSIFIERS:
                key = f"feature_validation.{feature}.{model}"
                paper, leak_free = (
                    _result(results, f"{key}.accuracy", protocol, data)
                    for protocol in claims.PROTOCOLS
                )
                p = _result(results, f"{key}.p_value", "leak_free", data)
                if paper or leak_free:
                    share = published[f"{key}.accuracy"]
                    p_value = float(p["value"]) if p else None
                    cells.append(Cell(data, feature, model, share, paper, leak_free, p_value))
    return cells


@dataclass(frozen=True, slots=True)
class EnsembleRow:
    """One cell of Table 3: the published accuracy beside ours under each split, shares 0-1.

    `frame` is the paper's protocol with frames divided, `paper` with clips; `majority` the
    leak-free share of the commonest class.
    """

    data: str
    pair: str
    model: str
    published: float
    frame: dict[str, Any] | None
    paper: dict[str, Any] | None
    leak_free: dict[str, Any] | None
    majority: float | None


def table3(results: pd.DataFrame) -> list[EnsembleRow]:
    """Return Table 3 of Paper A from a run's results, cells that weren't measured left out."""
    published = _published("Table 3")
    rows = []
    for data in sorted(set(results.data)):
        for pair in PAIRS:
            commonest = _result(results, f"table3.{pair}.majority.accuracy", "leak_free", data)
            majority = float(commonest["value"]) if commonest else None
            for model in ENSEMBLES:
                key = f"table3.{pair}.{model}"
                frame = _result(results, f"{key}.frame_split.accuracy", "paper", data)
                clip = _result(results, f"{key}.clip_split.accuracy", "paper", data)
                paper, leak_free = (
                    _result(results, f"{key}.accuracy", protocol, data)
                    for protocol in claims.PROTOCOLS
                )
                if clip:  # a run whose paper's protocol divides frames names the other one so
                    frame, paper = paper, clip
                if frame or paper or leak_free:
                    share = published[f"{key}.accuracy"]
                    names = PAIRS[pair], ENSEMBLES[model]
                    rows.append(EnsembleRow(data, *names, share, frame, paper, leak_free, majority))
    return rows


def table1(results: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 of Paper A beside a run's counts: one row a class, clips, NaN for none."""
    published = _published("Table 1")
    rows: dict[str, dict[str, float]] = {}
    for key, value in zip(results.key, results.value, strict=True):
        if key.startswith("table1."):
            _, label, what = key.split(".")
            row = rows.setdefault(label, {})
            row[what] = float(value)
            row[f"published_{what}"] = published.get(key, float("nan"))
    columns = ["published_count", "count", "published_test_count", "test_count"]
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=columns, dtype=float)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of Paper B, or a rival: balanced accuracy and macro F1 by protocol, as results."""

    data: str
    name: str
    balanced_accuracy: Mapping[str, dict[str, Any] | None]
    macro_f1: Mapping[str, dict[str, Any] | None]


def paper_b(results: pd.DataFrame) -> list[ModelRow]:
    """Return Paper B's models, their classical rivals and the commonest class, where measured."""
    keys = dict(PAPER_B)
    for modality, words in (("audio", "on sound"), ("image", "on the face")):
        keys |= {f"baseline.{modality}.{key}": f"{n}, {words}" for key, n in BASELINES.items()}
        keys[f"baseline.{modality}.majority"] = f"commonest class, {words}"
    rows = []
    for data in sorted(set(results.data)):
        for key, name in keys.items():
            found = {
                metric: {
                    protocol: _result(results, f"{key}.{metric}", protocol, data)
                    for protocol in claims.PROTOCOLS
                }
                for metric in ("balanced_accuracy", "macro_f1")
            }
            if any(found["balanced_accuracy"].values()):
                rows.append(ModelRow(data, name, **found))
    return rows


def _published(where: str) -> dict[str, float]:
    figures = claims.published()
    figures = figures[figures["where"] == where]
    return dict(zip(figures.key, figures.value.astype(float), strict=True))


def _result(results: pd.DataFrame, key: str, protocol: str, data: str) -> dict[str, Any] | None:
    found = results[(results.key == key) & (results.protocol == protocol) & (results.data == data)]
    return None if found.empty else {str(k): v for k, v in found.iloc[-1].items()}


def majorities(results: pd.DataFrame) -> dict[str, float]:
    """Return the leak-free accuracy of Table 2's commonest class, by corpus."""
    key = "feature_validation.majority.accuracy"
    found = {data: _result(results, key, "leak_free", data) for data in set(results.data)}
    return {data: float(result["value"]) for data, result in found.items() if result}
