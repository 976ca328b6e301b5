"""Draw the README's figures, and write its numbers, anew from the results in `outputs/reference`.

    python tools/figures.py            write what differs
    python tools/figures.py --check    write nothing; name what differs, and exit with 1 then

Figures: `docs/table2.png` and `outputs/reference/paper/table3.png`. Numbers: README.md between
`<!-- figures: NAME -->` and `<!-- end -->`, and the README's own scores in `data/claims.csv`. A
picture's bytes change with matplotlib, so it carries a digest of what is drawn, which is compared.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from cryutils import claims, plots
from cryutils._io.paths import project_dir, writing
from cryutils.claims import ledger, scoreboard, tables
from cryutils.claims.tables import COMMONEST
from cryutils.models.classical import BASELINES

WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve")  # fmt: skip
ROW = "table3.sleepy_hungry"
CLASSIFIERS = {  # every classifier of that row, and what its ensemble was compared with
    **{f"{ROW}.{model}": name for model, name in tables.ENSEMBLES.items()},
    "ensemble.features": "ensemble of hidden layers",
    "ensemble.in_sample": "ensemble of in-sample answers",
    "submodel.mfcc": "submodel, MFCC",
    "submodel.stft": "submodel, STFT",
    "submodel.image": "submodel, faces",
    "submodel.image_random_resnet50": "ResNet-50 with random weights",
    f"{ROW}.majority": "always *hungry*",
}


@dataclass(frozen=True)
class Reference:
    """The runs that git keeps: DonateACry's, judged, and the simulation at the paper's size."""

    home: Path

    def results(self, run: str) -> pd.DataFrame:
        """Return a run's results."""
        return pd.DataFrame(claims.read_results(self.home / run / "results.json"))

    def parameters(self, run: str, notebook: str) -> dict[str, Any]:
        """Return with which parameters a notebook of a run was executed."""
        state = json.loads((self.home / run / "state" / f"{notebook}.json").read_text())
        return state["parameters"]

    @cached_property
    def runs(self) -> dict[str, pd.DataFrame]:
        """The results of both, by name."""
        return {f"reference/{run}": self.results(run) for run in ("judged", "paper")}

    @cached_property
    def board(self) -> pd.DataFrame:
        """Their scoreboard."""
        return scoreboard.board(scoreboard.entries(self.runs))

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The ledger by both."""
        return ledger.of_runs(self.runs)

    @cached_property
    def real(self) -> dict[tuple[str, str | None], Any]:
        """The results on DonateACry by key and protocol."""
        return by_key(self.results("judged"))

    def scores(self, layout: tables.Layout, data: str, metric: str) -> pd.DataFrame:
        """Return the board's rows of one table, corpus and metric."""
        board = self.board
        return board[
            (board.table == layout.title) & (board.data == data) & (board.metric == metric)
        ]


def by_key(results: pd.DataFrame) -> dict[tuple[str, str | None], Any]:
    """Return results by key and protocol."""
    rows = results.astype(object).where(results.notna(), None).itertuples()
    return {(row.key, row.protocol): row for row in rows}


# Figures


def table2(reference: Reference) -> tuple[Figure, str]:
    """Return Table 2's figure, and what it shows."""
    rows = reference.scores(tables.TABLE2, "donateacry", "accuracy")
    rows = rows[rows.model != COMMONEST]
    fig, ax = plt.subplots(figsize=(8.4, 5.4))
    plots.protocol_scores(
        rows.set_index(rows.group + " · " + rows.model), ax, chance=rows.commonest.iloc[0],
        xlabel="accuracy, with 95 % interval over infants",
    )  # fmt: skip
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.12), ncols=4)
    ax.set_title("Paper A, Table 2: published, the paper's protocol, leak-free")
    n, infants = int(rows.n.max()), int(rows.n_infants.max())
    plots.source(fig, f"DonateACry (real recordings); {n} clips of {infants} infants")
    return fig, (
        "Paper A's Table 2: accuracy of each feature and classifier as published, under the paper's"
        " protocol and leak-free, with 95 % intervals over infants."
    )


def table3(reference: Reference) -> tuple[Figure, str]:
    """Return the figure of Table 3 in the simulation, and what it shows."""
    rows = reference.scores(tables.TABLE3, "synthetic", "accuracy")
    rows = rows.assign(pair=rows.key.str.split(".").str[1], name=rows.key.str.split(".").str[2])
    models = rows[rows.model != COMMONEST]
    tidy = pd.concat(
        models[["pair", "name"]].assign(
            protocol=split, value=models[split], low=models[f"{split}_low"],
            high=models[f"{split}_high"],
        )
        for split in scoreboard.SPLITS
    ).rename(columns={"name": "model"})  # fmt: skip
    published = models[models.published.notna()].set_index(["pair", "name"]).published
    fig, ax = plt.subplots(figsize=(9, 8))
    plots.table3(
        tidy, ax, published=published.to_dict(),
        majority=models.groupby("pair").commonest.first().to_dict(),
    )  # fmt: skip
    n, infants = int(rows.n.max()), int(rows.n_infants.max())
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.08), ncols=5)
    ax.set_title("Paper A, Table 3, in the simulation")
    note = "synthetic voices and faces: no evidence about real infants"
    plots.source(fig, f"{note}; {n} clips of {infants} infants")
    return fig, "Paper A's Table 3 in the simulation, at the paper's size, under three splits."


FIGURES: dict[str, Callable[[Reference], tuple[Figure, str]]] = {
    "docs/table2.png": table2,
    "outputs/reference/paper/table3.png": table3,
}


def digest(figure: Figure) -> str:
    """Return a digest of what `figure` shows: marks, bars and texts, not how they are painted."""
    parts: list[Any] = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        parts += [ax.get_title("left"), ax.get_xlabel(), rounded([*ax.get_xlim(), *ax.get_ylim()])]
        parts += [label.get_text() for label in ax.get_yticklabels()]
        parts += [text.get_text() for text in ax.texts]
        parts += [rounded(line.get_xydata()) for line in ax.lines]
        bars = [c for c in ax.collections if isinstance(c, LineCollection)]
        parts += [rounded(segment) for bar in bars for segment in bar.get_segments()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def rounded(places: Any) -> list[Any]:
    """Return places in a figure to four digits, 0 without its sign."""
    return (np.round(np.asarray(places, float), 4) + 0.0).tolist()


# Numbers


def percent(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """Return a share as "26 % [12, 40]", "–" for none."""
    share, _, interval = tables.in_percent(value, low, high).partition(" ")
    return share if share == "–" else f"{share} % {interval}".rstrip()


def score(row: Any) -> str:
    """Return a result with its interval, "–" where there is none."""
    if row is None:
        return "–"
    return percent(row.value) if row.low is None else percent(row.value, row.low, row.high)


def count(number: int) -> str:
    """Return a small number as a word."""
    return WORDS[number] if number < len(WORDS) else str(number)


def of(number: int, among: str) -> str:
    """Return how many of something do, with the verb: "none of the twelve is"."""
    return f"{count(number)} of {among} {'is' if number in (0, 1) else 'are'}"


def span(values: pd.Series[float]) -> str:
    """Return the ends of shares in words."""
    return f"between {percent(values.min())} and {percent(values.max())}"


def hundredths(shares: pd.Series[float]) -> str:
    """Return the ends of shares that may be small, to two digits: "1.7 to 4.7 %"."""
    ends = (f"{float(f'{100 * share:.2g}'):g}" for share in (shares.min(), shares.max()))
    return f"{' to '.join(dict.fromkeys(ends))} %"


def words_table2(reference: Reference) -> Iterator[str]:
    """Yield the paragraph on Table 2."""
    rows = reference.scores(tables.TABLE2, "donateacry", "accuracy")
    rows = rows[rows.model != COMMONEST]
    cells = count(len(rows))
    substitute, _, original = rows.stand_in.iloc[0].partition(" for ")
    yield (
        f"Published accuracies lie {span(rows.published)}; measured here, on {rows.n.max():.0f}"
        f" clips of {rows.n_infants.max():.0f} donors"
        f"{f' (*{substitute}* stands in for *{original}*)' if original else ''},"
        f" they lie {span(rows.paper)} with the paper's"
        f" protocol and {span(rows.leak_free)} leak-free, where always saying the commonest class"
        f" scores {percent(rows.commonest.iloc[0])}. Leak-free,"
        f" {of(int((rows.p_value <= ledger.ALPHA).sum()), f'the {cells}')} shown to do better than"
        f" chance (balanced accuracy, smallest adjusted p {rows.p_value.min():.2f})."
    )
    yield from words_splits(reference, rows)


def words_splits(reference: Reference, rows: pd.DataFrame) -> Iterator[str]:
    """Yield how near Table 2's figures, accuracies on the board, come with clips split."""
    average = int((rows.paper >= rows.published).sum())
    judged = reference.judged
    judged = judged[(judged["where"] == "Table 2") & (judged.kind == ledger.Kind.NUMBER)]
    reached = judged[judged.paper_verdict == ledger.Verdict.REPRODUCED]
    named = "; ".join(
        f"{row.claim.removesuffix(': accuracy')}, with {percent(row.value)} in print,"
        f" {row.paper_reason.partition('; over all')[0]}"
        for row in reached.itertuples()
    )
    yield (
        f"Even with infants on both sides {of(average, 'the published figures')} reached on"
        f" average, and {count(len(reached))} {'are' if len(reached) > 1 else 'is'} matched by"
        f" single splits{f' ({named})' if named else ''}, by a rule that is younger than the first"
        " results."
    )
    by_key = rows.set_index("key")
    tried = by_key[by_key.share_above.notna()]
    if tried.empty:
        if len(reached) < len(rows):
            yield (
                "So this kind of leak alone doesn't explain the others; the paper leaves open what"
                " does."
            )
        return
    yield from words_scaled(reference)
    yield from words_readings(tried, rows[rows.share_above.isna()], reached.key)


def words_readings(
    tried: pd.DataFrame, untried: pd.DataFrame, matched: pd.Series[str]
) -> Iterator[str]:
    """Yield how many splits reach the figures of the board over all readings of the text.

    tried: rows that were measured over all readings, by key; untried: the others; matched: keys of
    the figures that are matched by the ledger's rule.
    """
    never, often = tried[tried.share_above == 0], tried[tried.share_above > 0]
    without = " and ".join(dict.fromkeys(untried.model))
    rest = f", {count(len(often))} by {hundredths(often.share_above)} of them" if len(often) else ""
    by_rule = "; ".join(
        f"{row.model} on {row.group} by {hundredths(pd.Series([row.share_above]))}"
        for row in tried[tried.index.isin(matched)].itertuples()
    )
    yield (
        "Over all readings of the text that [03](notebooks/03_feature_validation.ipynb) tries"
        f"{f' (without the {without})' if without else ''},"
        f" {of(len(never), f'the {count(len(tried))} figures')} reached by no single split{rest}"
        f"{f' ({by_rule})' if by_rule else ''}."
    )
    if len(never):
        yield (
            f"So neither this kind of leak nor these readings explain the {count(len(never))}; the"
            " paper leaves open what does"
            f"{', and the stand-in may have a part in it' if never.stand_in.any() else ''}."
        )


def words_scaled(reference: Reference) -> Iterator[str]:
    """Yield what Table 2's scale-bound classifiers score once each feature is standardised."""
    keys = [f"{key}.accuracy" for key, *_ in tables.TABLE2_SCALED.rows]
    scores = {
        protocol: pd.Series([reference.real[at].value for key in keys
                             if (at := (key, protocol)) in reference.real], dtype=float)
        for protocol in claims.PROTOCOLS
    }  # fmt: skip
    if all(map(len, scores.values())):
        *names, last = dict.fromkeys(model for _, _, model in tables.TABLE2_SCALED.rows)
        yield (
            f"With each feature standardised, {', '.join(names)} and {last} lie"
            f" {span(scores['paper'])} with the paper's protocol and {span(scores['leak_free'])}"
            " leak-free."
        )


def words_cry2(reference: Reference) -> Iterator[str]:
    """Yield the paragraph on Paper B's network for sound."""
    real = reference.real
    paper, free = (real["cry2.balanced_accuracy", protocol] for protocol in claims.PROTOCOLS)
    accuracy = real["cry2.accuracy", "leak_free"]
    majority = real["baseline.audio.majority.accuracy", "leak_free"]
    guessing = real["baseline.audio.majority.balanced_accuracy", "leak_free"]
    yield (
        f"Paper B prints no score at all. Its sound network `cry2`, rebuilt and trained on"
        f" {free.n:.0f} of DonateACry's clips, has a balanced accuracy of {score(paper)} with the"
        f" paper's protocol and of {score(free)} leak-free, where guessing has"
        f" {percent(guessing.value)}; its leak-free accuracy is {percent(accuracy.value)}, and"
        " always saying *hungry* has"
        f" {percent(majority.value)} (belly pain stands for pain)."
    )
    rows = reference.scores(tables.PAPER_B, "donateacry", "balanced_accuracy")
    rivals = rows[~rows.model.isin(["cry2", COMMONEST])]
    if len(rivals):
        whole = rivals[rivals.model.isin(BASELINES.values())]
        twice = ", each on whole clips and on its own windows," if len(rivals) > len(whole) else ""
        yield (
            f"Its {count(len(whole))} classical rivals{twice} lie {span(rivals.paper)} and,"
            f" leak-free, {span(rivals.leak_free)} in balanced accuracy."
        )


def words_table3(reference: Reference) -> Iterator[str]:
    """Yield what there is to know of the row of Table 3, whole."""
    real = reference.real
    n = real[f"{ROW}.proposed.accuracy", "leak_free"].n
    tired = real.get(("data.tired.clips", None))
    yield (
        "Of Paper A's Table 3 these recordings allow one row, *sleepy & hungry*, from sound alone"
        f" ({n:.0f} clips{'' if tired is None else f', {tired.value:.0f} of them *tired*'}, which"
        " stands for sleepy). All of it, with 95 % intervals over infants. *SVM, fit+stop* learns"
        " from the clips that stop the networks, too, *AE+DNN, patches* from the ensemble's own"
        " patches, and not from means:"
    )
    yield "\n".join(row_table3(reference))
    windows = [
        f"{name} {score(real[at])} ({score(real[balanced])})"
        for key, name in CLASSIFIERS.items()
        for at, balanced in [
            ((f"{key}.frame_split.{metric}", "paper") for metric in ("accuracy",
                                                                    "balanced_accuracy"))
        ]
        if at in real and not key.endswith(".majority")
    ]  # fmt: skip
    if windows:
        yield (
            "Where windows of sound are divided in place of clips, the other way to read the"
            f" paper's 80 %, accuracies (balanced) are: {'; '.join(windows)}."
        )
    rows = [real[at] for at in real if at[0].rpartition(".")[0] in CLASSIFIERS and real[at].n == n]
    rows = [row for row in rows if not row.key.startswith(f"{ROW}.majority.")]
    accuracies = [row.value for row in rows if row.key.endswith(".accuracy")]
    commonest = real[f"{ROW}.majority.accuracy", "leak_free"].value
    better = [row for row in rows if row.key.endswith(".balanced_accuracy") and row.low is not None]
    guessing = real[f"{ROW}.majority.balanced_accuracy", "leak_free"].value
    yield (
        f"In the table {of(sum(value > commonest for value in accuracies), 'the accuracies')} above"
        " that of always saying *hungry*, and"
        f" {of(sum(row.low > guessing for row in better), 'the balanced accuracies')} shown to be"
        f" above the {percent(guessing)} of guessing."
    )


def row_table3(reference: Reference) -> Iterator[str]:
    """Yield the row of Table 3 as a table in Markdown: a line a classifier, all that is stored."""
    real = reference.real
    n = real[f"{ROW}.proposed.accuracy", "leak_free"].n
    published = claims.published().set_index("key").value.astype(float)
    metrics = {
        metric: words
        for metric, words in {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy",
                              "roc_auc": "area under the ROC curve"}.items()
        if any((f"{key}.{metric}", "leak_free") in real for key in CLASSIFIERS)
    }  # fmt: skip
    heads = [
        f"{words}, {split}" for words in metrics.values() for split in ("clips split", "leak-free")
    ]
    yield "| | published | " + " | ".join(heads) + " |"
    yield "|---|" + "---|" * (1 + len(heads))
    for key, name in CLASSIFIERS.items():
        row = real.get((f"{key}.accuracy", "leak_free"))
        if row is None or row.n != n:  # of other states than this row's
            continue
        cells = [
            score(real.get((f"{key}.{metric}", protocol)))
            for metric in metrics
            for protocol in claims.PROTOCOLS
        ]
        printed = percent(published.get(f"{key}.accuracy", np.nan))
        yield f"| {name} | {printed} | " + " | ".join(cells) + " |"


def words_simulation(reference: Reference) -> Iterator[str]:
    """Yield the paragraph on Table 3 at the paper's size, on synthetic infants."""
    results = by_key(reference.results("paper"))
    values = reference.parameters("paper", "09_ensemble")
    total, random = "table3.total.proposed", "submodel.image_random_resnet50.accuracy"
    every = values["fps"] / values["head_fps"]
    shares = {
        name: percent(results[at].value)
        for name, at in {
            "windows": (f"{total}.frame_split.accuracy", "paper"),
            "clips": (f"{total}.accuracy", "paper"),
            "free": (f"{total}.accuracy", "leak_free"),
            "random": (random, "paper"),
            "random free": (random, "leak_free"),
        }.items()
        if at in results
    }
    yield (
        f"At the paper's size, {values['clips']} videos of {values['duration_s']:.0f} s at"
        f" {values['fps']:.0f} frames a second, the method runs on synthetic voices and faces, with"
        " a small network in place of ResNet-50 with ImageNet's weights, and its second model"
        f" learning from one frame in {count(round(every))}. They are no evidence about infants,"
        f" but show what a split can do, with fewer training clips where infants are kept apart:"
        f" over all three states the ensemble has {shares['windows']}"
        f" where windows of 2 s are divided, {shares['clips']} where clips are, and"
        f" {shares['free']} leak-free"
        + (
            f"; a ResNet-50 with random weights under a trained head has {shares['random']} where"
            f" clips are divided and {shares['random free']} leak-free."
            if "random" in shares
            else "."
        )
    )


BLOCKS: dict[str, Callable[[Reference], Iterator[str]]] = {
    "table2": words_table2,
    "cry2": words_cry2,
    "table3": words_table3,
    "simulation": words_simulation,
}


def readme(text: str, reference: Reference) -> str:
    """Return README.md's text with each marked block made anew."""
    for name, words in BLOCKS.items():
        block = "\n\n".join(map(wrapped, paragraphs(words(reference))))
        marked = f"<!-- figures: {name} -->\n{block}\n<!-- end -->"
        pattern = rf"<!-- figures: {name} -->.*?<!-- end -->"
        text, times = re.subn(pattern, marked.replace("\\", r"\\"), text, flags=re.DOTALL)
        if times != 1:
            raise SystemExit(f"README.md: the block {name} stands there {times} times, not once.")
    return text


def paragraphs(texts: Iterator[str]) -> Iterator[str]:
    """Yield prose that belongs together as one paragraph, and tables by themselves."""
    prose: list[str] = []
    for text in texts:
        if text.startswith("|"):
            yield " ".join(prose)
            yield text
            prose = []
        else:
            prose.append(text)
    if prose:
        yield " ".join(prose)


def wrapped(text: str) -> str:
    """Return prose in lines of 100 characters at most; a table stays."""
    import textwrap

    if text.startswith("|"):
        return text
    return "\n".join(textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False))


def own_claims(text: str, reference: Reference) -> str:
    """Return `claims.csv` with the README's own scores as the reference runs have them."""
    header, *rows = csv.reader(io.StringIO(text))
    at = {name: header.index(name) for name in ("id", "paper", "unit", "value", "rule")}
    judged = reference.judged.set_index("id")
    measured = judged.paper_value.fillna(judged.leak_free_value)
    for row in rows:
        scored = row[at["unit"]] in ("share", "p") and row[at["rule"]].endswith(" == value")
        if row[at["paper"]] == "R" and scored:
            value = float(f"{measured[row[at['id']]]:.2f}")  # as it is printed
            if value != float(row[at["value"]]) and pd.notna(value):
                row[at["value"]] = f"{value:.2f}"
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header, *rows])
    return written.getvalue()


def main(arguments: list[str]) -> int:
    """Write what differs, or with `--check` name it; see the module's text."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    root, differing = project_dir(), []
    reference = Reference(root / "outputs" / "reference")
    for name, renewed in {"data/claims.csv": own_claims, "README.md": readme}.items():
        before = (root / name).read_text(encoding="utf-8")
        if (text := renewed(before, reference)) != before:
            differing.append(name)
            if not arguments:
                with writing(root / name) as part:
                    part.write_text(text, encoding="utf-8")
    plots.style()
    for name, draw in FIGURES.items():
        figure, caption = draw(reference)
        with Image.open(root / name) as picture:
            same = picture.info.get("Digest") == digest(figure)
        if not same:
            differing.append(name)
        if not same and not arguments:
            with writing(root / name) as part:
                part.write_bytes(plots.png(figure, Description=caption, Digest=digest(figure)))
        plt.close(figure)
    for name in differing:
        print(f"{name}: {'differs from outputs/reference' if arguments else 'written'}")
    return 1 if differing and arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
