"""Every parameter is declared once, and what can't be is refused before a notebook starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils import course
from cryutils.course import execute, parameters  # fmt: skip
from cryutils.course.parameters import DECLARED, Parameter
from cryutils.datasets import loading
from cryutils.datasets.synthetic import face, schedule, voice
from cryutils.datasets.synthetic.dials import Dials
from cryutils.errors import InputError
from cryutils.models import autoencoders, design, image, inputs, runtimes
from cryutils.papers import embeddings, ensemble, nested
from cryutils.video import faces

CLONE = Path(__file__).resolve().parents[2]
NOTEBOOKS = course.notebooks(CLONE / "notebooks")
PROFILES = sorted(path.stem for path in (CLONE / "data" / "profiles").glob("*.yml"))


def refused(notebook: str, *texts: str) -> str:
    """The line by which the plan of a run refuses parameters given as on the command line."""
    pairs = (text.partition("=") for text in texts)
    values = {name: parameters.read_value(value) for name, _, value in pairs}
    with pytest.raises(InputError) as error:
        course.plan(course.load_profile("quick"), only=[notebook], overrides=values)
    assert "\n" not in str(error.value)
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
def test_a_value_is_read_as_it_is_meant(text: str, value: object) -> None:
    reading = parameters.read_value(text)
    assert reading == value
    assert type(reading) is type(value)


# The declarations


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_each_parameter_is_declared_and_its_default_passes(notebook: str) -> None:
    defaults = execute.parameters(NOTEBOOKS[notebook])
    assert set(defaults) <= set(DECLARED)
    odd = {"data": "auto"} if notebook == "00_start_here" else {}  # it looks for a real cry
    assert not [
        name
        for name, value in defaults.items()
        if not parameters.declaration(notebook, name, value).accepts(value) and name not in odd  # type: ignore[union-attr]
    ]
    parameters.check(notebook, defaults, {**defaults, **({"data": "synthetic"} if odd else {})})


@pytest.mark.parametrize("name", PROFILES)
def test_each_value_of_a_profile_passes(name: str, apart: Path) -> None:
    jobs, skipped = course.plan(course.load_profile(name))
    assert {job.name for job in jobs} | set(skipped) == set(NOTEBOOKS)


def test_each_declaration_is_used_and_tells_what_it_is_about() -> None:
    used = {
        name if f"{notebook}.{name}" not in DECLARED else f"{notebook}.{name}"
        for notebook, path in NOTEBOOKS.items()
        for name in execute.parameters(path)
    }
    assert set(DECLARED) == used
    assert all(declared.about for declared in DECLARED.values())


@pytest.mark.parametrize(
    ("span", "inside", "outside", "words"),
    [
        ("[0, 1]", [0, 1, 0.5], [-0.001, 1.001], "a number from 0 to 1"),
        ("(0, 1)", [0.001, 0.999], [0, 1, 1.0], "a number above 0 and below 1"),
        ("[0, 1)", [0, 0.999], [1, -1], "a number from 0 to below 1"),
        ("(0, 1]", [1e-9, 1], [0, 0.0, 1.1], "a number above 0 and up to 1"),
    ],
)
def test_a_span_has_the_ends_that_it_says(
    span: str, inside: list[float], outside: list[float], words: str
) -> None:
    declared = Parameter("number", span=span)
    assert all(declared.accepts(value) for value in inside)
    foreign = [float("nan"), float("inf"), float("-inf"), 10**400, True, "0.5", None, [0.5], {}]
    assert not [value for value in [*outside, *foreign] if declared.accepts(value)]
    assert declared.words == words


@pytest.mark.parametrize(
    ("declared", "right", "wrong", "words"),
    [
        (Parameter("whole", span="[1, 3]"), [1, 3], [0, 4, 1.0, True, "1"],
         "a whole number from 1 to 3"),
        (Parameter("even", span="[64, 70]"), [64, 70], [65, 62, 66.0],
         "an even number from 64 to 70"),
        (Parameter("flag"), [True, False], [1, 0, "true", "yes", None], "true or false"),
        (Parameter("text", choices=("a", "b", "c")), ["a", "c"], ["", "d", None, 1, ["a"]],
         '"a", "b" or "c"'),
        (Parameter("text", choices=("a",), other="a folder"), ["a", "x"], ["", " ", 3, None],
         '"a" or a folder'),
        (Parameter("number", span="[0, 1]", null=True), [None, 0], [2, ""],
         "a number from 0 to 1 or null"),
        (Parameter("whole", span="[1, 9]", items=(1, 3)), [[1], [9, 9, 9]],
         [[], [0], [1, 2, 3, 4], [[1]], [True], 1, "1", [1.5], None],
         "a list of 1 to 3 whole numbers from 1 to 9"),
        (Parameter("text", other="a class", items=(2, 9), empty=True), [[], ["a", "b"]],
         [["a"], ["a", "a"], [["a"], ["b"]], [[], {}], [1, 2], ["a", ""], "ab", None],
         "a list of 2 to 9 different names, or []"),
    ],
)  # fmt: skip
def test_a_kind_takes_its_own_and_nothing_else(
    declared: Parameter, right: list[Any], wrong: list[Any], words: str
) -> None:
    assert [value for value in right if not declared.accepts(value)] == []
    assert [value for value in wrong if declared.accepts(value)] == []
    assert declared.words == words


def test_choices_are_those_of_the_library() -> None:
    assert {name: set(DECLARED[name].choices) for name in DECLARED if DECLARED[name].choices} == {
        "data": set(loading.CORPORA),
        "runs": {"reference"},
        "stand_in": {"auto"},
        "kind": set(inputs.KINDS),
        "scaling": set(design.SCALINGS),
        "detector": set(faces.DETECTORS),
        "backbone": {"auto", "small"},
        "weights": {"auto", "imagenet", "random"},
        "engine": set(runtimes.ENGINES),
        "crop": {"auto", *embeddings.CROPS},
        "ensemble_input": set(ensemble.KINDS),
        "split_unit": {nested.Split.FRAME, nested.Split.CLIP},
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
        ("window_s", inputs.SHORTEST_S, None, 0.01, lambda s: inputs.SoundInput(window_s=s)),
    ],
)  # fmt: skip
def test_the_ends_are_those_of_the_library(
    name: str, low: float, high: float | None, step: float, use: Callable[[float], object]
) -> None:
    for end, beyond in ((low, low - step), (high, None if high is None else high + step)):
        if end is not None:
            assert DECLARED[name].accepts(end)
            assert not DECLARED[name].accepts(beyond)
            use(end)
            with pytest.raises(InputError):
                use(beyond)


# What is refused


@pytest.mark.parametrize(
    ("notebook", "assignment", "mend"),
    [
        ("03", "test_size=2", "test_size=2: give a number above 0 and below 1."),
        ("03", "data=", 'data="": give "synthetic", "donateacry" or a folder.'),
        ("03", "data=null", 'data=null: give "synthetic", "donateacry" or a folder.'),
        ("03", "n_fft=-4", "n_fft=-4: give a whole number from 16 to 16384."),
        ("03", "n_fft=3", "give a whole number from 16 to 16384."),
        ("02", "n_fft=100000000", "give a whole number from 16 to 16384."),
        ("03", "n_fft=true", "n_fft=true: give a whole number"),
        ("03", "n_fft=512.5", "n_fft=512.5: give a whole number"),
        ("03", "hop_length=100000000", "give a whole number from 1 to 16384."),
        ("03", "n_mels=0", "n_mels=0: give a whole number from 2 to 512."),
        ("03", "n_mels=100000", "give a whole number from 2 to 512."),
        ("00", "sr=null", "sr=null: give a whole number from 4000 to 96000."),
        ("03", "sr=100000000", "give a whole number from 4000 to 96000."),
        ("03", "splits=0", "splits=0: give a whole number from 1 to 10000."),
        ("03", "splits=-1", "splits=-1: give a whole number from 1 to 10000."),
        ("03", "repeats=0", "repeats=0: give a whole number from 1 to 100."),
        ("04", "filters=[0]", "filters=[0]: give a list of 1 to 6 whole numbers from 1 to 1024, "
                              "such as -p 'filters=[16, 32, 64]'."),
        ("04", 'filters=["a"]', 'filters=["a"]: give a list of 1 to 6 whole'),
        ("04", "filters=16,32", "give a list of 1 to 6 whole numbers from 1 to 1024, such as "
                                "-p 'filters=[16, 32]'."),
        ("07", "units=0", "units=0: give a whole number from 1 to 4096."),
        ("07", "finetune=1", "finetune=1: give true or false."),
        ("08", "noise_range=[5,-5]", "noise_range=[5, -5]: give the lower level first."),
        ("08", "noise_range=[5]", "give a list of 2 numbers from -100 to 100"),
        ("02", "states=[[],{}]", "states=[[], {}]: give a list of 2 different names"),
        ("02", 'states=["hungry"]', "give a list of 2 different names, such as "
                                    "-p 'states=[\"hungry\", \"tired\"]'."),
        ("04", "learning_rate=NaN", "learning_rate=NaN: give a number above 0 and up to 1."),
        ("04", "learning_rate=Infinity", "learning_rate=Infinity: give a number"),
        ("04", "learning_rate=nan", "learning_rate=NaN: give a number"),
        ("06", "seeds=0", "seeds=0: give a whole number from 1 to 100."),
        ("04", "window_s=1000", "window_s=1000: give a number from 0.25 to 60."),
        ("03", "seed=-1", "seed=-1: give a whole number from 0 to 2000000000."),
        ("03", f"seed={'9' * 5000}", "seed=Infinity: give a whole number"),
        ("03", "scaling=sginal", 'scaling="sginal": give "signal", "recording", "recording_cen'),
        ("05", "size=113", "size=113: give an even number from 64 to 1024."),
        ("05", "weights=imagnet", 'weights="imagnet": no such file. Did you mean imagenet?'),
        ("03", "classes=x", "give a list of 2 to 100 different names, or [], such as "
                            "-p 'classes=[\"hungry\", \"tired\"]'."),
        ("03", 'classes=["x"]', "give a list of 2 to 100 different names"),
        ("03", 'classes=["tired","tired"]', "give a list of 2 to 100 different names"),
        ("03", 'classes=["x","tired"]', 'classes: synthetic has no class "x". Known: belly_pain,'),
        ("03", 'classes=["tried","hug"]', 'no class "tried". Did you mean tired? Known: belly_pai'),
        ("04", "stand_in=bely_pain", 'stand_in: synthetic has no class "bely_pain". Did you mean'),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(
    notebook: str, assignment: str, mend: str, apart: Path
) -> None:
    name = next(name for name in NOTEBOOKS if name.startswith(notebook))
    message = refused(name, assignment)
    assert mend in message
    assert len(message) < 250


@pytest.mark.parametrize("text", ["[cold,warm]", "['cold', 'warm']", "cold,warm", '["cold","warm"'])
def test_a_list_that_lost_its_quotes_is_shown_as_the_shell_wants_it(text: str, apart: Path) -> None:
    message = refused("03_feature_validation", f"classes={text}")
    assert message.endswith("""such as -p 'classes=["cold", "warm"]'.""")


@pytest.mark.parametrize(
    ("notebook", "assignments", "mend"),
    [
        ("02", ["n_fft=256", "hop_length=257"], "hop_length=257: give 256 at most, for n_fft=256."),
        ("02", ["n_fft=64", "hop_length=64"], 
         "n_fft=64 leaves no room for n_mels=40: give 33 at most."),
        ("02", ["n_mfcc=41"], "n_mfcc=41: give 40 at most, for n_mels=40."),
        ("04", ["window_s=4.5"], "window_s=4.5: give 4.0 at most, for duration_s=4.0."),
        ("04", ["filters=[8,8,8,8,8]"], "give 4 of them at most, for kind="),
        ("04", ["kind=mfcc", "filters=[8,8,8,8]"], 'give 3 of them at most, for kind="mfcc".'),
        ("05", ["face_size=16", "filters=[8,8,8,8]"], "give 3 of them at most, for face_size=16."),
        ("04", ["window_s=0.25"],
         "window_s=0.25 leaves no room for filters=[16, 32, 64]: give 2 of them at most."),
        ("08", ["patch=127"], "patch=127: give 126 at most, for window_s=2.0."),
        ("09", ["window_s=0.5", "patch=40"], "patch=40: give 32 at most, for window_s=0.5."),
        ("03", ["infants=7"], "infants=7: give 8 or more, two of each class."),
        ("03", ["infants=5", 'classes=["hug","tired"]', "n_folds=6"],
         "n_folds=6: give 5 at most, for infants=5."),
        ("07", ["clips=29"], "clips=29: give 30 or more, of two infants in each state."),
        ("07", ["clips=40", "n_folds=9"], "n_folds=9: give 8 at most, for clips=40."),
    ],
)  # fmt: skip
def test_two_that_do_not_go_together_are_refused(
    notebook: str, assignments: list[str], mend: str, apart: Path
) -> None:
    name = next(name for name in NOTEBOOKS if name.startswith(notebook))
    assert mend in refused(name, *assignments)


def test_a_notebook_of_somebody_elses_needs_no_declaration() -> None:
    theirs = {
        "n_fft": None, "hop_length": 64, "window_s": 2.0, "clips": 40, "n_folds": 3,
        "face_size": "x", "filters": [8], "data": "synthetic", "infants": "many",
        "mine": {"a": 1}, "weights": 3,
    }  # fmt: skip
    parameters.check("20_mine", theirs, {"hop_length": 9000, "mine": "anything", "clips": 90})
    with pytest.raises(InputError, match="clips=2: give a whole number from 6 to 100000"):
        parameters.check("20_mine", theirs, {"clips": 2})


def test_what_goes_together_at_most_is_what_the_library_takes() -> None:
    """The ends of the table above: each is taken by what the notebook calls, one more isn't."""
    window = inputs.SoundInput(kind="mfcc", n_fft=256, hop_length=128)
    assert autoencoders.patches(np.zeros((1, *window.shape), np.float32), 126).shape[1] == 1
    with pytest.raises(InputError, match="patch=127"):
        autoencoders.patches(np.zeros((1, *window.shape), np.float32), 127)
    image.build((16, 16, 3), 2, filters=[2, 2, 2])
    with pytest.raises(InputError, match="filters="):
        image.build((16, 16, 3), 2, filters=[2, 2, 2, 2])
    schedule.plan(["hug", "hungry", "sleepy"], infants=6)
    with pytest.raises(InputError, match="infants=5"):
        schedule.plan(["hug", "hungry", "sleepy"], infants=5)


# In the command


@pytest.fixture
def folder(apart: Path, sound: Callable[..., Path]) -> Path:
    """A folder of two classes that Table 1 lacks, of three infants each, 0.5 s a recording."""
    for number in range(12):
        label, infant = ("cold", "warm")[number % 2], f"baby-{number % 6}"
        sound(apart / "own" / label / infant / f"{number}.wav", seconds=0.5, seed=number)
    return apart / "own"


@pytest.mark.parametrize(
    ("notebook", "assignment", "mend"),
    [
        ("03_feature_validation", 'classes=["cold","wram"]',
         'classes: own has no class "wram". Did you mean warm? Known: cold, warm.'),
        ("03_feature_validation", 'classes=["x","cold"]',
         'classes: own has no class "x". Known: cold, warm.'),
        ("02_audio_features", 'states=["hungry","tired"]',
         'states: own has no class "hungry". Known: cold, warm.'),
        ("04_cry2", "stand_in=col", 'stand_in: own has no class "col". Did you mean cold?'),
        ("04_cry2", "window_s=0.6", "window_s=0.6: own's longest recording has 0.5 s"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", [["--data", "own"], ["-p", "data=own"]], ids=" ".join)
def test_what_a_corpus_does_not_hold_is_refused_at_once(
    notebook: str, assignment: str, mend: str, how: list[str], command: Callable, folder: Path
) -> None:
    code, out, err = command("run", notebook, *how, "-p", assignment)
    assert (code, out) == (2, "")
    assert mend in err
    assert err.count("\n") == 1
    assert not (folder.parent / "outputs").exists()


def test_a_class_of_the_real_recordings_is_refused_at_once(
    donateacry: Path, command: Callable
) -> None:
    real = ["run", "03_feature_validation", "--profile", "real", "-p"]
    code, out, err = command(*real, 'classes=["hungri","tired"]')
    assert (code, out) == (2, "")
    assert 'donateacry has no class "hungri". Did you mean hungry? Known: belly_pain, burp' in err


def opening(notebook: str, until: str, values: dict[str, Any]) -> dict[str, Any]:
    """What a notebook's code cells leave, as far as the one that sets `until`."""
    namespace: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOKS[notebook].read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
            namespace |= values if "parameters" in cell["metadata"].get("tags", []) else {}
            if until in namespace:
                return namespace
    raise AssertionError(f"{notebook} sets no {until}")


@pytest.mark.parametrize(
    ("more", "classes"),
    [
        ({}, ("cold", "warm")),
        ({"classes": ["warm", "cold"]}, ("cold", "warm")),
        ({"data": "synthetic", "classes": ["hug", "tired"]}, ("hug", "tired")),
        ({"data": "synthetic"}, ("belly_pain", "discomfort", "pain", "tired")),
    ],
    ids=str,
)
def test_notebook_03_takes_a_folders_own_classes(
    more: dict[str, Any], classes: tuple[str, ...], folder: Path
) -> None:
    values = {"data": str(folder), "infants": 8, "clips_per_infant": 2, "duration_s": 0.5} | more
    namespace = opening("03_feature_validation", "used", values)
    assert namespace["used"].classes == classes
    assert set(namespace["used"].infants) == set(namespace["available"].infants)
    beside = [key for key in namespace["published"].index if key.startswith("feature_validation.")]
    assert bool(beside) == ("belly_pain" in classes)  # the paper's figures, beside its classes


def test_a_parameter_that_a_named_notebook_lacks_is_said(apart: Path) -> None:
    jobs, skipped = course.plan(course.load_profile("quick"), overrides={"face_fps": 3.0})
    remarks = dict(course.remarks(jobs, skipped, ["face_fps"]))
    assert remarks["04_cry2"] == "has no parameter face_fps, and runs without"
    assert {"05_image", "06_full"}.isdisjoint(remarks)
    assert dict(course.remarks(jobs, skipped, [])) == {}


def test_a_notebook_alone_says_what_comes_before_it(apart: Path) -> None:
    jobs, skipped = course.plan(course.load_profile("quick"), only=["06_full"])
    words = "come first in the course; what they would have trained is trained here"
    assert list(course.remarks(jobs, skipped, [])) == [("06_full", f"04_cry2 and 05_image {words}")]
    state = jobs[0].folder / "state" / "04_cry2.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    assert "04_cry2" not in dict(course.remarks(jobs, skipped, []))["06_full"]
    real, skipped = course.plan(course.load_profile("real"))
    assert dict(course.remarks(real, skipped, [])) == {}


def test_the_list_has_every_notebook_and_parameter_in_80_columns(command: Callable) -> None:
    code, out, err = command("run", "--list")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    parts = dict(zip(NOTEBOOKS, re.split(r"^\d\d_\w+: ", out, flags=re.MULTILINE)[1:], strict=True))
    for name, part in parts.items():
        listed = re.findall(r"^  (\w+) = ", part, flags=re.MULTILINE)
        assert listed == list(execute.parameters(NOTEBOOKS[name]))
    assert parts["03_feature_validation"].startswith("Feature validation: Table 2")
    assert "  n_fft = 256 " in parts["03_feature_validation"]
    assert "a whole number from 16 to 16384" in parts["03_feature_validation"]


def test_the_list_follows_profile_and_parameters(command: Callable) -> None:
    code, out, _ = command("run", "--list", "--profile", "real", "-p", "seed=7")
    assert code == 0
    assert "  repeats = 10 " in out
    assert '  data = "donateacry"' in out
    assert "  seed = 7 " in out
    assert "05_image: skipped, DonateACry holds no pictures" in out
    alone = command("run", "--list", "05_image")[1]
    assert re.findall(r"^\d\d_\w+", alone, flags=re.MULTILINE) == ["05_image"]
