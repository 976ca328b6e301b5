"""The scoreboard: every score of both papers' tables in all runs, and what may be concluded.

`board` is one table with the published figure, the scores under each split and the score of the
commonest class side by side. A run's report, the scoreboard page, the article, the terminal and
notebook 14 show its rows. Real and synthetic infants never share a table or a sentence.
`conclusions` states in words what the results allow; every number in it is counted from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cryutils.claims import ledger
from cryutils.claims.ledger import ALPHA, PAPERS, Kind, Rule, Verdict, reached
from cryutils.claims.store import key, load_results
from cryutils.claims.tables import (
    AUDIT,
    COMMONEST,
    METRICS,
    PAPER_B,
    SPLITS,
    STRESSED,
    TABLE2,
    TABLE2_SCALED,
    TABLE3,
    Layout,
    in_percent,
)
from cryutils.datasets.registry import is_synthetic, title
from cryutils.errors import InputError, near_miss

__all__ = [
    "EVERY", "LAYOUTS", "SPLITS", "About", "Table", "as_list", "board", "conclusions", "note",
    "of_corpus", "reference", "selection", "table1", "tables", "words",
]  # fmt: skip

LAYOUTS = (TABLE2, TABLE2_SCALED, TABLE3, PAPER_B)
EVERY = (*LAYOUTS, AUDIT, STRESSED)
_ABOUT = ["study", "condition", "feature", "name"]
_JUDGED = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.NOT_SHOWN)
_MOST = 0.6  # if one class has more than this share of the clips, accuracy alone says little


class About(StrEnum):
    """What a conclusion is about."""

    REAL = "Real recordings"
    PRINT = "What the papers print"
    SIMULATION = "The simulation: no evidence about real infants"


def note(board: pd.DataFrame) -> str:
    """Return the data note for a figure that shows rows of `board`: corpora and runs."""
    corpora, runs = dict.fromkeys(board.data), dict.fromkeys(board.run)
    warning = ": no evidence about real infants" * any(map(is_synthetic, corpora))
    names = " and ".join(map(title, corpora))
    return f"{names}{warning}; measured by {' and '.join(runs)}"


def board(runs: Mapping[str, pd.DataFrame], layouts: Sequence[Layout] = LAYOUTS) -> pd.DataFrame:
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
        (the leak-free score of the commonest class; for a balanced accuracy of Table 2 without one,
        1 over the number of classes); p_value (of the leak-free balanced accuracy) and the number
        of permutations behind it; share_above (the share of single random splits by clip in
        `papers.multiverse` that reach the published figure); n, n_infants; comparable (whether the
        classes are the paper's) and stand_in (such as "hungry for pain", "" for none). Shares are
        float64, 0-1, NaN if missing.
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
    columns = ["table", "data", "run", "group", "model", "metric", *_ABOUT, "key", "published",
               *ends, "commonest", "p_value", "permutations", "share_above", "n", "n_infants",
               "comparable", "stand_in"]  # fmt: skip
    if not tables:
        return pd.DataFrame(columns=columns)
    tables.sort(key=lambda table: (is_synthetic(table.data.iloc[0]), table.data.iloc[0]))
    return pd.concat(tables, ignore_index=True).reindex(columns=columns)


def _table(layout: Layout, measured: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one table measured on one corpus, columns as in `board`."""
    stand_in = ledger.stand_in(measured) if layout.of_table1 else ""
    nothing = dict.fromkeys([*_ABOUT, "group"], "")
    rows = pd.DataFrame([{**nothing, **row} for row in layout.rows])
    rows = rows.assign(place=range(len(rows)))
    scored = measured[measured.rival == ""].rename(columns={"model": "name"})
    scored = rows.merge(scored.drop(columns="key"), on=_ABOUT)
    numbers = ["value", "low", "high", "n", "n_infants", "permutations"]
    scored = scored.astype(dict.fromkeys(numbers, float))
    free = scored[scored.split == "infant"]
    tests = free[free.metric == "p_value"].set_index("place")
    above = scored[(scored.metric == "share_above_published") & (scored.split == "clip")]
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
        comparable=stand_in is not None,
        stand_in=stand_in or "",
    )
    if stand_in is not None:
        # The paper mentions no class weights: its figure is compared with and without them.
        printed = ledger.published().set_index("key").value
        keys = shown.key.str.replace("_unweighted", "")
        shown["published"] = keys.map(printed).astype(float)
    if layout.of_table1 and (classes := ledger.classes_in_use(measured)):
        guessing = shown.commonest.isna() & (shown.metric == "balanced_accuracy")
        shown["commonest"] = shown.commonest.mask(guessing, 1 / len(classes))
    reach = shown.place.map(above.set_index("place").value)
    shown["share_above"] = reach.where(shown.published.notna())
    shown["metric"] = pd.Categorical(shown.metric, list(METRICS))
    return shown.sort_values(["place", "metric"]).astype({"metric": object})


def _commonest(shown: pd.DataFrame, free: pd.DataFrame) -> pd.Series[float]:
    """Return the leak-free score of the commonest class in each row's group and metric."""
    majority = free[free.model == COMMONEST].set_index(["group", "metric"]).value
    groups = set(majority.index.get_level_values("group"))
    return shown.apply(
        lambda row: majority.get((row.group if row.group in groups else "", row.metric)), axis=1
    ).astype(float)


class Table(NamedTuple):
    """The rows of `board` for one table of a paper and one corpus."""

    layout: Layout
    rows: pd.DataFrame

    @property
    def data(self) -> str:
        """The corpus."""
        return str(self.rows.data.iloc[0])

    @property
    def comparable(self) -> bool:
        """Whether the classes are the paper's."""
        return bool(self.rows.comparable.iloc[0])

    @property
    def metrics(self) -> list[str]:
        """The metrics to show; p-values are shown with the first.

        Accuracy alone if no class has more than `_MOST` of the clips.
        """
        shown = [metric for metric in self.layout.metrics if metric in set(self.rows.metric)]
        majority = self.rows[(self.rows.metric == "accuracy") & (self.rows.model == COMMONEST)]
        imbalanced = (majority[list(SPLITS)] > _MOST).any(axis=None)
        return ["accuracy"] if "accuracy" in shown and not imbalanced else shown

    @property
    def tested(self) -> bool:
        """Whether any model was tested against chance."""
        return bool(self.rows.p_value.notna().any())

    @property
    def permutations(self) -> str:
        """The number of permutations behind the p-values, "49 to 999"; "" if unknown."""
        counts = self.rows.permutations[self.rows.p_value.notna()].dropna().astype(int)
        ends = [f"{counts.min()}", f"{counts.max()}"] if len(counts) else []
        return " to ".join(dict.fromkeys(ends))


def tables(board: pd.DataFrame) -> list[Table]:
    """Return `board` split by table and corpus, in its order."""
    layouts = {layout.title: layout for layout in EVERY}
    return [
        Table(layouts[str(name)], rows)
        for (_, name), rows in board.groupby(["data", "table"], sort=False)
    ]


def table1(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by corpus the number of clips of each class, measured and in the paper's Table 1.

    The index is the class. Columns: count, test_count and, if the classes are the paper's,
    count_published and test_count_published; NaN if nothing was counted.
    """

    def counts(rows: pd.DataFrame) -> pd.DataFrame:
        table = rows.pivot(index="condition", columns="metric", values="value")
        return table.reindex(rows.condition.unique(), columns=["count", "test_count"])

    book = ledger.published()
    printed = counts(book[book.study == "table1"]).add_suffix("_published")
    tables = {}
    for data, measured in results[results.study == "table1"].groupby("data"):
        comparable = ledger.stand_in(measured) is not None
        tables[str(data)] = counts(measured).join(printed if comparable else printed[[]])
    return tables


def words(shown: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric of `board` as texts, in percent with intervals, one row per model.

    shown: rows of `board`. Columns: published, the headings of `SPLITS`, commonest, p and B (the
    number of permutations). Columns without any value are left out.
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
    group and model. Columns: accuracy and balanced accuracy, each under both protocols, and p.
    """
    parts = []
    for run, group in groups.items():
        rows = board({run: load_results(f"reference/{run}")}, [layout])
        rows = rows[rows.group == group]
        accuracy, balanced = (words(rows, m) for m in ("accuracy", "balanced_accuracy"))
        columns = [SPLITS["clip"], SPLITS["infant"]]
        part = pd.concat(
            {"accuracy": accuracy[columns], "balanced accuracy": balanced[columns]}, axis=1
        )
        part["p", ""] = balanced.get("p", "–")
        parts.append(pd.concat({title(rows.data.iloc[0]): part.droplevel("table")}, names=["data"]))
    return pd.concat(parts)


def selection(runs: Mapping[str, pd.DataFrame], names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the runs with the given names, or all `runs` if `names` is empty.

    "reference" selects all runs that git keeps.

    Raises
    ------
    InputError
        No run has one of the names.
    """
    options = dict.fromkeys([*runs, *(name.partition("/")[0] for name in runs if "/" in name)])
    for name in names:
        if name not in options:
            raise InputError(f"runs: no run {name!r}.{near_miss(name, options)}")
    return {
        run: results
        for run, results in runs.items()
        if not names or run in names or run.partition("/")[0] in names
    }


def of_corpus(board: pd.DataFrame, data: str) -> pd.DataFrame:
    """Return the rows of `board` on the corpus `data`, or on the first corpus if it has none.

    data: the name of a corpus, or the path of a folder.
    """
    name = Path(data).name
    if name not in set(board.data):
        name = next(iter(board.data), "")
    return board[board.data == name]


def conclusions(shown: pd.DataFrame, judged: pd.DataFrame) -> dict[About, list[str]]:
    """Return sentences that the results allow, from a `board` and the ledger of the same runs.

    shown: rows of `board`. judged: columns as in `ledger.of_runs`. Every number is counted from
    these two. Conclusions without results are left out.
    """
    sentences: dict[About, list[str]] = {about: [] for about in About}
    for data in sorted({*shown.data, *judged.data} - {""}):
        about = About.SIMULATION if is_synthetic(data) else About.REAL
        part, claimed = shown[shown.data == data], judged[judged.data == data]
        name = title(data)
        sentences[about] += [*_of_scores(name, part), *_of_claims(name, claimed, part)]
    sentences[About.PRINT] += [*_of_print(judged), *_of_evidence(judged)]
    return sentences


def as_list(concluded: Mapping[About, Sequence[str]]) -> str:
    """Return `conclusions` as Markdown, one list for each kind."""
    parts = [
        f"**{about}**\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)
        for about, sentences in concluded.items()
        if sentences
    ]
    return "\n\n".join(parts)


def _of_scores(data: str, shown: pd.DataFrame) -> Iterator[str]:
    """Yield conclusions from the scores on one corpus."""
    models = shown[shown.model != COMMONEST]
    accuracy = models[(models.metric == "accuracy") & models.infant.notna()]
    accuracy = accuracy[accuracy.commonest.notna()]
    if len(accuracy):
        above = (accuracy.infant > accuracy.commonest).sum()
        wholly = (accuracy.infant_low > accuracy.commonest).sum()
        yield (
            f"On {data}, {above} of {len(accuracy)} leak-free accuracies {_is(above)} above that of"
            f" always giving the commonest answer, {wholly} of them with the whole interval."
        )
    tested = models[(models.metric == "balanced_accuracy") & models.p_value.notna()]
    if len(tested):
        better = (tested.p_value <= ALPHA).sum()
        count = tested.sort_values("p_value").permutations.iloc[0]
        of = "" if pd.isna(count) else f", of {count:.0f} permutations"
        yield (
            f"{better} of the {len(tested)} models that were tested on {data}"
            f" {_is(better)} shown to be better than guessing on infants they haven't met (p of"
            f" {ALPHA:g} at most; the smallest is {tested.p_value.min():.3f}{of})."
        )


def _of_claims(data: str, claimed: pd.DataFrame, shown: pd.DataFrame) -> Iterator[str]:
    """Yield conclusions on published figures and on claims in words, from one corpus."""
    figures = claimed[(claimed.rule == Rule.PUBLISHED) & claimed.leak_free_low.notna()]
    enough = ~(figures.leak_free_trainings < ledger.TRAININGS)
    settled = figures[figures.paper_verdict.isin(_JUDGED) & enough]
    if len(settled):
        yield _of_figures(data, settled, shown)
    words = claimed[(claimed.kind == Kind.CLAIM) & (claimed.part_of == "")]
    words = words[words.leak_free_verdict.isin([*_JUDGED, Verdict.IN_SIMULATION])]
    if len(words):
        pairs = words[["leak_free_verdict", "leak_free_reason"]].to_numpy()
        outcomes = [ledger.outcome(*pair) for pair in pairs]
        held, failed, unknown = (outcomes.count(verdict) for verdict in _JUDGED)
        yield (
            f"{len(words)} claims in words were measured on {data}. Leak-free, {held}"
            f" {'holds' if held == 1 else 'hold'}, {failed} {'does' if failed == 1 else 'do'} not"
            f" hold and {unknown} {_is(unknown)} not shown."
        )


def _of_figures(data: str, settled: pd.DataFrame, shown: pd.DataFrame) -> str:
    """Return how many of the judged published figures have which verdict under each protocol."""
    under, figure = settled.paper_verdict, settled.value - settled.margin
    shares = shown.set_index("key").share_above
    names = [
        str(row.claim)
        if pd.isna(share := shares.get(row.key))
        else f"{row.claim}, {reached(share)}"
        for row in settled[under == Verdict.REPRODUCED].itertuples()
    ]
    which = f" ({'; '.join(names)})" if 0 < len(names) <= 3 else ""
    refuted = (under == Verdict.NOT_REPRODUCED).sum()
    stand_ins = [words.replace(" for ", " stands in for ") for words in set(shown.stand_in) - {""}]
    others = f" ({'; '.join(stand_ins)})" if stand_ins else ""
    margins = " or ".join(f"{100 * margin:g}" for margin in sorted(set(settled.margin)))
    below, above = (settled.leak_free_high < figure).sum(), (settled.leak_free_low > figure).sum()
    return (
        f"Of {len(settled)} published scores that results on {data} can be compared with{others},"
        f" {len(names)} {_is(len(names))} reproduced under the paper's own protocol{which} and"
        f" {refuted} {_is(refuted)} not."
        " The paper claims nothing about new infants. On new infants, the whole interval is more"
        f" than {margins} points below the published figure for {below}, none of it for {above} and"
        f" a part for {len(settled) - below - above}."
    )


def _of_print(judged: pd.DataFrame) -> Iterator[str]:
    """Yield how many of the papers' sums, captions and references do not agree."""
    stated = judged[ledger.in_print(judged)].drop_duplicates("id")
    odd = stated[stated.paper_verdict == Verdict.NOT_REPRODUCED]
    cited = odd.kind == Kind.CITATION
    for paper in stated.paper.unique():
        own, references = ((odd.paper == paper) & part for part in (~cited, cited))
        yield (
            f"{PAPERS[paper]}: {own.sum()} sums and captions do not agree with the rest of the"
            f" paper, and {references.sum()} statements about references do not agree with the"
            " references."
        )
    if len(stated):
        yield (
            "The ledger has no row for references that agree. Some rows rest on an outside source,"
            " such as the year of a reference, or on titles alone. All are questions to the"
            " authors, and no finding about infants."
        )


def _of_evidence(judged: pd.DataFrame) -> Iterator[str]:
    """Yield how many numbers and claims have a verdict from each kind of evidence."""
    claimed = judged[judged.kind != Kind.SETTING]
    verdicts = claimed[["paper_verdict", "leak_free_verdict"]]
    judged_here = verdicts.isin(_JUDGED).any(axis=1)
    real = set(claimed.id[judged_here & (claimed.data != "")])
    printed = set(claimed.id[judged_here]) - real
    simulated = set(claimed.id[(verdicts == Verdict.IN_SIMULATION).any(axis=1)]) - real - printed
    without = set(claimed.id) - real - printed - simulated
    if len(claimed):
        yield (
            f"The {claimed.id.nunique()} numbers and claims of both papers, by evidence:"
            f" {len(real)} with a verdict from real recordings, {len(printed)} with a verdict from"
            f" the papers' text alone, {len(simulated)} measured in simulation alone and"
            f" {len(without)} that cannot be tested here. That a claim is not shown or cannot be"
            " tested doesn't show the opposite."
        )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
