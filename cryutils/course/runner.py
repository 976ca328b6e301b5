"""Run the course's notebooks: profiles, parameters, parallel processes, resuming.

A run is a folder `outputs/<run>/` with executed notebooks, their results and figures. Each finished
notebook has a state file with its fingerprint, a digest of everything that its results depend on.
So a killed run can be resumed, and a notebook is executed again when its inputs have changed.

papermill is unsafe in threads, so it executes each notebook in its own process
(`python -m cryutils.course.execution`).
"""

import ast
import errno
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from cryutils._io import extras, parallel, paths
from cryutils._io.progress import say
from cryutils.claims import records
from cryutils.datasets import manifest, registry
from cryutils.datasets.folder import walk
from cryutils.errors import InputError, near_miss

_LIBRARY = Path(__file__).parents[1]
_PACKAGES = ("cryutils", "crydecode")
# The user's settings, which would change what a notebook computes and shows.
_FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
_FILES = ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH", "MATPLOTLIBRC", "PYTHONSTARTUP")


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook to execute in the run's `folder`, with the `parameters` that the run sets.

    after: notebooks that must have finished, "all" for every other notebook. Such a notebook reads the
    results of all runs, which no fingerprint covers, so it is executed each time.
    """

    name: str
    source: Path
    folder: Path
    parameters: Mapping[str, Any]
    fingerprint: str
    after: Sequence[str]

    def is_done(self) -> bool:
        """Return whether a job with this fingerprint has finished and none of its files is gone."""
        state = records.states(self.folder).get(self.name, {})
        return state.get("fingerprint") == self.fingerprint and all(
            (self.folder / file).is_file() for file in state["files"]
        )


Compute = Callable[[Job], tuple[Path, str, float]]  # executes a notebook, as `execute`


def contents() -> list[dict[str, Any]]:
    """Return the rows of `notebooks/contents.yml`, the notebooks in reading order."""
    extras.require("yaml", "course", "the list of notebooks")
    import yaml

    path = paths.project_dir() / "notebooks" / "contents.yml"
    return list(yaml.safe_load(path.read_text(encoding="utf-8")))


def notebooks() -> dict[str, Path]:
    """Return the notebooks by name, in reading order."""
    home = paths.project_dir() / "notebooks"
    return {row["name"]: home / f"{row['name']}.ipynb" for row in contents()}


def profiles() -> dict[str, Path]:
    """Return the files of the profiles by name, from `data/profiles`."""
    return {path.stem: path for path in (paths.project_dir() / "data" / "profiles").glob("*.yml")}


def chosen(texts: Iterable[str]) -> dict[str, Path]:
    """Return notebooks by name, each given by the beginning of its name or the path of a copy."""
    known, sources = notebooks(), dict[str, Path]()
    for text in texts:
        copy = paths.resolve(text) if text.endswith(".ipynb") else None
        if copy:
            paths.check_file(copy)
        name = copy.stem if copy else text
        exact = [each for each in known if f"{each}_".startswith(f"{name}_")]  # "1" isn't 10
        names = exact or [each for each in known if each.startswith(name)]
        if len(names) > 1:
            raise InputError(f"notebook {name!r} fits {', '.join(names)}; give more of the name.")
        if not names:
            raise InputError(f"no notebook {name!r}.{near_miss(name, known)}")
        source = copy or known[names[0]]
        if sources.setdefault(names[0], source) != source:
            raise InputError(f"{text}: another {names[0]} is chosen; run it by itself, with --name.")
    return sources


def plan(
    profile: str,
    texts: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    data: str | None = None,
    run_name: str | None = None,
) -> list[Job]:
    """Return the jobs of a run.

    texts: as in `chosen`; by default the notebooks of the profile. values: parameters that override
    the profile's. data: the user's own recordings. run_name: replaces the name made of these.

    Raises InputError for an unknown profile, notebook or parameter, and for a value of another type
    than the parameter's default, which papermill does not check.
    """
    import yaml
    from joblib import hash

    values = dict(values or {})
    if profile not in (files := profiles()):
        raise InputError(f"no profile {profile!r}.{near_miss(profile, files)}")
    content = yaml.safe_load(files[profile].read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in contents()}
    selected = chosen(texts or [name for name, row in rows.items() if profile in row["profiles"]])
    known = {name: records.defaults(path) for name, path in selected.items()}
    _require_known(values, {key for each in known.values() for key in each}, "a chosen notebook")
    corpus = str(paths.resolve(data)) if data else content.get("data")
    if corpus == "":
        raise InputError(f"the profile {profile} is for your own recordings; add --data FOLDER.")
    first = [Path(str(corpus)).stem] if data else []
    usual = "-".join([*first, profile, *(f"{key}-{value}" for key, value in sorted(values.items()))])
    if len(usual) > 100:
        usual = f"{usual[:100]}-{hash(usual)[:8]}"
    folder = paths.outputs_dir() / (run_name or re.sub(r"[^\w. -]+", "_", usual).lstrip("."))
    for name, state in records.states(folder).items() if data else ():
        # Two folders of recordings can have the same name.
        if (before := state.get("parameters", {}).get("data", corpus)) != corpus:
            what = f"{name} was run there with data={before}, not {corpus}"
            raise InputError(f"{folder}: {what}; give this run another name by --name.")
    shared, jobs = _shared(), []
    for name, path in selected.items():
        changed = dict(content.get("parameters", {}).get(name, {}))
        _require_known(changed, known[name], name)
        if corpus and "data" in known[name]:
            changed["data"] = corpus
        changed |= {key: value for key, value in values.items() if key in known[name]}
        records.require_types(changed, known[name])
        used = [_files(text) for text in (known[name] | changed).values() if isinstance(text, str)]
        cells = records.cells(path)
        code = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
        library = {str(file): paths.file_digest(file) for file in sources(code)}
        contents_of_cells = [(cell["source"], cell["metadata"].get("tags")) for cell in cells]
        digest = hash([contents_of_cells, changed, used, library, shared])
        jobs.append(Job(name, path, folder, changed, digest, rows[name].get("after", ())))
    return jobs


def _require_known(names: Iterable[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{name} is no parameter of {where}.{near_miss(name, known)}")


def _shared() -> list[Any]:
    """Return what all notebooks depend on: stored data and results, versions and weights."""
    home = paths.project_dir()
    stored = digests(home / "data") | digests(home / "outputs" / "reference")
    files = {name: digest for name, digest in stored.items() if not name.startswith("data/profiles")}
    installed = {key: value for key, value in versions(home).items() if key != "commit"}
    return [files, installed, _files(str(paths.weights_dir() or ""))]


def sources(code: str, library: Path = _LIBRARY.parent) -> list[Path]:
    """Return the files of the library that `code` imports, directly or indirectly; all if it is no Python.

    These are modules, and the scripts and tables beside them. library: the folder that contains the
    packages cryutils and crydecode.
    """
    code = re.sub(r"(?m)^(\s*)[!%].*", r"\1pass", code)  # IPython's commands
    lazy = [f"import {name}" for name in set(re.findall(r"\bcryutils\.[a-z_]+", code))]
    files: set[Path] = set()
    try:
        waiting = _modules("\n".join([code, *lazy]), library, library)
    except SyntaxError:  # the kernel may understand it, or says what is wrong
        return sorted(library / name for package in _PACKAGES for name in digests(library / package))
    while new := waiting - files:
        files |= new
        waiting = set().union(*(_imports(file, library) for file in new))
    return sorted(files | {path for file in files for path in file.parent.glob("*.[!p]*")})


@cache
def _imports(file: Path, library: Path) -> set[Path]:
    return _modules(file.read_text(encoding="utf-8"), file.parent, library)


def _modules(code: str, folder: Path, library: Path) -> set[Path]:
    """Return the modules of the library that `code`, a module in `folder`, imports itself."""
    places = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            places += [library / alias.name.replace(".", "/") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = [folder, *folder.parents][node.level - 1] if node.level else library
            home /= (node.module or "").replace(".", "/")
            places += [home / alias.name for alias in node.names]  # a module, or a name in one
    packages = {library / name for name in _PACKAGES}
    inside = {path for end in places for path in (end, *end.parents) if packages & {path, *path.parents}}
    files = [file for path in inside for file in (path.with_suffix(".py"), path / "__init__.py")]
    return {file for file in files if file.is_file()}


def _files(text: str) -> list[parallel.Identity]:
    """Return path, size and time of each file that a parameter names: recordings or weights."""
    home = paths.data_dir()
    root = home / text if home and text in registry.DATASETS else paths.resolve(text)
    if text and os.path.isfile(root):  # noqa: PTH113  Path.is_file raises OSErrors
        files = [root, *(manifest.files(root) if root.suffix == ".csv" else ())]
    else:
        files = [path for path, why in walk(root) if not why] if text else []
    identities = []
    for path in files:
        with suppress(InputError):  # it may have vanished; the corpus lists it
            identities.append(parallel.identity(path))
    return identities


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below `folder`, by its path from the folder's parent."""
    names = {path: path.relative_to(folder.parent).as_posix() for path in sorted(folder.rglob("*"))}
    return {
        name: paths.file_digest(path)
        for path, name in names.items()
        if path.is_file() and not re.search(r"/(\.|__pycache__)", name)
    }


def versions(project: Path) -> dict[str, str]:
    """Return the versions of Python, of cryutils and of what it needs, and `project`'s commit.

    The commit is that of a clone, with "-dirty" at its end if tracked files have been changed.
    """
    numbers = {"cryutils": metadata.version("cryutils"), "python": platform.python_version()}
    for name in extras.packages():
        with suppress(metadata.PackageNotFoundError):
            numbers[name] = metadata.version(name)
    if (project / ".git").exists():  # a wheel may be inside somebody else's repository
        describe = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        with suppress(OSError, subprocess.CalledProcessError):
            output = subprocess.run(describe, cwd=project, capture_output=True, check=True)
            numbers["commit"] = output.stdout.decode().strip()
    return numbers


def run(
    jobs: Sequence[Job],
    *,
    scheduler: str | None = None,
    patience_s: float = parallel.PATIENCE_S,
    **options: Any,
) -> dict[str, str]:
    """Execute `jobs`, those of one run, and return `{notebook: error}` for those that failed.

    Finished notebooks are not executed again unless `fresh`. Earlier results are kept until the new
    execution of the notebook has finished. `processes` notebooks are executed in parallel, by
    default one for each core and 2 GiB, or on the workers of the Dask scheduler at `scheduler`,
    such as "tcp://host:8786". Workers must share this machine's folders and have the same
    installation. Without a worker the run waits for `patience_s`. Progress goes to stderr.

    Raises InputError if another process is executing this run, if no scheduler answers, or if its
    workers are missing, lost or differ from this machine, and OSError if the disk is full.
    """
    stopping, cluster = threading.Event(), None
    with ExitStack() as stack:
        if scheduler:  # in this thread, so that a signal ends the wait for a worker
            cluster = parallel.Cluster(scheduler, patience_s=patience_s)
            stack.callback(cluster.close)
            _require_same(cluster, jobs[0].folder)
        thread = stack.enter_context(ThreadPoolExecutor(1))
        try:  # what a signal raises interrupts this wait alone, not a line that closes a file
            return thread.submit(_run, jobs, stopping, cluster, **options).result()
        finally:
            stopping.set()


def _run(
    jobs: Sequence[Job],
    stopping: threading.Event,
    cluster: parallel.Cluster | None,
    *,
    processes: int | None = None,
    fresh: bool = False,
) -> dict[str, str]:
    from joblib import cpu_count

    # The cores and the memory that are allowed here; a notebook takes up to 2 GiB.
    folder, cores = jobs[0].folder, min(cpu_count(), max(1, parallel.memory() // 2**31))
    with records.run_lock(folder):
        records.clean(folder)
        waiting = [job for job in jobs if fresh or job.after == "all" or not job.is_done()]
        for job in jobs:
            if job not in waiting:
                say(f"{job.name}: finished before, kept", err=True)
        if not waiting:
            return {}
        processes = min(processes or cores, len(waiting))
        if cluster:  # a worker has one core; a thread here waits for each notebook
            processes, cores = len(waiting), 1
        environment = _environment(max(1, cores // processes))
        say(f"{len(waiting)} notebooks to run", err=True)

        def compute(job: Job) -> tuple[Path, str, float]:
            arguments = (folder, job.source, dict(job.parameters), environment)
            return cluster.submit(execute, *arguments).result() if cluster else execute(*arguments)

        return _run_all(waiting, ThreadPoolExecutor(processes), compute, stopping, cluster)


def _require_same(cluster: parallel.Cluster, folder: Path) -> None:
    """Raise InputError if a worker lacks this run's folder, or has another installation."""
    with records.run_lock(folder), tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as token:
        arguments = (paths.project_dir(), Path(token))
        here, answers = installation(*arguments), cluster.everywhere(installation, *arguments)
    for worker, answer in answers.items():
        there = {} if isinstance(answer, Exception) else answer  # it has no cryutils, or an old one
        for key in [*here, *there]:
            a, b = here.get(key, "missing"), there.get(key, "missing")
            if a != b:
                remedy = "install the same cryutils, share the same folders, and restart the worker"
                raise InputError(f"worker {worker}: {key} is {b} there and {a} here; {remedy}.")


def installation(project: Path, token: Path) -> dict[str, str]:
    """Return what a worker must have in common with the machine that sends it notebooks.

    token: a new folder, by which a worker shows that it has the same run's folder.
    """
    from joblib import hash

    return versions(project) | {
        "cryutils' files": hash(digests(_LIBRARY))[:12],
        str(token.parent): "writable" if token.is_dir() and paths.writable(token) else "missing",
    }


def _environment(cores: int) -> dict[str, str]:
    """Return the environment variables of each notebook's process, which may use `cores`."""
    return {
        "CRYUTILS_START_DIR": str(Path.cwd()),
        "CRYUTILS_CACHE_DIR": str(paths.cache_dir()),
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
    compute: Compute,
    stopping: threading.Event,
    cluster: parallel.Cluster | None,
) -> dict[str, str]:
    """Execute `jobs` in the threads of `pool` until `stopping`; return the errors by notebook."""
    storing, staging = threading.Lock(), jobs[0].folder / records.STAGING
    staging.mkdir()
    futures: dict[str, Future[str]] = {}
    failed: dict[str, str] = {}

    try:
        # Those that wait for others come after them.
        for job in sorted(jobs, key=lambda job: (job.after == "all", bool(job.after), job.name)):
            before = futures if job.after == "all" else job.after
            earlier = [futures[name] for name in before if name in futures]
            futures[job.name] = pool.submit(_stored, job, earlier, compute, storing)
        pending = dict(futures)
        while pending and not stopping.is_set():
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


def _stored(job: Job, earlier: Sequence[Future[str]], compute: Compute, storing: threading.Lock) -> str:
    """Execute a notebook after `earlier` ones and store its files; return its error in one line, or "".

    Raises OSError if the disk is full, since the other notebooks would fail as well.
    """
    wait(earlier)
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
            state: dict[str, Any] = {"fingerprint": job.fingerprint, "parameters": dict(job.parameters)}
            state |= {"seconds": round(seconds, 1), "versions": versions(paths.project_dir())}
            records.finish(staging, job.name, state)
            return ""
        files = records.give_up(staging, job.name)
    if (full := os.strerror(errno.ENOSPC)) in error:
        raise OSError(errno.ENOSPC, full, f"{job.name}: {error}")
    path = files.get("notebook" if seconds else "log")  # 0: its process ended early
    return f"{error} (see {path})" if path else error


def execute(
    folder: Path, source: Path, values: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Path, str, float]:
    """Execute the notebook `source` in a new process, with `values` for its parameters.

    Called here or on a worker that shares the run's `folder`, again if the worker is lost. Returns
    the call's own staging folder, whose removal ends the execution, the error in one line or "",
    and the seconds, 0 if the process ended early.
    """
    staging, began = records.stage(folder, source.stem), time.monotonic()
    cache = Path(environment["CRYUTILS_CACHE_DIR"])
    lists = cache if paths.writable(cache) else staging.parent  # of fonts, compiled functions: seconds
    settings = {
        "CRYUTILS_RUN_DIR": str(staging),
        "CRYUTILS_OUTPUTS_DIR": str(folder.parent),
        "TQDM_DISABLE": "1",  # no output that depends on the time a cell takes
        "MPLCONFIGDIR": str(lists / "matplotlib"),
        # Two processes that compile one function at once, for other types, would mix up what they store.
        "NUMBA_CACHE_DIR": str(lists / "numba" / source.stem),
        **{name: str(staging.parent / name.lower()) for name in _FOLDERS},
        **dict.fromkeys(_FILES, ""),
    }
    target, log = staging / "notebooks" / source.name, staging / "logs" / f"{source.stem}.log"
    defaults = records.defaults(source)
    asked = {name: values.get(name, defaults.get(name)) for name in ("data", "runs")}
    is_other = any(value != defaults.get(name) for name, value in asked.items())
    corpus = registry.find(defaults.get("data"))
    described = (corpus.title if corpus else "other recordings") if is_other else ""
    request = [str(source), str(target), str(log), dict(values), os.getpid(), described]
    with log.open("w") as output:  # of libraries
        process = subprocess.run(
            [sys.executable, "-m", "cryutils.course.execution"],
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            check=False,
            env={**os.environ, **environment, **settings},
            start_new_session=True,  # a terminal's Ctrl-C reaches only the command
        )
    if process.returncode and not process.stdout:
        return staging, "its process ended early, as happens when memory runs out", 0.0
    return staging, process.stdout, time.monotonic() - began
