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
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from cryutils._io import parallel
from cryutils._io.paths import cache_dir, outputs_dir, project_dir, resolve
from cryutils.claims import run_folder
from cryutils.course import execute, fingerprint, parameters
from cryutils.errors import InputError, near_miss

__all__ = [
    "AFTER", "ALWAYS", "Job", "history", "notebook_name", "notebooks", "plan", "profiles",
    "remarks", "run",
]  # fmt: skip

Report = Callable[[str, str, float], None]

_TICK_S = 1.0

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
class _Profile:
    """A named set of parameters by notebook, and the notebooks it can't run, with the reason."""

    name: str
    about: str = ""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook to execute in the run's `folder`.

    parameters: the values that the run sets. values: those of all its parameters. digest: that of
    its inputs, as in `fingerprint.notebook`.
    """

    name: str
    source: Path
    folder: Path
    profile: str
    parameters: Mapping[str, Any]
    values: Mapping[str, Any]
    digest: str

    @property
    def state(self) -> Path:
        """The notebook's state file."""
        return run_folder.state_file(self.folder, self.name)

    def fingerprint(self) -> str:
        """Return the fingerprint, which changes with the pretrained weights on this machine."""
        return fingerprint.with_weights(self.digest, self.values)

    def is_done(self) -> bool:
        """Return whether a job with this fingerprint has finished and its files are unchanged."""
        state = run_folder.read_state(self.state)
        return (
            state is not None
            and state["fingerprint"] == self.fingerprint()
            and run_folder.is_whole(self.folder, state)
        )


def notebooks(folder: Path | None = None) -> dict[str, Path]:
    """Return the numbered notebooks by name, in reading order, then the appendices."""
    folder = folder or project_dir() / "notebooks"
    numbered, appendices = (folder.glob(f"{n}.ipynb") for n in ("[0-9][0-9]_*", "appendix_*"))
    return {path.stem: path for path in [*sorted(numbered), *sorted(appendices)]}


def profiles() -> dict[str, Path]:
    """Return the files of the profiles by name, from `data/profiles`."""
    return {path.stem: path for path in (project_dir() / "data" / "profiles").glob("*.yml")}


def _load_profile(name: str) -> _Profile:
    """Return the profile `name` from `data/profiles`. Raises InputError for an unknown name."""
    paths = profiles()
    if name not in paths:
        raise InputError(f"no profile {name!r}.{near_miss(name, paths)}")
    return _Profile(name, **yaml.safe_load(paths[name].read_text(encoding="utf-8")))


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
    profile_name: str,
    *,
    only: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
    data: str | None = None,
    outputs: Path | None = None,
    sources: Mapping[str, Path] | None = None,
    run_name: str | None = None,
) -> tuple[list[Job], dict[str, str]]:
    """Return the jobs of a run in reading order, and the skipped notebooks with the reason.

    `only` names notebooks as in `notebook_name`; by default all run. `overrides` are parameters
    that override the profile's, `data` a folder of the user's own recordings, `outputs` the folder
    of the runs. `sources` are the notebooks' files by name, by default the course's. `run_name`
    replaces the name made of the profile, `data` and `overrides`.

    Raises InputError for an unknown profile, notebook or parameter, or a value out of range.
    """
    profile, overrides = _load_profile(profile_name), dict(overrides or {})
    sources = notebooks() if sources is None else sources
    names = {notebook_name(text, sources) for text in only} or set(sources)
    defaults = {name: parameters.read(path) for name, path in sources.items() if name in names}
    parameters.check_names(overrides, defaults)
    corpus = resolve(data) if data else None
    if corpus and not corpus.name.isprintable():  # the run is named after it
        raise InputError(
            f"--data {str(corpus)!a}: a name that can't be printed; rename the folder."
        )
    name = run_name or run_folder.name_of(profile.name, corpus, overrides)
    folder = (outputs or outputs_dir()) / name
    if corpus and not run_name:
        _require_same_data(folder, str(corpus))
    library, source_data = fingerprint.library(), str(corpus) if corpus else profile.data
    jobs, skipped = [], {}
    for name, own in defaults.items():
        if name in profile.skip and not data:  # with the user's recordings it may be able to run
            skipped[name] = profile.skip[name]
            continue
        chosen = dict(profile.parameters.get(name, {}))
        parameters.check_names(chosen, {name: own})
        if source_data and "data" in own:
            chosen["data"] = source_data
        chosen |= {key: value for key, value in overrides.items() if key in own}
        parameters.check(sources[name], chosen)
        rest = (library, fingerprint.recordings(str(chosen.get("data", source_data))))
        values, text = {**own, **chosen}, execute.source_text(sources[name])
        digest = fingerprint.notebook(text, chosen, values, rest=rest)
        jobs.append(Job(name, sources[name], folder, profile.name, chosen, values, digest))
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
        earlier = set(AFTER.get(job.name, ())) - planned
        before = [name for name in sorted(earlier) if not job.state.with_stem(name).is_file()]
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
    """Execute `jobs`, those of one run, and return `{notebook: error}` for those that failed.

    Finished notebooks are not executed again unless `fresh`. Earlier results are kept until the new
    execution of the notebook has finished. `processes` notebooks are executed in parallel, by
    default one for each core, or on the workers of the Dask scheduler at the address `scheduler`,
    such as "tcp://host:8786". Workers must share this machine's folders.

    `report` is called with (notebook, what, share). `what` is "kept", "running", "done", "failed"
    or the progress of a long cell; `share` is the share of executed cells, 0-1. If notebook is "",
    `what` is a line about the whole run, or "" about once a second.

    Raises InputError if another process is executing this run, or if no scheduler answers or it has
    no worker, and OSError if the disk is full.
    """
    folder = jobs[0].folder
    with run_folder.run_lock(folder):
        for line in run_folder.recover(folder):
            report("", line, 0.0)
        waiting = [job for job in jobs if fresh or job.name in ALWAYS or not job.is_done()]
        done = [job for job in jobs if job not in waiting]
        if done and waiting:
            report("", f"resuming: {len(done)} of {len(jobs)} notebooks finished before", 0.0)
        for job in done:
            report(job.name, "kept", 1.0)
        took = history(waiting)
        # Longest first, so that none runs alone at the end. New ones may be longer still.
        waiting.sort(key=lambda job: took.get(job.name, math.inf), reverse=True)
        pool, cores = _pool(scheduler, min(processes or _cores(), len(waiting) or 1))
        alive = folder / run_folder.STAGING / f"alive-{os.getpid()}"  # its removal ends executions
        alive.parent.mkdir(exist_ok=True)
        alive.touch()
        shared = (folder, alive, _environment(cores))

        def submit(job: Job) -> Future[Any]:
            return pool.submit(execute.execute, *shared, job.source, dict(job.parameters))

        try:
            failed = _execute(waiting, submit, report)
        finally:
            alive.unlink()
            pool.shutdown()
        shutil.rmtree(alive.parent, ignore_errors=True)  # lost workers may have left folders
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
    jobs: Sequence[Job], submit: Callable[[Job], Future[Any]], report: Report
) -> dict[str, str]:
    """Execute `jobs` in their order, each after those in `AFTER`; return the errors by notebook.

    Those in `ALWAYS` come last.
    """
    names = {job.name for job in jobs}
    before = {name: names & set(AFTER.get(name, ())) for name in names}
    before |= {name: names - set(ALWAYS) for name in names & set(ALWAYS)}
    order = TopologicalSorter(before)
    order.prepare()
    running: dict[Future[Any], Job] = {}
    failed: dict[str, str] = {}
    try:
        while order.is_active():
            ready = order.get_ready()
            for job in jobs:
                if job.name in ready:
                    running[submit(job)] = job
            ended, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            for job in running.values():
                if progress := run_folder.progress(job.folder, job.name):
                    report(job.name, progress[1] or "running", progress[0])
            for future in ended:
                job = running.pop(future)
                if error := _end(job, future):
                    failed[job.name] = error
                report(job.name, "failed" if error else "done", 1.0)
                order.done(job.name)
            if not ended:
                report("", "", 0.0)
    finally:
        for future in running:
            future.cancel()
    return failed


def _end(job: Job, future: Future[Any]) -> str | None:
    """Store the files of an execution; return its error in one line, None if it succeeded.

    Raises OSError if the disk is full, since the other notebooks would fail as well.
    """
    try:
        staging, outcome = future.result()
    except parallel.lost_workers() as lost:
        return f"its workers were lost, as happens when memory runs out ({type(lost).__name__})"
    error = outcome.error
    if error is None:
        state = {
            "fingerprint": job.fingerprint(), "profile": job.profile,
            "parameters": dict(job.parameters), "seconds": round(outcome.seconds, 1),
            "peak_mib": round(outcome.peak_mib), "versions": outcome.versions,
        }  # fmt: skip
        try:
            run_folder.finish(staging, state)
            return None
        except InputError as unreadable:
            error = str(unreadable)
    folders = (job.folder, cache_dir(), Path(tempfile.gettempdir()))
    places = [place for place in folders if place.exists()]
    fullest = min(places, key=lambda place: shutil.disk_usage(place).free)
    notebook, log = run_folder.give_up(staging)
    for full in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(full) in error:
            raise OSError(full, os.strerror(full), str(fullest))
    if outcome.seconds:  # its process ended by itself
        return error + (f" (kept as {notebook})" if notebook.is_file() else "")
    return error + (f"; {log} may say why" if log.is_file() and log.stat().st_size else "")
