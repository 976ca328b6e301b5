"""The tables that reports and scoreboards show, drawn from a run's results: nothing is computed.

Paper A's Tables 1, 2 and 3 and Paper B's models, also under stress, each one tidy `DataFrame`.
Walked by no notebook; `report` and the command `cryutils report` show them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import pandas as pd

from cryutils import claims
from cryutils.models.classical import BASELINES, CLASSIFIERS
from cryutils.papers.audit import MISTAKES, Rung
from cryutils.papers.robustness import STRESSES

__all__ = [
    "AUDIT", "COMMONEST", "ENSEMBLES", "FEATURES", "METRICS", "PAIRS", "PAPER_B", "STRESSED",
    "TABLE2", "TABLE2_SCALED", "TABLE3", "Layout", "Table", "build", "every",
    "in_percent", "portion", "stand_in", "table1",
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
}
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
}
COMMONEST = "commonest class"
# An accuracy says little where one class has more than this share of the clips.
_MOST = 0.6


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands in a table of a paper: `rows` of a result's key, its group and its model.

    A model named `COMMONEST` always gives the answer that most clips of its group have, or of
    all groups where its own is "". `splits` are the columns with their words, `metrics` those
    shown, in order. `of_table1`: the paper's figures are of the classes in its Table 1, and
    are compared with no others. `note`: a sentence that pages show with the table.
    """

    title: str
    rows: Sequence[tuple[str, str, str]]
    splits: Mapping[str, str]
    metrics: Sequence[str] = ("balanced_accuracy", "accuracy")
    of_table1: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a paper beside what a run measured on `data`.

    `scores` has a row for each model, metric and split; models without a score in a metric are
    left out of it. Columns: group, model, metric, split, key (of the result, no split in it),
    value, low, high, n, n_infants, published (the paper's figure for that metric), p_value (of the
    model's leak-free balanced accuracy), permutations (of how many that is), commonest (the
    leak-free score of always giving the commonest answer; where a balanced accuracy has none, 1
    over the number of Table 1's classes in use) and share_above (how many single splits reach
    `published`, under the paper's protocol, over every reading of the text in
    `papers.multiverse`); numbers are float64, shares 0-1 or counts, NaN where there is none.
    `comparable`: whether the classes are the paper's, so that its figures may stand beside ours.
    `stand_in`: which class stands in for one of the paper's, "hungry for pain"; "" for none.
    """

    layout: Layout
    data: str
    scores: pd.DataFrame
    comparable: bool
    stand_in: str = ""

    @property
    def metrics(self) -> list[str]:
        """The measured metrics worth showing, in their order; p values belong to the first.

        Where no class has most of the clips, an accuracy can be read without the others.
        """
        scores = self.scores
        accuracy = scores[scores.metric == "accuracy"]
        is_lopsided = accuracy.value[accuracy.model == COMMONEST].max() > _MOST
        if len(accuracy) and not is_lopsided:
            return ["accuracy"]
        return [metric for metric in self.layout.metrics if metric in set(scores.metric)]

    @property
    def tested(self) -> bool:
        """Whether any model was tested against chance."""
        return bool(self.scores.p_value.notna().any())

    @property
    def permutations(self) -> str:
        """Of how many permutations its p-values are, "49 to 999"; "" where none says so."""
        counts = self.scores.permutations[self.scores.p_value.notna()].dropna().astype(int)
        return (
            " to ".join(dict.fromkeys([f"{counts.min()}", f"{counts.max()}"]))
            if len(counts)
            else ""
        )


TABLE2 = Layout(
    "Paper A, Table 2",
    [
        *(
            (f"feature_validation.{feature}.{model}", feature.upper(), name)
            for feature in FEATURES
            for model, name in CLASSIFIERS.items()
        ),
        ("feature_validation.majority", "", COMMONEST),
    ],
    {"paper": "paper's protocol", "leak_free": "leak-free"},
    of_table1=True,
)
TABLE2_SCALED = Layout(
    "Paper A, Table 2, features standardised",
    [
        (f"table2_scaled.{feature}.{model}", feature.upper(), CLASSIFIERS[model])
        for feature in FEATURES
        for model in ("svm", "nb", "knn")
    ],
    TABLE2.splits,
    ("balanced_accuracy",),
    of_table1=True,
)
TABLE3 = Layout(  # named after the paper's states, so that each row stands for the same ones
    "Paper A, Table 3",
    [
        (f"table3.{pair}.{model}", words, name)
        for pair, words in PAIRS.items()
        for model, name in {**ENSEMBLES, "majority": COMMONEST}.items()
    ],
    {"frame": "windows split", "paper": "clips split", "leak_free": "leak-free"},
    note="Windows split: windows of one recording are in training and in test. Unless a run sets"
    " step_s to window_s (the profile real does, judged doesn't), neighbouring windows overlap by"
    " half, so the same second of sound may be on both sides.",
)


def _rivals(examples: str) -> list[tuple[str, str]]:
    """Return the classical models on whole clips, then on the `examples` of a network."""
    each = [(f"{model}_{examples}", f"{name}, on {examples}") for model, name in BASELINES.items()]
    return [*BASELINES.items(), *each, ("majority", COMMONEST)]


PAPER_B = Layout(
    "Paper B",
    [
        ("cry2", "sound", "cry2"),
        *((f"baseline.audio.{model}", "sound", name) for model, name in _rivals("windows")),
        ("image", "face", "image"),
        *((f"baseline.image.{model}", "face", name) for model, name in _rivals("crops")),
        ("full", "sound and face", "full, late fusion"),
    ],
    TABLE2.splits,
    ("balanced_accuracy", "macro_f1"),
)
_HARDEST = {f"{s.key}.{s.levels[-1]:g}": s for s in STRESSES.values()}
STRESSED = Layout(
    "Paper B under stress",
    [
        row
        for model, (words, suffers) in {
            "audio": ("sound: cry2", ("audio",)),
            "image": ("face: image", ("image",)),
            "fused": ("both: full", ("audio", "image")),
        }.items()
        for row in (
            (f"robust.none.0.{model}", words, "as recorded"),
            *(
                (f"robust.{level}.{model}", words, f"{s.name}, {s.levels[-1]:g} ({s.unit})")
                for level, s in _HARDEST.items()
                if s.modality in suffers
            ),
        )
    ],
    {"leak_free": "leak-free"},
    ("macro_f1",),
)

AUDIT = Layout(
    "The audit of leaks",
    [
        (f"audit.{rung}", "", COMMONEST if rung is Rung.MAJORITY else words)
        for rung, words in {Rung.HONEST: "no mistake", **MISTAKES}.items()
    ],
    {"paper": "with the mistake", "leak_free": "without any"},
    ("balanced_accuracy",),
)


def every(results: pd.DataFrame) -> list[Table]:
    """Return Tables 2 (as it reads, and scaled) and 3, Paper B's models, audit and stresses.

    Each corpus is on its own.
    """
    layouts = (TABLE2, TABLE2_SCALED, TABLE3, PAPER_B, AUDIT, STRESSED)
    return [table for layout in layouts for table in build(layout, results)]


def table1(results: pd.DataFrame) -> list[Table]:
    """Return Table 1 of Paper A, its classes as models, by corpus: clips in it, and in use."""
    tables = []
    for _, measured in results.groupby("data"):  # each with classes of its own
        keys = [key for key in measured.key if key.startswith("table1.")]
        classes = dict.fromkeys(key.rpartition(".")[0] for key in keys)
        rows = [(key, "", key.removeprefix("table1.")) for key in classes]
        metrics = ("count", "test_count")
        layout = Layout("Paper A, Table 1", rows, {"": "clips"}, metrics, of_table1=True)
        tables += build(layout, measured)
    return tables


def build(layout: Layout, results: pd.DataFrame) -> list[Table]:
    """Return the table from `results` (columns as in `claims.Result`), one for each corpus.

    A corpus on which none of its numbers was measured has no table.
    """
    figures = claims.published().set_index("key").value
    keys = {f"{key}.{metric}" for key, _, _ in layout.rows for metric in layout.metrics}
    tables = []
    for data, measured in _by_split(results).groupby("data"):
        if not measured.key.isin(keys).any():
            continue
        words = stand_in(measured) if layout.of_table1 else ""
        comparable = words is not None
        scores = _scores(layout, measured, figures if comparable else figures.iloc[:0])
        if len(scores):
            tables.append(Table(layout, str(data), scores, comparable, words or ""))
    return tables


def _scores(layout: Layout, measured: pd.DataFrame, figures: pd.Series[float]) -> pd.DataFrame:
    """Return the columns of `Table.scores` for what was measured on a corpus."""
    scores = pd.DataFrame(layout.rows, columns=["model_key", "group", "model"])
    scores = scores.merge(pd.DataFrame({"metric": layout.metrics}), "cross")
    scores = scores.merge(pd.DataFrame({"split": list(layout.splits)}), "cross")
    scores["key"] = scores.model_key + "." + scores.metric
    numbers = ["value", "low", "high", "n", "n_infants", "permutations"]
    measured = measured.reindex(columns=["key", "split", *numbers])
    measured = measured.astype(dict.fromkeys(numbers, float))
    scores = scores.merge(measured.drop(columns="permutations"), "left")
    scores = scores[scores.groupby("key").value.transform("count") > 0]

    free = measured[measured.split == "leak_free"].set_index("key")
    leak_free = free.value
    paper = measured[measured.split == "paper"].set_index("key").value
    readings = scores.model_key.str.replace("feature_validation.", "multiverse.table2.")
    keys = {group: key for key, group, model in layout.rows if model == COMMONEST}
    commonest_key = scores.group.map(lambda group: keys.get(group, keys.get("", "")))
    commonest = (commonest_key + "." + scores.metric).map(leak_free)
    if layout.of_table1 and (classes := _in_use(measured)):
        commonest = commonest.mask(
            commonest.isna() & (scores.metric == "balanced_accuracy"), 1 / len(classes)
        )
    published = scores.key.map(figures)
    above = (readings + ".share_above_published").map(paper)
    return (
        scores.assign(
            published=published,
            p_value=(scores.model_key + ".p_value").map(leak_free),
            permutations=(scores.model_key + ".p_value").map(free.permutations),
            commonest=commonest,
            share_above=above.where(published.notna()),
        )
        .drop(columns="model_key")
        .reset_index(drop=True)
    )


def _by_split(results: pd.DataFrame) -> pd.DataFrame:
    """Return the results with their `split`, which their keys no longer name: "" for counts."""
    paper = results.protocol == "paper"
    frames = paper & results.key.str.contains(".frame_split.", regex=False)
    clips = paper & results.key.str.contains(".clip_split.", regex=False)
    plain = results.key.str.replace(r"\.(?:frame|clip)_split\.", ".", regex=True)
    key = results.key.mask(frames | clips, plain)
    # What Table 3's paper's protocol divides by default has the plain key.
    by_default = paper & ~clips & clips.groupby([results.data, key]).transform("any")
    split = results.protocol.fillna("").mask(frames | by_default, "frame")
    tidy = results.assign(key=key, split=split)
    return tidy.drop_duplicates(["key", "split", "data"], keep="last")


def in_percent(value: float, low: float = nan, high: float = nan) -> str:
    """Return a share with its interval, in percent: "26 [12, 40]", "–" for none."""
    if pd.isna(value):
        return "–"
    interval = "" if pd.isna(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{interval}"


def portion(share: float) -> str:
    """Return a share that may be tiny in words: "none", "fewer than 0.1 %", else "1.8 %"."""
    if share == 0:
        return "none"
    return "fewer than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def stand_in(measured: pd.DataFrame) -> str | None:
    """Return which class stands in for which of Table 1's: "hungry for pain", "" for none.

    None where the clips used are of other classes than Table 1's, but for one that stands in.
    measured: one corpus' results, columns as in `claims.Result`.
    """
    used, of_paper = _in_use(measured), _in_use(claims.published())
    substitutes, originals = used - of_paper, of_paper - used
    if len(substitutes) != len(originals) or len(substitutes) > 1:
        return None
    return " for ".join([*substitutes, *originals]).replace("_", " ")


def _in_use(counts: pd.DataFrame) -> set[str]:
    """Return the classes of which Table 1 counts clips in the test, from keys and values."""
    keys = counts.key[counts.value > 0]
    keys = keys[keys.str.startswith("table1.") & keys.str.endswith(".test_count")]
    return set(keys.str.removeprefix("table1.").str.removesuffix(".test_count"))
