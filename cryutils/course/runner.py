"""Run the course's notebooks: profiles, parameters, parallel processes, resuming.

A run is a folder `outputs/<run>/` with executed notebooks, their results and figures. Each finished
notebook has a state file with its `fingerprint`. So a killed run can be resumed, and a notebook is
executed again when anything that it depends on has changed. The command is in `cli`, the report in
`claims.report`. No notebook uses this module.
"""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cryutils import claims
from cryutils._io import parallel
from cryutils._io.paths import cache_dir, outputs_dir, project_dir, resolve
from cryutils.claims import run_folder
from cryutils.claims.run_folder import Staging
from cryutils.course import execute, fingerprint, parameters
from cryutils.course.fingerprint import Fingerprint
from cryutils.errors import InputError, near_miss

__all__ = [
    "AFTER", "ALWAYS", "Job", "Profile", "history", "load_profile", "notebook_name", "notebooks",
    "plan", "profiles", "remarks", "run",
]  # fmt: skip

Report = Callable[[str, str, float], None]

_TICK_S = 1.0

# These reuse networks trained by the notebooks listed; in parallel they would train them again.
AFTER = {
    "06_full": ("04_cry2", "05_image"),
    "09_ensemble": ("07_frames_resnet50", "08_autoencoder_dnn"),
    "11_robustness": ("04_cry2", "05_image"),
    "13_live_and_deployment": ("04_cry2", "05_image"),
}
# These read the results of all runs, which no fingerprint covers. They take seconds, and wait for
# all other notebooks.
ALWAYS = ("14_scoreboard",)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of parameters by notebook, and the notebooks it can't run, with the reason."""

    name: str
    about: str = ""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook to execute: source, the parameters set, the run's folder, the fingerprint."""

    name: str
    source: Path
    folder: Path
    parameters: Mapping[str, Any]
    fingerprint: Fingerprint
    profile: str

    @property
    def state(self) -> Path:
        """The notebook's state file."""
        return run_folder.state_file(self.folder, self.name)

    @property
    def values(self) -> dict[str, Any]:
        """Every parameter of the notebook, with the value that was set or the default."""
        return {**parameters.read(self.source), **self.parameters}

    def is_done(self) -> bool:
        """Return whether a job with this fingerprint has finished and its files are unchanged."""
        state = run_folder.read_state(self.state)
        return (
            state is not None
            and state["fingerprint"] == self.fingerprint.text
            and run_folder.is_whole(self.folder, state)
        )


def notebooks(folder: Path | None = None) -> dict[str, Path]:
    """Return the numbered notebooks by name, in reading order."""
    paths = sorted((folder or project_dir() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return {path.stem: path for path in paths}


def profiles() -> dict[str, Path]:
    """Return the files of the profiles by name, from `data/profiles`."""
    return {path.stem: path for path in (project_dir() / "data" / "profiles").glob("*.yml")}


def load_profile(name: str) -> Profile:
    """Return the profile `name` from `data/profiles`. Raises InputError for an unknown name."""
    paths = profiles()
    if name not in paths:
        raise InputError(f"no profile {name!r}.{near_miss(name, paths)}")
    return Profile(name, **yaml.safe_load(paths[name].read_text(encoding="utf-8")))


def notebook_name(text: str, names: Collection[str]) -> str:
    """Return the notebook whose name is `text` or begins with it.

    Raises InputError if the names of several notebooks, or of none, begin with `text`.

    >>> notebook_name("03", ["02_audio_features", "03_feature_validation"])
    '03_feature_validation'
    """
    if text in names:
        return text
    matches = [name for name in names if text and name.startswith(text)]
    if not matches:
        raise InputError(f"no notebook {text!r}.{near_miss(text, names)}")
    if len(matches) > 1:
        raise InputError(f"notebook {text!r}: give more of the name; it fits {', '.join(matches)}.")
    return matches[0]


def plan(
    profile: Profile,
    *,
    only: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
    data: str | None = None,
    outputs: Path | None = None,
    sources: Mapping[str, Path] | None = None,
    run_name: str | None = None,
) -> tuple[list[Job], dict[str, str]]:
    """Return the jobs of a run in reading order, and the skipped notebooks with the reason.

    Parameters
    ----------
    profile : Profile
        Parameters of each notebook, and the notebooks to skip.
    only : sequence of str
        Notebooks, named as in `notebook_name`. Default: all.
    overrides : mapping, optional
        Parameters that override the profile's.
    data : str, optional
        Folder of the user's own recordings.
    outputs : Path, optional
        Folder of the runs.
    sources : mapping, optional
        The notebooks' files by name. Default: the course's.
    run_name : str, optional
        Name of the run. Default: made of the profile, `data` and `overrides`.

    Raises
    ------
    InputError
        An unknown notebook or parameter, or a value out of range.
    """
    sources, overrides = notebooks() if sources is None else sources, dict(overrides or {})
    names = {notebook_name(text, sources) for text in only} or set(sources)
    chosen = {name: path for name, path in sources.items() if name in names}
    defaults = {name: parameters.read(path) for name, path in chosen.items()}
    parameters.check_names(overrides, defaults)
    corpus = str(resolve(data)) if data else None
    if corpus and not Path(corpus).name.isprintable():  # the run is named after it
        raise InputError(f"--data {corpus!a}: a name that can't be printed; rename the folder.")
    name = run_folder.name_of(profile.name, Path(corpus) if corpus else None, overrides)
    folder = (outputs or outputs_dir()) / (run_name or name)
    if corpus and not run_name:
        _require_same_data(folder, corpus)
    library, source_data = fingerprint.library(), corpus or profile.data
    jobs, skipped = [], {}
    for name, source in chosen.items():
        if name in profile.skip and not data:  # with the user's recordings it may be able to run
            skipped[name] = profile.skip[name]
            continue
        values = dict(profile.parameters.get(name, {}))
        parameters.check_names(values, {name: defaults[name]})
        if source_data and "data" in defaults[name]:
            values["data"] = source_data
        values |= {key: value for key, value in overrides.items() if key in defaults[name]}
        parameters.check(source, values)
        recordings = fingerprint.recordings(str(values.get("data", source_data)))
        made_from = fingerprint.notebook(
            execute.source_text(source), values, defaults[name], rest=f"{library}\n{recordings}"
        )
        jobs.append(Job(name, source, folder, values, made_from, profile.name))
    return jobs, skipped


def _require_same_data(folder: Path, corpus: str) -> None:
    """Raise InputError if the run in `folder` used another data folder with the same name."""
    for state in run_folder.states(folder).values():
        before = state["parameters"].get("data")
        if before not in (None, corpus):
            raise InputError(f"{folder}: the run of {before}; give this one another --name.")


def remarks(
    jobs: Sequence[Job], skipped: Iterable[str], parameters: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield (notebook, remark) for what the user should know before the run.

    `parameters` are names of parameters that all `jobs` should have.
    """
    planned = {*skipped, *(job.name for job in jobs)}
    for job in jobs:
        if lacking := [name for name in parameters if name not in job.values]:
            yield job.name, f"has no parameter {', '.join(lacking)}, and runs without"
        before = [
            name
            for name in AFTER.get(job.name, ())
            if name not in planned and not run_folder.state_file(job.folder, name).is_file()
        ]
        if before:
            yield (
                job.name,
                f"{' and '.join(before)} come first in the course; what they would have trained"
                " is trained here",
            )


def run(
    jobs: Sequence[Job],
    *,
    processes: int | None = None,
    scheduler: str | None = None,
    fresh: bool = False,
    report: Report = lambda name, what, share: None,
) -> dict[str, str]:
    """Execute `jobs` and return `{notebook: error}` for those that failed.

    Finished notebooks are not executed again unless `fresh`. Earlier results are kept until the new
    execution of the notebook has finished.

    Parameters
    ----------
    jobs : sequence of Job
        Jobs of one run.
    processes : int, optional
        Notebooks executed in parallel; None: one for each core.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://host:8786". Its workers execute the notebooks
        and must share this machine's folders.
    fresh : bool
        Execute finished notebooks again.
    report : function
        Called with (notebook, what, share). `what` is "kept", "running", "done", "failed" or the
        progress of a long cell; `share` is the share of executed cells, 0-1. If notebook is "",
        `what` is a line about the whole run, or "" about once a second.

    Raises
    ------
    InputError
        Another process is executing this run, no scheduler answers, or it has no worker.
    OSError
        The disk is full.
    """
    if not jobs:
        return {}
    folder = jobs[0].folder
    among = {*notebooks(), *(job.name for job in jobs)}
    with run_folder.run_lock(folder):
        for line in run_folder.recover(folder, among):
            report("", line, 0.0)
        waiting = [job for job in jobs if fresh or job.name in ALWAYS or not job.is_done()]
        done = [job for job in jobs if job not in waiting]
        if done and waiting:
            line = f"resuming: {len(done)} of {len(jobs)} notebooks finished before"
            report("", line, 0.0)
        for job in done:
            report(job.name, "kept", 1.0)
        took = history(waiting)
        # Longest first, so that none runs alone at the end. New ones may be longer still.
        waiting.sort(key=lambda job: took.get(job.name, math.inf), reverse=True)
        pool, cores = _pool(scheduler, min(processes or _cores(), len(waiting) or 1))
        environment, alive = _environment(cores), run_folder.begin(folder)

        def submit(job: Job) -> Future[Any]:
            order = (job.source, folder, dict(job.parameters), environment, alive)
            return pool.submit(execute.execute, *order)

        try:
            failed = _execute(waiting, submit, among, report)
        finally:
            alive.unlink(missing_ok=True)
            pool.shutdown()
        run_folder.tidy(folder)
        claims.merge(folder, set(run_folder.states(folder)) & among)
    return failed


def history(jobs: Sequence[Job]) -> dict[str, float]:
    """Return the duration in s of each job in its latest execution with the same profile.

    It is taken from the same run, otherwise from the latest run, otherwise from the reference run
    that comes with the code. Jobs that never finished are left out.
    """
    took = {}
    for job in jobs:
        others = job.folder.parent.glob(f"*/state/{job.name}.json")
        latest = sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        reference = project_dir() / "outputs" / "reference" / job.profile / "state"
        for path in (job.state, *latest, reference / job.state.name):
            state = run_folder.read_state(path)
            if state is not None and state["profile"] == job.profile:
                took[job.name] = float(state["seconds"])
                break
    return took


def _cores() -> int:
    return os.cpu_count() or 1


def _pool(scheduler: str | None, processes: int) -> tuple[Executor, int]:
    """Return the executor of the notebooks, and the number of cores for each notebook."""
    if scheduler:  # a worker has one core
        return parallel.connect(scheduler).get_executor(pure=False, retries=0), 1
    return ThreadPoolExecutor(processes), max(1, _cores() // processes)


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
    waiting: list[Job],
    submit: Callable[[Job], Future[Any]],
    among: Collection[str],
    report: Report,
) -> dict[str, str]:
    """Execute the jobs `waiting`, each after those in `AFTER`; return the errors by notebook.

    Those in `ALWAYS` come last.
    """
    failed: dict[str, str] = {}
    running: dict[Future[Any], Job] = {}
    latest: dict[str, tuple[float, str] | None] = {}
    try:
        while waiting or running:
            busy = {job.name for job in (*waiting, *running.values())}
            others = busy - set(ALWAYS)
            for job in list(waiting):
                if others if job.name in ALWAYS else busy & set(AFTER.get(job.name, ())):
                    continue
                waiting.remove(job)
                running[submit(job)] = job
            ended, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            for job in running.values():
                progress = run_folder.progress(job.folder, job.name)
                if progress and progress != latest.get(job.name):
                    latest[job.name] = progress
                    report(job.name, progress[1] or "running", progress[0])
            for future in ended:
                job = running.pop(future)
                if error := _end(job, future, among):
                    failed[job.name] = error
                report(job.name, "failed" if error else "done", 1.0)
            if not ended:
                report("", "", 0.0)
    finally:
        for future in running:
            future.cancel()
    return failed


def _end(job: Job, future: Future[Any], among: Collection[str]) -> str | None:
    """Store the files of an execution; return its error in one line, None if it succeeded."""
    try:
        staging, outcome = future.result()
    except parallel.lost_workers() as error:
        return f"its workers were lost, as happens when memory runs out ({type(error).__name__})"
    if outcome.error is not None:
        return _failure(job, staging, outcome.error, has_begun=outcome.seconds > 0)
    state = {
        "fingerprint": job.fingerprint.text,
        "profile": job.profile,
        "parameters": dict(job.parameters),
        "seconds": round(outcome.seconds, 1),
        "peak_mib": round(outcome.peak_mib),
        "versions": outcome.versions,
    }
    try:
        run_folder.finish(staging, state, among)
    except InputError as error:
        run_folder.give_up(staging)
        return str(error)
    return None


def _failure(job: Job, staging: Staging, error: str, *, has_begun: bool) -> str:
    """Keep the notebook and log of a failed execution; return its error and the file to read.

    Raises OSError if the disk is full, since the other notebooks would fail as well.
    """
    folders = (job.folder, cache_dir(), Path(tempfile.gettempdir()))
    places = [place for place in folders if place.exists()]
    fullest = min(places, key=lambda place: shutil.disk_usage(place).free)
    notebook, log = run_folder.give_up(staging)
    for full in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(full) in error:
            raise OSError(full, os.strerror(full), str(fullest))
    if has_begun:
        return error + (f" (kept as {notebook})" if notebook.is_file() else "")
    return error + (f"; {log} may say why" if log.is_file() and log.stat().st_size else "")
