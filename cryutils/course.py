"""Run the course's notebooks: profiles, parameters, parallel processes, resume.

A run is a folder `outputs/<run>/` with executed notebooks, their results and figures.
Each notebook that finished leaves a state file that names everything it was made from,
so a killed run goes on where it was and a notebook runs again when any of that changed
(`fingerprint`). The command is in `cli`, the report in `report`. No notebook walks this module.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, cast

import yaml

from cryutils import fingerprint, parameters, worker
from cryutils.errors import InputError, near_miss
from cryutils.fingerprint import Fingerprint
from cryutils.locations import outputs_dir, project_dir, resolve, writing

__all__ = ["Job", "Profile", "load_profile", "notebooks", "plan", "remarks", "run"]

# These take up networks that others train; beside them they would train them once more.
AFTER = {
    "06_full": ("04_cry2", "05_image"),
    "09_ensemble": ("07_frames_resnet50", "08_autoencoder_dnn"),
}


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

    @property
    def output(self) -> Path:
        """Where the executed notebook lies."""
        return self.folder / "notebooks" / f"{self.name}.ipynb"

    @property
    def state(self) -> Path:
        """Where it is noted that, how and from what this notebook was executed."""
        return self.folder / "state" / f"{self.name}.json"

    @property
    def values(self) -> dict[str, Any]:
        """Every parameter of the notebook, as given or else as it says itself."""
        return {**worker.parameters(self.source), **self.parameters}

    def is_done(self) -> bool:
        """Return whether this very job finished before."""
        if not (self.state.is_file() and self.output.is_file()):
            return False
        return bool(json.loads(self.state.read_text())["fingerprint"] == self.fingerprint.text)


def notebooks(folder: Path | None = None) -> dict[str, Path]:
    """Return the numbered notebooks by name, in reading order."""
    found = sorted((folder or project_dir() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return {path.stem: path for path in found}


def load_profile(name: str, folder: Path | None = None) -> Profile:
    """Return the profile `name` from `data/profiles`. Raises InputError that names a near miss."""
    home = folder or project_dir() / "data" / "profiles"
    path = home / f"{name}.yml"
    if not path.is_file():
        known = [other.stem for other in home.glob("*.yml")]
        raise InputError(f"no profile {name!r}.{near_miss(name, known)}")
    text = yaml.safe_load(path.read_text())
    return Profile(
        name=name,
        about=text["about"],
        parameters=text.get("parameters") or {},
        skip=text.get("skip") or {},
        data=text.get("data"),
    )


def plan(
    profile: Profile,
    *,
    only: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
    data: str | None = None,
    outputs: Path | None = None,
    sources: Mapping[str, Path] | None = None,
) -> tuple[list[Job], dict[str, str]]:
    """Return the jobs of a run in reading order, and the skipped notebooks with the reason.

    `only` names notebooks (default: all), `given` parameters that override the profile's,
    `data` a folder of the user's own recordings. Raises InputError for a notebook or
    parameter that doesn't exist, naming the near miss, or a value that can't be.
    """
    sources = notebooks() if sources is None else sources
    for name in only:
        if name not in sources:
            raise InputError(f"no notebook {name!r}.{near_miss(name, sources)}")
    chosen = [name for name in sources if not only or name in only]
    defaults = {name: worker.parameters(sources[name]) for name in chosen}
    given = dict(given or {})
    parameters.check_names(given, defaults)
    corpus = str(resolve(data)) if data else None
    name = profile.name if data is None else f"{Path(corpus or '').name}-{profile.name}"
    folder = (outputs or outputs_dir()) / name
    library = fingerprint.library()
    jobs, skipped = [], {}
    for notebook in chosen:
        if notebook in profile.skip:
            skipped[notebook] = profile.skip[notebook]
            continue
        values = dict(profile.parameters.get(notebook, {}))
        parameters.check_names(values, {notebook: defaults[notebook]})
        source_data = corpus or profile.data
        if source_data and "data" in defaults[notebook]:
            values["data"] = source_data
        values |= {key: v for key, v in given.items() if key in defaults[notebook]}
        parameters.check(notebook, defaults[notebook], values)
        read = fingerprint.recordings(str(values.get("data", source_data)))
        source = sources[notebook]
        made_from = fingerprint.notebook(
            worker.source_text(source), values, defaults[notebook], rest=f"{library}\n{read}"
        )
        jobs.append(Job(notebook, source, folder, values, made_from))
    return jobs, skipped


def remarks(
    jobs: Sequence[Job], skipped: Iterable[str], given: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield what should be known of a notebook before it runs: its name, and a remark.

    `given` names the parameters that every one of `jobs` is meant to have.
    """
    given, there = list(given), {*skipped, *(job.name for job in jobs)}
    for job in jobs:
        lacking = [name for name in given if name not in job.values]
        if lacking:
            yield job.name, f"has no parameter {', '.join(lacking)}, and runs without"
        first = [
            name
            for name in AFTER.get(job.name, ())
            if name not in there and not (job.folder / "state" / f"{name}.json").is_file()
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
    fresh: bool = False,
    report: Callable[[str, str, float], None] = lambda name, what, share: None,
) -> dict[str, str]:
    """Execute `jobs` in parallel processes and return `{notebook: error}` for those that failed.

    What finished before is kept unless `fresh`. `report(notebook, what, share)` is called as
    work goes on: `what` is "kept", "running", "done" or "failed", or what a long cell says of
    itself, `share` of cells done, 0-1.
    """
    waiting: list[Job] = []
    for job in jobs:
        if job.is_done() and not fresh:
            report(job.name, "kept", 1.0)
        else:
            job.state.unlink(missing_ok=True)
            waiting.append(job)
    failed: dict[str, str] = {}
    running: dict[Connection, tuple[Job, SpawnProcess]] = {}
    share: dict[str, float] = {}
    try:
        while waiting or running:
            while len(running) < (processes or os.cpu_count() or 1):
                busy = {job.name for job, _ in running.values()} | {job.name for job in waiting}
                ready = [job for job in waiting if not busy & set(AFTER.get(job.name, ()))]
                if not ready:
                    break
                waiting.remove(ready[0])
                receiver, process = _start(ready[0])
                running[receiver] = ready[0], process
            for end in wait(list(running)):
                receiver = cast(Connection, end)
                job, process = running[receiver]
                news = _receive(receiver, job)
                if isinstance(news, str):
                    report(job.name, news, share.get(job.name, 0.0))
                    continue
                if isinstance(news, float):
                    share[job.name] = news
                    report(job.name, "running", news)
                    continue
                del running[receiver]
                process.join()
                if news.error:
                    failed[job.name] = news.error
                else:
                    _note(job, news)
                report(job.name, "failed" if news.error else "done", 1.0)
    finally:
        for _, process in running.values():
            process.terminate()
    return failed


def _start(job: Job) -> tuple[Connection, SpawnProcess]:
    # Spawned, since a forked process inherits threads' locks but not the threads.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    start = os.environ.get("CRYUTILS_START_DIR", str(Path.cwd()))
    values = dict(job.parameters)
    process = context.Process(
        target=worker.work, args=(sender, job.name, job.source, job.folder, values, start)
    )
    process.start()
    # The worker holds the only other end now, so its death can be heard.
    sender.close()
    return receiver, process


def _receive(receiver: Connection, job: Job) -> float | str | worker.Outcome:
    try:
        news: float | str | worker.Outcome = receiver.recv()
    except EOFError:
        log = job.folder / "logs" / f"{job.name}.log"
        return worker.Outcome(f"its process was killed or broke; {log} may say why")
    return news


def _note(job: Job, outcome: worker.Outcome) -> None:
    text = {
        "fingerprint": job.fingerprint.when_done().text,
        "parameters": dict(job.parameters),
        "seconds": round(outcome.seconds, 1),
        "peak_mib": round(outcome.peak_mib),
        "versions": outcome.versions,
    }
    with writing(job.state) as part:
        part.write_text(json.dumps(text, indent=1) + "\n")
