"""Every command in the documents and in the help texts does what it says, as it is written there.

`RULES` says how each kind of line is tried. A line of no kind fails.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from documented import ROOT, lines, python_blocks
from engines import need
from lite_file import lite_file
from packaging.requirements import Requirement
from sizes import large
from small_course import donateacry, outlined, shrunk
from trained_run import Trained, add_ensemble

import cryutils
from cryutils.app import store
from cryutils.app.readings import Reading
from cryutils.errors import InputError
from cryutils.papers import benchmark

RULES = {
    "cluster": r"dask (?:scheduler|worker)\b|cryutils run --scheduler\b|CRYUTILS_SCHEDULER=",
    "notebooks": r"cryutils run\b",
    "benchmark": r"cryutils benchmark\b",
    "bench": r"cryutils bench\b|python benchmarks/",
    "serve": r"cryutils serve\b",
    "device": r"cd device && python on_device\.py",
    "command": r"(?:.+\| )?cryutils \w+",
    "papermill": r"papermill notebooks/",
    "store": r"(?:export )?CRYUTILS_STORE=",
    "recording": r"(?:[\w-]+/){3}[\w-]+\.\w+$",
    # These install or download. The files, targets and extras that they name must exist.
    "make": r"make\b",
    "pip": r"pip install\b",
    "wheel": r"pip wheel\b",
    "environment": r"conda env create\b|source \.venv/bin/activate$",
    "clone": r"git clone \S.* (?:course|cryutils)$|cd (?:course|cryutils)$",
    # tests/browser/test_application_in_browser.py runs these, from the page's marked blocks.
    "certificate": r"openssl \w+|printf .*> baby\.ext$|nginx -p FOLDER -c nginx\.conf$",
}
ALL = lines()
# The documented benchmarks, with less to measure.
BENCHES = {
    "features": "features.main(rounds=1)",
    "power": "sys.argv += ['--corpora', '2', '--infants', '40']; power.main()",
    "pages": "pages.main(pages=1, length_s=2.0)",
}
LABELS = ["hungry", "tired", "discomfort", "belly_pain"]
FILMS = {"infants": 16, "clips_per_infant": 2, "duration_s": 2.0, "fps": 4, "size": 96}


def kind(line: str) -> str | None:
    """Return the name of the first rule that covers a line."""
    return next((name for name, rule in RULES.items() if re.match(rule, line)), None)


def of_kind(name: str) -> pytest.MarkDecorator:
    """Try each line of this kind."""
    chosen = [line for line in ALL if kind(line) == name]
    return pytest.mark.parametrize("line", chosen)


def test_a_rule_covers_every_line() -> None:
    assert not [line for line in ALL if kind(line) is None]


# What the documents take for granted: recordings, trained runs, a store, a course


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, trained: Trained, recordings: Path,
    sound: Callable[..., Path],
) -> Path:  # fmt: skip
    """A folder in which the documented names exist."""
    home = tmp_path_factory.mktemp("documented")
    shutil.copytree(trained.outputs, home / "outputs")
    shutil.copytree(ROOT / "tests" / "data", home / "tests" / "data")
    add_ensemble(home / "outputs" / "quick" / "models", trained.corpus)
    judged = ROOT / "outputs" / "reference" / "judged"
    (home / "outputs" / "real" / "predictions").mkdir(parents=True)
    for name in ("results.json", "predictions/04_cry2.parquet"):
        shutil.copy(judged / name, home / "outputs" / "real" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_CACHE_DIR", str(home / "cache"))
        films = cryutils.load("synthetic", classes=LABELS, video=True, mostly=1.0, **FILMS)
    for clip in films:
        for name in ("recordings", "FOLDER", "our-cries"):
            path = home / name / clip.label / clip.infant / clip.path.name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip.path, path)
    sound(home / "cry.wav", seconds=2.0, sr=trained.hearing.sr)
    shutil.copy(recordings / "cry.mp4", home / "crying.mp4")
    donateacry(home / "data", outlined(home / "course"), sound)
    with store.open(f"sqlite:///{home / 'store.sqlite'}") as opened:
        for name in ("ann", "demo", "granny"):
            opened.users.add(name, "correct horse")
        log = opened.infants.add("Mia", user="demo")
        for name in ("ann", "granny"):
            opened.infants.share("Mia", name, user=None)
        log.append(log.begin("test"), [Reading(1.8e9 + 3600 * i, "hungry") for i in range(30)])
    return home


@pytest.fixture
def place(
    home: Path, trained: Trained, apart: Path, fast_hashes: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of that folder, which is the test's own; the test starts in it."""
    for path in home.iterdir():
        if path.name not in ("cache", "course", "data"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, apart / path.name)
    for name, value in {
        "PROJECT_DIR": home / "course", "DATA_DIR": home / "data",
        "CACHE_DIR": trained.outputs.parent / "cache", "OFFLINE": 1, "STORE": "sqlite:///store.sqlite",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"CRYUTILS_{name}", str(value))
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    return apart


@pytest.fixture
def shell(place: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run a line in bash, with this Python, `cryutils` and a password manager on its path."""
    tools = {
        "python": f'exec {sys.executable} "$@"',
        "cryutils": f'exec {sys.executable} -m cryutils.course.cli "$@"',
        "papermill": f'exec {sys.executable} -m papermill "$@"',
        "pass": "echo correct horse",
    }
    for name, script in tools.items():
        path = place / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"], cwd=place,
            env=os.environ | {"PATH": f"{place / 'bin'}:{os.environ['PATH']}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


# Commands


@of_kind("command")
def test_a_command_works(
    line: str, place: Path, command: Callable[..., tuple[int, str, str]],
    shell: Callable[[str], subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _prepare_store(line)
    if line.startswith("cryutils article"):  # made from the reference runs, which `home` lacks
        monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(ROOT))
    if "--format openvino" in line:
        need("openvino")
    if "|" in line:
        done = shell(line)
        code, err = done.returncode, done.stderr
    else:
        name, *rest = shlex.split(line)[1:]
        fewer = ["--simulations", "1"] * (name == "audit")  # what the line says comes later
        code, _, err = command(name, *fewer, *rest)
    assert code == 0, err
    assert "Traceback" not in err


def _prepare_store(line: str) -> None:
    """Remove what the line adds or shares, since everything it may name is there."""
    with store.open() as opened:
        if added := re.search(r"cryutils users add (\w+)", line):
            opened.users.remove(added[1])
        if added := re.search(r"cryutils infants add (\w+)", line):
            opened.infants.infant(added[1], user=None).remove()
        shared = re.search(r"cryutils infants share (\w+) (\w+)$", line)
        if shared:
            opened.infants.unshare(*shared.groups(), user=None)


@of_kind("benchmark")
def test_the_benchmark_scores_what_is_added(
    line: str, place: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """On a few sounds under names of DonateACry, with one task and one division of each split."""
    corpus = cryutils.load("donateacry")
    splits = benchmark.divide(corpus, n_folds=2, repeats=1).query("task == 'reason'")
    path = Path(os.environ["CRYUTILS_PROJECT_DIR"]) / benchmark.COMMITTED / "donateacry.csv"
    splits.to_csv(path, index=False)
    words = []
    if "--predictions" in line:
        rows = splits.assign(prediction="hungry", split="infant")
        rows.to_csv("mine.csv", index=False)
        words.append("reason, predictions, model: leak-free ")
    elif "yamnet=" in line:
        lite_file(place / "yamnet.tflite", 15_600, 1024)
        words.append("reason, yamnet=yamnet.tflite, logistic regression: random ")
    elif "mine.csv" in line:
        numbers = np.random.default_rng(0).normal(size=(len(corpus), 2))
        names = [clip.id for clip in corpus]
        pd.DataFrame(numbers, columns=["a", "b"]).assign(clip=names).to_csv("mine.csv", index=False)
        words.append("reason, mine.csv, one hidden layer: random ")
    code, out, err = command(*shlex.split(line)[1:])
    assert code == 0, err
    for text in ["reason, mfcc, logistic regression: random ", *words]:
        assert text in out
    assert (place / "outputs" / "benchmark" / "donateacry.html").is_file()


@of_kind("device")
def test_an_exported_model_answers_alone(
    line: str, shell: Callable[[str], subprocess.CompletedProcess[str]], place: Path
) -> None:
    (export,) = [other for other in ALL if other.endswith("--int8 --output device")]
    done = shell(f"{export} && cp cry.wav device && {line}")
    assert done.returncode == 0, done.stderr
    assert any(name in done.stdout for name in ("hungry", "tired"))


@of_kind("notebooks")
def test_a_run_takes_what_is_asked_of_it(
    line: str, place: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """With notebooks that record one number each; the whole course is planned only."""
    _copy_notebooks(line, command)
    whole_course = not re.search(r"[ /]\d\d_\w+", line)
    code, out, err = command(*shlex.split(line)[1:], *["--list"] * whole_course)
    assert code == 0, err
    assert "Traceback" not in out + err


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, sound: Callable[..., Path]) -> Path:
    """The whole course with little to compute; lines share their outputs, as on one machine."""
    home = tmp_path_factory.mktemp("whole")
    donateacry(home / "data", shrunk(home / "project"), sound)
    return home


@large
@of_kind("notebooks")
def test_a_run_executes_its_notebooks(
    line: str, place: Path, whole: Path, command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("PROJECT", "DATA", "CACHE", "OUTPUTS"):
        monkeypatch.setenv(f"CRYUTILS_{name}_DIR", str(whole / name.lower()))
    _copy_notebooks(line, command)
    code, out, err = command(*shlex.split(line)[1:])
    assert code == 0, out + err
    assert "Traceback" not in out + err


def _copy_notebooks(line: str, command: Callable[..., tuple[int, str, str]]) -> None:
    """Make the folder of a notebook that is given by its path, as the line before it does."""
    for folder in re.findall(r" (\w+)/\d\d_\w+\.ipynb", line):
        assert f"cryutils notebooks {folder}" in ALL
        assert command("notebooks", folder)[0] == 0


def test_the_lines_on_a_cluster_work_one_after_another(place: Path) -> None:
    """With ports of the system's choice, and one short notebook in place of the course."""
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    chosen = [line for line in ALL if kind(line) == "cluster"]
    scheduler, worker, *runs = [line.replace("tcp://host:8786", "ADDRESS") for line in chosen]
    assert (scheduler, worker) == ("dask scheduler", "dask worker ADDRESS --nthreads 1")
    file = place / "scheduler.json"
    here = [str(Path(sys.executable).with_name("dask"))]
    quiet = ["--no-dashboard", "--host", "127.0.0.1"]
    with subprocess.Popen([
        *here, "scheduler", *quiet, "--port", "0", "--scheduler-file", str(file)
    ]) as first, subprocess.Popen([
        *here, "worker", "--scheduler-file", str(file), "--nthreads", "1", *quiet
    ]) as second:  # fmt: skip
        try:
            from distributed import Client

            while not file.is_file():
                assert first.poll() is None
                time.sleep(0.1)
            with Client(scheduler_file=str(file)) as client:
                client.wait_for_workers(1, timeout=600)
                address = client.scheduler.address
            for line in runs:
                text = line.replace("ADDRESS", address)
                text = text if re.search(r" \d\d", text) else f"{text} 02"
                text = text.replace("cryutils", f"{sys.executable} -m cryutils.course.cli")
                done = subprocess.run(text, shell=True, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
        finally:
            second.terminate()
            first.terminate()


@of_kind("papermill")
def test_papermill_runs_a_notebook_with_a_parameter(
    line: str, place: Path, shell: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    (place / "notebooks").symlink_to(Path(os.environ["CRYUTILS_PROJECT_DIR"]) / "notebooks")
    done = shell(line)
    assert done.returncode == 0, done.stderr
    assert list((place / "outputs" / "manual").glob("**/*.json"))


@of_kind("serve")
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_application_starts(line: str, place: Path) -> None:
    """At any free port, since another test may have taken the usual one."""
    pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
    import requests
    from served import served

    options = shlex.split(line)[2:]
    if "--certfile" in options:
        subprocess.run(
            shlex.split("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
                        " -subj /CN=localhost -keyout baby.key -out baby.crt"),
            check=True, capture_output=True,
        )  # fmt: skip
    with served(place, *options, BROWSER="true") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        answer = requests.get(f"{url}/login", verify=False, timeout=60)
        # A demonstration lets in nobody but the browser that it opens.
        assert answer.status_code == (403 if "--demo" in options else 200)


def benchmark_name(line: str) -> str:
    """Return the name of the benchmark that a line runs."""
    ((named, script),) = re.findall(r"bench (\w+)|benchmarks/(\w+)\.py", line)
    return named or script


@of_kind("bench")
def test_a_benchmark_has_the_options_that_are_named(line: str) -> None:
    name = benchmark_name(line)
    script = ROOT / "benchmarks" / f"{name}.py"
    assert script.is_file() and name in BENCHES
    if line.startswith("python"):
        options = set(re.findall(r" (--\w+)", line))
        shown = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
        assert options <= set(re.findall(r" (--\w+)", shown.stdout)), shown.stderr


@large
@of_kind("bench")
def test_a_benchmark_runs(
    line: str, place: Path, shell: Callable[[str], subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    name = benchmark_name(line)
    (place / "benchmarks").mkdir()
    (place / "benchmarks" / f"{name}.py").write_text(
        f"import sys\nsys.path[:0] = {[str(ROOT / 'benchmarks'), str(ROOT / 'tools')]}\n"
        f"del sys.argv[1:]\nimport {name}\n{BENCHES[name]}\n"
    )
    shutil.copytree(Path(os.environ["CRYUTILS_PROJECT_DIR"], "data"), place / "data")
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(place))
    done = shell(line)
    assert done.returncode == 0, done.stdout + done.stderr


@of_kind("store")
def test_the_store_takes_this_address(line: str, place: Path) -> None:
    """A file is created. A server need not be here, but its address must be understood."""
    address = line.partition("=")[2]
    try:
        with store.open(address) as opened:
            opened.users.names()
    except InputError as error:
        assert not address.startswith("sqlite") and "the store can't be used now" in str(error)


@of_kind("recording")
def test_a_recording_has_a_place_in_a_folder(
    line: str, place: Path, sound: Callable[..., Path]
) -> None:
    root, label, infant, _ = Path(line).parts
    sound(place / "one" / line)
    (clip,) = cryutils.load(place / "one" / root)
    assert clip.label == label and infant in clip.infant


@pytest.mark.parametrize("block", python_blocks(), ids=lambda block: block.splitlines()[-1])
def test_a_python_example_works(
    block: str, place: Path, shell: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    (place / "example.py").write_text(block)
    done = shell("python example.py")
    assert done.returncode == 0, done.stderr


# What installs or downloads


@of_kind("make")
def test_make_has_this_target(line: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        [*shlex.split(line), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout, done.stderr


@of_kind("pip")
def test_pip_is_given_files_and_extras_that_exist(line: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    words = [word for word in shlex.split(line)[2:] if word not in ("-q", "--quiet", "-e")]
    assert words
    while words:
        word = words.pop(0)
        if word in ("-c", "-r"):
            assert (ROOT / words.pop(0)).is_file()
            continue
        requirement = Requirement(re.sub(r"^\.", project["name"], word))
        assert requirement.name == project["name"]
        assert requirement.extras <= set(project["optional-dependencies"])


@of_kind("wheel")
def test_pip_builds_the_wheel(line: str, tmp_path: Path) -> None:
    """With the build backend that is installed, since pip would download another."""
    words = [sys.executable, "-m", *shlex.split(line.replace(" dist ", f" {tmp_path} "))]
    done = subprocess.run(
        [*words, "--no-build-isolation"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("cryutils-*.whl"))


@of_kind("environment")
def test_an_environment_is_the_one_that_the_repository_makes(line: str) -> None:
    if line.startswith("source"):
        assert "-m venv .venv\n" in (ROOT / "Makefile").read_text()
    else:
        assert (ROOT / line.split("-f ")[1]).is_file()


@of_kind("clone")
def test_a_clone_is_entered_by_the_name_that_it_gets(line: str) -> None:
    assert any(f"cd {line.split()[-1]}" in other for other in ALL)


@of_kind("certificate")
def test_the_browser_tests_run_this_line(line: str) -> None:
    page = (ROOT / "docs" / "application.md").read_text()
    marked = re.findall(r"<!-- (?:authority|certificate) -->\n```\n(.+?)```", page, re.DOTALL)
    joined = [re.sub(r" *\\\n\s*", " ", block) for block in marked]
    if line.startswith("nginx"):
        assert (ROOT / "docs" / "nginx.conf").is_file()
    else:
        assert any(line in block for block in joined)
