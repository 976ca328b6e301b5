"""The core passes its own tests in the browser's Python, which node starts without a browser."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("jupyterlite_core", reason="the dependency group docs is not installed")
import lite
import pyodide
from sizes import large

ROOT = Path(__file__).resolve().parents[2]
PURE = ["iniconfig", "librosa", "pluggy", "pooch", "pytest", "seaborn", "sortedcontainers"]
# For any platform: in later versions, a part of hypothesis is compiled.
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
PIP += ["--platform=any", "--python-version=3.14", "hypothesis==6.155.7", "--target"]
TESTED = ["tests/audio", "tests/claims", "tests/datasets/synthetic", "tests/evaluation"]
RECORDS, MADE = "claims/test_records.py::test_", "datasets/synthetic/test_generator.py::test_"
LEFT_OUT = {  # what each needs, which the browser lacks
    "audio/test_files.py::test_read_is_librosas_load": "soundfile",
    "audio/test_inspect.py": "PyAV",
    # Where a sound is cut short, librosa adds arrays of different lengths, as only numba allows.
    "audio/test_spectral.py::test_the_inverse": "numba",
    "claims/test_audit.py::test_names_are_compared": "pyarrow",
    "claims/test_audit.py::test_answers_on_other_folds": "pyarrow",
    f"{RECORDS}a_notebook_killed": "processes",
    f"{RECORDS}loading_gives": "a deep stack, without which Pyodide ends",
    f"{RECORDS}predictions_are_found": "pyarrow",
    "claims/test_tables.py::test_a_gap_is": "pyarrow",
    "datasets/synthetic/test_face.py": "OpenCV",
    f"{MADE}a_version": "OpenCV",
    f"{MADE}a_video": "OpenCV and PyAV",
    f"{MADE}bad_values_are_named[change3": "PyAV",
    f"{MADE}everything_that_shapes": "OpenCV and PyAV",
    f"{MADE}one_thread_or_four": "OpenCV and PyAV",
    "evaluation/test_answers.py::test_answers_and_p": "pyarrow",
}


def packages(folder: Path) -> Path:
    """Write pure packages into `folder`, after making it; skip the test if that is impossible."""
    try:
        subprocess.run([*PIP, str(folder)], check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"hypothesis cannot be downloaded: {error}")
    for wheel in [*(lite.pack(name, folder) for name in PURE), lite.stand_ins(folder)]:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


@large
def test_the_core_passes_its_tests_in_pyodide(tmp_path: Path) -> None:
    node = shutil.which("node") or pytest.skip("node is not installed")
    script = Path(__file__).with_name("in_node.mjs")
    command = [node, script, pyodide.folder(), ROOT, packages(tmp_path / "packages")]
    command += ["-p", "no:cacheprovider", "--capture=sys", *TESTED]
    command += [f"--{'deselect' if '::' in name else 'ignore'}=tests/{name}" for name in LEFT_OUT]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    print(done.stdout[-10_000:], done.stderr[-2_000:])
    assert done.returncode == 0
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) >= 196
