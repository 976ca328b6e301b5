"""The article is short, whole and true; its supplement has every row of the ledger once."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from html_page import Page

from cryutils import claims
from cryutils.claims import article, ledger, report
from cryutils.course import parameters
from cryutils.errors import InputError

CLONE = Path(__file__).resolve().parents[2]
REFERENCE = CLONE / "outputs" / "reference"
NUMBER = re.compile(r"[+−]?\d+(?:[.,]\d+)*")
PLACEHOLDERS = ("[authors]", "[ORCID]", "[DOI of the article]", "[DOI of the code]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("outputs") / "article"
    article.write(target, parameters.of_run(report.run_path(article.RUN)))
    return target


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "index.html")


@pytest.fixture(scope="module")
def supplement(folder: Path) -> Page:
    return Page(folder / "supplement.html")


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    results = claims.table(claims.read_results(REFERENCE / "judged" / "results.json"))
    return results[results.data == article.DATA].set_index(["key", "split"])


def section(page: Page, name: str) -> str:
    """Return the text of a section."""
    found = re.findall(rf'<section id="{name}">.*?</section>', page.source, flags=re.DOTALL)
    assert len(found) == 1, name
    text = re.sub(r"</?(i|b|code|a)\b[^>]*>", "", re.sub(r'src="[^"]*"', "", found[0]))
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_it_has_the_sections_of_an_article_and_at_most_6000_words(page: Page) -> None:
    sections = [attributes.get("id") for attributes in page.all("section")]
    assert sections == [
        "metadata", "abstract", "introduction", "methods", "results", "discussion", "limitations",
        "reproduce", "references", "paper-b",
    ]  # fmt: skip
    assert 3000 < len(page.text.split()) <= 6000
    assert len(section(page, "abstract").split()) <= 300
    assert all(words in section(page, "metadata") for words in PLACEHOLDERS)


def test_each_number_of_the_abstract_is_in_the_results(page: Page) -> None:
    abstract = section(page, "abstract")
    results = set(NUMBER.findall(section(page, "results")))
    quoted = set(NUMBER.findall(abstract)) - {"1", "2", "3"}  # numbers of Paper A's tables
    assert len(quoted) > 10
    assert quoted <= results


def test_its_numbers_are_measured(page: Page, measured: pd.DataFrame) -> None:
    text = section(page, "abstract")
    uploads = claims.table(claims.read_results(REFERENCE / "uploads" / "results.json"))
    uploads = uploads.set_index(["key", "split"])
    row = uploads.loc["table3.total.proposed.balanced_accuracy", "infant"]
    low, value, high = (round(100 * row[name]) for name in ("low", "value", "high"))
    assert f"{value} % [{low}, {high}] leak-free, where chance is 33 %" in text
    cells = measured[measured.index.get_level_values("key").str.match(
        r"feature_validation\.(stft|mfcc)\.(svm|nb|rf|dt|knn|dnn)\.accuracy$"
    )].value  # fmt: skip
    for split, words in {"clip": "split at random", "infant": "one side of the split"}.items():
        scores = cells.xs(split, level="split")
        assert len(scores) == 12
        span = f"{100 * scores.min():.0f} to {100 * scores.max():.0f} %"
        assert re.search(rf"{words}, the accuracies (of Table 2 )?were {span}", text)
    state = parameters.run_folder.states(REFERENCE / "judged")["09_ensemble"]
    assert f"{state['seconds']:.0f} s {state['peak_mib']:,} MiB" in section(page, "methods")


def test_its_layers_are_those_that_the_notebook_trains(page: Page) -> None:
    methods = section(page, "methods")
    values = parameters.of_run(REFERENCE / "judged")["09_ensemble"]
    assert values["hidden"] == 128
    size = values["patch"] * values["n_mfcc"]
    weights = (size + 1) * values["hidden"]
    assert f"encoder Dense {values['hidden']} {weights:,}" in methods
    assert f"back Dense {size} {(values['hidden'] + 1) * size:,}" in methods


def test_sentences_without_numbers_are_true(page: Page, measured: pd.DataFrame) -> None:
    """What the template says in words; change the words if the reference run changes."""
    text = section(page, "results")
    always = measured.loc["table3.sleepy_hungry.majority.accuracy", "infant"].value
    assert measured.loc["table3.sleepy_hungry.svm.accuracy", "infant"].value < always
    assert "which is below that of always answering hungry" in text
    for model, split in (("svm", "infant"), ("ae_dnn", "infant"), ("proposed", "infant"),
                         ("proposed", "clip")):  # fmt: skip
        row = measured.loc[f"table3.sleepy_hungry.{model}.balanced_accuracy", split]
        assert row.low < 0.5 < row.high
    for model in ("svm", "ae_dnn", "proposed"):
        plain = measured.loc[f"table3.sleepy_hungry.{model}_unweighted.accuracy", "infant"].value
        assert abs(plain - always) < 0.005
    added = measured[measured.index.get_level_values("key").str.match(
        r"audit\.\w+\.minus_honest\.balanced_accuracy"
    )].value.droplevel("split")  # fmt: skip
    single = added.drop("audit.all.minus_honest.balanced_accuracy")
    assert single.idxmax() == "audit.oversample.minus_honest.balanced_accuracy"
    means = measured[measured.metric == "reading_accuracy"].xs("clip", level="split")
    copies = means.pivot(index=["feature", "model"], columns="condition", values="value")
    trees = copies[copies.index.get_level_values("model").isin(["dt", "rf"])]
    rising = trees[[f"copied_to_{n}" for n in (20, 27, 38, 50)]]
    assert (rising.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    counts = measured.value.xs("", level="split")
    for label, printed in {"belly_pain": 16, "discomfort": 27, "tired": 24, "pain": 0}.items():
        assert counts[f"table1.{label}.count"] == printed
    free = measured[measured.metric == "p_value"].xs("infant", level="split")
    assert free.value.min() > ledger.ALPHA
    discussion = section(page, "discussion")
    assert "none of our rebuilt models was shown to recognise" in discussion
    uploads = claims.table(claims.read_results(REFERENCE / "uploads" / "results.json"))
    p_values = uploads[(uploads.metric == "p_value") & (uploads.split == "infant")]
    shown = p_values[p_values.value <= ledger.ALPHA]
    names = ("proposed", "svm", "svm_stop")
    assert set(shown.key) == {f"table3.total.{name}.p_value" for name in names}
    assert "puts the balanced accuracy of our SVM above guessing, but not its area" in discussion
    free = uploads[uploads.split == "infant"].set_index("key")
    for name in names:
        row = free.loc[f"table3.total.{name}.roc_auc"]
        assert row.low < 0.5 < row.high
    stacked = free.loc["ensemble.out_of_fold.balanced_accuracy"]
    assert stacked.low < 1 / 3 < stacked.high


def test_it_says_what_it_is_no_evidence_of(page: Page) -> None:
    limits = section(page, "limitations")
    assert "ImageNet's weights were never used here." in limits
    assert "Hungry replaces pain" in limits
    assert "Labels are not verified." in limits
    assert "never evidence about real infants" in section(page, "methods")
    assert "39,201 cries of 24 babies" in section(page, "discussion")
    assert "prints no score" in section(page, "paper-b")


def test_both_pages_stand_alone_and_their_links_lead_somewhere(
    page: Page, supplement: Page
) -> None:
    ids = {
        name: {attributes["id"] for _, attributes in each.tags if attributes.get("id")}
        for name, each in {"index.html": page, "supplement.html": supplement}.items()
    }
    for name, each in {"index.html": page, "supplement.html": supplement}.items():
        assert all((image["src"] or "").startswith("data:") for image in each.all("img"))
        assert not each.all("script") and not each.all("link")
        for link in each.all("a"):
            address = link["href"] or ""
            if not address.startswith("https://"):
                target, _, anchor = address.partition("#")
                assert not anchor or anchor in ids[target or name], address
                assert target in ("", *ids)
    assert len(page.all("img")) == len(article.FIGURES)


def test_the_supplement_has_every_row_of_the_ledger_once(supplement: Page) -> None:
    judged = ledger.of_runs(report.every_run(REFERENCE))
    rows = Counter(attributes["id"] for attributes in supplement.all("tr") if "id" in attributes)
    wanted = [id + (f"--{data}" if data else "") for id, data in judged[["id", "data"]].to_numpy()]
    assert set(judged.id) == set(ledger.ledger().id)
    assert rows == Counter(set(wanted))


def test_no_synthetic_value_is_in_a_table_of_real_recordings(supplement: Page) -> None:
    for name in ("real", "numbers"):
        text = section(supplement, name)
        assert "synthetic" not in re.sub(r"needs [^<]*", "", text), name
    for name in ("simulation", "numbers-simulation"):
        text = section(supplement, name)
        assert "evidence about real" in text
        assert "donateacry" not in text.lower()


def test_the_supplement_has_every_open_setting_and_every_deviation(supplement: Page) -> None:
    choices = [
        row.choice for study in article.STUDIES for row in ledger.unstated(study).itertuples()
    ]
    assert all(" ".join(choice.split()) in supplement.text for choice in choices)
    dates = r"^\| (\d{4}-\d\d-\d\d) \|"
    dated = re.findall(dates, (CLONE / "docs/deviations.md").read_text(encoding="utf-8"), re.M)
    (shown,) = re.findall(r'<section id="deviations">.*?</section>', supplement.source, re.DOTALL)
    assert shown.count("<tr>") == 1 + len(dated)


def test_a_missing_result_is_named_with_the_remedy() -> None:
    results = claims.table(claims.read_results(REFERENCE / "judged" / "results.json"))
    look_up = article._Results(results, article.DATA)
    assert look_up("cry2.accuracy", "infant").n == 449
    with pytest.raises(InputError, match=r"no result cry3\.accuracy infant; restore"):
        look_up("cry3.accuracy", "infant")


def test_shares_differences_and_counts_are_written_like_this() -> None:
    row = pd.Series({"value": -0.048, "low": -0.21, "high": 0.11})
    assert article._points(row).split() == ["−5", "[−21,", "+11]"]
    assert article._score(row.abs()).replace("\N{NO-BREAK SPACE}", " ") == "5 % [21, 11]"
    assert article._span([0.2, 0.27, 0.25]).startswith("20 to 27")
    assert article._span([0.2, 0.201]).startswith("20\N{NO-BREAK SPACE}")
    assert [article._count(n, 12) for n in (0, 2, 12)] == [
        "none of the 12", "2 of the 12", "all 12",
    ]  # fmt: skip


@pytest.mark.parametrize("browser", ["chromium", "google-chrome", ""])
def test_make_article_prints_a_pdf_or_says_how(tmp_path: Path, browser: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cryutils", browser):
        if name:
            (programs / name).write_text('#!/bin/bash\necho "$(basename "$0") $*"\n')
            (programs / name).chmod(0o755)
    for name in ("make", "id", "basename", "bash"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", str(CLONE), "-o", ".venv/.installed-course",
         f"BIN={programs}", f"SHELL={programs}/bash", "article"],
        env={"PATH": str(programs)}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    if browser:
        assert "--print-to-pdf=outputs/article/article.pdf" in done.stdout
        assert "PDF: outputs/article/article.pdf" in done.stdout
    else:
        assert done.stdout.count("No PDF: Chromium was not found; open outputs/article") == 1
