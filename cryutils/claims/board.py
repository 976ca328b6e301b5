"""The scoreboard: every score of both papers' tables in all runs.

`scores` is one table with the published figure, the scores under each split and the score of the
most common class side by side. The command `cryutils report`, notebooks 09 and 14, README.md and
docs/results.md show its rows. Real and synthetic infants never share a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from cryutils.claims import ledger
from cryutils.claims.result_store import SPLITS, key, load_predictions, load_results
from cryutils.datasets.registry import is_synthetic, title
from cryutils.errors import InputError
from cryutils.evaluation import difference
from cryutils.words import BASELINES, CLASSIFIERS

__all__ = [
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
    "Layout",
    "conclusions",
    "gaps",
    "in_percent",
    "note",
    "of_corpus",
    "paired_gaps",
    "reference",
    "scores",
    "split_gaps",
    "words",
]

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
    columns = [
        "table",
        "data",
        "run",
        "group",
        "model",
        "metric",
        *_ABOUT,
        "key",
        "published",
        *ends,
        "commonest",
        "p_value",
        "permutations",
        "n",
        "n_infants",
    ]
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
    if not layout.of_table1 or ledger.stand_in(measured) is not None:
        # The paper mentions no class weights: its figure is compared with and without them.
        printed = ledger.published().set_index("key").value
        keys = shown.key.str.replace("_unweighted", "")
        shown["published"] = keys.map(printed).astype(float)
    if layout.of_table1 and (classes := ledger.classes_in_use(measured)):
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


def words(shown: pd.DataFrame, metric: str) -> pd.DataFrame:
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
        accuracy, balanced = (words(rows, m) for m in ("accuracy", "balanced_accuracy"))
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


def paired_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus its leak-free one.

    Both scores are of the same clips, so the difference is paired over infants. There is a row for
    each model that was scored on both splits. Columns: study, condition, feature, model, data,
    value, low, high (of the difference), n and n_infants.

    table: columns as in `claims.load_predictions`.
    """
    rows: list[dict[str, Any]] = []
    for about, part in table.groupby(MODEL, sort=False):
        random, free = (part[part.split == split] for split in ("random", "leak_free"))
        alike = len(random) and set(random["clip"]) == set(free["clip"])
        single = any(each.duplicated(["repeat", "clip"]).any() for each in (random, free))
        if not alike or single or random.predicted.nunique(dropna=False) == 1:
            continue  # other clips, single windows, or always the same answer
        gap = difference(random, free)
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
            "better than guessing": (p_values <= ledger.ALPHA).sum(),
            "smallest p": p_values.min(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def in_percent(value: float, low: float = nan, high: float = nan) -> str:
    """Return a share and its interval in percent, such as "26 [12, 40]"; "–" if missing."""
    if pd.isna(value):
        return "–"
    interval = "" if pd.isna(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{interval}"
