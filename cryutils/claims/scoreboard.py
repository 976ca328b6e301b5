"""The scoreboard: every score of both papers' tables in all runs, and what may be concluded.

Real and synthetic infants never share a table or a sentence. `board` has published figure, the
paper's protocol, leak-free score and commonest class side by side; `conclusions` puts into words
what the results hold, each number counted from them. Notebook 14 walks it; `report` and `article`
show it, and `tools/figures.py` draws figures and fills tables from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pandas as pd

from cryutils.claims import tables
from cryutils.claims.ledger import ALPHA, PAPERS, Kind, Rule, Verdict, reached
from cryutils.claims.tables import COMMONEST, Table, in_percent
from cryutils.errors import InputError, near_miss

__all__ = ["LAYOUTS", "METRICS", "SPLITS", "About", "Conclusion", "Entry", "board", "conclusions",
           "corpus_name", "entries", "is_synthetic", "note", "selection",
           "words"]  # fmt: skip

METRICS = {**tables.METRICS, "roc_auc": "area under the ROC curve"}
LAYOUTS = (tables.TABLE2, tables.TABLE2_SCALED, tables.TABLE3, tables.PAPER_B)
SPLITS = tables.TABLE3.splits  # every split that any of them has


@dataclass(frozen=True, slots=True)
class Entry:
    """A table as one run measured it."""

    run: str
    table: Table


class About(StrEnum):
    """What a conclusion is about."""

    REAL = "Real recordings"
    PRINT = "What the papers print"
    SIMULATION = "The simulation: no evidence about real infants"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A sentence or two that the results allow."""

    about: About
    text: str


def entries(runs: Mapping[str, pd.DataFrame]) -> list[Entry]:
    """Return each table of a paper on each corpus once, real recordings first.

    runs: results by the run's name, columns as in `claims.Result`. Of runs that measured a table on
    the same corpus the one counts that tested most clips; where these are equally many, the first.
    """
    drawn: dict[tuple[str, str], Entry] = {}
    for run, results in runs.items():
        for layout in LAYOUTS:
            for table in tables.build(replace(layout, metrics=tuple(METRICS)), results):
                place = layout.title, table.data
                shown = replace(table, layout=layout)
                if place not in drawn or _clips(drawn[place].table) < _clips(shown):
                    drawn[place] = Entry(run, shown)
    order = [layout.title for layout in LAYOUTS]
    return sorted(
        drawn.values(),
        key=lambda e: (is_synthetic(e.table.data), e.table.data, order.index(e.table.layout.title)),
    )


def is_synthetic(data: str) -> bool:
    """Return whether results of the corpus `data` are no evidence about infants."""
    return data.startswith("synthetic")


def corpus_name(data: str) -> str:
    """Return a corpus in words; a folder of the user's own has its name."""
    return _CORPORA.get(data, data)


def note(board: pd.DataFrame) -> str:
    """Return for a figure of rows of the board what it was made from."""
    corpora, runs = dict.fromkeys(board.data), dict.fromkeys(board.run)
    warning = ": no evidence about real infants" * any(map(is_synthetic, corpora))
    names = " and ".join(map(corpus_name, corpora))
    return f"{names}{warning}; measured by {' and '.join(runs)}"


def _clips(table: Table) -> float:
    return float(table.scores.n.fillna(0).max())


def board(shown: Sequence[Entry]) -> pd.DataFrame:
    """Return a row for each score in the tables of `shown`.

    Columns: table, data, run, group, model, metric, published, then for each of `SPLITS` its value
    and, with `_low` and `_high` behind it, its 95 % interval; commonest, p_value, permutations and
    share_above (as in `tables.Table`), n, n_infants, key (of the result) and stand_in (of the
    table, "" for none). Shares 0-1, NaN where there is none.
    """
    about = ["table", "data", "run", "group", "model", "metric", "published"]
    ends = {"value": "", "low": "_low", "high": "_high"}
    scored = [f"{split}{end}" for split in SPLITS for end in ends.values()]
    rows = []
    for entry in shown:
        scores = entry.table.scores
        wide = scores.pivot(index="key", columns="split", values=list(ends))
        wide.columns = [f"{column[1]}{ends[column[0]]}" for column in wide.columns]
        counts = scores.groupby("key")[["n", "n_infants"]].max()
        first = scores.drop_duplicates("key").drop(columns=["split", "n", "n_infants", *ends])
        first = first.assign(
            table=entry.table.layout.title, data=entry.table.data, run=entry.run,
            stand_in=entry.table.stand_in,
        )  # fmt: skip
        rows.append(first.join(counts, on="key").join(wide, on="key"))
    columns = [*about, *scored, "commonest", "p_value", "permutations", "share_above", "n",
               "n_infants", "key", "stand_in"]  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=columns)
    return pd.concat(rows, ignore_index=True).reindex(columns=columns)


def words(shown: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric of a `board` to be read: in percent with intervals, a row a model.

    Parameters
    ----------
    shown : pandas.DataFrame
        Of `board`.
    metric : str
        As in its column.

    Returns
    -------
    pandas.DataFrame
        As many of published, those of `SPLITS`, commonest, p and B (of how many permutations p is)
        as were measured.
    """
    rows = shown[shown.metric == metric]
    rows = rows.set_index(["table", "group", "model"])
    splits = {
        heading: [in_percent(*cell) for cell in rows[[s, f"{s}_low", f"{s}_high"]].to_numpy()]
        for s, heading in _HEADINGS.items()
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


def selection(runs: Mapping[str, pd.DataFrame], names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return those of `runs` that are named, "reference" for all that git keeps; all for no name.

    Parameters
    ----------
    runs : mapping
        Results by the run's name.
    names : sequence of str

    Raises
    ------
    InputError
        A name that no run has.
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


def conclusions(shown: pd.DataFrame, judged: pd.DataFrame) -> list[Conclusion]:
    """Return what may be concluded from a `board` and from the ledger that the same runs judged.

    Every number is counted from these two; what can't be said of them is left out.

    Parameters
    ----------
    shown : pandas.DataFrame
        Of `board`.
    judged : pandas.DataFrame
        Columns as `ledger.of_runs` gives.
    """
    sentences = []
    corpora = dict.fromkeys([*shown.data, *judged.data[judged.data != ""]])
    for data in sorted(corpora, key=lambda data: (is_synthetic(data), data)):
        about = About.SIMULATION if is_synthetic(data) else About.REAL
        part, claimed = shown[shown.data == data], judged[judged.data == data]
        name = corpus_name(data)
        for text in (*_of_scores(name, part), *_of_claims(name, claimed, part)):
            sentences.append(Conclusion(about, text))
    texts = [*_of_print(judged), *_of_evidence(judged)]
    sentences += [Conclusion(About.PRINT, text) for text in texts]
    order = list(About)
    return sorted(sentences, key=lambda sentence: order.index(sentence.about))


def _of_scores(data: str, shown: pd.DataFrame) -> Iterator[str]:
    """Yield what the scores on a corpus say of its models."""
    models = shown[shown.model != COMMONEST]
    accuracy = models[(models.metric == "accuracy") & models.leak_free.notna()]
    accuracy = accuracy[accuracy.commonest.notna()]
    if len(accuracy):
        above = (accuracy.leak_free > accuracy.commonest).sum()
        wholly = (accuracy.leak_free_low > accuracy.commonest).sum()
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
    both = models[(models.metric == "balanced_accuracy")]
    both = both[both.paper.notna() & both.leak_free.notna()]
    if len(both):
        gap = 100 * (both.paper - both.leak_free)
        higher = (gap > 0).sum()
        yield (
            f"On {data}, {higher} of {len(both)} balanced accuracies {_is(higher)} higher where"
            " clips are split at random than leak-free; the median difference is"
            f" {gap.median():.1f} points."
            " It mixes the leak with smaller training sets and other stopping clips, which notebook"
            " 10 looks into with a recipe of its own."
        )


def _of_claims(data: str, claimed: pd.DataFrame, shown: pd.DataFrame) -> Iterator[str]:
    """Yield what the ledger says of published figures, and of claims in words, on a corpus."""
    figures = claimed[(claimed.rule == Rule.PUBLISHED)]
    settled = figures[figures.leak_free_verdict.isin(_JUDGED) & figures.paper_verdict.isin(_JUDGED)]
    if len(settled):
        yield _of_figures(data, settled, shown)
    words = claimed[(claimed.kind == Kind.CLAIM) & (claimed.part_of == "")]
    words = words[words.leak_free_verdict.isin(_JUDGED | _SIMULATED)]
    if len(words):
        yield (
            f"Of the claims in words {len(words)} could be judged on {data}; leak-free"
            f" {_counted(words.leak_free_verdict)}."
        )


def _of_figures(data: str, settled: pd.DataFrame, shown: pd.DataFrame) -> str:
    """Return how published figures that could be judged stand under either protocol."""
    under, free = settled.paper_verdict, settled.leak_free_verdict
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
    wholly, none, partly = (
        (free == verdict).sum()
        for verdict in (Verdict.CONTRADICTED, Verdict.HOLDS, Verdict.NOT_SHOWN)
    )
    return (
        f"Of {len(settled)} published scores that results on {data} can be held against{others},"
        f" {len(names)} {_is(len(names))} reproduced under the paper's own protocol{which} and"
        f" {refuted} {_is(refuted)} not."
        " On new infants, of whom the paper doesn't speak, the whole interval lies more than"
        f" {margins} points below the figure in print for {wholly}, none of it for {none} and a"
        f" part for {partly}."
    )


def _of_print(judged: pd.DataFrame) -> Iterator[str]:
    """Yield how many of the papers' sums, captions and references are inconsistent."""
    stated = judged.drop_duplicates("id")
    stated = stated[stated.paper_verdict.isin(_PRINTED)]
    for paper, rows in stated.groupby("paper"):
        odd = rows[rows.paper_verdict == Verdict.INCONSISTENT]
        titles = odd.note.str.startswith(_BY_TITLE).sum()
        yield (
            f"{len(odd)} of {len(rows)} sums, captions and references of {PAPERS[str(paper)]},"
            f" which need no recording, {_is(len(odd))} inconsistent with what they are held"
            f" against, {titles} of them judged by a reference's title alone."
        )
    if len(stated):
        yield (
            "Some of these rest on an outside source, such as the years of references, and not on"
            " a paper's own text. All are questions to the authors, and no finding about infants."
        )


def _of_evidence(judged: pd.DataFrame) -> Iterator[str]:
    """Yield from what kind of evidence each number and claim has a verdict, if it has one."""
    claimed = judged[judged.kind != Kind.SETTING]  # a setting is no claim

    def having(verdicts: set[Verdict]) -> set[str]:
        both = claimed[["paper_verdict", "leak_free_verdict"]]
        return set(claimed.id[both.isin(verdicts).any(axis=1)])

    real = having(_JUDGED)  # only real recordings get these verdicts
    printed = having(_PRINTED) - real
    simulated = having(_SIMULATED) - real - printed
    without = set(claimed.id) - real - printed - simulated
    measured = without & having(_MEASURED)
    if len(claimed):
        yield (
            f"The {claimed.id.nunique()} numbers and claims of both papers, by evidence:"
            f" {len(real)} with a verdict from real recordings, {len(printed)} with a verdict from"
            f" the papers' text alone, {len(simulated)} with a verdict in simulation alone and"
            f" {len(without)} without a verdict ({len(measured)} of these were measured, but in"
            " simulation, where a published score can't be judged, or with too few trainings)."
            " That a claim isn't shown, or has no verdict, doesn't show the opposite."
        )


_BY_TITLE = "judged by the title"  # a note in the ledger
_HEADINGS = {"frame": "windows split", "paper": "paper's protocol", "leak_free": "leak-free"}
_CORPORA = {
    "donateacry": "DonateACry",
    "donateacry_uploads": "DonateACry's original uploads",
    "synthetic": "synthetic infants",
}
_JUDGED = {Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.HOLDS, Verdict.CONTRADICTED,
           Verdict.NOT_SHOWN}  # fmt: skip
_PRINTED = {Verdict.CONSISTENT, Verdict.INCONSISTENT}
_MEASURED = {Verdict.IN_SIMULATION, Verdict.NOT_JUDGED, Verdict.NOT_JUDGED_IN_SIMULATION}
_SIMULATED = {Verdict.HOLDS_IN_SIMULATION, Verdict.CONTRADICTED_IN_SIMULATION,
              Verdict.NOT_SHOWN_IN_SIMULATION}  # fmt: skip


def _counted(verdicts: pd.Series[str]) -> str:
    """Return how many verdicts are which: "2 hold, 1 is contradicted and 3 are not shown"."""
    plain = verdicts.map(lambda verdict: str(verdict).removesuffix(" in simulation"))
    holds, contradicted, not_shown = (
        int((plain == verdict).sum())
        for verdict in (Verdict.HOLDS, Verdict.CONTRADICTED, Verdict.NOT_SHOWN)
    )
    return (
        f"{holds} {'holds' if holds == 1 else 'hold'}, {contradicted} {_is(contradicted)}"
        f" contradicted and {not_shown} {_is(not_shown)} not shown"
    )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
