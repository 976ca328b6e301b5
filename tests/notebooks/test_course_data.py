"""Text about the course's recordings is not shown as if it were about a reader's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
from refusals import Command
from sizes import large

from cryutils._io import media
from cryutils.course import execution, runner
from cryutils.datasets.synthetic import face, generator, voice
from cryutils.datasets.synthetic.states import Dials
from cryutils.video import mp4

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
    "lesson_1_start_here": "scores synthetic cries that it makes itself, whatever `data` is",
    "lesson_7_too_good": "makes synthetic cries and reads public code",
    "appendix_listeners": "compares people and a machine on one other corpus",
    "lesson_8_put_it_to_use": "uses networks that know only synthetic babies",
    "appendix_statistics": "explains stored answers step by step",
    "appendix_survey": "reads public code",
    "appendix_synthetic": "explains the synthetic voices",
    "appendix_table3": "reads the paper's numbers and stored scores of them",
}
# Beginnings of paragraphs with numbers of the method, or of a question.
OF_THE_METHOD = (
    "**Exercise",
    "**How many infants are needed?** Suppose",
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


def test_neighbouring_texts_are_replaced_by_one_sentence() -> None:
    def cell(source: str, *tags: str, kind: str = "markdown") -> nbformat.NotebookNode:
        return nbformat.from_dict({"cell_type": kind, "source": source, "metadata": {"tags": [*tags]}})

    ours = ("course-data",)
    cells = [
        *(cell("## 1"), cell("DonateACry", *ours), cell("stored", *ours, kind="code")),
        *(cell("the method"), cell("DonateACry again", *ours)),
        *(cell("## 2"), cell("# yours", kind="code"), cell("DonateACry", *ours)),
        *(cell("## Quiz", *ours), cell("its questions", *ours, kind="code"), cell("## Takeaways")),
    ]
    shown = [each.source for each in execution.without_course_data(cells, "DonateACry")]
    sentence = execution.TEXT.format("DonateACry")
    assert shown == ["## 1", sentence, "the method", "## 2", "# yours", sentence, "## Takeaways"]


def of_the_text(cells: Iterable[nbformat.NotebookNode]) -> set[str]:
    return set(NUMBER.findall(" ".join(cell.source for cell in cells if cell.cell_type == "markdown")))


def assert_without_course_data(name: str, cells: list[nbformat.NotebookNode]) -> None:
    """Assert that a page has nothing of the cells about the course's recordings."""
    every = nbformat.read(NOTEBOOKS[name], as_version=4).cells
    ours = [cell for cell in every if is_tagged(cell)]
    shown = [cell.source for cell in cells]
    assert {cell.source for cell in ours}.isdisjoint(shown)
    kept = of_the_text(cell for cell in every if not is_tagged(cell))
    assert (of_the_text(ours) - kept).isdisjoint(of_the_text(cells))
    headings = sum(source.startswith(execution.TEXT[:20]) for source in shown)
    texts = [cell.source for cell in ours if cell.cell_type == "markdown" and not cell.source.startswith("#")]
    assert bool(texts) <= headings <= 7, name


def test_a_page_on_other_recordings_has_no_number_of_the_courses_text() -> None:
    """`tests/course/test_runner.py` tests that a run makes this page; a large test here runs the lessons."""
    tagged = set[str]()
    for name, path in NOTEBOOKS.items():
        cells = nbformat.read(path, as_version=4).cells
        tagged |= of_the_text(filter(is_tagged, cells))
        assert_without_course_data(name, execution.without_course_data(cells, "cries"))
    assert {"457", "84 %", "37.5 %"} <= tagged


# Of sentences about other recordings that readers found next to their own results.
OTHERS = (
    "drawn faces",
    "drawn infants",
    "babies are synthetic",
    "no result here is evidence",
    "guesses: 20 %",
)


def outputs(page: Path) -> str:
    """Return what the cells of an executed page show, as text."""
    shown = [out for c in nbformat.read(page, as_version=4).cells for out in c.get("outputs", ())]
    texts = [text for out in shown for kind, text in out.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join([out.get("text", "") for out in shown] + texts)


def write_film(path: Path, state: str, *, infant: int, seed: int, session: int) -> Path:
    """Write three seconds of a drawn baby that cries, without the mark of drawn faces."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seeds = {"infant": infant, "seed": seed, "session": session}
    plan = voice.plan(state, **seeds, dials=Dials(signal=1.0), duration_s=3.0)
    pictures = face.frames(face.plan(plan, fps=6.0), size=112)
    mp4.write(path, pictures, fps=6.0, sound=voice.render(plan, 8000), sr=8000)
    return path


@large
def test_films_of_a_reader_become_pages_about_them_and_a_new_film_gets_a_label(
    apart: Path, command: Command
) -> None:
    words = {"hungry": "hunger", "tired": "sleepiness", "pain": "pain"}
    options = dict(infants=12, clips_per_infant=2, mostly=0.5, duration_s=3.0, seed=5)
    for number, (clip, seeds) in enumerate(generator.plan(tuple(words), **options)):
        path = apart / "films" / words[clip.label] / clip.infant / f"{number}.mp4"
        write_film(path, clip.label, **seeds)
    small = dict(n_folds=2, epochs=2, autoencoder_epochs=1, dnn_epochs=2, hidden=16, sizes=[4], repeats=1)
    small |= dict(splits=2, permutations=5, exchanges=2, infants=10, duration_s=2.0, frame_fps=6.0)
    small["film"] = {"duration_s": 3.0, "fps": 6.0, "size": 112}
    values = [word for name, value in small.items() for word in ("-p", f"{name}={json.dumps(value)}")]
    code, _, err = command("run", "--data", "films", "--profile", "own", "--name", "mine", *values)
    assert code == 0, err
    pages = sorted((apart / "outputs" / "mine" / "notebooks").glob("*.ipynb"))
    assert [page.stem for page in pages] == sorted(job.name for job in runner.plan("own", data="films"))
    for page in pages:
        assert_without_course_data(page.stem, nbformat.read(page, as_version=4).cells)
        ours = " ".join(cell.source for cell in nbformat.read(NOTEBOOKS[page.stem], as_version=4).cells)
        scores = set(re.findall(r"\d+ % \[[^\]]+\]", ours))  # with their intervals
        shown = outputs(page)
        assert not [each for each in (*scores, *OTHERS) if each in shown], page.stem

    new = write_film(apart / "new.mp4", "hungry", infant=991, seed=7, session=7)
    code, out, err = command("predict", "--model", "ensemble", str(new), "--annotate", "out.mp4")
    assert code == 0, err
    assert "by sound and face; mfcc:" in out
    assert media.probe(apart / "out.mp4").has_audio

    code, _, err = command("report", "--share")
    assert code == 0, err
    report = (apart / "outputs" / "mine" / "mine.html").read_text(encoding="utf-8")
    assert "DonateACry" not in report and not [each for each in OTHERS if each in report]
