"""The page and the scoreboard show what a run wrote, and nothing else."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cryutils import report, tables
from cryutils.claims import Result
from cryutils.errors import InputError
from cryutils.models import CLASSIFIERS

pytestmark = pytest.mark.usefixtures("apart")

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
VOID = {"meta", "link", "br", "img", "line", "circle", "path", "input", "hr"}


def row(key: str, value: float, *, protocol: str | None = None, **rest: Any) -> dict[str, Any]:
    given = {"low": None, "high": None, "n": None, "n_infants": None, "data": "donateacry",
             "notebook": "03_feature_validation", "seed": 0, **rest}  # fmt: skip
    return {"key": key, "value": value, "protocol": protocol, **given}


def cell(feature: str, model: str, paper: float, free: float, p: float, **rest: Any) -> list[Any]:
    key = f"feature_validation.{feature}.{model}"
    return [
        row(f"{key}.accuracy", paper, protocol="paper", low=paper - 0.1, high=paper + 0.1, **rest),
        row(f"{key}.accuracy", free, protocol="leak_free", low=free - 0.2, high=free + 0.2, **rest),
        row(f"{key}.balanced_accuracy", 0.25, protocol="leak_free", **rest),
        row(f"{key}.p_value", p, protocol="leak_free", **rest),
    ]


MAJORITY = "feature_validation.majority.accuracy"
TWO = [
    *cell("stft", "svm", 0.60, 0.30, 0.04),
    *cell("mfcc", "dnn", 0.80, 0.40, 0.50),
    row(MAJORITY, 0.36, protocol="paper"),
    row(MAJORITY, 0.355, protocol="leak_free"),
]


@pytest.fixture
def run(apart: Path) -> Path:
    return apart / "outputs" / "real"


def made(run: Path, rows: list[dict[str, Any]]) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    (run / "results.json").write_text(json.dumps(rows))
    return run


def results(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(Result.__slots__))


class Page(HTMLParser):
    """The page's text, and each tag with its attributes; fails where tags don't match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


# Tables


def test_table_2_stands_beside_what_the_paper_printed() -> None:
    first, second = tables.table2(results(TWO))
    assert (first.feature, first.classifier, first.published) == ("stft", "svm", 0.4583)
    assert first.paper is not None
    assert first.leak_free is not None
    assert (first.paper["value"], first.leak_free["value"], first.p_value) == (0.60, 0.30, 0.04)
    assert (second.feature, second.classifier, second.published) == ("mfcc", "dnn", 0.8449)


def test_a_cell_that_was_not_measured_is_left_out() -> None:
    only_paper = [row("feature_validation.stft.nb.accuracy", 0.5, protocol="paper")]
    (found,) = tables.table2(results(only_paper))
    assert (found.classifier, found.leak_free, found.p_value) == ("nb", None, None)
    assert tables.table2(results([])) == []


def test_numbers_of_two_corpora_are_never_mixed() -> None:
    rows = [*cell("stft", "svm", 0.6, 0.3, 0.04),
            *cell("stft", "svm", 0.9, 0.8, 0.001, data="synthetic")]  # fmt: skip
    found = tables.table2(results(rows))
    assert [(c.data, c.paper and c.paper["value"], c.p_value) for c in found] == [
        ("donateacry", 0.6, 0.04), ("synthetic", 0.9, 0.001),
    ]  # fmt: skip


def test_table_1_has_counts_beside_the_papers_and_gaps_where_nothing_was_counted() -> None:
    table = tables.table1(results([
        row("table1.tired.count", 24), row("table1.tired.test_count", 19),
        row("table1.hungry.count", 382),
    ]))  # fmt: skip
    assert table.loc["tired"].tolist() == [24, 24, 20, 19]
    assert table.loc["hungry", "count"] == 382
    assert table.loc["hungry"].isna().tolist() == [True, False, True, True]
    assert len(tables.table1(results([]))) == 0


def test_the_summary_by_hand() -> None:
    found = report._summary(tables.table2(results(TWO)), 0.355)
    assert found == {
        "published": (0.4583, 0.8449), "paper": (0.60, 0.80), "leak_free": (0.30, 0.40),
        "majority": 0.355, "significant": 1, "tested": 2, "cells": 2,
    }  # fmt: skip
    assert report._summary([], None) is None


# The page


def test_the_page_is_whole_and_needs_no_other_file(run: Path) -> None:
    made(run, TWO)
    page = Page(report.write(run))
    assert page.source.lower().startswith("<!doctype html>")
    assert [tag for tag, _ in page.tags[:2]] == ["html", "head"]
    assert not page.all("link")
    assert not page.all("script")
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "poster"):
            assert not re.match(r"(https?:)?//", attributes.get(name) or "")
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_the_page_says_what_was_measured(run: Path) -> None:
    made(run, TWO)
    text = Page(report.write(run)).text
    assert "Run real on donateacry" in text
    assert "46 % to 84 %" in text  # published
    assert "60 % to 80 %" in text
    assert "30 % to 40 %" in text
    assert "36 %" in text
    assert "1 of 2" in text
    assert "60 % [50, 70] 30 % [10, 50] 0.040" in text
    assert "DNN" in text
    assert CLASSIFIERS["nb"] not in text, "a row that nothing measured"


def test_all_twelve_rows_have_a_picture_in_words(run: Path) -> None:
    made(run, [r for f in tables.FEATURES for m in CLASSIFIERS for r in cell(f, m, 0.5, 0.4, 0.2)])
    page = Page(report.write(run))
    pictures = [attributes["aria-label"] for attributes in page.all("svg")]
    assert len(pictures) == 12
    assert pictures[0] == "published 46 %, paper's protocol 50 %, leak-free 40 %"
    for line in page.all("line"):
        assert 0 <= float(line["x1"] or "nan") <= 240


def test_missing_intervals_and_protocols_are_gaps(run: Path) -> None:
    made(run, [
        row("feature_validation.stft.svm.accuracy", 0.6, protocol="paper"),
        row("feature_validation.stft.nb.accuracy", 0.5, protocol="leak_free"),
    ])  # fmt: skip
    page = Page(report.write(run))
    assert "46 % 60 % – –" in page.text
    assert "76 % – 50 % –" in page.text
    assert "nan" not in page.source.lower()
    assert "None" not in page.text


@pytest.mark.parametrize(
    ("corpora", "banner"),
    [
        (["donateacry"], None),
        (["synthetic"], "These results test the method"),
        (["donateacry", "synthetic"], "Results whose data is “synthetic” test the method"),
    ],
)
def test_synthetic_voices_are_no_evidence_and_only_they(
    corpora: list[str], banner: str | None, run: Path
) -> None:
    made(run, [r for data in corpora for r in cell("stft", "svm", 0.5, 0.4, 0.2, data=data)])
    text = Page(report.write(run)).text
    assert ("never evidence about real infants" in text) == (banner is not None)
    if banner:
        assert banner in text


def test_figures_stand_in_the_page_with_their_titles(run: Path) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    made(run, TWO)
    said = PngInfo()
    said.add_text("Title", "Who cries <often>")
    said.add_text("Source", "01_data_and_playback")
    (run / "figures").mkdir()
    Image.new("RGB", (2, 2)).save(run / "figures" / "counts.png", pnginfo=said)
    (run / "figures" / "plain.png").write_bytes(PIXEL)
    page = Page(report.write(run))
    pictures = {attributes["alt"]: attributes["src"] for attributes in page.all("img")}
    assert set(pictures) == {"Who cries <often>", "plain"}
    head, _, content = (pictures["plain"] or "").partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content) == PIXEL
    assert "Figures of 01_data_and_playback" in page.text


def test_what_a_user_named_is_text_and_no_markup(apart: Path) -> None:
    run = apart / "outputs" / "<b>&cries-quick"
    made(run, cell("stft", "svm", 0.5, 0.4, 0.2, data="<b>&cries"))
    (run / "state").mkdir()
    (run / "state" / "03_x.json").write_text(
        json.dumps({"fingerprint": "", "parameters": {"text": "</td><script>"}, "seconds": 1,
                    "peak_mib": 2, "versions": {}})
    )  # fmt: skip
    page = Page(report.write(run))
    assert not page.all("script")
    assert "<b>&cries" in page.text
    assert "text = </td><script>" in page.text


def test_how_it_was_made_lists_what_ran(run: Path) -> None:
    made(run, TWO)
    (run / "state").mkdir()
    (run / "state" / "03_feature_validation.json").write_text(
        json.dumps({"fingerprint": "", "parameters": {"repeats": 10}, "seconds": 61.2,
                    "peak_mib": 812, "versions": {"numpy": "2.4.1"}})
    )  # fmt: skip
    text = Page(report.write(run)).text
    assert "03_feature_validation 61 s 812 MiB repeats = 10" in text
    assert "numpy 2.4.1" in text


def test_every_result_is_listed(run: Path) -> None:
    made(run, [row("any.key", 0.123456, n=12, n_infants=5, seed=None), row("other", 2)])
    text = Page(report.write(run)).text
    assert "All 2 results" in text
    assert "any.key 0.1235" in text
    assert "12 5" in text


def test_a_run_without_results_still_has_a_page(run: Path) -> None:
    made(run, [])
    assert "nothing yet" in Page(report.write(run)).text


def test_a_damaged_results_file_is_named(run: Path) -> None:
    run.mkdir(parents=True)
    (run / "results.json").write_text('[{"key": ')
    with pytest.raises(InputError, match=r"results\.json: no JSON.*makes it again"):
        report.write(run)


# The scoreboard


def test_the_scoreboard_prints_every_run(
    apart: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(run, TWO)
    quick = made(apart / "outputs" / "quick", cell("stft", "nb", 0.9, 0.8, 0.01, data="synthetic"))
    empty = made(apart / "outputs" / "my [red] cries-quick", [])
    report.print_scoreboard([run, quick, empty])
    out = capsys.readouterr().out
    lines = [re.sub(r"\s+", " ", re.sub(r"[│┃]", " ", line)).strip() for line in out.splitlines()]
    assert "STFT SVM 46 % 60 % [50, 70] 30 % [10, 50] 0.040" in lines
    assert "MFCC DNN 84 % 80 % [70, 90] 40 % [20, 60] 0.500" in lines
    assert "STFT Naïve Bayes 76 % 90 % [80, 100] 80 % [60, 100] 0.010" in lines
    assert out.count("no evidence about real infants") == 1
    assert "commonest class: 36 %" in re.sub(r"\s+", " ", out)
    assert "no table of a paper was measured in this run" in out


def test_a_gap_in_the_scoreboard_is_a_dash(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(run, [row("feature_validation.stft.svm.accuracy", 0.6, protocol="paper")])
    report.print_scoreboard([run])
    out = re.sub(r"[│┃\s]+", " ", capsys.readouterr().out)
    assert "SVM 46 % 60 % – –" in out


# Paper B


def of_paper_b(data: str = "mine") -> list[dict[str, Any]]:
    rows = []
    for key, value in (("cry2", 0.5), ("full", 0.6), ("baseline.audio.svm", 0.45)):
        for protocol, more in (("paper", 0.2), ("leak_free", 0.0)):
            for metric in ("balanced_accuracy", "macro_f1"):
                rows.append(
                    row(
                        f"{key}.{metric}", value + more, low=value + more - 0.1,
                        high=value + more + 0.1, protocol=protocol, data=data,
                    )
                )  # fmt: skip
    gain = row("full.gain.audio.macro_f1", 0.1, low=0.02, high=0.18, protocol="leak_free")
    return [*rows, {**gain, "data": data}]


def test_paper_b_has_a_row_for_each_model_that_was_measured_in_reading_order() -> None:
    rows = tables.paper_b(results(of_paper_b()))
    assert [r.name for r in rows] == ["cry2 (sound)", "full (late fusion)", "SVM, on sound"]
    paper, free = (rows[1].balanced_accuracy[protocol] for protocol in ("paper", "leak_free"))
    assert paper is not None and free is not None
    assert (paper["value"], free["value"]) == (pytest.approx(0.8), 0.6)


def test_the_page_shows_paper_b_and_judges_its_claims(run: Path) -> None:
    made(run, of_paper_b())
    page = Page(report.write(run))
    assert "Paper B: cry2, image and full, on mine" in page.text
    assert "Late fusion beats the sound model: gain in macro F1" in page.text
    assert "holds" in page.text
    labels = [attributes["aria-label"] for attributes in page.all("svg")]
    assert labels[0] == "paper's protocol 70 %, leak-free 50 %"


def test_the_scoreboard_prints_paper_b_and_that_simulation_is_no_evidence(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(run, of_paper_b("synthetic"))
    report.print_scoreboard([run])
    out = " ".join(capsys.readouterr().out.split())
    assert "Paper B" in out and "no evidence about real infants" in out
    assert "cry2 (sound)" in out and "50 % [40, 60]" in out


# Paper A's ensemble


def of_table_3(data: str = "mine") -> list[dict[str, Any]]:
    rows = [
        row(f"table3.total.{model}.{unit}accuracy", value, low=value - 0.1, high=value + 0.1,
            protocol=protocol, data=data)
        for model, value in (("svm", 0.5), ("proposed", 0.6))
        for unit, protocol in (("frame_split.", "paper"), ("", "paper"), ("", "leak_free"))
    ]  # fmt: skip
    gain = {"low": 0.02, "high": 0.18, "protocol": "leak_free", "data": data}
    return [
        *rows,
        row("table3.total.majority.accuracy", 0.4, protocol="leak_free", data=data),
        row("table3.gain.svm.total.accuracy", 0.1, **gain),
        row("table3.sleepy_hungry.svm.accuracy", 0.7, protocol="leak_free", data=data),
    ]


def test_table_3_has_the_papers_figure_and_every_split_beside_each_other() -> None:
    rows = tables.table3(results(of_table_3()))
    assert [(r.pair, r.model, r.published) for r in rows] == [
        ("sleepy & hungry", "SVM", 0.8092), ("all three states", "SVM", 0.6551),
        ("all three states", "ensemble", 0.9741),
    ]  # fmt: skip
    assert (rows[0].frame, rows[0].paper, rows[0].majority) == (None, None, None)
    found = (rows[2].frame, rows[2].paper, rows[2].leak_free)
    assert [one["value"] for one in found if one] == [0.6] * 3
    assert rows[2].majority == 0.4


def test_a_run_that_divides_frames_by_default_has_the_same_table() -> None:
    rows = [
        row("table3.total.svm.accuracy", 0.9, protocol="paper"),
        row("table3.total.svm.clip_split.accuracy", 0.7, protocol="paper"),
    ]
    (found,) = tables.table3(results(rows))
    assert found.frame and found.paper
    assert (found.frame["value"], found.paper["value"]) == (0.9, 0.7)


def test_the_page_shows_table_3_and_judges_what_the_paper_claims(run: Path) -> None:
    made(run, of_table_3())
    page = Page(report.write(run))
    assert "Paper A, Table 3, on mine" in page.text
    labels = [attributes["aria-label"] for attributes in page.all("svg")]
    assert labels[2] == "published 97 %, split by clip 60 %, leak-free 60 %"
    said = page.text.split("The ensemble beats the SVM on all three states: gain in accuracy")[1]
    assert said.split()[:5] == ["0.10", "0.02", "to", "0.18", "holds"]
    said = page.text.split("97.41 % is 3.56 % higher than the AE+DNN of Table 3")[1]
    assert said.split()[:4] == ["0.0366", "–", "internally", "inconsistent"]
    assert "cannot be tested (needs ImageNet's weights)" in page.text
    assert "nan" not in page.text


def test_a_run_without_table_3_judges_nothing_of_it(run: Path) -> None:
    made(run, TWO)
    assert "internally inconsistent" not in Page(report.write(run)).text


@pytest.mark.parametrize(
    ("backbone", "words"),
    [("ResNet50 <1>, random weights", "ResNet50 <1>, random weights"), (None, "none, sound alone")],
)
def test_table_3_names_the_backbone_and_its_weights(
    backbone: str | None, words: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(run, [*of_table_3("mine"), *of_table_3("other")])
    (run / "models").mkdir()
    (run / "models" / "ensemble.json").write_text(
        json.dumps({"backbone": backbone, "data": "mine"})
    )
    text = Page(report.write(run)).text
    assert text.count("Image: ") == 1, "the files are of one corpus alone"
    assert f"Image: {words}." in text.split("Table 3, on other")[0]
    report.print_scoreboard([run])
    assert capsys.readouterr().out.count(f"image: {words}") == 1


def test_where_no_ensemble_was_kept_nothing_is_said_of_the_backbone(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(run, of_table_3())
    assert "Image: " not in Page(report.write(run)).text
    report.print_scoreboard([run])
    assert "image: " not in capsys.readouterr().out


def test_a_damaged_ensemble_file_is_named(run: Path) -> None:
    made(run, of_table_3())
    (run / "models").mkdir()
    (run / "models" / "ensemble.json").write_text('{"data": "mine"}')
    with pytest.raises(InputError, match=r"ensemble\.json: damaged.*run again"):
        report.write(run)


def test_a_corpus_of_two_states_has_their_pair_alone(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(run, [r for r in of_table_3() if ".total." not in r["key"]])
    assert {r.pair for r in tables.table3(report._read(run))} == {"sleepy & hungry"}
    page = Page(report.write(run))
    assert "Paper A, Table 3, on mine" in page.text
    assert "<td>sleepy &amp; hungry</td>" in page.source
    assert "<td>all three states</td>" not in page.source
    report.print_scoreboard([run])
    out = capsys.readouterr().out
    assert "sleepy & hungry" in out and "all three states" not in out


def test_the_scoreboard_prints_table_3(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(run, of_table_3())
    report.print_scoreboard([run])
    out = " ".join(re.sub(r"[│┃]", " ", capsys.readouterr().out).split())
    assert "Paper A, Table 3, accuracy on mine" in out
    assert "ensemble 97 % 60 % [50, 70] 60 % [50, 70] 60 % [50, 70]" in out
    assert "sleepy & hungry SVM 81 % – – 70 %" in out
