"""Parameters are read from notebooks, and wrong values are refused before a notebook starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook
from pydantic import ValidationError
from refusals import Command, mistake, success

from cryutils import course
from cryutils.audio.files import SHORTEST_S
from cryutils.course import parameters
from cryutils.course.ranges import Parameters
from cryutils.datasets import registry
from cryutils.datasets.synthetic import corpus, face, voice
from cryutils.datasets.synthetic.dials import Dials
from cryutils.errors import InputError
from cryutils.models import autoencoders, image, inputs, runtimes
from cryutils.papers import embeddings, ensemble
from cryutils.video import faces

CLONE = Path(__file__).resolve().parents[2]
NOTEBOOKS = course.notebooks(CLONE / "notebooks")
NAME = r"(?:\d\d|appendix)_\w+"
PROFILES = sorted(path.stem for path in (CLONE / "data" / "profiles").glob("*.yml"))


def refused(notebook: str, *texts: str) -> str:
    """The error of a run with these parameters, given as on the command line."""
    pairs = (text.partition("=") for text in texts)
    values = {name: parameters.read_value(value) for name, _, value in pairs}
    with pytest.raises(InputError) as error:
        course.plan("quick", only=[notebook], overrides=values)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250
    return str(error.value)


# Values as text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("0.2", 0.2), ("3", 3), ("-3", -3), ("hungry", "hungry"),
        ('["hungry","tired"]', ["hungry", "tired"]), ('{"tired": 20}', {"tired": 20}),
        ("true", True), ("True", True), ("False", False), ("null", None), ("None", None),
        ('"3"', "3"), ("", ""), ("a=b", "a=b"), ("[1, 2", "[1, 2"),
        ("9" * 5000, float("inf")), ("[" * 9999, "[" * 9999),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_type(text: str, value: object) -> None:
    reading = parameters.read_value(text)
    assert reading == value
    assert type(reading) is type(value)


# Reading a notebook


def written(path: Path, source: str) -> Path:
    """A notebook that names no kernel, with these parameters."""
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[new_code_cell("1"), cell]), path)
    return path


def test_defaults_and_meanings_come_from_the_parameters_cell(tmp_path: Path) -> None:
    source = """\
# A comment alone
rate = 3e-3  # Hz, a rate
names = ["a", "b"]
sizes = [
    1,  # of the first
    2,
]
nothing = None  # how many
text: str = 'it has "quotes"'
fast = True"""
    path = written(tmp_path / "a {brace}.ipynb", source)
    assert parameters.read(path) == {
        "rate": 0.003, "names": ["a", "b"], "sizes": [1, 2], "nothing": None,
        "text": 'it has "quotes"', "fast": True,
    }  # fmt: skip
    inspection = parameters.inspect(path)
    assert inspection["rate"]["help"] == "Hz, a rate"
    assert inspection["nothing"]["help"] == "how many"
    assert inspection["fast"]["help"] == ""


@pytest.mark.parametrize("source", ["a = b = 1", "a = 1  # b = 2", "a = 3 * x", 'a = "#"', "a = ["])
def test_a_default_that_cannot_be_read_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError, match=r"odd\.ipynb: .*a = ") as error:
        parameters.read(written(tmp_path / "odd.ipynb", source))
    assert "\n" not in str(error.value)


# The model


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_each_parameter_has_a_meaning_and_a_range_that_its_default_is_in(notebook: str) -> None:
    inspection = parameters.inspect(NOTEBOOKS[notebook])
    assert [name for name, parameter in inspection.items() if not parameter["help"]] == []
    assert set(inspection) <= set(Parameters.model_fields)
    parameters.check(NOTEBOOKS[notebook], parameters.read(NOTEBOOKS[notebook]))


def test_each_range_is_that_of_a_parameter() -> None:
    assert set(Parameters.model_fields) == {
        n for p in NOTEBOOKS.values() for n in parameters.read(p)
    }


@pytest.mark.parametrize("name", PROFILES)
def test_each_value_of_a_profile_passes(name: str, apart: Path) -> None:
    jobs, skipped = course.plan(name)
    assert {job.name for job in jobs} | set(skipped) == set(NOTEBOOKS)


def accepts(name: str, value: object) -> bool:
    try:
        Parameters.model_validate({name: value})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "right", "wrong", "words"),
    [
        ("signal", [0, 1, 0.5], [-0.001, 1.001], "a number from 0 to 1"),
        ("test_size", [0.001, 0.999], [0, 1, 1.0], "a number above 0 and below 1"),
        ("dropout", [0, 0.999], [1, -1], "a number from 0 to below 1"),
        ("coverage", [1e-9, 1], [0, 0.0, 1.1], "a number above 0 and up to 1"),
        ("n_folds", [2, 100], [1, 101, 2.0, True, "2"], "a whole number from 2 to 100"),
        ("size", [64, 66], [65, 62, 66.0], "an even number from 64 to 1024"),
        ("finetune", [True, False], [1, 0, "true", "yes"], "true or false"),
        ("stand_in", ["auto", "x"], ["", " ", 3], '"auto" or a class'),
        ("face_signal", [None, 0], [2, ""], "a number from 0 to 1 or null"),
        ("filters", [[1], [9] * 6], [[], [0], [1] * 7, [[1]], [True], 1, "1", [1.5]],
         "a list of 1 to 6 whole numbers from 1 to 1024"),
        ("classes", [[], ["a", "b"]],
         [["a"], ["a", "a"], [["a"], ["b"]], [[], {}], [1, 2], ["a", ""], "ab"],
         "a list of 2 to 100 different names or []"),
    ],
)  # fmt: skip
def test_a_parameter_takes_values_in_its_range_and_no_others(
    name: str, right: list[Any], wrong: list[Any], words: str
) -> None:
    nowhere = [float("nan"), float("inf"), float("-inf"), 10**400, {}]
    nowhere += [] if None in right else [None]
    assert [value for value in right if not accepts(name, value)] == []
    assert [value for value in [*wrong, *nowhere] if accepts(name, value)] == []
    assert parameters.accepted(name) == words


def choices(schema: dict[str, Any]) -> Iterator[str]:
    for part in schema.get("anyOf", [schema]):
        yield from part.get("enum", [part["const"]] if "const" in part else [])


def test_choices_are_those_of_the_library() -> None:
    properties = Parameters.model_json_schema()["properties"]
    found = {name: set(choices(schema)) for name, schema in properties.items()}
    assert {name: names for name, names in found.items() if names} == {
        "data": set(registry.MODULES),
        "unlabelled": set(registry.MODULES),
        "stand_in": {"auto"},
        "kind": set(inputs.KINDS),
        "scaling": set(inputs.CLIP_SCALINGS),
        "detector": set(faces.DETECTORS),
        "backbone": {"auto", "small"},
        "weights": {"auto", "imagenet", "random"},
        "engine": set(runtimes.ENGINES),
        "crop": {"auto", *embeddings.CROPS},
        "ensemble_input": set(ensemble.KINDS),
    }


@pytest.mark.parametrize(
    ("name", "low", "high", "step", "use"),
    [
        ("sr", 4000, None, 1, voice.check_rate),
        ("duration_s", 0.5, 600, 0.01,
         lambda s: voice.plan("tired", infant=0, seed=0, duration_s=s)),
        ("fps", 1, 120, 0.01, lambda fps: face.check(fps=fps)),
        ("size", 64, 1024, 2, lambda size: face.check(size=size)),
        *((name, 0, 1, 0.01, lambda dial, name=name: Dials(**{name: dial}).check())
          for name in ("signal", "identity", "interaction", "session")),
        ("window_s", SHORTEST_S, None, 0.01, lambda s: inputs.SoundInput(window_s=s)),
    ],
)  # fmt: skip
def test_the_ends_are_those_of_the_library(
    name: str, low: float, high: float | None, step: float, use: Callable[[float], object]
) -> None:
    for end, beyond in ((low, low - step), (high, None if high is None else high + step)):
        if end is not None:
            assert accepts(name, end)
            assert not accepts(name, beyond)
            use(end)
            with pytest.raises(InputError):
                use(beyond)


# What is refused


@pytest.mark.parametrize(
    ("notebook", "assignments", "remedy"),
    [
        ("03", "test_size=2", "test_size=2: give a number above 0 and below 1."),
        ("03", "data=", 'data="": give one of "synthetic", "donateacry", "donateacry-uploads" or a'
                        " folder."),
        ("00", "sr=null", "sr=null: give a whole number from 4000 to 96000."),
        ("04", "filters=[0]", "filters=[0]: give a list of 1 to 6 whole numbers from 1 to 1024, "
                              "such as -p 'filters=[16, 32, 64]'."),
        ("02", "states=[[],{}]", "states=[[], {}]: give a list of 2 different names"),
        ("03", f"seed={'9' * 5000}", "seed=Infinity: give a whole number"),
        ("03", "scaling=sginal", 'scaling="sginal": give one of "signal", "recording", "rec'),
        ("05", "weights=imagnet", 'weights="imagnet": give one of "auto", "imagenet", '
                                '"random" or an existing file.'),
        ("03", "classes=x", "give a list of 2 to 100 different names or [], such as "
                            "-p 'classes=[\"hungry\", \"tired\"]'."),
        ("03", 'classes=["x","tired"]', 'classes: synthetic has no class "x". Known: belly_pain,'),
        ("04", "stand_in=bely_pain", 'stand_in: synthetic has no class "bely_pain". Did you mean'),
        # Two parameters that contradict each other.
        ("02", "n_fft=256 hop_length=257", "hop_length=257: give 256 at most, for n_fft=256."),
        ("02", "n_fft=64 hop_length=64", "n_mels=40: give 33 at most, for n_fft=64."),
        ("02", "n_mfcc=41", "n_mfcc=41: give 40 at most, for n_mels=40."),
        ("04", "window_s=4.5", "window_s=4.5: give 4.0 at most, for duration_s=4.0."),
        ("04", "filters=[8,8,8,8,8]", "give 4 of them at most, for kind="),
        ("05", "face_size=16 filters=[8,8,8,8]", "give 3 of them at most, for face_size=16."),
        ("04", "window_s=0.25",
         "filters=[16, 32, 64]: give 2 of them at most, for window_s=0.25."),
        ("08", "patch=127", "patch=127: give 126 at most, for window_s=2.0."),
        ("09", "window_s=0.5 patch=40", "patch=40: give 32 at most, for window_s=0.5."),
        ("03", "infants=7", "infants=7: give 8 or more, two of each class."),
        ("03", 'infants=5 classes=["hug","tired"] n_folds=6',
         "n_folds=6: give 5 at most, for infants=5."),
        ("07", "clips=29",
         "clips=29: give 30 or more, of two infants in each state, for clips_per_infant=5."),
        ("07", "clips=40 n_folds=9", "n_folds=9: give 8 at most, for clips=40."),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_in_words(
    notebook: str, assignments: str, remedy: str, apart: Path
) -> None:
    name = next(name for name in NOTEBOOKS if name.startswith(notebook))
    assert remedy in refused(name, *assignments.split())


@pytest.mark.parametrize("text", ["[cold,warm]", "['cold', 'warm']", "cold,warm", '["cold","warm"'])
def test_a_list_without_quotes_is_shown_as_the_shell_needs_it(text: str, apart: Path) -> None:
    message = refused("03_feature_validation", f"classes={text}")
    assert message.endswith("""such as -p 'classes=["cold", "warm"]'.""")


def test_a_users_notebook_may_have_other_parameters(tmp_path: Path) -> None:
    source = """\
hop_length = 64
face_size = 32
filters = [8]
data = "synthetic"
mine = {"a": 1}
often = 3
rate = 1.5
open = None"""
    path = written(tmp_path / "20_mine.ipynb", source)
    parameters.check(path, {"hop_length": 9000, "mine": {}, "often": 0, "rate": 2, "open": "x"})
    for name, value, remedy in [
        ("often", 0.5, "often=0.5: give a value such as 3."),
        ("mine", "x", 'mine="x": give a value such as {"a": 1}.'),
        ("face_size", 1, "face_size=1: give a whole number from 16 to 512."),
    ]:
        with pytest.raises(InputError) as error:
            parameters.check(path, {name: value})
        assert str(error.value) == remedy


TEXT = st.text(max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=2),
    max_leaves=6,
)


@given(data=st.data())
def test_any_value_is_accepted_or_refused_in_one_line_that_names_it(data: st.DataObject) -> None:
    path = NOTEBOOKS[data.draw(st.sampled_from(sorted(NOTEBOOKS)))]
    name = data.draw(st.sampled_from(sorted(parameters.read(path))))
    schema = Parameters.model_json_schema()["properties"][name]
    near = st.sampled_from([*choices(schema), schema.get("minimum", 0), schema.get("maximum", 1)])
    value = data.draw(VALUES | near)
    try:
        parameters.check(path, {name: value})
    except InputError as error:
        assert name in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 300
    else:
        assert accepts(name, value) or value == "" == parameters.read(path)[name]


def test_limits_between_parameters_are_those_of_the_library() -> None:
    """The limits in the table above are accepted by the library, and one more is not."""
    window = inputs.SoundInput(kind="mfcc", n_fft=256, hop_length=128)
    assert autoencoders.patches(np.zeros((1, *window.shape), np.float32), 126).shape[1] == 1
    with pytest.raises(InputError, match="patch=127"):
        autoencoders.patches(np.zeros((1, *window.shape), np.float32), 127)
    image.build((16, 16, 3), 2, filters=[2, 2, 2])
    with pytest.raises(InputError, match="filters="):
        image.build((16, 16, 3), 2, filters=[2, 2, 2, 2])
    corpus.plan(["hug", "hungry", "sleepy"], infants=6)
    with pytest.raises(InputError, match="infants=5"):
        corpus.plan(["hug", "hungry", "sleepy"], infants=5)


# In the command


@pytest.fixture
def folder(apart: Path, sound: Callable[..., Path]) -> Path:
    """A folder of two classes that Table 1 lacks, of three infants each, 0.5 s a recording."""
    for number in range(12):
        label, infant = ("cold", "warm")[number % 2], f"baby-{number % 6}"
        sound(apart / "own" / label / infant / f"{number}.wav", seconds=0.5, seed=number)
    return apart / "own"


@pytest.mark.parametrize(
    ("notebook", "assignment", "remedy"),
    [
        ("03_feature_validation", 'classes=["cold","wram"]',
         'classes: own has no class "wram". Did you mean warm?'),
        ("03_feature_validation", 'classes=["x","cold"]',
         'classes: own has no class "x". Known: cold, warm.'),
        ("02_audio_features", 'states=["hungry","tired"]',
         'states: own has no class "hungry". Known: cold, warm.'),
        ("04_cry2", "stand_in=col", 'stand_in: own has no class "col". Did you mean cold?'),
        ("04_cry2", "window_s=0.6", "window_s=0.6: own's longest recording has 0.5 s"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", [["--data", "own"], ["-p", "data=own"]], ids=" ".join)
def test_classes_that_a_corpus_lacks_are_refused_at_once(
    notebook: str, assignment: str, remedy: str, how: list[str], command: Command, folder: Path
) -> None:
    assert remedy in mistake(command("run", notebook, *how, "-p", assignment))
    assert not (folder.parent / "outputs").exists()


def test_a_missing_parameter_is_remarked(apart: Path) -> None:
    jobs, skipped = course.plan("quick", overrides={"face_fps": 3.0})
    remarks = dict(course.remarks(jobs, skipped, ["face_fps"]))
    assert remarks["04_cry2"] == "has no parameter face_fps, and runs without"
    assert {"05_image", "06_full"}.isdisjoint(remarks)
    assert dict(course.remarks(jobs, skipped, [])) == {}


def test_missing_earlier_notebooks_are_remarked(apart: Path) -> None:
    jobs, skipped = course.plan("quick", only=["06_full"])
    words = "come first in the course; what they would have trained is trained here"
    assert list(course.remarks(jobs, skipped, [])) == [("06_full", f"04_cry2 and 05_image {words}")]
    state = jobs[0].folder / "state" / "04_cry2.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    assert "04_cry2" not in dict(course.remarks(jobs, skipped, []))["06_full"]
    real, skipped = course.plan("real")
    assert dict(course.remarks(real, skipped, [])) == {}


def test_the_list_has_every_notebook_and_parameter_in_80_columns(command: Command) -> None:
    out = success(command("run", "--list", "--profile", "real", "-p", "seed=7"))
    listing, _, skipped = out.partition("\n05_image: skipped, DonateACry holds no pictures")
    assert skipped
    assert max(map(len, listing.splitlines())) <= 80
    names = re.findall(rf"^({NAME}): ", listing, flags=re.MULTILINE)
    assert names == [job.name for job in course.plan("real")[0]]
    sections = re.split(rf"^{NAME}: ", listing, flags=re.MULTILINE)[1:]
    for name, part in zip(names, sections, strict=True):
        listed = re.findall(r"^  (\w+) = ", part, flags=re.MULTILINE)
        assert listed == list(parameters.read(NOTEBOOKS[name]))
    part = " ".join(sections[names.index("03_feature_validation")].split())
    assert part.startswith("Feature validation: Table 2")
    assert "n_fft = 256 samples per frame; a whole number from 16 to 16384" in part
    assert "repeats = 10 " in part and 'data = "donateacry"' in part and "seed = 7 " in part
    alone = command("run", "--list", "05")[1]
    assert re.findall(rf"^{NAME}", alone, flags=re.MULTILINE) == ["05_image"]
