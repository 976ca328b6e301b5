"""Numbers typed into README.md, docs and notebooks match the stored results.

Tables in these pages are generated and tested in `test_figures.py`, and other numbers in
`test_quotations.py`. Here every score with an
interval and every p-value in a sentence is looked up among all stored results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import figures
import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from crydecode.alarm import DELAY_S
from cryutils import claims, evaluation
from cryutils.claims import audit, tables
from cryutils.datasets.donateacry import parse_name
from cryutils.evaluation import intervals

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "outputs" / "reference"
EXAMPLE = ROOT / "tests" / "data" / "table2_predictions.csv"
RUNS = sorted(path.parent.name for path in REFERENCE.glob("*/results.json"))
PAGES = [
    "README.md",
    *(
        str(path.relative_to(ROOT))
        for folder in ("docs", "notebooks")
        for path in sorted((ROOT / folder).iterdir())
        if path.suffix in (".md", ".ipynb")
    ),
]
NUMBER = r"[+\-−]?\d+(?:\.\d+)?"
SCORE = re.compile(rf"(?<!\w)({NUMBER})[^\[\]\d(,;:.]{{0,60}}\[({NUMBER}), ({NUMBER})\]")
# Of runs that are no longer stored, and named as such.
EARLIER = {"0.613"}
EARLIER_SCORES = [("43", "28", "58"), ("8", "2", "14"), ("63", "48", "76"), ("74", "66", "80")]
EARLIER_SCORES += [("52", "41", "62")]  # the random ResNet-50, with other frames
WITH_PADDING = [("76", "67", "83"), ("87", "79", "92"), ("11", "4", "18"), ("4", "-1", "8")]
P_VALUE = re.compile(r"p = (0\.\d+)")


@cache
def stored() -> pd.DataFrame:
    """Return value, low and high of all results with an interval, and of differences."""
    parts = [claims.load_results(f"reference/{run}") for run in RUNS]
    split_by_both = ("judged", "uploads", "crying", "simulated", "corvin")
    parts += [claims.split_gaps(f"reference/{run}") for run in split_by_both]
    gate = pd.read_csv(REFERENCE / "gate_comparison.csv")
    ends = {"difference": "value", "difference_low": "low", "difference_high": "high"}
    parts += [gate[list(ends)].rename(columns=ends), _differences(), _by_gap(), _pooled()]
    parts += [_surveyed(), _background(), _by_phone()]
    rates = pd.read_csv(REFERENCE / "gate.csv")
    parts += [rates[["value", "low", "high"]], rates[list(ends)].rename(columns=ends)]
    parts += [pd.read_csv(REFERENCE / "gate_home.csv"), figures.upload_shares()]
    parts += _audited()
    table = pd.concat([part[["value", "low", "high"]] for part in parts]).astype(float)
    return table.dropna()


def _audited() -> list[pd.DataFrame]:
    """Return the scores and differences of the examples in docs/audit.md."""
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "rng" in block)
    exec(code.rpartition("print(")[0], names := dict[str, Any]())
    tables = [audit.read(EXAMPLE), audit.read(EXAMPLE.with_name("patients.csv")), names["table"]]
    examples = [audit.audit(table, permutations=19) for table in tables]
    return [part for example in examples for part in (example.scores, example.gaps)]


@cache
def p_values() -> list[float]:
    """Return all stored p-values."""
    runs = [claims.load_results(f"reference/{run}", metric="p_value") for run in RUNS]
    return [p for run in runs for p in run.value]


def _differences() -> pd.DataFrame:
    """Return differences between stored representations, which sentences quote."""
    tables = []
    for run, study, best in (("judged", "beyond", "mfcc"), ("simulated", "faces", "hog")):
        rows = claims.load_predictions(f"reference/{run}", study=study)
        models = dict(list(rows.groupby(["condition", "feature"])))
        tables += [
            evaluation.difference(models[task, best], part).row()
            for (task, feature), part in models.items()
            if feature != best and (task, best) in models
        ]
    return pd.DataFrame(tables)


def _by_gap() -> pd.DataFrame:
    """Return how often MFCC recognise infants a day or more from, and below a day to, training."""
    rows = claims.load_predictions(
        "reference/judged", study="beyond", condition="infant", feature="mfcc", split="leak_free"
    )
    times = [parse_name(clip.split("/")[1])["start_s"] for clip in rows["clip"]]
    fold_of = {(row.infant, time): row.fold for row, time in zip(rows.itertuples(), times, strict=True)}
    nearest = np.array(
        [
            min(
                abs(time - other)
                for (infant, other), fold in fold_of.items()
                if infant == row.infant and fold != row.fold
            )
            for row, time in zip(rows.itertuples(), times, strict=True)
        ]
    )
    parts = (rows[nearest >= 86400], rows[nearest < 86400])
    return pd.concat([evaluation.score(part, "balanced_accuracy") for part in parts])


def _surveyed() -> pd.DataFrame:
    """Return the share of each answer in the survey: all projects, the reason, its part on DonateACry."""
    survey = pd.read_csv(ROOT / "data" / "survey.csv", dtype=str)
    tested = survey[(survey.included == "yes") & (survey.split != "none")]
    reason, rows = tested[tested.task == "reason"], []
    for part in (tested, reason, reason[reason.data.str.contains("donateacry")]):
        for column in ("split", "copies", "fitted", "chosen", "constant", "balanced"):
            shares = [binomtest(int(n), len(part)) for n in part[column].value_counts()]
            rows += [(s.statistic, *s.proportion_ci(method="exact")) for s in shares]
    return pd.DataFrame(rows, columns=["value", "low", "high"])


def _by_phone() -> pd.DataFrame:
    """Return the scores of the table on the uploads' phones, in percent."""
    texts = figures.by_phone().stack()
    found = texts.str.extract(r"(?P<value>[-+]?\d+) \[(?P<low>[-+]?\d+), (?P<high>[-+]?\d+)\]")
    return found.astype(float)


def _background() -> pd.DataFrame:
    """Return the score from the background of the benchmark's phone or home, and what the cry adds."""
    free = "task == 'infant' and feature == 'mfcc' and model == 'linear' and split == 'leak_free'"
    whole = pd.read_parquet(REFERENCE / "benchmarks" / "donateacry_predictions.parquet").query(free)
    quiet = audit.read(ROOT / "data" / "benchmark" / "answers" / "background-linear" / "infant.parquet")
    quiet = quiet[quiet.split == "leak_free"]
    rows = [evaluation.difference(whole.astype({"repeat": int, "fold": int}), quiet).row()]
    return pd.concat([evaluation.score(quiet, "balanced_accuracy"), pd.DataFrame(rows)])


def _pooled() -> pd.DataFrame:
    """Return Table 2's difference between the splits, the mean over the classical models.

    With all infants, and without the largest donor.
    """
    rows = claims.load_predictions("reference/judged", study="feature_validation")
    rows = rows[rows.model.isin(["svm", "nb", "rf", "dt", "knn"])]
    rows = rows.assign(right=rows.truth == rows.predicted)
    by, pooled = ["split", "feature", "model", "truth"], []
    for condition in ("", "without_largest_donor"):
        part = rows[rows.condition == condition]
        table = part.pivot_table(index=by, columns="infant", values="right", aggfunc=["sum", "size"])
        right, clips = (table[name].fillna(0).to_numpy() for name in ("sum", "size"))
        sides = np.where(table.index.get_level_values("split") == "random", 1, -1) * 2 / len(table)
        value = sides @ (right.sum(axis=1) / clips.sum(axis=1))
        left = clips.sum(axis=1, keepdims=True) - clips
        without = sides @ ((right.sum(axis=1, keepdims=True) - right) / left)
        draws = part.groupby(["repeat", *by]).right.mean().groupby(["repeat", "split"]).mean()
        draws = draws.unstack()
        variance = (len(without) - 1) * without.var() + (draws.random - draws.leak_free).sem() ** 2
        given = part.groupby(["infant", "truth"])["clip"].nunique().unstack(fill_value=0)
        df = intervals.part_degrees(given.to_numpy(float)).min()
        half = intervals.t_quantile(df) * np.sqrt(variance)
        pooled.append({"value": value, "low": value - half, "high": value + half})
    return pd.DataFrame(pooled)


def is_stored(texts: tuple[str, ...]) -> bool:
    """Return whether a value with its interval is a stored one, as share or in percent."""
    value, *ends = (float(text.replace("−", "-")) for text in texts)
    digits = max(len(text.partition(".")[2]) for text in texts)
    table = stored().to_numpy()
    for scale in (1, 100):
        for sign in (1, -1):
            wanted = np.array([value, *sorted(ends)])
            rows = scale * (table if sign == 1 else -table[:, [0, 2, 1]])
            near = np.abs(rows - wanted) <= 0.5 * 10.0**-digits + 1e-9
            if near.all(axis=1).any():
                return True
    return False


def sentences(name: str) -> str:
    """Return the text of a page without tables and code, or of a notebook's Markdown cells."""
    path = ROOT / name
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(line for line in text.splitlines() if not line.startswith("|"))


def scores(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each value with an interval; references such as [1, 2] have another form."""
    yield from SCORE.findall(re.sub(r"(?<=\d)\s*%", "", " ".join(text.split())))


@pytest.mark.parametrize("name", PAGES)
def test_every_score_with_an_interval_is_a_stored_one(name: str) -> None:
    found = [score for score in scores(sentences(name)) if score not in EARLIER_SCORES + WITH_PADDING]
    assert [score for score in found if not is_stored(score)] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_p_value_is_a_stored_one(name: str) -> None:
    for text in set(P_VALUE.findall(sentences(name))) - EARLIER:
        assert text in {f"{p:.{len(text) - 2}f}" for p in p_values()}, text


def span(shares: pd.Series) -> str:
    return f"{100 * shares.min():.0f} to {100 * shares.max():.0f} %"


def test_no_figure_of_table_2_is_among_the_middle_90_percent_of_splits() -> None:
    table = tables.scores({"judged": claims.load_results("reference/judged")})
    table = table[(table.metric == "accuracy") & (table.table == tables.TABLE2)]
    holdouts = claims.load_results("reference/judged", metric="holdout_accuracy", split="random")
    holdouts = holdouts[(holdouts.condition == "") & (holdouts.data == "donateacry")]
    both = table.merge(holdouts, left_on=["feature", "name"], right_on=["feature", "model"])
    assert len(both) == 12 and not both.published.between(both.low, both.high).any()


def test_the_night_page_s_alarms_are_the_stored_ones_of_the_usual_delay() -> None:
    page = " ".join((ROOT / "crydecode/templates/night.html").read_text().split())
    stored = pd.read_csv(REFERENCE / "gate_alarms.csv").set_index(["kind", "delay_s"])
    for kind, sound in {
        "quiet room": "a quiet room",
        "mother speaking, studio flat": "somebody talking",
        "white, pink or brown noise": "a white-noise machine",
        "mother singing": "somebody singing",
        "music": "music",
    }.items():
        row = stored.loc[(kind, DELAY_S)]
        rings = "once" if row.rings == 1 else f"{row.rings:.0f} times"
        night = f" ({10 * row.per_hour:.0f})" if row.rings else ""
        assert f"{rings} in {row.minutes:.0f} min of {sound}{night}" in page
    rings = stored.rings.unstack().dropna()
    assert (rings.diff(axis=1).iloc[:, 1:] <= 0).all(axis=None), "a longer delay rings no more often"


def test_the_page_s_limits_are_the_gate_s_rates() -> None:
    page = (ROOT / "crydecode/templates/errors.html").read_text().replace("&nbsp;", " ")
    page = " ".join(page.split())
    table, home = pd.read_csv(REFERENCE / "gate.csv"), pd.read_csv(REFERENCE / "gate_home.csv")
    (tuned,) = table[(table.metric == "found") & (table.how == "held out") & (table.sounds == "real")].value
    (found,) = home[home.metric == "found"].value
    assert f"noticed {100 * found:.0f} of 100 crying spells" in page
    assert f"where it noticed {100 * tuned:.0f} of 100" in page
    (mother,) = home[(home.kind == "mother speaking, studio flat") & (home.metric == "passing")].value
    assert f"a mother's speech to her child in a flat {100 * mother:.0f} %" in page
    table = table[(table.metric == "passing") & (table.how != "kind held out")]
    real = table[table.sounds == "real"].groupby("kind").value
    for kind, words in {
        "speech": "speech",
        "music": "music",
        "household": "household noise",
        "animals": "animals",
        "singing": "singing",
    }.items():
        assert f"{words} {span(real.get_group(kind))}" in page
    assert f"laughter {100 * real.get_group('baby laughter').item():.0f} %" in page
    made = table[(table.sounds == "generated") & (table.kind != "cry")].value
    assert f"computer-made sounds {span(made)}" in page
