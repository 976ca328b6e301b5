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
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from cryutils._io.paths import file_digest, writing
from cryutils.claims import store
from cryutils.errors import InputError

__all__ = [
    "STAGING", "finish", "give_up", "is_whole", "name_of", "read_state", "recover",
    "require_name", "run_lock", "stage", "state_file", "states", "unreadable",
]  # fmt: skip

STAGING = ".running"


def require_name(name: str, taken: Iterable[str] = ()) -> None:
    """Raise InputError if `--name` is not a plain folder name, or is reserved or `taken`."""
    if not name or name.startswith(".") or re.search(r"[/\\]", name) or not name.isprintable():
        raise InputError(f"--name {name!r}: give a plain name, without / or \\, such as trial-2.")
    # The run of notebooks executed by hand, and the results in git.
    if name in ("manual", "reference", "report", *taken):
        raise InputError(f"--name {name}: that name is taken; give another, such as trial-2.")


def name_of(profile: str, data: Path | None, parameters: Mapping[str, Any]) -> str:
    """Return a run's name, made from the folder of recordings, the profile and the parameters.

    `data` is the user's own recordings, `parameters` are those of the command. A digest replaces
    values that are long or not plain.

    >>> name_of("quick", Path("my cries"), {"repeats": 2})
    'my cries-quick-repeats-2'
    """
    first = profile if data is None else f"{data.stem}-{profile}"
    if not parameters:
        return first
    values = dict(sorted(parameters.items()))
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values.values())
    last = "-".join(f"{key}-{text}" for key, text in zip(values, texts, strict=True))
    if not re.fullmatch(r"[\w.-]{1,40}", last):
        digest = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
        last = f"{'-'.join(values)[:40]}-{digest}"
    return f"{first}-{last}"


# Finished notebooks


def state_file(folder: Path, name: str) -> Path:
    """Return the path of notebook `name`'s state file, which is written once it has finished."""
    return folder / "state" / f"{name}.json"


def read_state(path: Path) -> dict[str, Any] | None:
    """Return how a finished notebook was executed, None if there is no state or it can't be read.

    Keys: fingerprint, profile, parameters, seconds, peak_mib, versions, and `files`, the sha256 of
    each file by its path within the run's folder. Some reference runs have no profile and files.
    """
    try:
        return {"profile": "", "files": {}, **json.loads(path.read_bytes())}
    except (FileNotFoundError, ValueError, TypeError):
        return None


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the state of each notebook that has finished in `folder`, by name."""
    by_name = {path.stem: read_state(path) for path in sorted(folder.glob("state/*.json"))}
    return {name: state for name, state in by_name.items() if state is not None}


def unreadable(folder: Path) -> list[Path]:
    """Return the state files in `folder` that can't be read."""
    return [path for path in sorted(folder.glob("state/*.json")) if read_state(path) is None]


def is_whole(folder: Path, state: Mapping[str, Any]) -> bool:
    """Return whether every file of a finished notebook is in `folder`, unchanged.

    Logs don't count, because an ending process may still write to one.
    """
    return bool(state["files"]) and all(
        (folder / path).is_file() and file_digest(folder / path) == digest
        for path, digest in state["files"].items()
        if PurePath(path).suffix != ".log"
    )


# Executions


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Create the run's folder if needed, and lock it.

    Raises InputError if it is locked by another run or can't be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: can't be written to; choose another with --outputs."
        ) from error
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


def stage(folder: Path, name: str) -> Path:
    """Return a new staging folder for notebook `name`, with links to models and results.

    The links are to files of other notebooks. The library writes files with `writing`, which
    replaces a link, so these files are never changed. Earlier files of this notebook and damaged
    results are left out.
    """
    # New each time, since a kernel briefly outlives a killed runner. The last part is the run's
    # name, which notebooks show.
    staging = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder / STAGING), folder.name)
    state = read_state(state_file(folder, name))
    left_out = {folder / file for file in state["files"]} if state else set()
    left_out |= {folder / "results" / f"{name}.json", *store.unreadable(folder)}
    for kind in ("models", "results", "notebooks", "logs"):
        (staging / kind).mkdir(parents=True)
    for source in (*folder.glob("models/*"), *folder.glob("results/*.json")):
        if source.is_file() and source not in left_out:
            (staging / source.relative_to(folder)).symlink_to(source)
    return staging


def finish(staging: Path, name: str, state: Mapping[str, Any]) -> None:
    """Replace notebook `name`'s earlier files with those in `staging`, and write its `state`.

    Also rebuilds `results.json`. Raises InputError if the notebook has written results that can't
    be read.
    """
    results = staging / "results" / f"{name}.json"
    if results.is_file():
        store.read_results(results)
    files = {}
    for path in sorted(staging.rglob("*")):
        relative = path.relative_to(staging)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not is_hidden:
            files[relative.as_posix()] = file_digest(path)
    with writing(state_file(staging, name)) as part:
        part.write_text(json.dumps({**state, "files": files}, indent=1) + "\n", encoding="utf-8")
    _move(staging, name)


def _move(staging: Path, name: str) -> None:
    """Move the files of a finished execution to the run's folder."""
    folder = staging.parents[2]
    if (state := read_state(state_file(staging, name))) is None:  # cut by a power failure
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
    state_file(folder, name).parent.mkdir(exist_ok=True)
    state_file(staging, name).replace(state_file(folder, name))
    shutil.rmtree(staging.parent, ignore_errors=True)


def _failed(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / "notebooks" / f"{name}.failed.ipynb", folder / "logs" / f"{name}.failed.log"


def give_up(staging: Path, name: str) -> tuple[Path, Path]:
    """Keep a failed execution's notebook and log next to the finished ones; return their paths.

    Either file is missing if the execution failed before writing it.
    """
    failed = _failed(staging.parents[2], name)
    sources = staging / "notebooks" / f"{name}.ipynb", staging / "logs" / f"{name}.log"
    for source, target in zip(sources, failed, strict=True):
        target.unlink(missing_ok=True)  # from an earlier failure
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    shutil.rmtree(staging.parent, ignore_errors=True)
    return failed


def recover(folder: Path) -> None:
    """Repair what a killed run left in `folder`, and rebuild `results.json`.

    Finished executions replace earlier ones, unfinished ones are removed.
    """
    for state in sorted(folder.glob(f"{STAGING}/*/*/state/*.json")):
        _move(state.parents[1], state.stem)
    for left in (folder / STAGING, *folder.glob(".part-*")):  # left by a killed `writing`
        shutil.rmtree(left, ignore_errors=True)
    store.merge(folder, states(folder))
