"""A CSV file that lists recordings is a corpus, wherever the files are."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from refusals import refusal

from cryutils import load
from cryutils._io.paths import project_dir
from cryutils.datasets.manifest import is_manifest

pytestmark = pytest.mark.usefixtures("apart")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def rows(apart, sound) -> list[dict[str, Any]]:
    """Rows of two recordings, outside the folder of the manifest."""
    sound(apart / "sounds" / "a.wav", seconds=1, seed=1)
    sound(apart / "sounds" / "b.wav", seconds=1, seed=2)
    return [
        {"file": "../sounds/a.wav", "label": "hungry", "infant": "anna"},
        {"file": "../sounds/b.wav", "label": "tired", "infant": "bo"},
    ]


def test_every_column_is_in_the_clips_and_nothing_is_left_out_without_being_listed(rows, sound) -> None:
    sound(Path("sounds/c d.m4a"), seconds=1, seed=3)
    more = {"start_s": 1e9, "sex": "F", "age": "3 months", "session": "bath", "device": "Zoom H1n"}
    rows += [{"file": "../sounds/c d.m4a", "label": "hungry", "infant": "anna", **more, "mood": "bad"}]
    rows += [{"file": "../sounds/gone.wav", "label": "tired", "infant": "bo"}]
    rows[1]["label"] = "Fatigue"
    path = written(Path("tables/own.csv"), rows)
    assert is_manifest(path)
    corpus = load(path)
    assert corpus.problems().item.tolist() == ["column mood", "../sounds/gone.wav", "Fatigue"]
    assert (corpus.name, corpus.classes) == ("own", ("hungry", "tired"))
    first, _, last = corpus
    assert (first.id, first.label, first.infant) == ("../sounds/a.wav", "hungry", "anna")
    assert (first.session, first.start_s, first.sex, first.age) == ("anna/2", None, None, None)
    assert (last.session, last.start_s, last.sex, last.age) == ("anna/bath", 1e9, "f", "3 months")
    assert corpus.devices.tolist() == [None, None, "Zoom H1n"]


def test_a_parquet_table_of_sounds_becomes_a_manifest_as_documented(rows) -> None:
    sounds = [{"bytes": Path(f"sounds/{name}.wav").read_bytes(), "path": None} for name in "ab"]
    table = {"audio": sounds, "label": ["hungry", "tired"], "baby_id": ["anna", "bo"]}
    pd.DataFrame(table).to_parquet("train.parquet")
    assert "it is a Parquet table" in refusal(Path("train.parquet").absolute(), load)
    guide = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (lines,) = [part for part in re.findall(r"```python\n(.*?)```", guide, re.S) if "parquet" in part]
    exec(lines, {})
    corpus = load("clips.csv")
    assert list(zip(corpus.labels, corpus.infants, strict=True)) == [("hungry", "anna"), ("tired", "bo")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": ""}, "row 3, column label: nothing is given."),
        (
            {"file": "../sounds/./a.wav"},
            "row 3, column file: '../sounds/a.wav'; an earlier row names this file.",
        ),
        ({"start_s": "1.4e12"}, "row 3, column start_s: '1.4e12'; give a unix time in s."),
        ({"Begin Time (s)": 1.5}, "column 'begin time (s)' says that recordings are parts of files; cut"),
    ],
)
def test_a_mistake_is_named_with_row_and_column(change, words, rows) -> None:
    rows[1] |= change
    path = written(Path("tables/own.csv").absolute(), rows)
    assert refusal(path, load).startswith(f"{path}: {words}")


def test_a_link_to_a_manifest_lists_files_next_to_the_link(rows) -> None:
    """As DataLad stores it, under another name without a suffix."""
    content = written(Path("annex/objects/deep/SHA256-s99"), rows)
    Path("tables").mkdir()
    Path("tables/own.csv").symlink_to(content.absolute())
    assert load("tables/own.csv").ids.tolist() == ["../sounds/a.wav", "../sounds/b.wav"]


def test_a_missing_column_and_a_table_without_usable_files_are_refused(rows) -> None:
    path = written(Path("own.csv").absolute(), [{"file": "a", "labels": "b", "infant": "c"}])
    assert "no column 'label'. Did you mean labels?" in refusal(path, load)
    assert not is_manifest(path)
    path = written(path, [{"file": "gone.wav", "label": "b", "infant": "c"}])
    assert "no usable recording. gone.wav: " in refusal(path, load)


def test_the_listeners_answers_are_counted_from_the_published_table(donateacry: Path) -> None:
    counts = pd.read_csv(project_dir() / "data" / "listeners.csv")
    assert (counts.asked.sum(), counts.said_known.sum(), counts.known.nunique()) == (4000, 1483, 9)
    published = donateacry.parent / "corvin2024" / "Data_psychoacoustic_experiment.csv"
    if published.is_file():
        table = pd.read_csv(published, sep=";")
        recording = table.stim.str.replace("_D", "_D0")
        answers = table.groupby([table.babyID_ref, recording]).rated_baby_status_binom.agg(["size", "sum"])
        assert (answers.to_numpy() == counts[["asked", "said_known"]]).all(axis=None)
