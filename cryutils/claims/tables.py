"""The layouts of both papers' tables: how rows are looked up among the results, and their names.

`scoreboard.board` fills them with results. Also formats shares as text. Notebooks 09 and 14 use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import pandas as pd

from cryutils.models.classical import BASELINES, CLASSIFIERS
from cryutils.papers.ladder import MISTAKES, Rung
from cryutils.papers.robustness import STRESSES

__all__ = [
    "AUDIT", "COMMONEST", "ENSEMBLES", "FEATURES", "METRICS", "PAIRS", "PAPER_B", "SPLITS",
    "STRESSED", "TABLE2", "TABLE2_SCALED", "TABLE3", "Layout", "by_split", "in_percent", "portion",
    "table3",
]  # fmt: skip

FEATURES = ("stft", "mfcc")
PAIRS = {  # the rows of Table 3
    "sleepy_hungry": "sleepy & hungry",
    "sleepy_hugging": "sleepy & hugging",
    "hugging_hungry": "hugging & hungry",
    "total": "all three states",
}
ENSEMBLES = {
    "svm": "SVM",
    "svm_stop": "SVM, fit+stop",
    "ae_dnn": "AE+DNN",
    "ae_dnn_patches": "AE+DNN, patches",
    "proposed": "ensemble",
    "svm_unweighted": "SVM, unweighted",
    "ae_dnn_unweighted": "AE+DNN, unweighted",
    "proposed_unweighted": "ensemble, unweighted",
}
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "area under the ROC curve",
}
COMMONEST = "commonest class"
SPLITS = {"frame": "windows split", "clip": "paper's protocol", "infant": "leak-free"}
_TWO_SPLITS = {split: SPLITS[split] for split in ("clip", "infant")}


@dataclass(frozen=True, slots=True)
class Layout:
    """A table of a paper.

    Attributes
    ----------
    title : str
    rows : sequence of dict
        Each has columns of a result (study, condition, feature, name of the model), the `group` of
        rows that it belongs to, and the `model` in words. The model `COMMONEST` always predicts the
        commonest class. It is the baseline of its group, or of all groups if its own is "".
    splits : mapping
        The columns by split, with their headings.
    metrics : sequence of str
        The metrics that reports show, in this order.
    of_table1 : bool
        Whether the paper's figures are for the classes of its Table 1, so that only results on
        these classes are comparable.
    note : str
        A sentence that pages show with the table.
    """

    title: str
    rows: Sequence[Mapping[str, str]]
    splits: Mapping[str, str]
    metrics: Sequence[str] = ("balanced_accuracy", "accuracy")
    of_table1: bool = False
    note: str = ""


TABLE2 = Layout(
    "Paper A, Table 2",
    [
        *(
            {"study": "feature_validation", "feature": feature, "name": name,
             "group": feature.upper(), "model": words}
            for feature in FEATURES
            for name, words in CLASSIFIERS.items()
        ),
        {"study": "feature_validation", "name": "majority", "model": COMMONEST},
    ],
    _TWO_SPLITS,
    of_table1=True,
)  # fmt: skip
TABLE2_SCALED = Layout(
    "Paper A, Table 2, features standardised",
    [
        {"study": "feature_validation", "condition": "scaled", "feature": feature, "name": name,
         "group": feature.upper(), "model": CLASSIFIERS[name]}
        for feature in FEATURES
        for name in ("svm", "nb", "knn")
    ],
    _TWO_SPLITS,
    ("balanced_accuracy",),
    of_table1=True,
)  # fmt: skip
TABLE3 = Layout(
    "Paper A, Table 3",
    [
        {"study": "table3", "condition": pair, "name": name, "group": words, "model": model}
        for pair, words in PAIRS.items()
        for name, model in {**ENSEMBLES, "majority": COMMONEST}.items()
    ],
    {"frame": "windows split", "clip": "clips split", "infant": "leak-free"},
    note="Windows split: windows of one recording are in training and in test. Unless a run sets"
    " step_s to window_s (the profile real does, judged doesn't), neighbouring windows overlap by"
    " half, so the same second of sound may be on both sides.",
)


def _network_and_rivals(study: str, group: str, examples: str) -> Iterator[dict[str, str]]:
    """Yield rows for a network, classical models on clips and on `examples`, and the majority.

    The network is trained with and without class weights, which the paper does not mention.
    """
    names = dict(BASELINES)
    names |= {f"{name}_{examples}": f"{words}, on {examples}" for name, words in BASELINES.items()}
    networks = {study: study, f"{study}_unweighted": f"{study}, unweighted"}
    for name, words in {**networks, **names, "majority": COMMONEST}.items():
        yield {"study": study, "name": name, "group": group, "model": words}


PAPER_B = Layout(
    "Paper B",
    [
        *_network_and_rivals("cry2", "sound", "windows"),
        *_network_and_rivals("image", "face", "crops"),
        {"study": "full", "name": "full", "group": "sound and face", "model": "full, late fusion"},
    ],
    _TWO_SPLITS,
    ("balanced_accuracy", "macro_f1"),
)


def _under_stress() -> Iterator[dict[str, str]]:
    """Yield a row for each model as recorded, then at the strongest level of each disturbance."""
    for name, (words, modalities) in {
        "audio": ("sound: cry2", ("audio",)),
        "image": ("face: image", ("image",)),
        "fused": ("both: full", ("audio", "image")),
    }.items():
        about = {"study": "robust", "name": name, "group": words}
        yield {**about, "condition": "none.0", "model": "as recorded"}
        for stress in STRESSES.values():
            if stress.modality in modalities:
                level = f"{stress.levels[-1]:g}"
                model = f"{stress.name}, {level} ({stress.unit})"
                yield {**about, "condition": f"{stress.key}.{level}", "model": model}


STRESSED = Layout(
    "Paper B under stress", list(_under_stress()), {"infant": "leak-free"}, ("macro_f1",)
)
AUDIT = Layout(
    "The audit of leaks",
    [
        {"study": "audit", "condition": rung,
         "model": COMMONEST if rung is Rung.MAJORITY else words}
        for rung, words in {Rung.HONEST: "no mistake", **MISTAKES}.items()
    ],
    {"clip": "with the mistake", "infant": "without any"},
    ("balanced_accuracy",),
)  # fmt: skip


def in_percent(value: float, low: float = nan, high: float = nan) -> str:
    """Return a share and its interval in percent, such as "26 [12, 40]"; "–" if missing."""
    if pd.isna(value):
        return "–"
    interval = "" if pd.isna(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{interval}"


def table3(tidy: pd.DataFrame) -> pd.DataFrame:
    """Return scores of Table 3 as text, in percent with intervals: a row per pair and model.

    tidy: columns as in `papers.table3.Table3.tidy`.
    """
    cells = [in_percent(*cell) for cell in tidy[["value", "low", "high"]].to_numpy()]
    named = tidy.assign(
        row=tidy.pair.map(PAIRS), model=tidy.model.map(ENSEMBLES), split=tidy.split.map(SPLITS),
        text=cells,
    )  # fmt: skip
    wide = named.pivot(index=["row", "model"], columns="split", values="text")
    rows = pd.MultiIndex.from_frame(named[["row", "model"]].drop_duplicates())
    return wide.reindex(rows, columns=named.split.unique()).rename_axis(columns=None)


def by_split(
    results: pd.DataFrame,
    names: Mapping[str, str],
    *,
    metrics: Sequence[str] = ("accuracy", "balanced_accuracy"),
) -> pd.DataFrame:
    """Return scores under both protocols in percent, such as "26 [12, 40]"; "–" if missing.

    There is a row for each model and a column for each metric and protocol. results: of one study
    on one corpus, columns as in `claims.table`. names: the row's name by model, in order.
    """
    alone = results[(results.rival == "") & results.metric.isin(metrics)]
    numbers = alone.set_index(["model", "metric", "split"])[["value", "low", "high"]]
    ends: dict[Any, list[float]] = numbers.astype(float).T.to_dict("list")
    return pd.DataFrame(
        {
            (METRICS[metric], words): {
                name: in_percent(*ends.get((model, metric, split), [nan]))
                for model, name in names.items()
            }
            for metric in metrics
            for split, words in _TWO_SPLITS.items()
        }
    )


def portion(share: float) -> str:
    """Return a share in words, even if tiny: "none", "fewer than 0.1 %", "1.8 %"."""
    if share == 0:
        return "none"
    return "fewer than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
