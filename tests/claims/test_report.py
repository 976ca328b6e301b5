"""The page and the scoreboard show what a run wrote, and nothing else."""

from __future__ import annotations

import base64
import json
import os
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest
from html_page import Page, words
from measured import result, write_run
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cryutils import claims
from cryutils.claims import ledger, report, scoreboard, tables
from cryutils.claims.store import Result
from cryutils.errors import InputError
from cryutils.models.classical import CLASSIFIERS

pytestmark = pytest.mark.usefixtures("apart")

STAND_IN = ("hungry", "belly_pain", "discomfort", "tired")


def scored(about: str, value: float, *, half: float = 0.1, **rest: Any) -> Result:
    """A score with an interval of `half` on both sides."""
    return result(about, value, low=value - half, high=value + half, **rest)


def cell(
    feature: str, model: str, paper: float, free: float, p: float, **rest: Any
) -> list[Result]:
    about = f"study=feature_validation feature={feature} model={model} metric="
    return [
        scored(f"{about}accuracy", paper, split="clip", **rest),
        scored(f"{about}accuracy", free, half=0.2, split="infant", **rest),
        result(f"{about}balanced_accuracy", 0.25, split="infant", **rest),
        result(f"{about}p_value", p, split="infant", **rest),
    ]


def counts(classes: Iterable[str] = STAND_IN, data: str = "donateacry") -> list[Result]:
    """What notebook 03 records of the clips that it uses."""
    return [result(f"study=table1 condition={c} metric=test_count", 20, data=data) for c in classes]


STFT = "study=feature_validation feature=stft model={} metric=accuracy"
MAJORITY = "study=feature_validation model=majority metric=accuracy"
TWO = [
    *counts(),
    *cell("stft", "svm", 0.60, 0.30, 0.04),
    *cell("mfcc", "dnn", 0.80, 0.40, 0.50),
    result(MAJORITY, 0.36, split="clip"),
    result(MAJORITY, 0.355, split="infant"),
]


@pytest.fixture
def run(apart: Path) -> Path:
    return apart / "outputs" / "real"


@pytest.fixture
def printed(run: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Iterable[Result]], str]:
    """Returns what the terminal shows of a run with these results."""

    def show(rows: Iterable[Result]) -> str:
        report.print_scoreboard(write_run(run, rows))
        return capsys.readouterr().out

    return show


def shown(run: Path, rows: Iterable[Result]) -> Page:
    """Return the page of a run with these results."""
    return Page(report.write(write_run(run, rows)))


def built(layout: tables.Layout, rows: Iterable[Result]) -> list[scoreboard.Table]:
    """The tables of one layout, one for each corpus."""
    return scoreboard.tables(scoreboard.board({"run": claims.table(rows)}, [layout]))


# Tables


def wide(
    table: scoreboard.Table, metric: str = "accuracy"
) -> dict[tuple[str, str], list[float | None]]:
    """Return a metric's scores by group and model, each split in its order, None for a gap."""
    rows = table.rows[table.rows.metric == metric].set_index(["group", "model"])
    columns = rows[list(table.layout.splits)]
    return {key: [None if pd.isna(v) else v for v in row] for key, *row in columns.itertuples()}


def column(table: scoreboard.Table, name: str) -> list[float | None]:
    """Return a column of the first metric, one number a model."""
    values = table.rows[table.rows.metric == table.metrics[0]][name]
    return [None if pd.isna(v) else v for v in values]


@pytest.mark.parametrize(("counts_of", "words"), [((199, 199), "199"), ((999, 49), "49 to 999")])
def test_a_table_says_of_how_many_permutations_its_p_values_are(
    counts_of: tuple[int, int], words: str, run: Path, printed: Callable[..., str]
) -> None:
    left = iter(counts_of)
    rows = [
        replace(row, permutations=next(left)) if row.metric == "p_value" else row for row in TWO
    ]
    (table,) = built(tables.TABLE2, rows)
    assert table.permutations == words
    text = " ".join(printed(rows).split())
    assert f"adjusted over the models, of {words} permutations" in text
    assert f"adjusted over the models tested; {words} permutations." in shown(run, rows).text


def test_table_2_stands_beside_what_the_paper_printed() -> None:
    (table,) = built(tables.TABLE2, TWO)
    assert wide(table) == {
        ("STFT", "SVM"): [0.60, 0.30],
        ("MFCC", "DNN"): [0.80, 0.40],
        ("", tables.COMMONEST): [0.36, 0.355],
    }
    assert column(table, "published") == [0.4583, 0.8449, None]
    assert column(table, "p_value") == [0.04, 0.50, None]
    assert table.permutations == ""
    assert column(table, "commonest") == [0.355] * 3
    assert table.metrics == ["accuracy"]


def test_numbers_of_two_corpora_are_never_mixed() -> None:
    rows = [*cell("stft", "svm", 0.6, 0.3, 0.04),
            *cell("stft", "svm", 0.9, 0.8, 0.001, data="synthetic")]  # fmt: skip
    assert [
        (table.data, wide(table), column(table, "p_value")) for table in built(tables.TABLE2, rows)
    ] == [
        ("donateacry", {("STFT", "SVM"): [0.6, 0.3]}, [0.04]),
        ("synthetic", {("STFT", "SVM"): [0.9, 0.8]}, [0.001]),
    ]


@pytest.mark.parametrize(
    ("classes", "comparable"),
    [
        (STAND_IN, True),
        (("pain", "belly_pain", "discomfort", "tired"), True),
        (("hungry", "tired"), False),
        (("hungry", "belly_pain", "discomfort", "tired", "bored"), False),
        (("hungry", "bored", "discomfort", "tired"), False),
        ((), False),
    ],
)
def test_published_figures_stand_only_beside_the_papers_classes(
    classes: tuple[str, ...], comparable: bool
) -> None:
    rows = [*cell("stft", "svm", 0.6, 0.3, 0.04), *counts(classes),
            result("study=table1 condition=burping metric=test_count", 0)]  # fmt: skip
    (table,) = built(tables.TABLE2, rows)
    assert table.comparable is comparable
    assert column(table, "published") == [0.4583 if comparable else None]


def test_table_1_has_counts_beside_the_papers_and_gaps_where_nothing_was_counted(run: Path) -> None:
    of_class = "study=table1 condition={} metric=count".format
    rows = [*counts(), result(of_class("tired"), 24), result(of_class("hungry"), 382),
            *counts(("bored",), "mine"), result(of_class("bored"), 7, data="mine")]  # fmt: skip
    tables = scoreboard.table1(claims.table(rows))
    assert list(tables) == ["donateacry", "mine"]
    counted = tables["donateacry"].astype(object).where(tables["donateacry"].notna(), None)
    assert list(counted.index) == list(STAND_IN)
    names = ["count", "test_count", "count_published", "test_count_published"]
    assert counted.loc["tired", names].tolist() == [24, 20, 24, 20]
    assert counted.loc["hungry", names].tolist() == [382, 20, None, None]
    assert counted.loc["discomfort", names].tolist() == [None, 20, 27, 20]
    assert tables["mine"].loc["bored"].to_dict() == {"count": 7, "test_count": 20}
    assert scoreboard.table1(claims.table([])) == {}
    text = shown(run, rows).text
    assert "tired 24 24 20 20" in text
    assert "hungry – 382 – 20" in text
    assert "discomfort 27 – 20 20" in text
    assert "bored 7 20" in text


AWKWARD = ["hungry.v2", ".", "count", "a.test_count", "a.clip_split", "it's \"so\"",
           "100 % {{x}}", "<b>", "a\\b", "[red]x[/red]", "a\N{DIVISION SLASH}b"]  # fmt: skip


def test_awkward_labels_and_names_are_recorded_and_shown(
    apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = apart / "outputs" / "caf\udce9 [x]-quick"  # no UTF-8
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(run))
    claims.begin("03_feature_validation")
    for label in AWKWARD:
        for what in ("count", "test_count"):
            about = {"study": "table1", "condition": label, "metric": what}
            claims.record(3, **about, data="own.v2 [x]")
    about = {"study": "cry2", "model": "cry2", "metric": "macro_f1"}
    claims.record(0.5, **about, split="clip", data="own.v2 [x]")
    claims.write()
    claims.merge(run, ["03_feature_validation"])
    text = Page(report.write(run)).text
    assert "Run caf\\xe9 [x]-quick on own.v2 [x]." in text
    assert all(f"{label} 3 3".replace("_", " ") in text for label in AWKWARD)
    report.print_scoreboard(run)
    assert "caf\\xe9 [x]-quick: Paper B, macro F1 in % on own.v2 [x]" in capsys.readouterr().out


# The page


def test_the_page_is_whole_accessible_and_needs_no_other_file(run: Path) -> None:
    page = shown(run, [*TWO, *of_table_3(), *of_paper_b()])
    assert page.source.lower().startswith("<!doctype html>")
    assert [tag for tag, _ in page.tags[:2]] == ["html", "head"]
    assert not page.all("link") and not page.all("script")
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "poster"):
            assert not re.match(r"(https?:)?//", attributes.get(name) or "")
    assert "url(" not in page.source and "@import" not in page.source

    assert [len(page.all(name)) for name in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(level - before <= 1 for before, level in pairwise(levels))
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] or "" for attributes in page.all("a")]
    assert len(links) == len(page.all("h2")) >= 6
    assert {link.removeprefix("#") for link in links} == targets

    assert len(page.all("caption")) == len(page.all("table")) >= 6
    assert {attributes.get("scope") for attributes in page.all("th")} == {"col", "row", "rowgroup"}


def luminance(colour: str) -> float:
    shares = mpl.colors.to_rgb(colour)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_every_text_and_link_can_be_read(run: Path) -> None:
    assert contrast("#fff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.005)
    source = shown(run, TWO).source
    themes = [dict(re.findall(r"--([\w-]+): (#\w+)", part))
              for part in re.findall(r":root \{(.*?)\}", source)]  # fmt: skip
    for name, theme in zip(("light", "dark", "print"), themes, strict=True):
        colours = themes[0] | theme
        for ground in ("page", "box"):
            for text in ("ink", "soft", "link"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (name, text, ground)
        assert contrast(colours["warning"], colours["warning-box"]) >= 4.5, name
        for mark in ("paper", "free"):
            assert contrast(colours[mark], colours["page"]) >= 3, (name, mark)
    assert "a { color: var(--link); }" in source


def test_other_classes_than_the_papers_have_no_published_column(run: Path) -> None:
    text = shown(run, [*counts(("bored", "tired")), *TWO[4:]]).text
    assert "published" not in text.replace("is marked as published", "")
    assert "The paper's classes are different, so its figures are not shown here." in text
    assert "The paper's classes are different, so its counts are not shown here." in text


def executed(run: Path, name: str, text: str) -> Path:
    """Write an executed notebook and its state as a run leaves them."""
    cells = [nbformat.v4.new_markdown_cell(text)]
    path = run / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    finished(run, name)
    return path


def finished(run: Path, name: str, **about: Any) -> None:
    """Write the state of a finished notebook."""
    (run / "state").mkdir(parents=True, exist_ok=True)
    state = {"fingerprint": "", "parameters": {}, "seconds": 1, "peak_mib": 2, "versions": {}}
    (run / "state" / f"{name}.json").write_text(json.dumps(state | about))


def test_links_lead_to_the_executed_notebooks_as_pages(run: Path) -> None:
    notebook = executed(run, "03_x", "# Heard [next](04_y.ipynb), [far](https://a.b/c.ipynb)")
    executed(run, "05_z", "Seen").unlink()
    page = shown(run, TWO)
    links = [attributes["href"] for attributes in page.all("a")]
    assert [link for link in links if not (link or "").startswith("#")] == ["notebooks/03_x.html"]
    html = run / "notebooks" / "03_x.html"
    text = html.read_text()
    assert "Heard" in text and 'href="04_y.html"' in text and 'href="https://a.b/c.ipynb"' in text

    before = html.stat().st_ino
    report.write(run)
    assert html.stat().st_ino == before, "nothing new, nothing made"
    executed(run, "03_x", "Changed")
    os.utime(notebook, ns=(html.stat().st_mtime_ns + 1,) * 2)
    report.write(run)
    assert "Changed" in html.read_text()


def test_pages_are_made_side_by_side_and_a_damaged_notebook_has_none(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    whole = [executed(run, name, f"Of {name}") for name in ("03_x", "04_y")]
    contents = (b"", b"{", b"[]", b"{}", b"3", b"\xff\xfe{", b'{"cells": 1}')
    for k, content in enumerate(contents):
        executed(run, f"1{k}_x", "Heard").write_bytes(content)
    page = shown(run, TWO)
    assert all(f"Of {path.stem}" in path.with_suffix(".html").read_text() for path in whole)
    assert all(f"1{k}_x 1 s" in page.text for k in range(len(contents)))
    links = [link for a in page.all("a") if "notebooks" in (link := a["href"] or "")]
    assert links == ["notebooks/03_x.html", "notebooks/04_y.html"]


def test_the_page_says_what_was_measured(run: Path) -> None:
    text = shown(run, TWO).text
    assert "Run real on donateacry" in text
    assert "46 % to 84 %" in text  # published
    assert "60 % to 80 %" in text
    assert "30 % to 40 %" in text
    assert "commonest class 36 % always" in text
    assert "Accuracy over 2 combinations" in text
    assert "1 of 2" in text
    assert "60 % [50, 70] 30 % [10, 50] 0.040" in text
    assert "DNN" in text
    table2 = text[: text.rindex("What Paper A claims")]
    assert CLASSIFIERS["nb"] not in table2, "a row that nothing measured"
    assert "Naïve Bayes on STFT: accuracy 75.83 % cannot be tested (no run here has" in text


def test_all_twelve_rows_have_a_picture_in_words(run: Path) -> None:
    cells = [r for f in tables.FEATURES for m in CLASSIFIERS for r in cell(f, m, 0.5, 0.4, 0.2)]
    page = shown(run, [*counts(), *cells])
    pictures = [attributes["aria-label"] for attributes in page.all("svg")]
    assert len(pictures) == 12
    assert words(pictures[0]) == "published 46 %, paper's protocol 50 %, leak-free 40 %"
    assert all(0 <= float(line["x1"] or "nan") <= 240 for line in page.all("line"))


def test_missing_intervals_and_protocols_are_gaps(run: Path, printed: Callable[..., str]) -> None:
    rows = [
        *counts(),
        result(STFT.format("svm"), 0.6, split="clip"),
        result(STFT.format("nb"), 0.5, split="infant"),
    ]
    page = shown(run, rows)
    assert "46 % 60 % –" in page.text
    assert "76 % – 50 %" in page.text
    assert "combinations" not in page.text, "none was measured under both protocols"
    assert "nan" not in page.source.lower()
    assert "None" not in page.text
    assert "No p : this run tested none of these rows." in words(page.text)
    out = words(printed(rows))
    assert "SVM 46 60 –" in out
    assert "no p: this run tested none of these rows" in out


@pytest.mark.parametrize(
    ("rows", "banner", "words"),
    [
        ([*cell("stft", "svm", 0.5, 0.4, 0.2)], False, None),
        ([*cell("stft", "svm", 0.5, 0.4, 0.2, data="synthetic")], True, "Synthetic infants. These"),
        (
            [*cell("stft", "svm", 0.5, 0.4, 0.2), result(
                "study=table3 condition=total model=svm metric=accuracy", 0.5, split="clip",
                data="synthetic")],
            True, "Synthetic infants stand in Paper A, Table 3 alone.",
        ),
        (
            [*cell("stft", "svm", 0.5, 0.4, 0.2),
             result("study=any metric=n", 1, data="synthetic", notebook="00_start_here")],
            False, "Synthetic infants stand in 00_start_here alone.",
        ),
    ],
)  # fmt: skip
def test_what_is_synthetic_is_no_evidence_and_is_named(
    rows: list[Result], banner: bool, words: str | None, run: Path
) -> None:
    page = shown(run, rows)
    assert bool([p for p in page.all("p") if p.get("class") == "banner"]) is banner
    head = page.text.split("Paper A, Table 2")[0]
    assert ("never evidence about real infants" in head) is (words is not None)
    assert (words or "") in head


def drawn(run: Path, name: str, **texts: str) -> Path:
    """Save a figure of the run with texts as `plots.save` writes them."""
    metadata = PngInfo()
    for key, text in texts.items():
        metadata.add_itxt(key, text)
    path = run / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2)).save(path, pnginfo=metadata)
    return path


def test_figures_stand_folded_in_the_page_with_what_they_show(run: Path) -> None:
    drawn(run, "counts", Description="Who cries <often>.", Comment="Data: 3 clips",
          Source="01_data_and_playback")  # fmt: skip
    pixel = drawn(run, "plain").read_bytes()
    short = pixel[:8] + (4).to_bytes(4, "big") + pixel[12:]  # Pillow: ValueError
    (run / "figures" / "short.png").write_bytes(short)
    noise = random.Random(0).randbytes(3 * 640 * 640)
    Image.frombytes("RGB", (640, 640), noise).save(run / "figures" / "large.png")
    page = shown(run, TWO)
    size = sum(figure.stat().st_size for figure in (run / "figures").iterdir())
    assert len(page.source) < size * 4 / 3 + 1e6, "once each, in base64, and little beside"
    pictures = {
        (attributes["alt"] or "").strip(): attributes["src"] for attributes in page.all("img")
    }
    assert set(pictures) == {"Who cries <often>. Data: 3 clips", "plain", "short", "large"}
    head, _, content = (pictures["plain"] or "").partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content) == pixel
    assert "01_data_and_playback: 1 figure Who cries <often>. Data: 3 clips" in page.text
    assert all("open" not in attributes for attributes in page.all("details"))


@pytest.mark.parametrize("sharing", ["", "; 4 infants counted as 2: some share recordings"])
def test_infants_who_share_files_are_told_at_the_head(sharing: str, run: Path) -> None:
    for name in ("first", "second"):
        drawn(run, name, Comment=f"Data: folder own{sharing}; 9 clips")
    head = shown(run, TWO).text.split("Paper A, Table 2")[0]
    assert head.count("4 infants counted as 2: some share recordings") == bool(sharing)


def test_what_a_user_named_is_text_and_no_markup(apart: Path) -> None:
    run = apart / "outputs" / "<b>&cries-quick"
    finished(run, "03_x", parameters={"text": "</td><script>"})
    page = shown(run, cell("stft", "svm", 0.5, 0.4, 0.2, data="<b>&cries", notebook="<i>03"))
    assert not page.all("script")
    assert "<b>&cries" in page.text
    assert "text = </td><script>" in page.text


def test_how_it_was_made_lists_what_ran(run: Path) -> None:
    made = {"seconds": 61.2, "peak_mib": 812, "versions": {"numpy": "2.4.1"}}
    finished(run, "03_feature_validation", parameters={"repeats": 10}, **made)
    text = shown(run, TWO).text
    assert "03_feature_validation 61 s 812 MiB repeats = 10" in text
    assert "numpy 2.4.1" in text


def test_every_result_is_listed(run: Path) -> None:
    rows = [
        result("study=any metric=key", 0.123456, n=12, n_infants=5, seed=None),
        result("study=other metric=n", 2),
    ]
    text = shown(run, rows).text
    assert "All 2 results" in text
    assert "03_feature_validation any.key" not in text
    assert "any.key donateacry 0.1235 12 5" in text


def test_a_run_without_results_has_a_page_and_a_damaged_file_is_named(run: Path) -> None:
    assert "nothing yet" in shown(run, []).text
    (run / "results.json").write_text('[{"key": ')
    with pytest.raises(InputError, match=r"results\.json: damaged.*makes it again"):
        report.write(run)


# The scoreboard


def test_the_scoreboard_prints_every_run(
    apart: Path, printed: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [words(line).strip() for line in printed(TWO).splitlines()]
    start = lines.index("STFT")
    assert lines[start : start + 5] == [
        "STFT", "SVM 46 60 [50, 70] 30 [10, 50] 0.040",
        "MFCC", "DNN 84 80 [70, 90] 40 [20, 60] 0.500",
        "commonest class – 36 36 –",
    ]  # fmt: skip
    out = printed(cell("stft", "nb", 0.9, 0.8, 0.01, data="synthetic"))
    assert "Naïve Bayes 90 [80, 100] 80 [60, 100] 0.010" in words(out), "not the paper's classes"
    assert out.count("no published figures: the paper has other classes") == 1
    assert out.count("no evidence about real infants") == 1
    report.print_scoreboard(write_run(apart / "outputs" / "my [red] cries-quick", []))
    out = words(capsys.readouterr().out)
    assert "my [red] cries-quick: no table of a paper was measured in this run" in out


def test_the_scoreboard_fits_80_columns_whatever_the_scores(printed: Callable[..., str]) -> None:
    sure = {"half": 0.0, "data": "synthetic"}
    rows = [
        scored(f"study=table3 condition={pair} model={model} metric=accuracy", 1, split=s, **sure)
        for pair in tables.PAIRS
        for model in (*tables.ENSEMBLES, "majority")
        for s in ("frame", "clip", "infant")
    ]
    p_value = "study=table3 condition=total model=svm metric=p_value"
    lines = printed([*rows, scored(p_value, 0.001, split="infant", **sure)]).splitlines()
    assert max(map(len, lines)) <= 80
    row = "SVM 66 100 [100, 100] 100 [100, 100] 100 [100, 100] 0.001"
    assert row in [words(line).strip() for line in lines]


# Paper B

GAIN = "study=full model=full rival=audio metric=macro_f1"


def of_paper_b(data: str = "mine") -> list[Result]:
    rows = [
        scored(f"study={study} model={model} metric={metric}", value + more, split=split, data=data)
        for study, model, value in (("cry2", "cry2", 0.5), ("full", "full", 0.6),
                                    ("cry2", "svm", 0.45))
        for split, more in (("clip", 0.2), ("infant", 0.0))
        for metric in ("balanced_accuracy", "macro_f1")
    ]  # fmt: skip
    return [*rows, scored(GAIN, 0.1, half=0.08, split="infant", data=data)]


def test_paper_b_has_a_row_for_each_model_that_was_measured_in_reading_order(
    printed: Callable[..., str],
) -> None:
    p = result("study=cry2 model=cry2 metric=p_value", 0.79, split="infant", data="mine")
    (table,) = built(tables.PAPER_B, [*of_paper_b(), p])
    models = wide(table, "balanced_accuracy")
    full = ("sound and face", "full, late fusion")
    assert list(models) == [("sound", "cry2"), ("sound", "SVM"), full]
    assert column(table, "p_value") == [0.79, None, None]
    assert models[full] == pytest.approx([0.8, 0.6])
    assert wide(table, "macro_f1")[full] == pytest.approx([0.8, 0.6])
    assert table.metrics == ["balanced_accuracy", "macro_f1"]
    out = words(printed(of_paper_b("synthetic")))
    assert "Paper B, balanced accuracy in %" in out and "no evidence about real infants" in out
    assert "cry2 70 [60, 80] 50 [40, 60]" in out


def test_the_page_shows_paper_b_and_judges_its_claims(run: Path) -> None:
    above = result("study=full model=full metric=p_value", 0.01, split="infant", data="mine")
    page = shown(run, [*of_paper_b(), above])
    assert "Paper B, on mine" in page.text
    claim = page.text.split("Late fusion beats the sound model: gain in macro F1")[1]
    assert claim.startswith(" cannot be tested (not measured under the paper's protocol) 0.10 "
                            "[0.02, 0.18] reproduced")  # fmt: skip
    labels = [attributes["aria-label"] for attributes in page.all("svg")]
    assert words(labels[0]) == "paper's protocol 70 %, leak-free 50 %"
    gain = result(GAIN, -0.004, low=-0.1, high=-0.001, split="infant", data="mine")
    text = shown(run, [*of_paper_b()[:-1], gain]).text
    assert "0.00 [-0.10, 0.00] not reproduced" in text, "what rounds to 0 has no sign"


def test_the_audit_shows_each_mistake_beside_the_recipe_without_any_and_judges_none(
    run: Path,
) -> None:
    rows = [
        result(f"study=audit condition={rung} metric={metric}", value, split=split)
        for rung, metric, value, split in (
            ("honest", "balanced_accuracy", 0.27, "infant"), ("honest", "p_value", 0.4, "infant"),
            ("augment", "balanced_accuracy", 0.55, "clip"),
            ("majority", "balanced_accuracy", 0.25, "infant"),
        )
    ]  # fmt: skip
    (table,) = built(tables.AUDIT, rows)
    assert wide(table, "balanced_accuracy") == {
        ("", "no mistake"): [None, 0.27],
        ("", "noisy copies made before the split"): [0.55, None],
        ("", tables.COMMONEST): [None, 0.25],
    }
    assert column(table, "p_value") == [0.4, None, None]
    page = shown(run, rows)
    assert "The audit of leaks, on donateacry" in page.text
    assert "reproduced" not in page.text and "internally inconsistent" not in page.text


def test_models_under_stress_have_a_table_of_leak_free_scores_alone(
    run: Path, printed: Callable[..., str]
) -> None:
    about = "study=robust condition={} model={} metric=macro_f1".format
    rows = [
        scored(about(level, model), value, split="infant", data="synthetic")
        for level, model, value in (
            ("none.0", "audio", 0.7), ("noise.0", "audio", 0.4), ("noise.0", "fused", 0.5),
            ("noise.20", "audio", 0.6),
        )
    ]  # fmt: skip
    (table,) = built(tables.STRESSED, rows)
    noise = "pink noise, 0 (signal to noise, dB)"
    assert wide(table, "macro_f1") == {
        ("sound: cry2", "as recorded"): [0.7], ("sound: cry2", noise): [0.4],
        ("both: full", noise): [0.5],
    }  # fmt: skip
    page = shown(run, rows)
    assert "Paper B under stress, on synthetic" in page.text
    labels = [words(attributes["aria-label"]) for attributes in page.all("svg")]
    assert labels == ["leak-free 70 %", "leak-free 40 %", "leak-free 50 %"]
    assert f"{noise} 40 [30, 50]" in words(printed(rows))


# Paper A's ensemble


def of_table_3(data: str = "mine", *, commonest: float = 0.4) -> list[Result]:
    total = "study=table3 condition=total model={} metric={}".format
    rows = [
        scored(total(model, metric), value - less, split=split, data=data)
        for model, value in (("svm", 0.5), ("proposed", 0.6))
        for split in ("frame", "clip", "infant")
        for metric, less in (("accuracy", 0), ("balanced_accuracy", 0.2))
    ]
    free = {"split": "infant", "data": data}
    gain = "study=table3 condition=total model=proposed rival=svm metric=accuracy"
    return [
        *rows,
        result(total("majority", "accuracy"), commonest, **free),
        result(total("majority", "balanced_accuracy"), 0.33, **free),
        result(total("proposed", "p_value"), 0.012, **free),
        scored(gain, 0.1, half=0.08, **free),
        result("study=table3 condition=sleepy_hungry model=svm metric=accuracy", 0.7, **free),
    ]


def test_table_3_has_the_papers_figure_and_every_split_beside_each_other(
    printed: Callable[..., str],
) -> None:
    (table,) = built(tables.TABLE3, of_table_3())
    assert wide(table) == {
        ("sleepy & hungry", "SVM"): [None, None, 0.7],
        ("all three states", "SVM"): [0.5] * 3,
        ("all three states", "ensemble"): [0.6] * 3,
        ("all three states", tables.COMMONEST): [None, None, 0.4],
    }
    assert column(table, "published") == [0.8092, 0.6551, 0.9741, None]
    assert column(table, "p_value") == [None, None, 0.012, None]
    assert column(table, "commonest") == [None, 0.4, 0.4, 0.4]
    out = words(printed(of_table_3()))
    assert "Paper A, Table 3, accuracy in % on mine" in out
    assert "ensemble 97 60 [50, 70] 60 [50, 70] 60 [50, 70] 0.012" in out
    assert "sleepy & hungry SVM 81 – – 70 –" in out


@pytest.mark.parametrize(
    ("commonest", "order"), [(0.4, ["Accuracy"]), (0.94, ["Balanced accuracy", "Accuracy"])]
)
def test_balanced_accuracy_comes_first_where_most_clips_are_of_one_class(
    commonest: float, order: list[str], run: Path, printed: Callable[..., str]
) -> None:
    rows = of_table_3(commonest=commonest)
    page = shown(run, rows)
    assert re.findall(r"<caption><b>(.*?)</b>", page.source) == order
    assert ("Most clips are of one class" in page.text) is (len(order) == 2)
    assert f"commonest class – – – {100 * commonest:.0f} %" in page.text
    out = words(printed(rows))
    titles = re.findall(r"Table 3, (.*?) in % on mine", out)
    assert titles == [name.lower() for name in order]
    assert out.count("the same second of sound may be on both sides") == 1
    first = out.split("Table 3, ")[1]
    assert ("0.012" in first) and "p: of the leak-free balanced accuracy" in first
    if len(order) == 2:
        assert "ensemble 40 [30, 50] 40 [30, 50] 40 [30, 50] 0.012" in first
        assert "commonest class – – 33 –" in first
        assert "0.012" not in out.split("Table 3, ")[2]


def test_the_page_shows_table_3_and_judges_what_the_paper_claims(run: Path) -> None:
    faces = scored("study=ablation feature=image metric=accuracy", 0.5, split="infant", data="mine")
    page = shown(run, [*of_table_3(), faces])
    assert "Paper A, Table 3, on mine" in page.text
    labels = [attributes["aria-label"] for attributes in page.all("svg")]
    assert words(labels[2]) == "published 97 %, clips split 60 %, leak-free 60 %"
    claim = page.text.split("The ensemble beats the SVM on all three states: gain in accuracy")[1]
    assert " 0.10 [0.02, 0.18] reproduced" in claim[:100]
    claim = page.text.split("97.41 % is 3.56 % higher than the AE+DNN of Table 3")[1]
    assert claim.startswith(" 3.56 % not reproduced (internally inconsistent: it comes to 0.0366)")
    assert "cannot be tested (needs ImageNet's weights)" in page.text
    assert "nan" not in page.text
    assert "What Paper B claims" not in page.text
    assert page.text.count("the same second of sound may be on both sides") == 1


def test_claims_on_real_and_synthetic_infants_stand_apart(run: Path) -> None:
    text = shown(run, [*TWO, *of_table_3("synthetic")]).text.split("What Paper A claims")[-1]
    real, synthetic, _ = re.split(
        r"On synthetic: the simulation alone|rows that need", text, maxsplit=2
    )
    assert "SVM on STFT: accuracy 45.83 % 60 [50, 70] %" in real
    assert "in simulation" not in real and "reproduced" not in synthetic


def test_a_corpus_of_two_states_has_their_pair_alone(
    run: Path, printed: Callable[..., str]
) -> None:
    rows = [row for row in of_table_3() if row.condition != "total"]
    page, out = shown(run, rows), printed(rows)
    assert "Paper A, Table 3, on mine" in page.text
    assert ">sleepy &amp; hungry</th>" in page.source and "sleepy & hungry" in out
    assert ">all three states</th>" not in page.source and "all three states" not in out


# The ledger of all runs


def test_every_run_is_read_newest_first_and_the_reference_last(run: Path, apart: Path) -> None:
    for age, name in enumerate(("quick", "real", "mine-real")):
        write_run(apart / "outputs" / name, TWO)
        os.utime(apart / "outputs" / name / "results.json", (1e9 - age, 1e9 - age))
    (write_run(apart / "outputs" / "broken", TWO) / "results.json").write_text("[")
    runs = report.every_run(apart / "outputs")
    assert list(runs) == ["quick", "real", "mine-real", "reference/judged", "reference/paper",
                          "reference/simulated", "reference/uploads"]  # fmt: skip
    assert len(runs["real"]) == len(TWO)


def test_the_ledger_is_printed_80_columns_wide(capsys: pytest.CaptureFixture[str]) -> None:
    judged = ledger.of_runs({"real": claims.table([*TWO, *of_table_3("synthetic")])})
    report.print_claims(judged)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    text = words(out)
    assert "Paper A: on donateacry" in text and "Paper B: measured on nothing" in text
    assert "on synthetic no evidence about real infants" in text
    assert "45.83 %" in text and "nan" not in text
    assert text.index("Paper A: on donateacry") < text.index("Paper A: on synthetic")
    assert "How many rows have which verdict" in text


def test_the_whole_ledger_scrolls_and_keeps_every_row() -> None:
    judged = ledger.judge(claims.table([]))
    page = report.scrollable(judged)
    assert page.count("<tr") == len(judged) + 1 and "overflow: auto" in page
    assert set(judged.id) <= set(re.findall(r">([AB]-[\w+-]+)<", page))
