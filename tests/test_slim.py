"""The core works where nothing but its dependencies is installed; the rest names its extra."""

import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TABLE = str(ROOT / "tests" / "data" / "table2_predictions.csv")


def required(names: set[str]) -> set[str]:
    """Return these distributions and what they require without an extra."""
    every: set[str] = set()
    while names:
        every |= names
        lines = [line for name in names for line in metadata.requires(name) or []]
        parsed = [Requirement(line) for line in lines]
        names = {canonicalize_name(r.name) for r in parsed if r.marker is None or r.marker.evaluate()} - every
    return every


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that finds nothing but the core's packages, through links."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    site = tmp_path_factory.mktemp("site")
    for package in required(core):
        for name in {file.parts[0] for file in metadata.files(package) or ()} - {".."}:
            if not (site / name).exists():
                (site / name).symlink_to(metadata.distribution(package).locate_file(name))
    return os.environ | {
        "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
        "CRYUTILS_OFFLINE": "1",
        "MPLBACKEND": "agg",
        "CRYUTILS_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
    }


def python(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


CORE = """
import sys
import numpy as np
from matplotlib.figure import Figure
from sklearn.neighbors import KNeighborsClassifier
import cryutils
from cryutils.models.gate import Gate

clips = cryutils.load("synthetic", infants=8, clips_per_infant=3, duration_s=2, sr=8000)
sounds = [cryutils.audio.read(clip.path) for clip in clips]
x = np.array([cryutils.audio.spectral.mfcc(sound, sr=8000).mean(axis=0) for sound in sounds])

def neighbours(train, test):
    return KNeighborsClassifier().fit(x[train], clips.labels[train]).predict_proba(x[test])

answers = cryutils.evaluation.out_of_fold(neighbours, clips, split="random", folds=2)
print(0 <= cryutils.evaluation.score(answers, "accuracy").value.item() <= 1)
print(Gate.load().scores(sounds[0], 8000).max() > 0.5)
print(cryutils.plots.waveform(sounds[0], sr=8000, ax=Figure().subplots()) is not None)
print([name for name in ("av", "cv2", "soxr", "tensorflow") if sys.modules.get(name)])
"""


def test_voices_features_scores_gate_and_figures_need_nothing_but_the_core(slim: dict[str, str]) -> None:
    done = python(slim, "-c", CORE)
    assert done.stdout.splitlines()[-4:] == ["True", "True", "True", "[]"], done.stderr


@pytest.mark.parametrize("arguments", [["audit", TABLE, "--permutations", "19"], ["claims"]])
def test_a_command_of_the_core_runs(arguments: list[str], slim: dict[str, str]) -> None:
    done = python(slim, "-m", "cryutils.course.cli", *arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("course", ["predict", "cry.wav"]),
        ("app", ["serve"]),
        ("lab", ["lab"]),
        ("app", ["log", "export", "log.csv"]),
        ("course", ["data", "describe", "{sound}"]),
        ("course", ["audit", "answers.parquet"]),
    ],
)
def test_a_missing_extra_is_one_line_with_the_remedy(
    extra: str, arguments: list[str], slim: dict[str, str], tmp_path: Path
) -> None:
    sound = tmp_path / "hungry" / "a" / "cry.flac"
    sound.parent.mkdir(parents=True)
    sound.write_bytes(b"fLaC")
    (tmp_path / "answers.parquet").write_bytes(b"PAR1")
    words = [word.format(sound=tmp_path) for word in arguments]
    environment = slim | {"CRYUTILS_START_DIR": str(tmp_path)}
    done = python(environment, "-m", "cryutils.course.cli", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"pip install 'cryutils[{extra}]'" in done.stderr


def test_packages_are_offered_by_completion_and_loaded_when_used(slim: dict[str, str]) -> None:
    code = "import cryutils, sys; print(*dir(cryutils)); print('cryutils.video' in sys.modules)"
    names, is_loaded = python(slim, "-c", code).stdout.splitlines()
    wanted = {"audio", "claims", "datasets", "evaluation", "load", "models", "plots", "video"}
    assert wanted <= {*names.split()} and is_loaded == "False"
