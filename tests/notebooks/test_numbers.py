"""A percentage, difference or interval in a notebook's text is shown by an output or a linked page."""

import re
from pathlib import Path

import nbformat
import pytest

from cryutils.course import runner as course

NOTEBOOKS = course.notebooks()
STATED = re.compile(
    r"(?<![\w.])([+−-]?\d+(?:\.\d+)?)(?= ?%| points?\b)|\[([+−-]?\d[\d.]*), ([+−-]?\d[\d.]*)\]"
)
NOT_MEASURED = re.compile(r"`[^`]*`|\$[^$]*\$|95 % interval|2\.5 %")
# Of a paper, or supposed for the sake of the argument.
OTHERS = re.compile(r"\b[Pp]apers?\b|§|\bTables? [123]\b|\*\*Exercise|\bSuppose\b")
ROUND = {0, 25, 50, 95, 100}


def numbers(text: str) -> set[float]:
    found = re.findall(r"(?<![\w.])[-−]?\d+(?:\.\d+)?", text.replace(",", ""))
    return {abs(float(number.replace("−", "-"))) for number in found}


def shown(path: Path) -> set[float]:
    """Return the numbers of a page, or of the code and the outputs of a notebook."""
    if path.suffix != ".ipynb":
        return numbers(path.read_text(encoding="utf-8"))
    texts = []
    for cell in [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]:
        texts.append(cell.source)
        for output in cell.outputs:
            texts += [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
            texts += [output.get("text", ""), output.get("metadata", {}).get("image/png", {}).get("alt", "")]
    return numbers(re.sub(r'src="data:[^"]*"|</?\w[^<>]*>', " ", " ".join(texts)))


def stated(paragraph: str) -> list[str]:
    found = STATED.findall(NOT_MEASURED.sub("", paragraph))
    return [] if OTHERS.search(paragraph) else [number for groups in found for number in groups if number]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_number_of_the_text_is_shown(name: str) -> None:
    path, missing = NOTEBOOKS[name], []
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    of_outputs = shown(path)
    for paragraph in "\n\n".join(cell.source for cell in cells).split("\n\n"):
        linked = [path.parent / link for link in re.findall(r"\]\(([^)#\s]+)", paragraph)]
        values = of_outputs.union(*(shown(page) for page in linked if page.is_file()))
        values |= {int(k) / int(n) for k, n in re.findall(r"(\d+) of (\d+)", paragraph)}
        for text in stated(paragraph):
            value, decimals = abs(float(text.replace("−", "-"))), len(text.partition(".")[2])
            near = 0.5 * 10**-decimals + 1e-9
            if value not in ROUND and all(min(abs(v - value), abs(100 * v - value)) > near for v in values):
                missing.append((text, paragraph))
    assert not missing


def test_a_number_that_no_output_shows_is_found() -> None:
    assert stated("It is right 71 % of the time, 9 points [-3, 21] more.") == ["71", "9", "-3", "21"]
    assert numbers("<td>0.713 [−0.03]</td>") == {0.713, 0.03}
