"""A user's own folder of recordings: every notebook runs on it, or is refused before any starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from refusals import Command, mistake
from sizes import large

from cryutils import course
from cryutils.course import recordings
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.synthetic import face, voice
from cryutils.datasets.synthetic.corpus import write_mp4, write_wav
from cryutils.datasets.synthetic.dials import Dials

Layout = Mapping[str, Mapping[str, int]]  # clips by label and infant

DIALS = Dials(0.8, 0.8, 0.0, 0.0)
VOICES = {"cold": "burping", "lonely": "hug"}  # labels that the generator does not know

# What README promises: two infants and five clips of each class, and five infants in all.
MINIMUM: Layout = {"hungry": {"a": 3, "b": 2}, "tired": {"c": 2, "d": 2, "e": 1}}
UNEVEN: Layout = {"hungry": {"a": 4, "b": 1}, "tired": {"c": 3, "d": 1, "e": 1}}
FEW_CLASSES: Layout = {"hungry": dict.fromkeys("abcd", 3), "tired": dict.fromkeys("efgh", 3)}
OTHER_LABELS: Layout = {"cold": dict.fromkeys("abcd", 3), "lonely": dict.fromkeys("efgh", 3)}

# The smallest that each notebook can do; those that lack a parameter run without it.
SMALLEST = {
    "splits": 2, "repeats": 1, "permutations": 3, "recipe_draws": 1, "epochs": 1, "filters": [4],
    "face_size": 32, "seeds": 1, "snr_db": [0], "drop_shares": [1.0], "units": 4, "windows": [1, 3],
    "resnet_row": False, "frame_fps": 2, "head_fps": 2, "autoencoder_epochs": 1, "dnn_epochs": 1,
    "sizes": [4], "hidden": 8,
    "bottleneck": 4, "image_epochs": 1, "ensemble_epochs": 1, "simulations": 1,
    "stresses": ["noise", "dim"], "listen_s": 2, "pause_s": 2, "each": 5, "calls": 10,
}  # fmt: skip
NO_PICTURES = {
    "05_image": "has pictures; add videos or pictures.",
    "06_full": "has both sound and pictures; add videos with sound.",
    "07_frames_resnet50": "has pictures; add videos or pictures.",
    "appendix_faces": "has pictures; add videos or pictures.",
}
TWO_INFANTS = {
    "10_leakage_audit": "class 'hungry' has 2 infants, 3 are needed; leave the class out",
}
PAPER_A = "hug or lonely or hugging, hungry, sleepy or tired are needed, but it has only lonely;"
PAPER_B = "discomfort, hungry, pain or belly_pain, tired are needed, but it has none of them;"
OTHER_STATES = {
    "04_cry2": PAPER_B, "08_autoencoder_dnn": PAPER_A, "09_ensemble": PAPER_A,
    "appendix_table3": PAPER_A,
    "11_robustness": PAPER_B, "appendix_explanations": PAPER_B, "13_live_and_deployment": PAPER_B,
}  # fmt: skip


# No folder here is large enough for the benchmark's tasks.
_TOO_FEW = "no task has two classes with 10 clips of 5 infants each"
FEW_CLIPS = {"12_beyond_the_papers": _TOO_FEW, "appendix_faces": _TOO_FEW}


@dataclass(frozen=True)
class Folder:
    """A folder to be made, and the words with which it refuses notebooks."""

    layout: Layout
    refused: Mapping[str, str]
    video: bool = False


FOLDERS = {
    "sounds": Folder(FEW_CLASSES, FEW_CLIPS | NO_PICTURES),
    "others": Folder(OTHER_LABELS, OTHER_STATES | FEW_CLIPS | NO_PICTURES),
    "videos": Folder(FEW_CLASSES, FEW_CLIPS, video=True),
    "minimum": Folder(MINIMUM, TWO_INFANTS | FEW_CLIPS | NO_PICTURES),
    "filmed-minimum": Folder(MINIMUM, TWO_INFANTS | FEW_CLIPS, video=True),
    "uneven": Folder(UNEVEN, TWO_INFANTS | FEW_CLIPS | NO_PICTURES | {
        "09_ensemble": "class 'hungry' has 1 infant with 3 clips or more, 2 are needed;",
        "appendix_table3": "class 'hungry' has 1 infant with 3 clips or more, 2 are needed;",
    }),
}  # fmt: skip


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`made("sounds")` writes that folder once and returns it."""
    home = tmp_path_factory.mktemp("folders")

    def make(name: str) -> Path:
        if not (home / name).exists():
            write(home / name, FOLDERS[name])
        return home / name

    return make


def write(home: Path, folder: Folder) -> None:
    """Write 3 s of a synthetic cry for each clip, with a face in a video."""
    clips = [
        (label, infant, k)
        for label, infants in folder.layout.items()
        for infant, count in infants.items()
        for k in range(count)
    ]
    for number, (label, infant, k) in enumerate(clips):
        path = home / label / infant / f"{k}{'.mp4' if folder.video else '.wav'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        cry = voice.plan(
            VOICES.get(label, label), infant=ord(infant), seed=number, dials=DIALS, duration_s=3.0
        )
        if folder.video:
            write_mp4(path, cry, face.plan(cry, fps=6.0, dials=DIALS), size=112, sr=16000)
        else:
            write_wav(path, cry, sr=8000)


def run(command: Command, *arguments: str, **parameters: object) -> tuple[int, str, str]:
    """Run the command with the smallest parameters that any of its notebooks has."""
    assignments = [
        word for name, value in parameters.items() for word in ("-p", f"{name}={json.dumps(value)}")
    ]
    return command("run", *arguments, *assignments)


@large
@pytest.mark.parametrize("name", FOLDERS)
def test_every_notebook_runs_on_a_folder_or_is_skipped_for_a_reason(
    name: str, made: Callable[[str], Path], command: Command, offline: None
) -> None:
    code, out, err = run(command, "--data", str(made(name)), "--name", "own", **SMALLEST)
    assert code == 0, f"{out}{err}"
    skipped = dict(re.findall(r"^(\w+): skipped, (.*)$", out, re.MULTILINE))
    refused = FOLDERS[name].refused
    assert {*skipped} == {*refused}
    for notebook, words in refused.items():
        assert skipped[notebook].startswith(f"{name}: ") and words in skipped[notebook]
    finished = {path.stem for path in Path("outputs", "own", "state").glob("*.json")}
    assert finished == {*course.notebooks()} - {*refused}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, apart: Path) -> None:
    """Nothing is fetched: pretrained weights would choose another backbone."""
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))


@pytest.mark.parametrize(
    ("name", "notebook"),
    [(name, notebook) for name in FOLDERS for notebook in FOLDERS[name].refused],
)
def test_what_a_notebook_lacks_is_said_before_it_starts(
    name: str, notebook: str, made: Callable[[str], Path], command: Command, apart: Path
) -> None:
    line = mistake(run(command, notebook, "--data", str(made(name))))
    assert line.startswith(f"cryutils: {name}: ") and FOLDERS[name].refused[notebook] in line
    assert not (apart / "outputs").exists()


def test_the_readmes_example_runs_on_two_classes_of_ones_own(
    made: Callable[[str], Path], command: Command, offline: None, apart: Path
) -> None:
    small = {"splits": 2, "repeats": 1, "permutations": 1, "recipe_draws": 1}
    code, out, err = run(
        command, "03_feature_validation", "appendix_table2", "--data", str(made("sounds")),
        "--name", "two", **small, classes=["hungry", "tired"],
    )  # fmt: skip
    assert code == 0, f"{out}{err}"
    keys = {row["key"] for row in json.loads((apart / "outputs/two/results.json").read_text())}
    assert "feature_validation.mfcc.svm.accuracy" in keys
    assert not [key for key in keys if "share_above_published" in key]


# The least that each notebook is promised to run on: infants of each class, and clips of each
# infant. Five clips of each class and five infants in all are needed as well.
LEAST = dict.fromkeys(recordings.NEEDS, (2, 1)) | {
    "09_ensemble": (2, 3), "appendix_table3": (2, 3), "10_leakage_audit": (3, 1),
    "12_beyond_the_papers": (5, 2), "appendix_faces": (5, 2),
}  # fmt: skip


@pytest.mark.parametrize("notebook", LEAST)
def test_the_least_that_is_promised_is_enough(notebook: str) -> None:
    infants, clips = LEAST[notebook]
    (job,), _ = course.plan("quick", only=[notebook])
    for seed in range(25):
        recordings.check(notebook, job.values | {"seed": seed}, drawn(infants, clips, seed=seed))


def drawn(infants: int, clips: int, *, seed: int) -> Corpus:
    """Return a corpus of two to four classes of both papers; some infants have more clips."""
    rng = np.random.default_rng(seed)
    classes = ["hungry", "tired", *rng.permutation(["hug", "discomfort", "pain"])[: seed % 3]]
    rows = []
    for label in classes:
        counts = [clips] * (infants + (len(classes) == 2 and label == "tired"))
        while sum(counts) < 5 or rng.random() < 0.5:
            counts[rng.integers(len(counts))] += 1
        rows += [(label, f"{label}-{who}") for who, n in enumerate(counts) for _ in range(n)]
    return corpus(rows)


def corpus(rows: list[tuple[str, str]]) -> Corpus:
    """Return a corpus of a clip with sound and pictures for each label and infant."""
    return Corpus(
        [
            Clip(
                id=str(k), path=Path(f"{k}.mp4"), label=label, infant=infant, session=infant,
                start_s=None, duration_s=3.0, has_audio=True, has_video=True,
            )
            for k, (label, infant) in enumerate(rows)
        ],
        name="own", note="own",
    )  # fmt: skip


def test_validation_clips_of_training_infants_are_said() -> None:
    job = course.plan("quick", only=["04_cry2"])[0][0]
    counts = {"discomfort": (14, 4), "hungry": (3, 3), "pain": (3, 3), "tired": (3, 3)}
    rows = [
        (label, f"{label}-{who}")
        for label, each in counts.items()
        for who, n in enumerate(each)
        for _ in range(n)
    ]
    assert "infants that are trained on decide when training stops" in recordings.check(
        "04_cry2", job.values, corpus(rows)
    )
    assert recordings.check("04_cry2", job.values, drawn(4, 3, seed=0)) == ""
