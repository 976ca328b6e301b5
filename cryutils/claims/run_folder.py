"""A run's folder: its name, its finished notebooks, and how an execution's files get there.

An execution writes into a staging folder, hidden in the run's folder and with the same layout. Once
it has finished, its state file is written there. Then its files replace the earlier ones, the state
file last. If a kill interrupts this, the next run moves the remaining files. So neither a kill nor
a failure loses a finished notebook.
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
from pathlib import Path
from typing import Any

from cryutils._io.paths import writable, writing
from cryutils.claims import result_store
from cryutils.errors import InputError

__all__ = [
    "STAGING", "finish", "give_up", "name_of", "recover", "require_name", "run_lock", "stage",
    "states",
]  # fmt: skip

STAGING = ".running"


def require_name(name: str, taken: Iterable[str] = ()) -> None:
    """Raise InputError if `--name` is not a plain folder name, or is reserved or `taken`."""
    if not re.fullmatch(r"[^./\\][^/\\]*", name) or not name.isprintable():
        raise InputError(f"--name {name!r}: give a plain name, without / or \\, such as trial-2.")
    # The run of notebooks executed by hand, and the results in git.
    if name in ("manual", "reference", "report", *taken):
        raise InputError(f"--name {name}: that name is taken; give another, such as trial-2.")


def name_of(profile: str, data: Path | None, parameters: Mapping[str, Any]) -> str:
    """Return a run's name, made from the user's recordings, the profile and the parameters.

    A digest replaces values that are long or not plain.

    >>> name_of("quick", Path("my cries"), {"repeats": 2})
    'my cries-quick-repeats-2'
    """
    name = f"{data.stem}-{profile}" if data else profile
    if not parameters:
        return name
    values = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in sorted(parameters.items())
    }
    last = "-".join(f"{key}-{text}" for key, text in values.items())
    if not re.fullmatch(r"[\w.-]{1,40}", last):
        digest = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
        last = f"{'-'.join(values)[:40]}-{digest}"
    return f"{name}-{last}"


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the state of each notebook that has finished in `folder`, by name.

    Keys: fingerprint, profile, parameters, seconds, versions, and `files`, the notebook's
    files by their paths in the run's folder. A damaged state file is skipped.
    """
    by_name = {}
    for path in sorted(folder.glob("state/*.json")):
        with suppress(ValueError, TypeError):
            by_name[path.stem] = {"files": [], **json.loads(path.read_bytes())}
    return by_name


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Create the run's folder if needed, and lock it.

    Raises InputError if it is locked by another run or can't be created.
    """
    if not writable(folder):
        raise InputError(f"{folder}: can't be written to; choose another with --outputs.")
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # This lock leaves no file, and is released however this process ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InputError(
            f"{folder}: another `cryutils run` is running here; wait until it has ended,"
            " or name this run with --name."
        ) from error
    except OSError as error:
        # The file system, such as NFS, has no such locks.
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)


def stage(folder: Path, name: str) -> Path:
    """Return a new staging folder for notebook `name`, with links to other notebooks' files.

    The links are to models and results. The library writes files with `writing`, which replaces a
    link, so these files are never changed.
    """
    # New each time, since a kernel briefly outlives a killed runner. The last part is the run's
    # name, which notebooks show.
    staging = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder / STAGING), folder.name)
    for kind in ("models", "results", "notebooks", "logs"):
        (staging / kind).mkdir(parents=True)
    own = {f"results/{name}.json", *states(folder).get(name, {"files": []})["files"]}
    for source in (*folder.glob("models/*"), *folder.glob("results/*.json")):
        file = source.relative_to(folder).as_posix()
        if source.is_file() and file not in own:
            (staging / file).symlink_to(source)
    return staging


def finish(staging: Path, name: str, state: Mapping[str, Any]) -> None:
    """Replace notebook `name`'s earlier files with those in `staging`, and write its `state`.

    Also rebuilds `results.json`. Raises InputError if the notebook's results can't be read.
    """
    results = staging / "results" / f"{name}.json"
    if results.is_file():
        result_store.read_results(results)
    paths = [path for path in sorted(staging.rglob("*")) if not path.is_symlink()]
    files = [path.relative_to(staging).as_posix() for path in paths if path.is_file()]
    state = {**state, "files": [file for file in files if "/." not in f"/{file}"]}
    with writing(staging / "state" / f"{name}.json") as part:
        part.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    _move(staging, name, state)


def _move(staging: Path, name: str, state: Mapping[str, Any]) -> None:
    """Move the files of a finished execution to the run's folder."""
    folder = staging.parents[2]
    others = states(folder)
    earlier = others.pop(name, {"files": []})["files"]
    for file in state["files"]:
        if (staging / file).is_file():  # else it was moved before a kill
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (staging / file).replace(folder / file)
    in_use = {file for each in (state, *others.values()) for file in each["files"]}
    outdated = [folder / file for file in set(earlier) - in_use]
    for path in (*outdated, *folder.glob(f"*/{name}.failed.*")):
        path.unlink(missing_ok=True)
    result_store.merge(folder, {name, *others})
    (folder / "state").mkdir(exist_ok=True)
    (staging / "state" / f"{name}.json").replace(folder / "state" / f"{name}.json")
    shutil.rmtree(staging.parent, ignore_errors=True)


def give_up(staging: Path, name: str) -> list[Path]:
    """Keep a failed execution's notebook and log next to the finished ones; return their paths.

    Either file is missing if the execution failed before writing it.
    """
    folder, kept = staging.parents[2], []
    for file in (f"notebooks/{name}.ipynb", f"logs/{name}.log"):
        kept.append(target := (folder / file).with_stem(f"{name}.failed"))
        target.unlink(missing_ok=True)  # from an earlier failure
        if (staging / file).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / file).replace(target)
    shutil.rmtree(staging.parent, ignore_errors=True)
    return kept


def recover(folder: Path) -> None:
    """Repair what a killed run left in `folder`, and rebuild `results.json`.

    Finished executions replace earlier ones. Unfinished ones and damaged results are removed.
    """
    for staging in sorted(folder.glob(f"{STAGING}/*/*")):
        for name, state in states(staging).items():
            _move(staging, name, state)
    for left in (folder / STAGING, *folder.glob(".part-*")):  # left by a killed `writing`
        shutil.rmtree(left, ignore_errors=True)
    for damaged in result_store.unreadable(folder):
        damaged.unlink()
    result_store.merge(folder, states(folder))
