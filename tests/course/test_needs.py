"""Before a run, each notebook says which recordings it uses, which it leaves out, or why it can't run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_corpus
import pytest
from course_of_two import notebook
from refusals import Command, mistake, success
from sizes import large

import cryutils
from cryutils.claims import records
from cryutils.course import needs, runner
from cryutils.datasets.corpus import Corpus

PARAMETERS = {name: records.defaults(path) for name, path in runner.notebooks().items()}
NOTES = re.compile(r"(?m)^(\w+) = [^#\n]*  # (.*)$")  # a parameter and its comment
OFFERED = [
    (name, parameter, value)
    for name, path in runner.notebooks().items()
    for cell in records.cells(path)
    if "parameters" in cell["metadata"].get("tags", ())
    for parameter, comment in NOTES.findall(cell["source"])
    for value in re.findall(r'"([^"]+)"', comment)
]


def lines(corpus: Corpus, **changed: Any) -> dict[str, str]:
    """Return the line of each notebook."""
    shown, unable = needs.check(corpus, {name: each | changed for name, each in PARAMETERS.items()})
    found = dict(line.split(": ", 1) for line in shown)
    assert unable == [name for name, words in found.items() if words.startswith("can't run: ")]
    return found


def test_labels_that_a_notebook_does_not_take_are_counted_and_named() -> None:
    infants = [f"i{k % 6}" for k in range(60)]
    shown = lines(made_corpus.corpus([*["hungry"] * 24, *["tired"] * 24, *["colic"] * 12], infants))
    assert shown["03_feature_validation"] == shown["12_beyond_the_papers"] == "12 colic, 24 hungry, 24 tired"
    used, left, why = re.split("; left out: |: not one of ", shown["04_cry2"])
    assert (used, left) == ("24 hungry, 24 tired", "12 recordings of `colic`")
    assert why == "discomfort, hungry, pain or belly_pain, tired"
    assert shown["09_ensemble"].startswith("24 hungry, 24 sleepy; left out: 12 recordings of `colic`")
    assert "14_scoreboard" not in shown, "it takes no recordings"


def test_what_is_too_little_is_named_with_a_remedy() -> None:
    labels = ["hungry"] * 8 + ["tired"] * 4
    shown = lines(made_corpus.corpus(labels, [*"aabbccdd", *"eeee"]), n_folds=2)
    what = "can't run: class 'tired' has 1 infant, 2 are needed; record more, or leave the class out"
    assert shown["04_cry2"] == what
    few = "class 'hungry' has 8 clips of 4 infants, but"
    assert shown["12_beyond_the_papers"].endswith(
        "two classes with 10 clips of 5 infants each are needed; record more."
    )
    assert "4 clips of 1 infants, but 3 infants are needed; record more" in shown["10_leakage_audit"], few


def test_a_notebook_can_use_the_recordings_that_its_comment_offers(donateacry: Path) -> None:
    offered = [name for name, parameter, value in OFFERED if (parameter, value) == ("data", "donateacry")]
    assert len(offered) > 5
    _, unable = needs.check(cryutils.load("donateacry"), {name: PARAMETERS[name] for name in offered})
    assert unable == []


@large
@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [each for each in OFFERED if PARAMETERS[each[0]][each[1]] != each[2] and each[0].startswith("lesson")],
)
def test_a_lesson_runs_with_each_value_that_a_comment_offers(
    donateacry: Path, name: str, parameter: str, value: str
) -> None:
    if value == "corvin2024" and not (donateacry.parent / value).is_dir():
        pytest.skip("needs recordings that are not here")
    assert runner.run(runner.plan("quick", [name], {parameter: value})) == {}


def test_needs_agree_with_how_the_notebooks_load_recordings() -> None:
    checked = 0
    for row in runner.contents():
        cells = records.cells(runner.notebooks()[row["name"]])
        code = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
        call = re.search(r"cryutils\.load\(\s*(?:data|\"donateacry\" if .*? else data), (.*?)\)", code)
        if not call:
            continue
        media = re.findall(r"(sound|pictures)=(\w+)", call[1])
        wanted = {name: {"True": True, "None": None}[value] for name, value in media}
        row_needs = row["needs"]
        assert {name: row_needs[name] for name in ("sound", "pictures") if name in row_needs} == wanted, row
        states = re.search(r"(recognition|embeddings)\.STATES", code)
        assert (row_needs.get("states") in ("recognition", "embeddings")) == bool(states), row
        checked += 1
    assert checked == sum("needs" in row for row in runner.contents()) > 10


def test_notebooks_that_can_use_the_recordings_run_and_the_others_say_why(
    project: Path, apart: Path, sound: Callable[..., Path], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(runner, "run", lambda jobs, **_: ran.extend(job.name for job in jobs) or {})
    notebook("01_first", needs={"sound": True})
    notebook("02_second", needs={"pictures": True})
    notebook("03_third")
    sound(apart / "own" / "hungry" / "anna" / "1.wav")
    out = success(command("run", "--data", "own"))
    assert "\n01_first: 1 hungry\n02_second: can't run: own: no recording has pictures" in out
    assert "first look" in out and ran == ["01_first", "03_third"]
    err = mistake(command("run", "02_second", "--data", "own"))
    assert "no chosen notebook can use these recordings. 02_second: can't run: own: no recording" in err
