"""A run's folder: its name, its finished notebooks, and how an execution's files get there.

An execution writes into a staging folder, hidden in the run's folder and with the same layout.
Once it has finished, its files replace the earlier ones, the state file last, so a kill or a
failure never loses a finished notebook. `course` executes the notebooks, `claims` reads and writes
their numbers. Notebook 14 reads a state.
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
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cryutils._io.paths import file_digest, writing
from cryutils.claims import store
from cryutils.errors import InputError

__all__ = [
    "Staging", "begin", "finish", "finish_interrupted_moves", "give_up", "is_whole", "missing",
    "name_of", "progress", "read_state", "recover", "require_name", "run_lock", "stage",
    "state_file", "states", "tidy", "unreadable",
]  # fmt: skip

_STAGING = ".running"
_BORROWED = {"models": "*", "results": "*.json"}  # copied from other notebooks
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
    pairs = {key: _plain(parameters[key]) for key in sorted(parameters)}
    last = "-".join(f"{key}-{text}" for key, text in pairs.items())
    if all(pairs.values()) and len(last) <= _LONGEST:
        return f"{first}-{last}"
    everything = json.dumps(dict(parameters), sort_keys=True)
    digest = hashlib.sha256(everything.encode()).hexdigest()[:8]
    keys = "-".join(pairs)
    return f"{first}-{keys}-{digest}" if len(keys) <= _LONGEST else f"{first}-{digest}"


def _plain(value: Any) -> str:
    """Return `value` as an unambiguous part of a file name, or "" if there is none."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else ""
    return json.dumps(value) if isinstance(value, (bool, int, float, type(None))) else ""


# Finished notebooks


class _State(BaseModel):
    """How a finished notebook was executed. Older states have no `profile` and `files`."""

    model_config = ConfigDict(strict=True)

    fingerprint: str
    profile: str = ""
    parameters: dict[str, Any]
    seconds: float
    peak_mib: int | float
    versions: dict[str, str]
    files: dict[str, str] = {}  # sha256 by path within the run's folder

    @field_validator("files")
    @classmethod
    def _are_inside(cls, files: dict[str, str]) -> dict[str, str]:
        # The next execution removes the files at these paths.
        paths = [PurePath(file) for file in files]
        if any(path.is_absolute() or ".." in path.parts for path in paths):
            raise ValueError("a path outside of the run's folder")
        return files


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
    """The staging folder, `path`, of an execution of notebook `name` in the run's `folder`.

    `borrowed`: the sha256 of each file that was copied there from other notebooks.
    """

    name: str
    folder: Path
    path: Path
    borrowed: Mapping[str, str] = field(repr=False)

    @property
    def notebook(self) -> Path:
        """Where the executed notebook is written."""
        return self.path / "notebooks" / f"{self.name}.ipynb"

    @property
    def log(self) -> Path:
        """Where the output of libraries is written."""
        return self.path / "logs" / f"{self.name}.log"

    @property
    def share(self) -> Path:
        """Where the share of finished cells is written, 0-1."""
        return self.path.parent / "share"

    @property
    def count(self) -> Path:
        """Where `progress.counting` writes the progress of the running cell."""
        return self.path.parent / "count"


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


def begin(folder: Path) -> Path:
    """Create a file in `folder` whose removal ends all executions of this run within a second."""
    (folder / _STAGING).mkdir(parents=True, exist_ok=True)
    descriptor, alive = tempfile.mkstemp(prefix="alive-", dir=folder / _STAGING)
    os.close(descriptor)
    return Path(alive)


def stage(folder: Path, name: str) -> Staging:
    """Return a new staging folder for notebook `name`, with copies of models and results.

    The copies are of other notebooks' files. Earlier files of this notebook are left out.
    """
    home = folder / _STAGING
    home.mkdir(parents=True, exist_ok=True)
    # New each time, since a kernel briefly outlives a killed runner. The last part is the run's
    # name, which notebooks show.
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home), folder.name)
    before = read_state(state_file(folder, name))
    own = {f"results/{name}.json", *(before["files"] if before else ())}
    damaged, borrowed = store.unreadable(folder), {}
    for kind, pattern in _BORROWED.items():
        (path / kind).mkdir(parents=True)
        for source in (folder / kind).glob(pattern):
            relative = f"{kind}/{source.name}"
            if source.is_file() and relative not in own and source not in damaged:
                shutil.copy2(source, path / relative)
                borrowed[relative] = file_digest(path / relative)
    staging = Staging(name, folder, path, borrowed)
    for file in (staging.notebook, staging.log):
        file.parent.mkdir()
    return staging


def finish(staging: Staging, state: Mapping[str, Any], among: Iterable[str]) -> None:
    """Replace a notebook's earlier files with those of an execution, and write its `state`.

    `results.json` is rebuilt from the finished notebooks that are in `among`. Raises InputError if
    the notebook has written results that can't be read.
    """
    results = staging.path / "results" / f"{staging.name}.json"
    if results.is_file():
        store.read_results(results)
    files = {}
    for path in sorted(staging.path.rglob("*")):
        relative = path.relative_to(staging.path)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not is_hidden:
            name, digest = relative.as_posix(), file_digest(path)
            if staging.borrowed.get(name) != digest:
                files[name] = digest
    with writing(state_file(staging.path, staging.name)) as part:
        part.write_text(json.dumps({**state, "files": files}, indent=1) + "\n", encoding="utf-8")
    # If this process is killed from here on, the next run finishes the moves.
    _move(staging.path, staging.name, staging.folder, among)


def _move(path: Path, name: str, folder: Path, among: Iterable[str]) -> None:
    """Move the files of a finished execution from its staging folder, `path`, to `folder`."""
    state = read_state(state_file(path, name))
    if state is not None:
        others = states(folder)
        before = others.pop(name, {"files": {}})
        for relative in state["files"]:
            if (path / relative).is_file():  # else it was moved before a kill
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                (path / relative).replace(folder / relative)
        in_use = {relative for each in (state, *others.values()) for relative in each["files"]}
        outdated = [folder / relative for relative in set(before["files"]) - in_use]
        for file in (*outdated, *_failed(folder, name)):
            file.unlink(missing_ok=True)
        store.merge(folder, {name, *others} & set(among))
        (folder / "state").mkdir(exist_ok=True)
        state_file(path, name).replace(state_file(folder, name))
    shutil.rmtree(path.parent, ignore_errors=True)


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


def recover(folder: Path, among: Iterable[str]) -> list[str]:
    """Repair what a killed run left in `folder`; return a line for each damaged or missing file.

    Finished executions replace earlier ones, and unfinished ones are removed. `among` as in
    `finish`.
    """
    damaged = [*unreadable(folder), *store.unreadable(folder)]
    _finish_moves(folder, among)
    for place in (folder / _STAGING, *folder.glob(".part-*")):  # left by a killed `writing`
        shutil.rmtree(place, ignore_errors=True)
    problems = {path: "can't be read" for path in damaged}
    problems |= dict.fromkeys(missing(folder), "is missing")
    return [
        f"{path} {what}: {path.stem} runs again when chosen." for path, what in problems.items()
    ]


def finish_interrupted_moves(folder: Path) -> None:
    """Finish the moves that a kill interrupted in `folder`, so that readers see complete models.

    Does nothing while another process is running there, or if the folder can't be written to.
    """
    if any(folder.glob(f"{_STAGING}/*/*/state/*.json")):
        with suppress(InputError, OSError), run_lock(folder):
            names = {path.stem for path in folder.glob(f"{_STAGING}/*/*/state/*.json")}
            _finish_moves(folder, names | states(folder).keys())


def _finish_moves(folder: Path, among: Iterable[str]) -> None:
    for state in sorted(folder.glob(f"{_STAGING}/*/*/state/*.json")):
        _move(state.parent.parent, state.stem, folder, among)


def progress(folder: Path, name: str) -> tuple[float, str] | None:
    """Return the share of a notebook's finished cells and the running cell's progress, or "".

    None if the notebook isn't running.
    """
    with suppress(OSError, ValueError):  # it has not started, or has just ended
        places = folder.glob(f"{_STAGING}/{name}-????????/share")
        share = max(places, key=lambda path: path.stat().st_mtime_ns)
        count = share.with_name("count")
        text = count.read_text(encoding="utf-8") if count.is_file() else ""
        return float(share.read_text(encoding="utf-8")), text
    return None


def tidy(folder: Path) -> None:
    """Remove the staging folders that lost workers left. Call it once all executions have ended."""
    shutil.rmtree(folder / _STAGING, ignore_errors=True)
