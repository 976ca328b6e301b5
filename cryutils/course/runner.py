"""Run the course's notebooks: profiles, parameters, parallel processes, resume.

A run is a folder `outputs/<run>/` with executed notebooks, their results and figures.
Each notebook that finished leaves a state file that names everything it was made from,
so a killed run goes on where it was and a notebook runs again when any of that changed
(`fingerprint`). The command is in `cli`, the report in `report`. No notebook walks this module.
"""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, cast

import yaml

from cryutils import claims
from cryutils._io.paths import cache_dir, outputs_dir, project_dir, resolve, scratch_dir
from cryutils.claims import run_folder
from cryutils.claims.run_folder import Staging
from cryutils.course import execute, fingerprint, parameters
from cryutils.course.fingerprint import Fingerprint
from cryutils.errors import InputError, near_miss

__all__ = [
    "AFTER",
    "ALWAYS",
    "Job",
    "Profile",
    "history",
    "load_profile",
    "notebook_name",
    "notebooks",
    "plan",
    "profiles",
    "remarks",
    "run",
    "warm_up",
]

Report = Callable[[str, str, float], None]

_TICK_S = 1.0

# These take up what others leave; beside those they would train networks once more.
AFTER = {
    "06_full": ("04_cry2", "05_image"),
    "09_ensemble": ("07_frames_resnet50", "08_autoencoder_dnn"),
    "11_robustness": ("04_cry2", "05_image"),
    "13_live_and_deployment": ("04_cry2", "05_image"),
    "14_scoreboard": (
        "00_start_here", "01_data_and_playback", "02_audio_features", "03_feature_validation",
        "04_cry2", "05_image", "06_full", "07_frames_resnet50", "08_autoencoder_dnn",
        "09_ensemble", "10_leakage_audit", "11_robustness", "12_beyond_the_papers",
        "13_live_and_deployment",
    ),
}  # fmt: skip
# These read what all runs have measured, which no fingerprint knows, and take seconds.
ALWAYS = ("14_scoreboard",)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of parameters by notebook, and the notebooks it can't run, with the reason."""

    name: str
    about: str
    parameters: Mapping[str, Mapping[str, Any]]
    skip: Mapping[str, str]
    data: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook to execute: source, every parameter given, the run's folder, its fingerprint."""

    name: str
    source: Path
    folder: Path
    parameters: Mapping[str, Any]
    fingerprint: Fingerprint
    profile: str

    @property
    def state(self) -> Path:
        """Where it is noted that, how and from what this notebook was executed."""
        return self.folder / "state" / f"{self.name}.json"

    @property
    def values(self) -> dict[str, Any]:
        """Every parameter of the notebook, as given or else as it says itself."""
        return {**parameters.read(self.source), **self.parameters}

    def is_done(self) -> bool:
        """Return whether this very job finished before, and all that it wrote is still whole."""
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
    """Return the profile `name` from `data/profiles`. Raises InputError that names a near miss."""
    paths = profiles()
    if name not in paths:
        raise InputError(f"no profile {name!r}.{near_miss(name, paths)}")
    text = yaml.safe_load(paths[name].read_text())
    return Profile(
        name=name,
        about=text["about"],
        parameters=text.get("parameters") or {},
        skip=text.get("skip") or {},
        data=text.get("data"),
    )


def notebook_name(text: str, names: Collection[str]) -> str:
    """Return the notebook that `text` names, in full or by an unambiguous beginning.

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

    `only` names notebooks as `notebook_name` reads them (default: all notebooks). `overrides` are
    parameters that override the profile's. `data` is a folder of the user's own recordings.
    `run_name` names the run (default: after profile, `data` and `overrides`). Raises InputError for
    an unknown notebook or parameter, with the near miss, and for a value out of range.
    """
    sources = notebooks() if sources is None else sources
    named = {notebook_name(text, sources) for text in only}
    chosen = [name for name in sources if not only or name in named]
    defaults = {name: parameters.read(sources[name]) for name in chosen}
    overrides = dict(overrides or {})
    parameters.check_names(overrides, defaults)
    corpus = str(resolve(data)) if data else None
    if corpus and not Path(corpus).name.isprintable():  # the run is named after it
        raise InputError(f"--data {corpus!a}: a name that can't be printed; rename the folder.")
    after_these = run_folder.name_of(profile.name, Path(corpus) if corpus else None, overrides)
    folder = (outputs or outputs_dir()) / (run_name or after_these)
    for state in run_folder.states(folder).values() if corpus and not run_name else ():
        before = state["parameters"].get("data")
        if before not in (None, corpus):  # another folder of the same name
            raise InputError(f"{folder}: the run of {before}; give this one another --name.")
    library = fingerprint.library()
    jobs, skipped = [], {}
    for notebook in chosen:
        if notebook in profile.skip and data is None:  # what a profile's own recordings lack
            skipped[notebook] = profile.skip[notebook]
            continue
        values = dict(profile.parameters.get(notebook, {}))
        parameters.check_names(values, {notebook: defaults[notebook]})
        source_data = corpus or profile.data
        if source_data and "data" in defaults[notebook]:
            values["data"] = source_data
        values |= {key: v for key, v in overrides.items() if key in defaults[notebook]}
        parameters.check(sources[notebook], values)
        read = fingerprint.recordings(str(values.get("data", source_data)))
        source = sources[notebook]
        made_from = fingerprint.notebook(
            execute.source_text(source), values, defaults[notebook], rest=f"{library}\n{read}"
        )
        jobs.append(Job(notebook, source, folder, values, made_from, profile.name))
    return jobs, skipped


def remarks(
    jobs: Sequence[Job], skipped: Iterable[str], parameters: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield what should be known of a notebook before it runs: its name, and a remark.

    `parameters` names those that every one of `jobs` is meant to have.
    """
    parameters, planned = list(parameters), {*skipped, *(job.name for job in jobs)}
    for job in jobs:
        lacking = [name for name in parameters if name not in job.values]
        if lacking:
            yield job.name, f"has no parameter {', '.join(lacking)}, and runs without"
        first = [
            name
            for name in AFTER.get(job.name, ())
            if job.name not in ALWAYS
            and name not in planned
            and not (job.folder / "state" / f"{name}.json").is_file()
        ]
        if first:
            yield (
                job.name,
                f"{' and '.join(first)} come first in the course; what they would have trained"
                " is trained here",
            )


def run(
    jobs: Sequence[Job],
    *,
    processes: int = os.cpu_count() or 1,
    fresh: bool = False,
    report: Report = lambda name, what, share: None,
) -> dict[str, str]:
    """Execute `jobs` in parallel processes and return `{notebook: error}` for those that failed.

    What finished before is kept unless `fresh`, and stays until an execution that replaces it has
    finished too. `report(notebook, what, share)` is called as work goes on: `what` is "kept",
    "running", "done" or "failed", or what a long cell says of itself, `share` of cells done, 0-1.
    Without a notebook it is a line about the whole run, or "" after a second without news.
    Raises InputError where another process executes in the same run, OSError for a full disk.
    """
    if not jobs:
        return {}
    folder = jobs[0].folder
    among = {*notebooks(), *(job.name for job in jobs)}
    with run_folder.alone(folder):
        for line in run_folder.recover(folder, among):
            report("", line, 0.0)
        waiting = [job for job in jobs if fresh or job.name in ALWAYS or not job.is_done()]
        if not fresh and (line := _resuming(jobs, waiting)):
            report("", line, 0.0)
        for job in jobs:
            if job not in waiting:
                report(job.name, "kept", 1.0)
        took = history(waiting)
        # The longest first, so that none runs alone in the end; one that never ran may be longer.
        waiting.sort(key=lambda job: took.get(job.name, [math.inf])[-1], reverse=True)
        failed = _execute(waiting, processes, among, report)
        damaged = claims.merge(folder, set(run_folder.states(folder)) & among)
        for line in run_folder.set_aside(damaged):
            report("", line, 0.0)
        run_folder.tidy(folder)
    return failed


def history(jobs: Sequence[Job]) -> dict[str, list[float]]:
    """Return by job what it took last time: seconds from the start to the end of each cell.

    In the same run, else in the latest of the same profile, else in the one that git keeps for
    reference. Jobs that never finished are left out.
    """
    took = {}
    for job in jobs:
        others = job.folder.parent.glob(f"*/state/{job.name}.json")
        latest = sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        reference = project_dir() / "outputs" / "reference" / job.profile / "state"
        same = (job.state, reference / job.state.name)
        for path in (job.state, *latest, reference / job.state.name):
            state = run_folder.read_state(path)
            if state is not None and (path in same or state["profile"] == job.profile):
                took[job.name] = state["cells"] or [state["seconds"]]
                break
    return took


def _resuming(jobs: Sequence[Job], waiting: Sequence[Job]) -> str:
    """Return what is kept of a run that was stopped, "" where nothing is, or all."""
    done = len(jobs) - len(waiting)
    networks = run_folder.networks_cached(jobs[0].folder, [job.name for job in waiting])
    if not waiting or not (done or networks):
        return ""
    return f"resuming: {done} of {len(jobs)} notebooks, {networks} networks kept"


def _execute(
    waiting: list[Job], processes: int, among: Collection[str], report: Report
) -> dict[str, str]:
    failed: dict[str, str] = {}
    running: dict[Connection, _Running] = {}
    cores = max(1, (os.cpu_count() or 1) // min(processes, len(waiting) or 1))
    try:
        while waiting or running:
            while len(running) < processes:
                busy = {task.job.name for task in running.values()} | {job.name for job in waiting}
                ready = [job for job in waiting if not busy & set(AFTER.get(job.name, ()))]
                if not ready:
                    break
                waiting.remove(ready[0])
                receiver, execution = _start(ready[0], cores)
                running[receiver] = execution
            ends = wait(list(running), timeout=_TICK_S)
            if not ends:
                report("", "", 0.0)
            for end in ends:
                receiver = cast(Connection, end)
                execution = running[receiver]
                job, news = execution.job, _receive(receiver)
                if isinstance(news, str):
                    report(job.name, news, execution.share)
                    continue
                if isinstance(news, float):
                    execution.share = news
                    report(job.name, "running", news)
                    continue
                del running[receiver]
                execution.process.join()
                error = _end(execution, news, among)
                if error:
                    failed[job.name] = error
                report(job.name, "failed" if error else "done", 1.0)
    finally:
        for execution in running.values():
            execution.process.terminate()
    return failed


@dataclass
class _Running:
    """A notebook that is being executed, and the share of its cells that are done."""

    job: Job
    staging: Staging
    process: ForkServerProcess
    share: float = 0.0


def warm_up() -> None:
    """Start what `run` needs, which takes two seconds, while its caller does something else."""
    _server()


def _server() -> ForkServerContext:
    # Processes come from a server that has imported much once, not from this one, whose forks would
    # inherit locks but not the threads that hold them.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cryutils.course.execute", "papermill"])
    with _helpers():
        forkserver.ensure_running()
    return context


@contextmanager
def _helpers() -> Iterator[None]:
    """Let the processes that multiprocessing starts here be quiet and leave nothing behind.

    Ctrl-C reaches them as well, but this process ends them. Semaphores of a kernel that was killed
    are removed without a warning. The socket is in a folder that goes even if this process is
    killed.
    """
    in_main = threading.current_thread() is threading.main_thread()
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main else None
    warnings, folder = os.environ.get("PYTHONWARNINGS"), tempfile.tempdir
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [warnings, "ignore:resource_tracker"]))
    tempfile.tempdir = str(scratch_dir())
    try:
        yield
    finally:
        tempfile.tempdir = folder
        if warnings is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = warnings
        if interrupt is not None:
            signal.signal(signal.SIGINT, interrupt)


def _start(job: Job, cores: int) -> tuple[Connection, _Running]:
    # No ProcessPoolExecutor: one worker killed, as by too little memory, breaks all of a pool.
    context = _server()
    receiver, sender = context.Pipe(duplex=False)
    start = os.environ.get("CRYUTILS_START_DIR", str(Path.cwd()))
    staging = run_folder.stage(job.folder, job.name)
    process = context.Process(
        target=execute.work,
        args=(sender, job.source, staging, dict(job.parameters), start, cores, dict(os.environ)),
    )
    try:
        process.start()
    except (EOFError, ConnectionError) as error:
        why = "the process that starts the notebooks was killed, as happens when memory runs out"
        raise ChildProcessError(errno.ECHILD, f"{why}; the same command resumes") from error
    # The worker holds the only other end now, so its death can be heard.
    sender.close()
    return receiver, _Running(job, staging, process)


def _receive(receiver: Connection) -> float | str | execute.Outcome | None:
    """Return the news of a worker, None where it was killed or broke."""
    try:
        news: float | str | execute.Outcome = receiver.recv()
    except EOFError:
        return None
    return news


def _end(
    execution: _Running, outcome: execute.Outcome | None, among: Collection[str]
) -> str | None:
    """Keep what an execution has made; return its error in a line, None where it has finished."""
    job = execution.job
    if outcome is not None and outcome.error is None:
        state = {
            "fingerprint": job.fingerprint.when_done().text,
            "profile": job.profile,
            "parameters": dict(job.parameters),
            "seconds": round(outcome.seconds, 1),
            "peak_mib": round(outcome.peak_mib),
            "versions": outcome.versions,
            "cells": outcome.cells,
        }
        try:
            run_folder.finish(execution.staging, state, among)
        except InputError as error:
            run_folder.give_up(execution.staging)
            return str(error)
        return None
    fullest = _fullest(job.folder)  # before what was written there goes
    notebook, log = run_folder.give_up(execution.staging)
    if outcome is None:
        broke = execution.process.exitcode == 1  # by an error, not a signal
        what = "broke" if broke else "was killed, as happens when memory runs out"
        return f"its process {what}" + (f"; {log} may say why" if _has_content(log) else "")
    for full in (errno.ENOSPC, errno.EDQUOT):  # the others would only meet it, too
        if os.strerror(full) in str(outcome.error):
            raise OSError(full, os.strerror(full), str(fullest))
    return f"{outcome.error}" + (f" (kept as {notebook})" if notebook.is_file() else "")


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _fullest(folder: Path) -> Path:
    """Return where a notebook of the run `folder` writes and least room is left."""
    places = [
        place for place in (folder, cache_dir(), Path(tempfile.gettempdir())) if place.exists()
    ]
    return min(places, key=lambda place: shutil.disk_usage(place).free)
