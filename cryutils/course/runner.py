"""Run the course's notebooks: profiles, parameters, parallel processes, resume.

A run is a folder `outputs/<run>/` with executed notebooks, their results and figures.
Each notebook that finished leaves a state file that names everything it was made from,
so a killed run goes on where it was and a notebook runs again when any of that changed
(`fingerprint`). The command is in `cli`, the report in `report`. No notebook walks this module.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cryutils import claims
from cryutils._io import parallel
from cryutils._io.paths import cache_dir, outputs_dir, project_dir, resolve
from cryutils.claims import run_folder
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
    processes: int | None = None,
    scheduler: str | None = None,
    fresh: bool = False,
    report: Report = lambda name, what, share: None,
) -> dict[str, str]:
    """Execute `jobs` and return `{notebook: error}` for those that failed.

    Finished notebooks are not executed again unless `fresh`. Results are replaced when a new
    execution has finished.

    Parameters
    ----------
    jobs : sequence of Job
        Of one run.
    processes : int, optional
        Notebooks executed side by side; None: one for each core.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://host:8786". Its workers execute the notebooks
        and must share this machine's folders.
    fresh : bool
        Execute finished notebooks again.
    report : function
        Called with (notebook, what, share): `what` is "kept", "running", "done" or "failed", or
        the progress of a long cell; `share` of the cells that are done, 0-1. Without a notebook
        `what` is a line about the whole run, or "" about once a second.

    Raises
    ------
    InputError
        Another process executes in the same run, no scheduler answers, or it has no worker.
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
        if not fresh and 0 < len(waiting) < len(jobs):
            done = len(jobs) - len(waiting)
            report("", f"resuming: {done} of {len(jobs)} notebooks finished before", 0.0)
        for job in jobs:
            if job not in waiting:
                report(job.name, "kept", 1.0)
        took = history(waiting)
        # The longest first, so that none runs alone at the end; a new one may be longer still.
        waiting.sort(key=lambda job: took.get(job.name, math.inf), reverse=True)
        cores = os.cpu_count() or 1
        most = min(processes or cores, len(waiting) or 1)
        pool: Executor = (
            parallel.connect(scheduler).get_executor(pure=False, retries=0)
            if scheduler
            else ThreadPoolExecutor(most)
        )
        share = 1 if scheduler else max(1, cores // most)  # a worker has one core
        try:
            failed = _execute(waiting, pool, _environment(share), among, report)
        finally:
            run_folder.tidy(folder)
        damaged = claims.merge(folder, set(run_folder.states(folder)) & among)
        for line in run_folder.set_aside(damaged):
            report("", line, 0.0)
    return failed


def history(jobs: Sequence[Job]) -> dict[str, float]:
    """Return the seconds that each job took in its latest execution.

    In the same run, otherwise in the latest run of the profile, otherwise in the reference run
    that comes with the code. Jobs that never finished are left out.
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
                took[job.name] = float(state["seconds"])
                break
    return took


def _environment(cores: int) -> dict[str, str]:
    """Return the variables of every notebook's process.

    Notebooks run side by side, so an operation has one thread, and a notebook starts a process for
    each of its share of the `cores`. No result depends on their number.
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
    pool: Executor,
    environment: Mapping[str, str],
    among: Collection[str],
    report: Report,
) -> dict[str, str]:
    """Execute the jobs `waiting`, each once those that it builds on have ended."""
    failed: dict[str, str] = {}
    running: dict[Future[Any], Job] = {}
    reported: set[tuple[str, str | float]] = set()
    try:
        while waiting or running:
            busy = {job.name for job in (*waiting, *running.values())}
            for job in [job for job in waiting if not busy & set(AFTER.get(job.name, ()))]:
                waiting.remove(job)
                order = (job.source, job.folder, dict(job.parameters), environment)
                running[pool.submit(execute.execute, *order)] = job
            ended, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            for job in running.values():
                for news in run_folder.progress(job.folder, job.name):
                    if (job.name, news.text or news.share) not in reported:
                        reported.add((job.name, news.text or news.share))
                        report(job.name, news.text or "running", news.share)
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
        for folder in {job.folder for job in running.values()}:
            run_folder.stop(folder)
        pool.shutdown()
    return failed


def _end(job: Job, future: Future[Any], among: Collection[str]) -> str | None:
    """Keep what an execution has made; return its error in a line, None where it has finished."""
    try:
        staging, outcome = future.result()
    except parallel.lost_workers() as error:
        return f"its workers were lost, as happens when memory runs out ({type(error).__name__})"
    if outcome.error is None:
        state = {
            "fingerprint": job.fingerprint.when_done().text,
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
    fullest = _fullest(job.folder)  # before the files of this execution are removed
    notebook, log = run_folder.give_up(staging)
    for full in (errno.ENOSPC, errno.EDQUOT):  # the others would only meet it as well
        if os.strerror(full) in outcome.error:
            raise OSError(full, os.strerror(full), str(fullest))
    if outcome.seconds:  # its notebook began
        return f"{outcome.error}" + (f" (kept as {notebook})" if notebook.is_file() else "")
    has_content = log.is_file() and log.stat().st_size > 0
    return f"{outcome.error}" + (f"; {log} may say why" if has_content else "")


def _fullest(folder: Path) -> Path:
    """Return the folder of those that a notebook of the run writes to with the least free space."""
    places = [
        place for place in (folder, cache_dir(), Path(tempfile.gettempdir())) if place.exists()
    ]
    return min(places, key=lambda place: shutil.disk_usage(place).free)
