"""The replication article on Paper A, in the style of ReScience C, and its supplement.

`write` makes two pages from the reference runs that are kept in git. `index.html` is the article.
`supplement.html` has the ledger number by number, every setting that the papers leave open, and the
deviations. No number in either page is typed: each one comes from results, state files, the ledger
or the settings. The sentences fit the reference runs, and tests check that they do, so other runs
are not shown. `cryutils article` and `make article` write the pages; `tools/figures.py` uses `gaps`
and `readings`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cryutils
from cryutils._io.paths import project_dir, writing
from cryutils.claims import arithmetic, ledger, report, run_folder, scoreboard, tables
from cryutils.claims.answers import MODEL, split_gaps
from cryutils.claims.ledger import ALPHA
from cryutils.claims.tables import COMMONEST, FEATURES
from cryutils.datasets import registry
from cryutils.errors import InputError
from cryutils.models import autoencoders, blocks, classical, ensemble
from cryutils.models.inputs import SoundInput
from cryutils.models.stacked import DenseSettings
from cryutils.papers.embeddings import STATES
from cryutils.papers.ensemble import Settings
from cryutils.papers.ladder import MISTAKES, Effect, effects

__all__ = ["DATA", "RUN", "SIMULATION", "STUDIES", "gaps", "readings", "write"]

RUN = "reference/judged"  # real recordings
UPLOADS = "reference/uploads"  # real recordings with all states of Table 3
SIMULATION = "reference/paper"  # synthetic infants, at the paper's size
DATA = "donateacry"
STUDIES = {
    "Table 2": "Paper A, Table 2",
    "Table 3": "Paper A, Table 3",
    "Paper B": "Paper B",
}
NOTEBOOKS = [  # behind the article's results on real recordings
    (RUN, "03_feature_validation", "Table 2, with all readings"),
    (RUN, "09_ensemble", "Table 3"),
    (UPLOADS, "09_ensemble", "Table 3, original uploads"),
    (RUN, "10_leakage_audit", "leakage audit"),
    (RUN, "04_cry2", "Paper B (appendix)"),
]
FIGURES = {
    "table2": "docs/table2.png",
    "multiverse": "outputs/reference/judged/multiverse.png",
    "simulation": "outputs/reference/paper/table3.png",
}
_TREES = ("dt", "rf")
Parameters = Mapping[str, Mapping[str, Any]]


def write(folder: Path, parameters: Parameters) -> Path:
    """Write `index.html` and `supplement.html` to `folder`; return the path of the first.

    parameters: every parameter of the notebooks in `RUN`, by notebook. Raises InputError if a
    reference run lacks a result or a figure.
    """
    runs = report.every_run(project_dir() / "outputs" / "reference")
    if missing := {RUN, UPLOADS, SIMULATION} - set(runs):
        raise InputError(f"outputs/{min(missing)}: no results here; restore them with git.")
    pages = {"supplement": _supplement(runs), "index": _article(runs, parameters)}
    for name, page in pages.items():
        with writing(folder / f"{name}.html") as part:
            part.write_text(page, encoding="utf-8")
    return folder / "index.html"


def gaps(board: pd.DataFrame) -> pd.DataFrame:
    """Return each model's balanced accuracy with a random split minus the leak-free one.

    board: rows of `scoreboard.board`. Columns: those of `board`, and value, low and high of the
    difference, which is paired over infants. Models without stored predictions are left out.
    """
    parts = [pd.DataFrame(columns=[*MODEL, "value", "low", "high"])]
    for run, data in board[["run", "data"]].drop_duplicates().itertuples(index=False):
        with suppress(InputError):  # no predictions
            parts.append(split_gaps(report.run_path(run), data=data))
    paired = pd.concat(parts).rename(columns={"model": "name"})
    about = ["study", "condition", "feature", "name", "data"]
    rows = board[(board.metric == "balanced_accuracy") & (board.model != COMMONEST)]
    return rows.merge(paired, on=about, suffixes=("_board", ""))


def readings(board: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Return the mean accuracy of Table 2's single random splits for each selection of clips.

    board: rows of `scoreboard.board` on one corpus. results: of the same run. Columns: group,
    model, name and published, as in `board`; then the selections, such as "copied to 38".
    """
    means = results[(results.metric == "reading_accuracy") & (results.split == "clip")]
    means = means.pivot(index=["feature", "model"], columns="condition", values="value")
    copied = [str(name) for name in means if str(name).startswith("copied")]
    columns = ["no_copies", *copied, "augmented_to_38", "windows"]
    rows = board[(board.table == tables.TABLE2.title) & (board.metric == "accuracy")]
    rows = rows[rows.model != COMMONEST]
    shares = means.loc[pd.MultiIndex.from_frame(rows[["feature", "name"]]), columns]
    shares.columns = pd.Index([name.replace("_", " ") for name in columns])
    about = rows[["group", "model", "name", "published"]].reset_index(drop=True)
    return about.join(shares.reset_index(drop=True))


def _article(runs: Mapping[str, pd.DataFrame], parameters: Parameters) -> str:
    """Return the article as an HTML page."""
    board = scoreboard.board({RUN: runs[RUN]})
    board = board[board.data == DATA]
    layouts = {table.layout.title: table for table in scoreboard.tables(board)}
    states = {run: run_folder.states(report.run_path(run)) for run in (RUN, UPLOADS)}
    return report.rendered(
        "article.html",
        version=cryutils.__version__,
        measured=_Results(runs[RUN], DATA),
        uploads=_Results(runs[UPLOADS], "donateacry-uploads"),
        simulated=_Results(runs[SIMULATION], "synthetic"),
        power=_Results(runs[RUN], "synthetic"),
        table1=scoreboard.table1(runs[RUN])[DATA],
        table2=layouts[tables.TABLE2.title],
        table3=layouts[tables.TABLE3.title],
        paper_b=layouts[tables.PAPER_B.title],
        in_table2=_table2(board, runs[RUN]),
        reading=_copies(board, runs[RUN], parameters),
        printed=_printed(),
        gaps=gaps(board),
        gaps_uploads=split_gaps(report.run_path(UPLOADS), study="table3"),
        audit=_audit(_Results(runs[RUN], DATA), _Results(runs[UPLOADS], "donateacry-uploads")),
        expected=_expected(runs[RUN]),
        claimed=ledger.published().set_index("key").value,
        donor=_donor(runs[RUN]),
        networks=_networks(parameters),
        training=_training(_settings(parameters)),
        states=[(name, words, states[run][name]) for run, name, words in NOTEBOOKS],
        versions=states[RUN]["09_ensemble"]["versions"],
        parameters=parameters,
        unstated={words: len(ledger.unstated(study)) for study, words in STUDIES.items()},
        pictures={name: _picture(path) for name, path in FIGURES.items()},
        score=_score, points=_points, span=_span, count=_count,
    )  # fmt: skip


class _Results:
    """Results of one run on one corpus, by key and split."""

    def __init__(self, results: pd.DataFrame, data: str) -> None:
        rows = results[results.data == data]
        self._rows = {(row.key, row.split): row for row in rows.itertuples()}

    def __call__(self, key: str, split: str = "") -> Any:
        """Return a result. Raises InputError if there is none."""
        try:
            return self._rows[key, split]
        except KeyError as error:
            what = f"{key} {split}".strip()
            raise InputError(
                f"outputs/{RUN}: no result {what}; restore the run with git."
            ) from error


def _table2(board: pd.DataFrame, results: pd.DataFrame) -> dict[str, Any]:
    """Return Table 2's accuracies, and how many published ones single random splits reach."""
    rows = board[(board.table == tables.TABLE2.title) & (board.metric == "accuracy")]
    rows = rows[rows.model != COMMONEST]
    single = results[(results.metric == "holdout_accuracy") & (results.condition == "")]
    single = single[(single.split == "clip") & (single.data == DATA)]
    single = single.set_index(["feature", "model"]).loc[
        pd.MultiIndex.from_frame(rows[["feature", "name"]])
    ]
    published = rows.published.to_numpy()
    tested = board[(board.table == tables.TABLE2.title) & board.p_value.notna()]
    return {
        "rows": rows,
        "within": ((single.low <= published) & (published <= single.high)).sum(),
        "test_clips": int(single.n.iloc[0]),
        "smallest_p": tested.p_value.min(),
        "permutations": int(tested.permutations.max()),
        "shown": (tested.drop_duplicates("key").p_value <= ALPHA).sum(),
    }


def _copies(board: pd.DataFrame, results: pd.DataFrame, parameters: Parameters) -> dict[str, Any]:
    """Return what copies before the split do to Table 2: see `readings`."""
    table = readings(board, results)
    selections = [str(name) for name in table.columns[4:]]
    largest = scoreboard.table1(results)[DATA].count_published.max()
    is_tree = table.name.isin(_TREES)
    short = table.published - table[f"copied to {largest:.0f}"]
    percents = (100 * table.published[is_tree]).round(2)
    test = _test_clips(dict.fromkeys(range(4), int(largest)))
    free = results[(results.metric == "reading_accuracy") & (results.split == "infant")]
    return {
        "table": table,
        "selections": selections,
        "copied": [name for name in selections if name.startswith("copied")],
        "largest": f"copied to {largest:.0f}",
        "trees": table[is_tree],
        "others": int((~is_tree).sum()),
        "others_short": short[~is_tree],
        "trees_off": short[is_tree].abs().max(),
        "test": test,
        "trees_possible": sum(arithmetic.correct(p, sum(test)) is not None for p in percents),
        "trees_recalls": sum(arithmetic.macro_recall(p, test) is not None for p in percents),
        "leak_free": free.value,
        "scalings": 5,
        "summaries": 3,
        "all": 15 * len(selections),
        "splits": parameters["03_feature_validation"]["recipe_draws"],
    }


def _test_clips(counts: Mapping[Any, int]) -> list[int]:
    """Return how many clips of each class are in a stratified test of 30 %."""
    from sklearn.model_selection import train_test_split

    labels = np.repeat(list(counts), list(counts.values()))
    _, test = train_test_split(labels, test_size=0.3, stratify=labels, random_state=0)
    return [int((test == label).sum()) for label in counts]


def _printed() -> dict[str, Any]:
    """Return which of Table 2's figures a stratified test of 30 % of Table 1's clips can give."""
    book = ledger.published()
    used = book[(book.study == "table1") & (book.metric == "test_count") & (book.value > 0)]
    sizes = _test_clips(used.set_index("condition").value.astype(int).to_dict())
    figures = book[(book.study == "feature_validation") & (book.metric == "accuracy")]
    figures = figures[figures.model.isin(classical.CLASSIFIERS) & figures.value.notna()]
    percents = (100 * figures.value).round(2)
    recalls = percents.map(lambda percent: arithmetic.macro_recall(percent, sizes) is not None)
    network = figures.model == "dnn"
    return {
        "sizes": sizes,
        "n": sum(sizes),
        "accuracies": percents.map(lambda p: arithmetic.correct(p, sum(sizes)) is not None).sum(),
        "averages": percents[~network].map(lambda p: arithmetic.correct(p, 120) is not None).sum(),
        "classical": int((~network).sum()),
        "classical_recalls": recalls[~network].sum(),
        "network_recalls": recalls[network].sum(),
        "one_in": round(1 / arithmetic.chance_of_fit(sizes)),
    }


def _audit(*runs: _Results) -> list[tuple[str, Any, Any]]:
    """Return each mistake with what it adds to balanced accuracy in each run."""
    return [
        (words, *(run(f"audit.{rung}.minus_honest.balanced_accuracy", split) for run in runs))
        for rung, words in MISTAKES.items()
        for split in ["infant" if rung == "majority" else "clip"]
    ]


def _expected(results: pd.DataFrame) -> list[tuple[int, int]]:
    """Return how many mistakes were expected to inflate, and to be harmless, and were shown to."""
    table = effects(results[results.data == DATA])[registry.title(DATA)]
    return [
        (int((shown := part.measured == part.expected).sum()), len(shown))
        for part in (table[table.expected == effect] for effect in (Effect.UP, Effect.NONE))
    ]


def _donor(results: pd.DataFrame) -> dict[str, float]:
    """Return the mean difference between the splits with all infants, and without the largest."""
    scores = results[(results.study == "feature_validation") & (results.data == DATA)]
    scores = scores[(scores.metric == "balanced_accuracy") & (scores.rival == "")]
    cells = scores.pivot(index=["condition", "feature", "model"], columns="split", values="value")
    differences = cells["clip"] - cells["infant"]
    without = differences.loc["without_largest_donor"]
    return {"all": differences.loc[""].loc[without.index].mean(), "without": without.mean()}


def _settings(parameters: Parameters) -> Settings:
    """Return the settings of Table 3's networks."""
    names = {field.name for field in fields(Settings)}
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parameters["09_ensemble"].items()
        if name in names
    }
    return Settings(**chosen)


def _networks(parameters: Parameters) -> dict[str, pd.DataFrame]:
    """Return the layers of Paper A's networks for its three states, read from Keras models."""
    settings, chosen = _settings(parameters), parameters["09_ensemble"]
    about = ("sr", "n_fft", "hop_length", "n_mels", "n_mfcc", "window_s", "step_s")
    networks: dict[str, pd.DataFrame] = {}
    for kind in reversed(FEATURES):
        shape = SoundInput(kind=kind, **{name: chosen[name] for name in about}).shape
        submodel = autoencoders.build_submodel(
            shape, len(STATES), patch=settings.patch, autoencoder=settings.autoencoder,
            dnn=settings.dnn,
        )  # fmt: skip
        patch = autoencoders.build(settings.patch * shape[1], settings.autoencoder)
        networks[f"Autoencoder of one patch, {kind.upper()}"] = blocks.describe(patch)
        networks[f"Submodel of one window, {kind.upper()}"] = blocks.describe(submodel)
    joined = ensemble.build(
        dict.fromkeys(("mfcc", "stft", "image"), len(STATES)), len(STATES),
        units=settings.ensemble_units, dropout=settings.dropout,
    )  # fmt: skip
    return networks | {"Ensemble": blocks.describe(joined)}


def _training(settings: Settings) -> dict[str, DenseSettings]:
    """Return the training settings of Paper A's networks."""
    return {
        "Table 2: DNN": classical.DeepNeuralNetwork().settings,
        "Table 3: autoencoder": settings.autoencoder,
        "Table 3: DNN behind the encoder": settings.dnn,
        "Table 3: second model of the image submodel": settings.image,
        "Table 3: ensemble": settings.ensemble,
    }


def _picture(path: str) -> str:
    """Return a picture as base64. Raises InputError if it is missing."""
    try:
        return base64.b64encode((project_dir() / path).read_bytes()).decode()
    except FileNotFoundError as error:
        raise InputError(f"{path}: the figure is missing; restore it with git.") from error


def _score(row: Any) -> str:
    """Return a share and its interval: "35 % [23, 52]"."""
    low, high = 100 * row.low, 100 * row.high
    return f"{100 * row.value:.0f}\N{NO-BREAK SPACE}% [{low:.0f},\N{NO-BREAK SPACE}{high:.0f}]"


def _points(row: Any) -> str:
    """Return a difference of shares and its interval in points: "+15 [+1, +32]"."""
    value, low, high = (f"{round(100 * x):+d}" for x in (row.value, row.low, row.high))
    text = f"{value} [{low}, {high}]".replace(" ", "\N{NO-BREAK SPACE}")
    return text.replace("-", "\N{MINUS SIGN}")


def _span(values: Iterable[float]) -> str:
    """Return the smallest and the largest share: "46 to 86 %"; one of them if they are alike."""
    ends = dict.fromkeys(f"{100 * end:.0f}" for end in (min(values), max(values)))
    return f"{' to '.join(ends)}\N{NO-BREAK SPACE}%"


def _count(number: int, total: int) -> str:
    """Return how many of a total: "none of the 12", "2 of the 12", "all 12"."""
    if number == total:
        return f"all {total}"
    return f"{number or 'none'} of the {total}"


def _supplement(runs: Mapping[str, pd.DataFrame]) -> str:
    """Return the supplement as an HTML page."""
    values = report.scored(runs)
    return report.rendered(
        "supplement.html",
        **values,
        **_ledger(values["judged"]),
        unstated={words: ledger.unstated(study) for study, words in STUDIES.items()},
        deviations=_html(project_dir() / "docs" / "deviations.md"),
    )


def _ledger(judged: pd.DataFrame) -> dict[str, Any]:
    """Return the ledger in parts, with each of its rows in exactly one of them."""
    synthetic = judged.data.map(registry.is_synthetic)
    stated = judged[judged.data == ""]
    printed = ledger.in_print(stated)
    return {
        "measured": dict(list(judged[(judged.data != "") & ~synthetic].groupby("data"))),
        "printed": stated[printed],
        "untested": stated[~printed],
        "simulation": judged[synthetic],
    }


def _html(path: Path) -> str:
    """Return a Markdown file as HTML, without heading and local links; "" if it is missing."""
    from nbconvert.filters import markdown2html

    if not path.is_file():
        return ""
    text = str(markdown2html(path.read_text(encoding="utf-8").partition("\n")[2]))
    return re.sub(r'<a href="(?!https?:)[^"]*">(.*?)</a>', r"\1", text)
