"""Text about the course's recordings is not shown as if it were about a reader's own."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import numpy as np
from scipy.io import wavfile

import cryutils
from cryutils import audio
from cryutils.course import execution, runner

NOTEBOOKS = runner.notebooks()
# A percentage, an interval, or a number of clips or infants of DonateACry.
NUMBER = re.compile(
    r"\d+(?:\.\d+)? ?%|\[[+−-]?\d[\d.]*, [+−-]?\d[\d.]*\]|\b(?:220|221|382|449|457|819|865|1,128)\b"
)
CODE_QUOTES_AND_CHANCE = re.compile(
    r"`[^`]*`|\"[^\"]*\"|95 % (?:intervals?|of cases)|(?:chance|guessing)\D{0,20}\d+ %|\d+ % by guessing"
)
PAPER = re.compile(r"\b[Pp]apers?\b|§|\bTables? [123]\b")
# Notebooks about something else than recordings that a reader can replace.
WITHOUT_DATA = {
    "00_start_here": "scores synthetic cries that it makes itself, whatever `data` is",
    "appendix_statistics": "explains stored answers step by step",
    "appendix_survey": "reads public code",
    "appendix_synthetic": "explains the synthetic voices",
    "appendix_table3": "reads the paper's numbers and stored scores of them",
}
# Beginnings of paragraphs with numbers of the method, or of a question.
OF_THE_METHOD = (
    "**Exercise",
    "**More clips or more babies?** Suppose",
    "**Try it.** At which threshold",
    "*Brier* is",
    "## 4 · 80 % of what?",
    "- `Conv2D`: 16",
    "A **calibrated** model",
    "All folds, each with its own temperature",
    "No figure is a share of 23 clips",  # arithmetic of Paper A's figures
    "**What you will learn**",
)


def is_tagged(cell: nbformat.NotebookNode) -> bool:
    return "course-data" in cell.metadata.get("tags", ())


def test_a_text_with_numbers_is_tagged_or_cites_the_papers() -> None:
    untagged = [
        (name, paragraph)
        for name in NOTEBOOKS.keys() - WITHOUT_DATA.keys()
        for cell in nbformat.read(NOTEBOOKS[name], as_version=4).cells
        if cell.cell_type == "markdown" and not is_tagged(cell)
        for paragraph in cell.source.split("\n\n")
        if NUMBER.search(CODE_QUOTES_AND_CHANCE.sub("", paragraph))
        and not PAPER.search(paragraph)
        and not paragraph.startswith(OF_THE_METHOD)
    ]
    assert untagged == []


def test_a_cell_that_shows_stored_runs_is_tagged() -> None:
    stored = re.compile(r"reference/|(?<!\.)reference\(|benchmark_output")
    for name in NOTEBOOKS.keys() - WITHOUT_DATA.keys():
        for cell in nbformat.read(NOTEBOOKS[name], as_version=4).cells:
            if cell.cell_type == "code" and stored.search(cell.source):
                assert is_tagged(cell) or "if data ==" in cell.source, cell.source


def test_a_page_on_other_recordings_has_no_number_of_the_courses_text(apart: Path) -> None:
    voices = cryutils.load("synthetic", infants=8, clips_per_infant=3, duration_s=2.0, sr=8000)
    for number, clip in enumerate(voices):  # written again, without the mark of synthetic voices
        folder = apart / "cries" / clip.label / clip.infant
        folder.mkdir(parents=True, exist_ok=True)
        x = np.int16(audio.read(clip.path, sr=8000) * 32767)
        wavfile.write(folder / f"{number}.wav", 8000, x)
    name = "01_data_and_playback"
    assert runner.run(runner.plan("quick", [name], data="cries")) == {}
    page = nbformat.read(apart / "outputs" / "cries-quick" / "notebooks" / f"{name}.ipynb", as_version=4)
    shown = [cell.source for cell in page.cells]
    source = nbformat.read(NOTEBOOKS[name], as_version=4).cells
    ours = [cell for cell in source if is_tagged(cell)]
    texts = [cell.source for cell in ours if cell.cell_type == "markdown"]
    numbers = set(NUMBER.findall(" ".join(texts)))
    assert {"457", "84 %", "[52, 66]"} <= numbers
    page_text = " ".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert numbers.isdisjoint(NUMBER.findall(page_text))
    assert shown.count(execution.TEXT) == len(texts)
    for cell in ours:
        if cell.cell_type == "code":
            assert shown[shown.index(cell.source) - 1] == execution.RESULTS
