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
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryutils._io import parallel
from cryutils._io.paths import cache_dir, check_file, data_dir, outputs_dir, project_dir, resolve, weights_dir
from cryutils._io.progress import say
from cryutils.claims import run_folder
from cryutils.course.execute import digests, execute, installation, versions
from cryutils.datasets import manifest, registry
from cryutils.datasets.folder import walk
from cryutils.errors import InputError, near_miss

__all__ = ["AFTER", "ALWAYS", "Job", "chosen", "notebooks", "parameters", "plan", "profiles", "run"]

# These reuse networks or embeddings of the notebooks listed, which would be computed twice.
AFTER = {
    "06_full": ("04_cry2", "05_image"),
    "09_ensemble": ("07_frames_resnet50",),
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
    numbered, appendices = (folder.glob(f"{n}.ipynb") for n in ("[0-9][0-9]*_*", "appendix_*"))
    return {path.stem: path for path in [*sorted(numbered), *sorted(appendices)]}


def profiles() -> dict[str, Path]:
    """Return the files of the profiles by name, from `data/profiles`."""
    return {path.stem: path for path in (project_dir() / "data" / "profiles").glob("*.yml")}


def chosen(texts: Iterable[str]) -> dict[str, Path]:
    """Return notebooks by name, each given by the beginning of its name or the path of a copy."""
    known, sources = notebooks(), dict[str, Path]()
    for text in texts:
        copy = resolve(text) if text.endswith(".ipynb") else None
        if copy:
            check_file(copy)
        name = copy.stem if copy else text
        names = [name] if name in known else [each for each in known if each.startswith(name)]
        names = [each for each in names if each.startswith(f"{name}_")] or names  # "03" isn't 03b
        if len(names) > 1:
            raise InputError(f"notebook {name!r} fits {', '.join(names)}; give more of the name.")
        if not names:
            raise InputError(f"no notebook {name!r}.{near_miss(name, known)}")
        source = copy or known[names[0]]
        if sources.setdefault(names[0], source) != source:
            raise InputError(f"{text}: another {names[0]} is chosen; run it by itself, with --name.")
    return sources


def _read(path: Path) -> Any:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (AttributeError, KeyError, TypeError, ValueError, nbformat.ValidationError) as error:
        raise InputError(f"{path}: not a notebook of format 4, or damaged.") from error


def parameters(path: Path) -> dict[str, Any]:
    """Return papermill's description of each parameter of the notebook at `path`, by name."""
    import papermill

    notebook = _read(path)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata.kernelspec = kernel
    return dict(papermill.inspect_notebook(notebook))


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
    folder of the runs. `run_name` replaces the name made of `data`, the profile and `values`.

    Raises InputError for an unknown profile, notebook or parameter.
    """
    import yaml

    values = dict(values or {})
    if profile not in (files := profiles()):
        raise InputError(f"no profile {profile!r}.{near_miss(profile, files)}")
    content = yaml.safe_load(files[profile].read_text(encoding="utf-8"))
    sources = chosen(texts or content.get("notebooks", notebooks()))
    known = {name: parameters(path) for name, path in sources.items()}
    _require_known(values, {key for each in known.values() for key in each}, "a chosen notebook")
    corpus = str(resolve(data)) if data else content.get("data")
    usual = _name([Path(str(corpus)).stem] if data else [], profile, values)
    folder, library = (outputs or outputs_dir()) / (run_name or usual), _library()
    _require_own(folder, ({"data": corpus} if data else {}) | ({} if run_name else values))
    jobs = []
    for name, source in sources.items():
        changed = dict(content.get("parameters", {}).get(name, {}))
        _require_known(changed, known[name], name)
        if corpus and "data" in known[name]:
            changed["data"] = corpus
        changed |= {key: value for key, value in values.items() if key in known[name]}
        defaults = {key: each["default"].strip("'\"") for key, each in known[name].items()}
        used = [_files(value) for value in (defaults | changed).values() if isinstance(value, str)]
        inputs = [[cell.source for cell in _read(source).cells], changed, used, library]
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        jobs.append(Job(name, source, folder, changed, digest))
    return jobs


def _name(first: Sequence[str], profile: str, values: Mapping[str, Any]) -> str:
    """Return the name of a run, made of what its user has chosen."""
    parts = [*first, profile, *(f"{key}-{value}" for key, value in sorted(values.items()))]
    return re.sub(r"[^\w. -]+", "_", "-".join(parts)).lstrip(".")[:100]


def _require_own(folder: Path, values: Mapping[str, Any]) -> None:
    """Raise InputError if `folder` holds results of the same name, made with other `values`.

    Two folders of recordings can have the same name, and a name is shortened.
    """
    for name, state in run_folder.states(folder).items():
        for key, value in values.items():
            if (before := state.get("parameters", {}).get(key, value)) != value:
                raise InputError(
                    f"{folder}: {name} was run there with {key}={before}, not {value}; give this"
                    " run another name by --name."
                )


def _library() -> list[Any]:
    """Return what each notebook depends on: files, by digest or size and time, and versions."""
    home = project_dir()
    folders = (Path(__file__).parents[1], home / "data", home / "outputs" / "reference")
    installed = {key: value for key, value in versions(home).items() if key != "commit"}
    return [[digests(each) for each in folders], installed, _files(str(weights_dir() or ""))]


def _files(text: str) -> list[parallel.Identity]:
    """Return path, size and time of each file that a parameter names: recordings or weights."""
    home = data_dir()
    root = home / text if home and text in registry.DATASETS else resolve(text)
    if text and os.path.isfile(root):  # noqa: PTH113  Path.is_file raises OSErrors
        files = [root, *(manifest.files(root) if root.suffix == ".csv" else ())]
    else:
        files = [path for path, why in walk(root) if not why] if text else []
    found = []
    for path in files:
        with suppress(InputError):  # it may have vanished; the corpus lists it
            found.append(parallel.identity(path))
    return found


def run(
    jobs: Sequence[Job], *, processes: int | None = None, scheduler: str | None = None, fresh: bool = False
) -> dict[str, str]:
    """Execute `jobs`, those of one run, and return `{notebook: error}` for those that failed.

    Finished notebooks are not executed again unless `fresh`. Earlier results are kept until the new
    execution of the notebook has finished. `processes` notebooks are executed in parallel, by
    default one for each core and 2 GiB, or on the workers of the Dask scheduler at `scheduler`,
    such as "tcp://host:8786". Workers must share this machine's folders and have the same
    installation. Progress goes to stderr.

    Raises InputError if another process is executing this run, if no scheduler answers, or if its
    workers are missing, lost or differ from this machine, and OSError if the disk is full.
    """
    from joblib import cpu_count

    # The cores and the memory that are allowed here; a notebook takes up to 2 GiB.
    folder, cores = jobs[0].folder, min(cpu_count(), max(1, parallel.memory() // 2**31))
    with ExitStack() as stack:
        stack.enter_context(run_folder.run_lock(folder))
        run_folder.clean(folder)
        waiting = [job for job in jobs if fresh or job.name in ALWAYS or not job.is_done()]
        for job in jobs:
            if job not in waiting:
                say(f"{job.name}: finished before, kept", err=True)
        if not waiting:
            return {}
        processes = min(processes or cores, len(waiting))
        cluster = None
        if scheduler:  # a worker has one core; a thread here waits for each notebook
            cluster = parallel.Cluster(scheduler)
            stack.callback(cluster.close)
            _require_same(cluster, folder)
            processes, cores = len(waiting), 1
        environment = _environment(max(1, cores // processes))
        say(f"{len(waiting)} notebooks to run", err=True)

        def compute(job: Job) -> tuple[Path, str, float]:
            arguments = (folder, job.source, dict(job.parameters), environment)
            return cluster.submit(execute, *arguments).result() if cluster else execute(*arguments)

        received = stack.enter_context(_signals())
        return _run_all(waiting, ThreadPoolExecutor(processes), compute, received, cluster)


def _require_same(cluster: parallel.Cluster, folder: Path) -> None:
    """Raise InputError if a worker lacks this run's folder, or has another installation."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as token:
        project = project_dir()
        here = installation(project, Path(token))
        answers = cluster.everywhere(installation, project, Path(token))
    for worker, answer in answers.items():
        there = {} if isinstance(answer, Exception) else answer  # it has no cryutils, or an old one
        for key in [*here, *there]:
            a, b = here.get(key, "missing"), there.get(key, "missing")
            if a != b:
                raise InputError(
                    f"worker {worker}: {key} is {b} there and {a} here; install the same cryutils,"
                    " share the same folders, and restart the worker."
                )


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Yield a list of the signals to end this process that have come; raise the first at the end.

    What a signal raises can interrupt any line: a file is then closed twice, by which another
    thread loses its own. In a destructor, Python drops it.
    """
    received: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(each)):
                handlers[each] = signal.signal(each, lambda number, _: received.append(number))
    try:
        yield received
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
    return {
        "CRYUTILS_START_DIR": str(Path.cwd()),
        "CRYUTILS_CACHE_DIR": str(cache_dir()),
        **{key: value for key, value in os.environ.items() if re.match("CRYUTILS_.*_DIR$", key)},
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "LOKY_MAX_CPU_COUNT": os.environ.get("LOKY_MAX_CPU_COUNT", str(cores)),  # joblib
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # whatever the shell has
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _run_all(
    jobs: Sequence[Job],
    pool: ThreadPoolExecutor,
    compute: Callable[[Job], tuple[Path, str, float]],
    received: Sequence[int],
    cluster: parallel.Cluster | None,
) -> dict[str, str]:
    """Execute `jobs` in the threads of `pool`, and return the errors by notebook.

    received: signals; the first ends the run. cluster: where `compute` sends its work.
    """
    storing, staging = threading.Lock(), jobs[0].folder / run_folder.STAGING
    staging.mkdir()
    futures: dict[str, Future[str]] = {}
    failed: dict[str, str] = {}

    def run_one(job: Job, earlier: Sequence[Future[str]]) -> str:
        wait(earlier)
        return _stored(job, compute, storing)

    try:
        # Those that wait for others come after them, those in `ALWAYS` last.
        for job in sorted(jobs, key=lambda job: (job.name in ALWAYS, job.name in AFTER, job.name)):
            before = futures if job.name in ALWAYS else AFTER.get(job.name, ())
            earlier = [futures[name] for name in before if name in futures]
            futures[job.name] = pool.submit(run_one, job, earlier)
        pending = dict(futures)
        while pending and not received:
            wait(pending.values(), timeout=0.5, return_when=FIRST_COMPLETED)
            if cluster and (line := cluster.watch()):
                say(line, err=True)
            for name in [name for name, future in pending.items() if future.done()]:
                if error := pending.pop(name).result():
                    failed[name] = error
                outcome = "failed" if error else "done"
                say(f"{name}: {outcome} ({len(jobs) - len(pending)} of {len(jobs)})", err=True)
    finally:
        with storing:
            ended = staging.rename(staging.with_name(".part-ended"))  # its removal ends executions
        pool.shutdown(wait=False, cancel_futures=True)
        if cluster:
            cluster.close()  # a worker that is lost answers no thread
        pool.shutdown()
        shutil.rmtree(ended, ignore_errors=True)
    return failed


def _stored(job: Job, compute: Callable[[Job], tuple[Path, str, float]], storing: threading.Lock) -> str:
    """Execute a notebook and store its files; return its error in one line, "" if it succeeded.

    Raises OSError if the disk is full, since the other notebooks would fail as well.
    """
    try:
        staging, error, seconds = compute(job)
    except parallel.lost_workers() as lost:
        if isinstance(lost, CancelledError):
            return "the scheduler was lost; start one and repeat the command"
        return f"its workers were lost, as happens when memory runs out ({type(lost).__name__})"
    with storing:
        if not staging.is_dir():
            return "stopped"
        if not error:
            try:
                run_folder.finish(
                    staging,
                    job.name,
                    {
                        "fingerprint": job.fingerprint,
                        "parameters": dict(job.parameters),
                        "seconds": round(seconds, 1),
                        "versions": versions(project_dir()),
                    },
                )
                return ""
            except InputError as unreadable:
                error = str(unreadable)
        kept = run_folder.give_up(staging, job.name)
    for full in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(full) in error:
            raise OSError(full, os.strerror(full), f"{job.name}: {error}")
    path = kept.get("notebook" if seconds else "log")  # 0: its process ended early
    return f"{error} (see {path})" if path else error
