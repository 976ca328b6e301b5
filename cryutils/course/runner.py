"""Run the course's notebooks: profiles, parameters, parallel processes, resuming.

A run is a folder `outputs/<run>/` with executed notebooks, their results and figures. Each finished
notebook has a state file with its fingerprint, a digest of everything that its results depend on.
So a killed run can be resumed, and a notebook is executed again when its inputs have changed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import yaml

from cryutils._io import extras, parallel
from cryutils._io.paths import (
    check_file,
    data_dir,
    file_digest,
    outputs_dir,
    project_dir,
    resolve,
    weights_dir,
)
from cryutils.claims import run_folder
from cryutils.course.cli_group import say
from cryutils.course.execute import execute
from cryutils.datasets import manifest, registry
from cryutils.datasets.folder import walk
from cryutils.errors import InputError, near_miss

__all__ = [
    "AFTER", "ALWAYS", "Job", "chosen", "notebooks", "parameters", "plan", "profiles", "run",
]  # fmt: skip

Finished = SimpleQueue[Future[Any] | None]  # executions that have ended

# These reuse networks trained by the notebooks listed; in parallel they would train them again.
AFTER = {
    "06_full": ("04_cry2", "05_image"),
    "09_ensemble": ("07_frames_resnet50", "08_autoencoder_dnn"),
    "appendix_table3": ("09_ensemble",),
    "11_robustness": ("04_cry2", "05_image"),
    "13_live_and_deployment": ("04_cry2", "05_image"),
    "appendix_explanations": ("04_cry2", "05_image"),
}
# These read the results of all runs, which no fingerprint covers. They take seconds, and wait for
# all other notebooks.
ALWAYS = ("14_scoreboard",)


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook to execute in the run's `folder`, with the `parameters` that the run sets."""

    name: str
    source: Path
    folder: Path
    profile: str
    parameters: Mapping[str, Any]
    fingerprint: str

    def is_done(self) -> bool:
        """Return whether a job with this fingerprint has finished and none of its files is gone."""
        state = run_folder.states(self.folder).get(self.name, {})
        return state.get("fingerprint") == self.fingerprint and all(
            (self.folder / file).is_file() for file in state["files"]
        )


def notebooks(folder: Path | None = None) -> dict[str, Path]:
    """Return the numbered notebooks by name, in reading order, then the appendices."""
    folder = folder or project_dir() / "notebooks"
    numbered, appendices = (folder.glob(f"{n}.ipynb") for n in ("[0-9][0-9]_*", "appendix_*"))
    return {path.stem: path for path in [*sorted(numbered), *sorted(appendices)]}


def profiles() -> dict[str, Path]:
    """Return the files of the profiles by name, from `data/profiles`."""
    return {path.stem: path for path in (project_dir() / "data" / "profiles").glob("*.yml")}


def chosen(texts: Iterable[str]) -> dict[str, Path]:
    """Return notebooks by name, each given by the beginning of its name or the path of a copy.

    Raises InputError if a text fits no notebook or several, or if a copy has another name.
    """
    known, sources = notebooks(), {}
    for text in texts:
        name, source = text, None
        if text.endswith(".ipynb"):
            source = resolve(text)
            check_file(source)
            name = source.stem
        names = [each for each in known if name and each.startswith(name)]
        if len(names) > 1 and name not in known:
            raise InputError(
                f"notebook {text!r}: give more of the name; it fits {', '.join(names)}."
            )
        if not names or (source and name not in known):
            raise InputError(f"no notebook {name!r}.{near_miss(name, known)}")
        name = name if name in known else names[0]
        sources[name] = source or known[name]
    return sources


def parameters(path: Path) -> dict[str, Any]:
    """Return papermill's description of each parameter of the notebook at `path`, by name.

    A cell tagged `settings`, before the one tagged `parameters`, has those that are rarely changed.
    """
    import papermill
    from nbformat.v4 import new_code_cell, new_notebook

    tags = {"parameters", "settings"}
    sources = [
        cell["source"] for cell in _cells(path) if tags & {*cell["metadata"].get("tags", ())}
    ]
    cell = new_code_cell("\n".join(sources), metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    return dict(papermill.inspect_notebook(notebook))


def _cells(path: Path) -> list[dict[str, Any]]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{"metadata": {}, **cell, "source": "".join(cell["source"])} for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a notebook of format 4, or damaged.") from error


def _require_known(names: Iterable[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{name} is no parameter of {where}.{near_miss(name, known)}")


def plan(
    profile: str,
    texts: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    data: str | None = None,
    outputs: Path | None = None,
    run_name: str | None = None,
) -> list[Job]:
    """Return the jobs of a run.

    `texts` name notebooks, or copies by their path; by default those of the profile run. `values`
    are parameters that override the profile's, `data` the user's own recordings, `outputs` the
    folder of the runs. `run_name` replaces the name made of the profile, `data` and `values`.

    Raises InputError for an unknown profile, notebook or parameter.
    """
    values = dict(values or {})
    if profile not in (files := profiles()):
        raise InputError(f"no profile {profile!r}.{near_miss(profile, files)}")
    content = yaml.safe_load(files[profile].read_text(encoding="utf-8"))
    sources = chosen(texts or content.get("notebooks", notebooks()))
    known = {name: parameters(path) for name, path in sources.items()}
    _require_known(values, {key for each in known.values() for key in each}, "a chosen notebook")
    own_data = resolve(data) if data else None
    corpus = str(own_data) if own_data else content.get("data")
    run_name = run_name or run_folder.name_of(profile, own_data, values)
    folder, library = (outputs or outputs_dir()) / run_name, _library()
    jobs = []
    for name, source in sources.items():
        own = dict(content.get("parameters", {}).get(name, {}))
        _require_known(own, known[name], name)
        if corpus and "data" in known[name]:
            own["data"] = corpus
        own |= {key: value for key, value in values.items() if key in known[name]}
        defaults = {key: each["default"].strip("'\"") for key, each in known[name].items()}
        used = [_files(value) for value in (defaults | own).values() if isinstance(value, str)]
        inputs = [[cell["source"] for cell in _cells(source)], own, used, library]
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        jobs.append(Job(name, source, folder, profile, own, digest))
    return jobs


def _library() -> list[Any]:
    """Return the digest of each file in the package, `data` and `outputs/reference`, and versions.

    Also the files in `CRYUTILS_WEIGHTS_DIR`, by size and time.
    """
    project = project_dir()
    digests = {}
    for folder in (Path(__file__).parents[1], project / "data", project / "outputs" / "reference"):
        for path in sorted(folder.rglob("*")):
            file = path.relative_to(folder.parent).as_posix()
            if path.is_file() and not re.search(r"/(\.|__pycache__)", file):
                digests[file] = file_digest(path)
    return [digests, _versions(), _files(str(weights_dir() or ""))]


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on, by name."""
    installed = {"python": platform.python_version()}
    for name in (*extras.packages(), "openvino"):
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def _files(text: str) -> list[parallel.Identity]:
    """Return path, size and time of each file that a parameter names: recordings or weights."""
    home = data_dir()
    root = home / text if home and text in registry.DATASETS else resolve(text)
    files: list[Path] = []
    if text and root.is_dir():
        files = [path for path, problem in walk(root) if not problem]
    elif text and root.is_file():
        files = [root, *(manifest.files(root) if root.suffix == ".csv" else ())]
    return [parallel.identity(path) for path in files if path.exists()]


def run(
    jobs: Sequence[Job],
    *,
    processes: int | None = None,
    scheduler: str | None = None,
    fresh: bool = False,
) -> dict[str, str]:
    """Execute `jobs`, those of one run, and return `{notebook: error}` for those that failed.

    Finished notebooks are not executed again unless `fresh`. Earlier results are kept until the new
    execution of the notebook has finished. `processes` notebooks are executed in parallel, by
    default one for each core, or on the workers of the Dask scheduler at the address `scheduler`,
    such as "tcp://host:8786". Workers must share this machine's folders. Progress goes to stderr.

    Raises InputError if another process is executing this run, or if no scheduler answers or it has
    no worker, and OSError if the disk is full.
    """
    folder, cores = jobs[0].folder, os.cpu_count() or 1
    finished: Finished = SimpleQueue()
    with _signals_into(finished), run_folder.run_lock(folder):
        run_folder.recover(folder)
        waiting = [job for job in jobs if fresh or job.name in ALWAYS or not job.is_done()]
        for job in jobs:
            if job not in waiting:
                say(f"{job.name}: finished before, kept", err=True)
        processes = min(processes or cores, len(waiting) or 1)
        pool: Executor = ThreadPoolExecutor(processes)
        if scheduler:  # a worker has one core
            pool = parallel.connect(scheduler).get_executor(pure=False, retries=0)
            processes = cores
        if waiting:
            say(f"{len(waiting)} notebooks to run, {processes} at a time", err=True)
        environment = _environment(max(1, cores // processes))
        staging = folder / run_folder.STAGING
        staging.mkdir(exist_ok=True)
        try:
            return _execute(
                waiting,
                lambda job: pool.submit(
                    execute, folder, job.source, dict(job.parameters), environment
                ),
                finished,
            )
        finally:
            ended = staging.rename(folder / ".part-ended")  # its removal ends executions
            pool.shutdown()
            for left in (staging, ended):
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _signals_into(finished: Finished) -> Iterator[None]:
    """Put None into `finished` for a signal to end this process; raise it when the block ends.

    What a signal raises can interrupt any line: a lock then stays held, or a file is closed twice,
    by which another thread loses its own.
    """
    received: list[int] = []

    def receive(number: int, _frame: object) -> None:
        received.append(number)
        finished.put(None)

    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(each)):
                handlers[each] = signal.signal(each, receive)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def _environment(cores: int) -> dict[str, str]:
    """Return the environment variables of each notebook's process.

    Notebooks run in parallel, so an operation uses one thread, and a notebook starts a process for
    each of its `cores`. Results do not depend on the number of cores.
    """
    folders = {k: v for k, v in os.environ.items() if re.fullmatch("CRYUTILS_.*_DIR", k)}
    return {
        "CRYUTILS_START_DIR": str(Path.cwd()),
        **folders,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "LOKY_MAX_CPU_COUNT": os.environ.get("LOKY_MAX_CPU_COUNT", str(cores)),  # joblib
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _execute(
    jobs: Sequence[Job], submit: Callable[[Job], Future[Any]], finished: Finished
) -> dict[str, str]:
    """Execute `jobs` in their order, each after those in `AFTER`; return the errors by notebook.

    Those in `ALWAYS` come last. None in `finished` ends the run.
    """
    names = {job.name for job in jobs}
    before = {name: names & set(AFTER.get(name, ())) for name in names}
    before |= {name: names - set(ALWAYS) for name in names & set(ALWAYS)}
    order = TopologicalSorter(before)
    order.prepare()
    running: dict[Future[Any], Job] = {}
    failed: dict[str, str] = {}
    ended = 0
    try:
        while order.is_active():
            ready = order.get_ready()
            for job in (job for job in jobs if job.name in ready):
                running[started := submit(job)] = job
                started.add_done_callback(finished.put)
            try:  # the timeout lets a signal through where system calls are restarted
                future = finished.get(timeout=1.0)
            except Empty:
                continue
            if future is None:
                break
            job = running.pop(future)
            if error := _end(job, future):
                failed[job.name] = error
            order.done(job.name)
            ended += 1
            outcome = "failed" if error else "done"
            say(f"{job.name}: {outcome} ({ended} of {len(jobs)})", err=True)
    finally:
        for future in running:
            future.cancel()
    return failed


def _end(job: Job, future: Future[Any]) -> str:
    """Store the files of an execution; return its error in one line, "" if it succeeded.

    Raises OSError if the disk is full, since the other notebooks would fail as well.
    """
    try:
        staging, error, seconds = future.result()
    except parallel.lost_workers() as lost:
        return f"its workers were lost, as happens when memory runs out ({type(lost).__name__})"
    if not error:
        try:
            run_folder.finish(staging, job.name, {
                "fingerprint": job.fingerprint, "profile": job.profile,
                "parameters": dict(job.parameters), "seconds": round(seconds, 1),
                "versions": _versions(),
            })  # fmt: skip
            return ""
        except InputError as unreadable:
            error = str(unreadable)
    notebook, log = run_folder.give_up(staging, job.name)
    for full in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(full) in error:
            raise OSError(full, os.strerror(full), f"{job.name}: {error}")
    kept = notebook if seconds else log  # 0: its process was killed
    return f"{error} (see {kept})" if kept.is_file() else error
