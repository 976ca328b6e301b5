"""Percentages and other results in sentences of the main pages match what is stored.

`data/quoted.yml` has the texts by source and query. In a text, {column} or {column.statistic} is a
number from the selected rows ({rows} is their count, a minus changes the
sign), and # is any number. Scores with an interval
and p-values are tested in `test_findings.py`, tables in `test_figures.py`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import test_findings
import test_survey
import yaml
from figures import upload_shares

from cryutils import claims
from cryutils.claims import tables
from cryutils.datasets.donateacry import parse_name

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("results", "article", "statistics", "benchmark"))]
QUOTED = yaml.safe_load((ROOT / "tests/data/quoted.yml").read_text("utf-8"))
WORDS = QUOTED.pop("words")  # zero, one, two, ...
GIVEN = QUOTED.pop("no result")  # texts whose numbers are definitions, settings or others' results
QUOTES = [(s, q, text) for s, queries in QUOTED.items() for q, texts in queries.items() for text in texts]
NUMBER = r"(?<![\w.])[+\-−±]?\d[\d,]*(?<!,)(?:\.\d+)?"
RESULT = re.compile(rf"{NUMBER}(?=(?:, {NUMBER})*(?: (?:to|and|or) {NUMBER})? (?:%|points))|(?<!\w)\d+\.\d+")

ELSEWHERE = [  # in test_findings.py: scores with an interval, p-values, results of earlier runs
    r"(?<!\w)[+\-−]?[\d.]+(?: %)?[^\[\]\d(,;:.]{0,60}\[[^\[\]]+\]",
    r"p = 0\.\d+",
    *test_findings.EARLIER,
]


@cache
def page(name: str) -> str:
    """Return the sentences of a page, with the words of its links alone."""
    text = " ".join(test_findings.sentences(name).split())
    return re.sub(r"\[([^\[\]]*)\]\([^)]*\)|<[^>]*>|`[^`]*`", r"\1", text)


def rows(source: str, query: str) -> pd.DataFrame:
    """Return the rows of a table, or the groups of an expression in a text or notebook."""
    if source.endswith((".txt", ".ipynb", ".md")):
        matches = [*re.finditer(query, (ROOT / source).read_text("utf-8"))]
        if "?P<" in query:
            return pd.DataFrame([found.groupdict() for found in matches]).astype(float)
        return pd.DataFrame({"value": [float(text) for found in matches for text in found.groups()]})
    return table(source).query(query)


@cache
def table(source: str) -> pd.DataFrame:
    """Return a CSV file, a function's table, a run's results, or its scores or gaps."""
    if source.endswith(".csv"):
        return pd.read_csv(ROOT / source)
    made = {"bounds": bounds, "readings": readings, "published": claims.published}
    made |= {"real pain": real_pain, "phones": phones, "public code": public_code}
    made |= {"heard uploads": upload_shares, "nearest": nearest}
    if source in made:
        return made[source]()
    run, _, part = source.partition(" ")
    results = claims.load_results(f"reference/{run}")
    if not part:
        return results
    shown = tables.scores({f"reference/{run}": results})
    return shown if part == "scores" else tables.gaps(shown)


def figures() -> pd.DataFrame:
    """Return the published accuracies of Table 2."""
    cells = claims.published().query("study == 'feature_validation' and metric == 'accuracy' and rival == ''")
    return cells.rename(columns={"value": "published"})[["feature", "model", "published"]]


def readings() -> pd.DataFrame:
    """Return mean accuracies of readings of Table 2, and by how much the published ones are higher."""
    means = rows("judged", "metric == 'reading_accuracy'").merge(figures(), on=["feature", "model"])
    below = means.published - means.value
    return means.assign(below=below, apart=below.abs())


def nearest() -> pd.DataFrame:
    """Return the reading with copies to 38 clips that is nearest to each figure, random split."""
    copied = readings().query("split == 'random' and condition.str.endswith('copied_to_38')")
    return copied.sort_values("apart").drop_duplicates(["feature", "model"])


def real_pain() -> pd.DataFrame:
    """Return the share of each class that is recognised if the fourth class is real pain."""
    answers = claims.load_predictions("reference/corvin", study="real_pain", condition="", split="leak_free")
    answers = answers[answers.feature != ""]
    right = answers.truth == answers.predicted
    return right.groupby(answers.truth).mean().rename("recall").reset_index()


def phones() -> pd.DataFrame:
    """Return the labels of the uploads with Table 3's states, and whether an iOS phone recorded each."""
    asked = dict(study="table3", condition="total", model="majority", split="leak_free")
    clips = claims.load_predictions("reference/uploads", **asked).drop_duplicates("clip")
    return clips.assign(ios=[parse_name(clip.split("/")[1])["device"] == "iOS" for clip in clips["clip"]])


def public_code() -> pd.DataFrame:
    """Return by how many points each public project's balanced accuracy changes on new infants."""
    changes = [
        {"project": project, "change": 100 * (test_survey.balanced(last) - test_survey.balanced(first))}
        for project, part in test_survey.ANSWERS.groupby("project")
        for first, last in [[part[part.split == split] for split in (part.split.min(), part.split.max())]]
    ]
    return pd.DataFrame(changes).set_index("project").join(test_survey.RUNS)


def bounds() -> pd.DataFrame:
    """Return Table 2's accuracies if the missing class were recognised, means and of the best draw.

    `recognised`: all of its clips are right. `separate`: so is each clip that was taken for it.
    """
    asked = dict(study="feature_validation", condition="", split="random")
    answers = claims.load_predictions("reference/judged", **asked).query("feature != ''")
    recognised = (answers.truth == answers.predicted) | (answers.truth == "hungry")
    ways = {"recognised": recognised, "separate": recognised | (answers.predicted == "hungry")}
    draws = answers.assign(**ways).groupby(["feature", "model", "repeat"])[[*ways]].mean()
    cells = draws.groupby(["feature", "model"])
    return cells.mean().join(cells.max().add_suffix("_best")).reset_index().merge(figures())


def expression(text: str) -> re.Pattern[str]:
    """Return the expression that finds a text, with a group for each number."""
    number = rf"({NUMBER}|(?i:{'|'.join(WORDS)}))"
    parts = re.split(r"(\{.+?\}|#)", text)
    return re.compile("".join(number if p[:1] in ("{", "#") and p else re.escape(p) for p in parts))


@cache
def places(text: str) -> list[tuple[str, re.Match[str]]]:
    """Return the page and the match of each place of a text."""
    return [(name, found) for name in PAGES for found in expression(text).finditer(page(name))]


@pytest.mark.parametrize(("source", "query", "text"), QUOTES)
def test_a_quoted_number_is_the_stored_one(source: str, query: str, text: str) -> None:
    selected = rows(source, query)
    found = places(text)
    assert found, f"no page has the text {text!r}: write it as the page does, or remove it"
    for name, match in found:
        for asked, shown in zip(re.findall(r"\{(.+?)\}|#", text), match.groups(), strict=True):
            if asked:
                column, _, statistic = asked.lstrip("-").partition(".")
                values = selected[column] if column != "rows" else pd.Series([len(selected)])
                stored = getattr(values, statistic or "item")() * (-1 if asked[0] == "-" else 1)
                assert is_shown(stored, shown), f"{name}: {match.group()!r} has {shown}, stored is {stored}"


def is_shown(stored: float, shown: str) -> bool:
    """Return whether a number in a text is the stored one, as it is or in percent."""
    if shown.lower() in WORDS:
        return stored == WORDS.index(shown.lower())
    digits = len(shown.partition(".")[2])
    value = float(shown.replace("−", "-").replace(",", "").lstrip("±"))
    return any(abs(scale * stored - value) <= 0.5 * 10**-digits + 1e-9 for scale in (1, 100))


def uncompared(name: str) -> list[str]:
    """Return the results in the sentences of a page that no test compares, with what is around them."""
    spans = [
        found.span(group)
        for text in (*(text for _, _, text in QUOTES), *GIVEN)
        for where, found in places(text)
        for group in range(1, found.re.groups + 1)
        if where == name
    ]
    text = page(name)
    spans += [found.span() for other in ELSEWHERE for found in re.finditer(other, text)]
    results = [found.span() for found in RESULT.finditer(text)]
    left = [(a, b) for a, b in results if not any(start <= a < end for start, end in spans)]
    return [text[max(0, a - 60) : b + 40] for a, b in left]


@pytest.mark.parametrize("name", PAGES)
def test_every_percentage_in_a_sentence_is_compared(name: str) -> None:
    assert uncompared(name) == []
