"""Plans and fingerprints; notebooks that run in parallel, fail, are killed, resume.

Two tiny notebooks stand in for the course; kernels, processes and signals are real.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
import yaml
from clock import until
from course_of_two import WAIT, jobs, made, notebook, results, tally, tiny
from refusals import Command, mistake

from cryutils import claims
from cryutils.course import runner
from cryutils.errors import InputError

HANG_S = 600  # only ends a hang
PROFILES = Path(__file__).resolve().parents[2] / "data" / "profiles"

TRAIN = """\
import os
from pathlib import Path
from cryutils import claims
claims.begin("02_second", seed=seed)
claims.record(1.0, study="half", metric="n", data="made")
claims.write()
Path(os.environ["GATE"]).with_name("trained").touch()
"""


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where both notebooks of such a course have been run."""
    place = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cache", "outputs"):
            patch.setenv(f"CRYUTILS_{name.upper()}_DIR", str(place / name))
        made(place, patch)
        assert runner.run(jobs(), processes=2) == {}
    return place


@pytest.fixture
def finished(first_run: Path, project: Path, apart: Path) -> Path:
    """The run's folder in a project where both notebooks have been run once."""
    for name in ("outputs", "tally"):
        shutil.copytree(first_run / name, apart / name, dirs_exist_ok=True)
    assert all(job.is_done() for job in jobs())
    return apart / "outputs" / "quick"


def test_parameters_of_the_command_override_the_profiles(project: Path) -> None:
    notebook("03_other", parameters="own = 1\n")
    assert jobs()[0].parameters == {"seed": 3}
    overridden = jobs(values={"seed": 5, "own": 2})
    assert [job.parameters for job in overridden] == [{"seed": 5}, {"seed": 5}, {"own": 2}]


def test_notebooks_are_chosen_by_name_beginning_or_copy_else_by_the_profile(project: Path) -> None:
    copy = project / "01_first.ipynb"
    shutil.copy(project / "notebooks" / copy.name, copy)
    assert [job.source for job in jobs(str(copy))] == [copy]
    notebook("01_first", profiles=[])
    notebook("01b_between")
    assert [job.name for job in jobs()] == ["01b_between", "02_second"]
    assert [job.name for job in jobs("01", "02_")] == ["01_first", "02_second"], "01 isn't 01b"


@pytest.mark.parametrize("name", sorted(path.stem for path in PROFILES.glob("*.yml")))
def test_each_profile_names_notebooks_and_parameters_that_exist(name: str, apart: Path) -> None:
    data = "cries" if name == "own" else None
    assert runner.plan(name, data=data)
    every = list(yaml.safe_load((PROFILES / f"{name}.yml").read_text())["parameters"])
    assert [job.name for job in runner.plan(name, every, data=data)] == every


def test_a_run_is_named_after_profile_folder_and_parameters(project: Path, apart: Path) -> None:
    for options, name in (
        ({}, "quick"),
        ({"values": {"text": "../a/b", "classes": ["x y"]}}, "quick-classes-_x y_-text-.._a_b"),
        ({"values": {"test_size": 0.2}, "run_name": "trial"}, "trial"),
        ({"data": "my cries"}, "my cries-quick"),
    ):
        assert jobs(**options)[0].folder == apart / "outputs" / name
    assert jobs(data="my cries")[0].parameters["data"] == str(apart / "my cries")


def test_inputs_of_one_name_do_not_share_a_run(project: Path, apart: Path) -> None:
    job = jobs("01_first", data="a/cries")[0]
    (job.folder / "state").mkdir(parents=True)
    (job.folder / "state" / "01_first.json").write_text(json.dumps({"parameters": job.parameters}))
    for name in ("01_first", "02_second"):
        with pytest.raises(InputError, match=r"data=.*/a/cries, not .*/b/cries; .* by --name"):
            jobs(name, data="b/cries")
    assert jobs("01_first", data="b/cries", run_name="b")
    first, second = (jobs("01_first", values={"text": "x" * 100 + end})[0] for end in "yz")
    assert first.folder != second.folder
    shutil.copy(project / "notebooks" / "01_first.ipynb", apart)
    with pytest.raises(InputError, match="another 01_first"):
        jobs("01_first", str(apart / "01_first.ipynb"))


def test_what_results_depend_on_counts_and_outputs_do_not(
    project: Path, apart: Path, sound: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = apart / "own" / "tired" / "bo" / "1.wav"
    sound(own)
    (apart / "clips.csv").write_text("file,label,infant\na.wav,tired,bo\n")
    version = metadata.version
    notebook("02_second", parameters='data = "own"\nlist_of_clips = "clips.csv"\nweights = "own.h5"\n')

    def new_version() -> None:
        monkeypatch.setattr(metadata, "version", lambda name: "0" if name == "numpy" else version(name))

    changes: dict[str, Callable[[], object]] = {
        "a recording": lambda: sound(own, seconds=0.4),
        "a recording of a manifest": lambda: (apart / "a.wav").write_text("another"),
        "weights by a parameter": (apart / "own.h5").touch,
        "weights in the folder": (apart / "weights" / "resnet50_notop.h5").touch,
        "stored data": (project / "data" / "gate.json").touch,
        "the library": lambda: monkeypatch.setattr(runner, "sources", lambda _: [apart / "a.wav"]),
        "a package": new_version,
        "a cell": lambda: notebook("02_second", "1 + 1", parameters='data = "own"\n'),
    }
    seen = [jobs("02")[0].fingerprint]
    for what, change in changes.items():
        change()
        seen.append(jobs("02")[0].fingerprint)
        assert len(set(seen)) == len(seen), what
    path = project / "notebooks" / "02_second.ipynb"
    content = nbformat.read(path, as_version=4)
    content.cells[2]["outputs"] = [nbformat.v4.new_output("stream", text="42")]
    content.metadata["language_info"] = {"name": "python"}
    nbformat.write(content, path)
    assert jobs("02")[0].fingerprint == seen[-1]
    assert jobs("02", values={"data": "synthetic"})[0].fingerprint != seen[-1]


def test_of_the_library_a_notebook_depends_on_what_it_imports(tmp_path: Path) -> None:
    for name, text in {
        "__init__.py": "from cryutils.errors import InputError",
        "errors.py": "",
        "audio/__init__.py": "from .files import read",
        "audio/files.py": "def read():\n    import cryutils.video",
        "audio/unused.py": "",
        "video/__init__.py": "",
        "video/faces.json": "{}",
    }.items():
        path = tmp_path / "cryutils" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    (tmp_path / "numpy.py").write_text("")  # as beside an installed wheel

    def names(code: str) -> list[str]:
        files = runner.sources(code, tmp_path)
        return [path.relative_to(tmp_path / "cryutils").as_posix() for path in files]

    video = ["video/__init__.py", "video/faces.json"]
    audio = ["__init__.py", "audio/__init__.py", "audio/files.py", "errors.py", *video]
    assert names("%pip install x\nfrom cryutils import audio") == audio
    assert names("import cryutils\ncryutils.audio.read()") == audio
    assert names("import cryutils.video") == ["__init__.py", "errors.py", *video]
    assert names("import numpy") == []
    assert set(names("files = !ls")) == {*audio, "audio/unused.py"}


def test_a_run_executes_what_is_not_up_to_date(finished: Path, apart: Path, command: Command) -> None:
    rows = json.loads((finished / "results.json").read_text())
    assert [(row["notebook"], row["seed"]) for row in rows] == [("01_first", 3), ("02_second", 0)]
    state = json.loads((finished / "state" / "01_first.json").read_text())
    assert state["parameters"] == {"seed": 3} and state["seconds"] > 0
    assert {"numpy", "pandas", "python"} <= set(state["versions"])

    code, _, err = command("run")
    assert (code, err.count("finished before, kept")) == (0, 2)
    assert command("run", "02_second", "-p", "test_size=0.2")[0] == 0
    assert results(finished.with_name("quick-test_size-0.2")) == {"made.02_second": 0.2}
    assert command("run", "01_first", "--fresh")[0] == 0
    assert tally(apart) == {"01_first": 2, "02_second": 2}
    assert results(finished) == {"made.01_first": 0.3, "made.02_second": 0.3}


def whole(folder: Path) -> dict[str, bytes]:
    """The content of every file of a run except pages and failed executions, by path."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".html"]
    names = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in names.items() if ".failed." not in name}


FAILING = {
    "01_first": "raise ValueError('the cause\\nand more of it')",
    "03_user": "from cryutils import InputError\nraise InputError('x.wav: the file is empty.')",
    "04_killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "05_process": "import os, signal\nos.write(2, b'why')\nos.kill(os.getppid(), signal.SIGKILL)",
}


def test_a_page_has_the_courses_text_on_the_usual_recordings_alone(finished: Path, apart: Path) -> None:
    assert runner.run(jobs("02_second", data="cries")) == {}
    usual, other = (
        nbformat.read(folder / "notebooks" / "02_second.ipynb", as_version=4).cells
        for folder in (finished, apart / "outputs" / "cries-quick")
    )
    assert usual[0].source == "# Tiny" and "# Tiny" not in [cell.source for cell in other]


def test_a_failure_is_one_line_and_leaves_earlier_results_unchanged(
    finished: Path, apart: Path, command: Command
) -> None:
    """Also if it comes after the notebook has written its results."""
    before = whole(finished)
    for name, cell in FAILING.items():
        notebook(name, *tiny(name), cell)
    code, _, err = command("run", "--jobs", "2")
    assert code == 1
    by_name = {line.split(":")[0]: line for line in err.splitlines() if "(see " in line}
    assert set(by_name) == set(FAILING)
    assert "ValueError: the cause (see" in by_name["01_first"]
    assert "x.wav: the file is empty." in by_name["03_user"]
    assert "InputError" not in by_name["03_user"]
    assert "its kernel was killed, as happens when memory runs out" in by_name["04_killed"]
    log = finished / "logs" / "05_process.failed.log"
    assert f"its process ended early, as happens when memory runs out (see {log})" in err
    assert "why" in log.read_text()
    for name in ("01_first", "03_user", "04_killed"):
        path = finished / "notebooks" / f"{name}.failed.ipynb"
        assert str(path) in by_name[name]
        nbformat.read(path, as_version=4)
    assert whole(finished) == before

    notebook("01_first", *tiny("01_first", "test_size = 0.1"))
    assert command("run", "01_first")[0] == 0
    assert not list(finished.glob("*/01_first.failed.*"))
    assert results(finished) == {"made.01_first": 0.1, "made.02_second": 0.3}


SETTINGS = {
    "KERAS_HOME/keras.json": '{"floatx": "bfloat16", "epsilon": 0.1}',
    "MPLCONFIGDIR/matplotlibrc": "text.usetex: True",
    "IPYTHONDIR/profile_default/startup/00.py": "from numpy import *",
    "JUPYTER_CONFIG_DIR/jupyter_config.py": "raise SystemExit",
}
PLAIN = """\
import os
from pathlib import Path
assert "array" not in globals(), "a startup file of the user"
assert not Path(os.environ["KERAS_HOME"], "keras.json").exists()
from joblib import Parallel, delayed
assert list(Parallel(n_jobs=2)(delayed(abs)(i) for i in (-1, 2))) == [1, 2]
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.title("not $TeX")
plt.show()
"""


def test_a_notebook_runs_as_everywhere_whatever_the_user_has_set(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    for name, text in SETTINGS.items():
        (apart / name).parent.mkdir(parents=True)
        (apart / name).write_text(text)
        variable = name.partition("/")[0]
        monkeypatch.setenv(variable, str(apart / variable))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("HOME", "/proc/none")
    long = temporary / ("long" * 30)  # longer than a socket's path may be
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    notebook("01_first", PLAIN)
    assert runner.run(jobs("01_first")) == {}
    path = apart / "outputs" / "quick" / "notebooks" / "01_first.ipynb"
    outputs = nbformat.read(path, as_version=4).cells[-1]["outputs"]
    assert ["image/png" in output.get("data", {}) for output in outputs] == [True]


def test_notebooks_that_run_at_once_share_no_code_that_numba_has_compiled(project: Path, apart: Path) -> None:
    names = ("01_first", "02_second")
    for name in names:
        notebook(name, "from numba.core import config\nprint(config.CACHE_DIR)")
    assert runner.run(jobs(*names), processes=2) == {}
    folder = apart / "outputs" / "quick" / "notebooks"
    read = [nbformat.read(folder / f"{name}.ipynb", as_version=4).cells[-1]["outputs"] for name in names]
    first, second = (outputs[0]["text"].strip() for outputs in read)
    assert first and second and first != second


def test_the_next_run_repairs_a_damaged_one_and_what_reads_others_results_runs_last(
    finished: Path, apart: Path, command: Command
) -> None:
    before = results(finished)
    notebook("01_first", *tiny("01_first"), after="all")
    (finished / "state" / "01_first.json").write_bytes(b"\xff")
    (finished / "results" / "02_second.json").write_text("3")
    (finished / "notebooks" / "02_second.ipynb").unlink()
    (finished / "results.json").write_text("")
    code, _, err = command("run", "--jobs", "2")
    assert code == 0 and err.index("02_second: done") < err.index("01_first: done")
    assert tally(apart) == {"01_first": 2, "02_second": 2}
    assert results(finished) == before
    assert all(job.is_done() for job in jobs())


def test_a_parameter_of_another_type_is_refused_also_by_a_notebook(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="classes='hungry': give a list, such as"):
        jobs(values={"classes": "hungry"})
    monkeypatch.setattr(sys.modules["__main__"], "classes", "hungry", raising=False)  # as papermill
    with pytest.raises(InputError, match="classes='hungry': give a list, such as"):
        claims.begin("01_first")


def test_without_a_place_for_results_one_line_names_the_variable(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", "/proc/outputs")
    assert "set CRYUTILS_OUTPUTS_DIR" in mistake(command("run", "--wait-for-workers", "9"))
    with pytest.raises(InputError, match="set CRYUTILS_OUTPUTS_DIR to your folder"):
        claims.run_dir()


FULL_NOTEBOOK = """\
import os
from pathlib import Path
notebook = Path(os.environ["CRYUTILS_RUN_DIR"], "notebooks", "02_second.ipynb")
notebook.unlink(missing_ok=True)
notebook.symlink_to("/dev/full")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_ends_the_run_in_one_line_and_keeps_finished_notebooks(
    finished: Path, project: Path, command: Command
) -> None:
    before = whole(finished)
    notebook("02_second", FULL_NOTEBOOK)
    code, _, err = command("run", "--jobs", "1")
    assert code == 1 and "Traceback" not in err
    assert re.search(r"^cryutils: .*: No space left on device; make room and repeat .*\n\Z", err, re.M)
    assert whole(finished) == before


# Killed in the middle


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder of the commands that a test starts; its path is short, for sockets.

    It also marks the processes of the test, as all children inherit the name of this folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def started_here() -> list[psutil.Process]:
    """Every process that this test has started, and their children."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is another user's
            if process.environ().get("TMPDIR") == os.environ["TMPDIR"]:
                processes.append(process)
    return processes


def _hear_signals() -> None:
    # A shell's background job ignores Ctrl-C, one under nohup also the end of its terminal.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def started(finished: Path, apart: Path) -> Any:
    """The command while it runs 02_second, which waits for the gate to open."""
    notebook("02_second", *tiny("02_second", TRAIN, WAIT))
    process = subprocess.Popen(
        [sys.executable, "-m", "cryutils.course.cli", "run"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_signals,
    )
    try:
        until(lambda: process.poll() or (apart / "trained").is_file(), HANG_S)
        assert process.poll() is None, process.communicate()
        assert len(started_here()) >= 3, "the command, a notebook's process and a kernel"
        yield process, finished
    finally:
        for left in started_here():
            left.kill()
        process.communicate()


def test_a_killed_run_leaves_no_process_and_no_half_file_and_resumes(
    started: Any, apart: Path, temporary: Path, command: Command
) -> None:
    process, folder = started
    assert "another `cryutils run` is running" in mistake(command("run", "--jobs", "2"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not started_here(), HANG_S)
    assert list(temporary.iterdir()) == []
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}

    (apart / "gate").touch()
    code, _, err = command("run", "--jobs", "2")
    assert code == 0
    assert tally(apart) == {"01_first": 1, "02_second": 3}
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}
    assert "01_first: finished before, kept" in err
    assert [p for p in folder.rglob("*") if p.name.startswith(".")] == []


STOPPED = "cryutils: stopped; the same command goes on where it was."


def test_ctrl_c_stops_the_run_in_one_line_and_leaves_no_process(started: Any, temporary: Path) -> None:
    process, _ = started
    for _ in range(3):  # a terminal sends it to all processes, once for each time it is pressed
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    *progress, last = err.splitlines()
    assert last == STOPPED
    assert all(re.search(r"notebooks to run|finished before", line) for line in progress)
    until(lambda: not started_here(), HANG_S)
    assert list(temporary.iterdir()) == []
