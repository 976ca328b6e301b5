"""A run's folder: its name, its finished notebooks, and how an execution's files get there.

An execution writes into a staging folder, hidden in the run's folder and with the same layout. Once
it has finished, its state file is written there. Then its files replace the earlier ones, the state
file last. If a kill interrupts this, the next run moves the remaining files. So neither a kill nor
a failure loses a finished notebook. `course` executes the notebooks, `claims` reads and writes
their numbers.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryutils._io.paths import file_digest, writing
from cryutils.claims import store
from cryutils.errors import InputError

__all__ = [
    "STAGING", "Staging", "finish", "give_up", "is_whole", "missing", "name_of", "progress",
    "read_state", "recover", "require_name", "run_lock", "stage", "state_file", "states",
    "unreadable",
]  # fmt: skip

STAGING = ".running"
# Reserved: the run of notebooks executed by hand, the results in git, the article on all runs.
_TAKEN = ("manual", "reference", "article")
# Text that needs no quotes in a name and can't be another value, such as 1 or true.
_PLAIN = re.compile(r"(?!(?:true|false|null|none|nan|inf|infinity)$)[a-z_][a-z0-9_.]*")
_LONGEST = 40  # most characters of the parameters in a name


# Names


def require_name(name: str, taken: Iterable[str] = ()) -> None:
    """Raise InputError if `--name` is not a plain folder name, or is reserved or `taken`."""
    if not name or name.startswith(".") or re.search(r"[/\\]", name) or not name.isprintable():
        raise InputError(f"--name {name!r}: give a plain name, without / or \\, such as trial-2.")
    if name in (*_TAKEN, *taken):
        raise InputError(f"--name {name}: that name is taken; give another, such as trial-2.")


def name_of(profile: str, data: Path | None, parameters: Mapping[str, Any]) -> str:
    """Return a run's name, made from the folder of recordings, the profile and the parameters.

    `data` is a folder of the user's own recordings, `parameters` are those of the command. A digest
    replaces values that are long or would need quotes.

    >>> name_of("quick", Path("my cries"), {"repeats": 2})
    'my cries-quick-repeats-2'
    """
    first = profile if data is None else f"{data.name}-{profile}"
    if not parameters:
        return first
    values = {key: parameters[key] for key in sorted(parameters)}
    is_plain = all(
        _PLAIN.fullmatch(value) if isinstance(value, str) else not isinstance(value, (list, dict))
        for value in values.values()
    )
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values.values())
    last = "-".join(f"{key}-{text}" for key, text in zip(values, texts, strict=True))
    if is_plain and len(last) <= _LONGEST:
        return f"{first}-{last}"
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    keys = "-".join(values)
    return f"{first}-{keys}-{digest}" if len(keys) <= _LONGEST else f"{first}-{digest}"


# Finished notebooks


# The next execution removes these files, so none may be outside of the run's folder.
_File = Annotated[str, Field(pattern="^[^./][^/]*(/[^./][^/]*)*$")]


class _State(BaseModel):
    """How a finished notebook was executed. Some reference runs have no `profile` and `files`."""

    model_config = ConfigDict(strict=True)

    fingerprint: str
    profile: str = ""
    parameters: dict[str, Any]
    seconds: float
    peak_mib: int | float
    versions: dict[str, str]
    files: dict[_File, str] = {}  # sha256 by path within the run's folder


def state_file(folder: Path, name: str) -> Path:
    """Return the path of notebook `name`'s state file, which is written once it has finished."""
    return folder / "state" / f"{name}.json"


def read_state(path: Path) -> dict[str, Any] | None:
    """Return the state of a finished notebook, None if there is none or it can't be read.

    Keys: fingerprint, profile, parameters, seconds, peak_mib, versions, and `files`, the sha256 of
    each file by its path within the run's folder.
    """
    if not path.is_file():
        return None
    try:
        return _State.model_validate_json(path.read_bytes()).model_dump()
    except ValidationError:
        return None


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the state of each notebook that has finished in `folder`, by name."""
    by_name = {path.stem: read_state(path) for path in sorted(folder.glob("state/*.json"))}
    return {name: state for name, state in by_name.items() if state is not None}


def unreadable(folder: Path) -> list[Path]:
    """Return the state files in `folder` that can't be read."""
    return [path for path in sorted(folder.glob("state/*.json")) if read_state(path) is None]


def missing(folder: Path) -> list[Path]:
    """Return the results files of finished notebooks that have been deleted from `folder`."""
    results = {f"results/{name}.json": state["files"] for name, state in states(folder).items()}
    paths = [folder / path for path, files in results.items() if path in files]
    return [path for path in paths if not path.is_file()]


def is_whole(folder: Path, state: Mapping[str, Any]) -> bool:
    """Return whether every file of a finished notebook is in `folder`, unchanged.

    Logs and pages don't count: an ending process may still write to a log after the notebook has
    finished, and a report may write a page again.
    """
    return bool(state["files"]) and all(
        (folder / path).is_file() and file_digest(folder / path) == digest
        for path, digest in state["files"].items()
        if PurePath(path).suffix not in (".log", ".html")
    )


# Executions


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging folder, `path`, of an execution of notebook `name` in the run's `folder`."""

    name: str
    folder: Path
    path: Path

    @property
    def notebook(self) -> Path:
        """Where the executed notebook is written."""
        return self.path / "notebooks" / f"{self.name}.ipynb"

    @property
    def log(self) -> Path:
        """Where the output of libraries is written."""
        return self.path / "logs" / f"{self.name}.log"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Create the run's folder if needed, and lock it. Raises InputError if it is locked."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            # This lock leaves no file, and is released however this process ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another `cryutils run` is running here; wait until it has ended,"
                " or name this run with --name."
            ) from error
        except OSError as error:  # go on unlocked if the file system, such as NFS, has no locks
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        yield
    finally:
        os.close(descriptor)


def stage(folder: Path, name: str) -> Staging:
    """Return a new staging folder for notebook `name`, with links to models and results.

    The links are to files of other notebooks. The library writes files with `writing`, which
    replaces a link, so these files are never changed. Earlier files of this notebook and damaged
    results are left out.
    """
    # New each time, since a kernel briefly outlives a killed runner. The last part is the run's
    # name, which notebooks show.
    home = tempfile.mkdtemp(prefix=f"{name}-", dir=folder / STAGING)
    staging = Staging(name, folder, Path(home, folder.name))
    before = read_state(state_file(folder, name))
    left_out = {folder / file for file in before["files"]} if before else set()
    left_out |= {folder / "results" / f"{name}.json", *store.unreadable(folder)}
    for kind in ("models", "results", "notebooks", "logs"):
        (staging.path / kind).mkdir(parents=True)
    for source in (*folder.glob("models/*"), *folder.glob("results/*.json")):
        if source.is_file() and source not in left_out:
            (staging.path / source.relative_to(folder)).symlink_to(source)
    return staging


def finish(staging: Staging, state: Mapping[str, Any]) -> None:
    """Replace a notebook's earlier files with those of an execution, and write its `state`.

    Also rebuilds `results.json`. Raises InputError if the notebook has written results that can't
    be read.
    """
    results = staging.path / "results" / f"{staging.name}.json"
    if results.is_file():
        store.read_results(results)
    files = {}
    for path in sorted(staging.path.rglob("*")):
        relative = path.relative_to(staging.path)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not is_hidden:
            files[relative.as_posix()] = file_digest(path)
    target = state_file(staging.path, staging.name)
    with writing(target) as part:
        part.write_text(json.dumps({**state, "files": files}, indent=1) + "\n", encoding="utf-8")
    _move(target, staging.folder)


def _move(state_path: Path, folder: Path) -> None:
    """Move the files of a finished execution, whose state is at `state_path`, to `folder`."""
    staging, name = state_path.parents[1], state_path.stem
    if (state := read_state(state_path)) is None:  # cut by a power failure
        return
    others = states(folder)
    before = others.pop(name, {"files": {}})
    for file in state["files"]:
        if (staging / file).is_file():  # else it was moved before a kill
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (staging / file).replace(folder / file)
    in_use = {file for each in (state, *others.values()) for file in each["files"]}
    outdated = [folder / file for file in set(before["files"]) - in_use]
    for path in (*outdated, *_failed(folder, name)):
        path.unlink(missing_ok=True)
    store.merge(folder, {name, *others})
    (folder / "state").mkdir(exist_ok=True)
    state_path.replace(state_file(folder, name))
    shutil.rmtree(staging.parent, ignore_errors=True)


def _failed(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / "notebooks" / f"{name}.failed.ipynb", folder / "logs" / f"{name}.failed.log"


def give_up(staging: Staging) -> tuple[Path, Path]:
    """Keep a failed execution's notebook and log next to the finished ones; return their paths.

    Either file is missing if the execution failed before writing it.
    """
    failed = _failed(staging.folder, staging.name)
    for source, target in zip((staging.notebook, staging.log), failed, strict=True):
        target.unlink(missing_ok=True)  # from an earlier failure
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    shutil.rmtree(staging.path.parent, ignore_errors=True)
    return failed


def recover(folder: Path) -> list[str]:
    """Repair what a killed run left in `folder`; return a line for each damaged or missing file.

    Finished executions replace earlier ones, unfinished ones are removed, and `results.json` is
    rebuilt.
    """
    problems = dict.fromkeys([*unreadable(folder), *store.unreadable(folder)], "can't be read")
    for state in sorted(folder.glob(f"{STAGING}/*/*/state/*.json")):
        _move(state, folder)
    for place in (folder / STAGING, *folder.glob(".part-*")):  # left by a killed `writing`
        shutil.rmtree(place, ignore_errors=True)
    store.merge(folder, states(folder))
    problems |= dict.fromkeys(missing(folder), "is missing")
    return [
        f"{path} {what}: {path.stem} runs again when chosen." for path, what in problems.items()
    ]


def progress(folder: Path, name: str) -> tuple[float, str] | None:
    """Return the share of a notebook's finished cells and the running cell's progress, or "".

    None if the notebook isn't running.
    """
    with suppress(OSError, ValueError):  # it has not started, or has just ended
        places = folder.glob(f"{STAGING}/{name}-????????/share")
        share = max(places, key=lambda path: path.stat().st_mtime_ns)
        count = share.with_name("count")
        text = count.read_text(encoding="utf-8") if count.is_file() else ""
        return float(share.read_text(encoding="utf-8")), text
    return None
