"""A run's folder: its lock, its finished notebooks, and how an execution's files get there.

An execution writes into a staging folder, hidden in the run's folder and with the same layout. Once
it has finished, its files replace the earlier ones, the state file last. A notebook without a state
file has not finished, so one whose files a kill left half replaced is executed again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryutils._io.paths import file_digest, writable, writing
from cryutils.claims import result_store
from cryutils.errors import InputError

__all__ = ["STAGING", "clean", "finish", "give_up", "run_lock", "stage", "states"]

STAGING = ".running"


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the state of each notebook that has finished in `folder`, by name.

    Keys: fingerprint, profile, parameters, seconds, versions, `files`, the notebook's files by
    their paths in the run's folder, and `sha256`, the digests of those that are models. A damaged
    state file is skipped.
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
        raise InputError(
            f"{folder}: can't be written to; choose another with --outputs, or by CRYUTILS_OUTPUTS_DIR."
        )
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:  # this lock leaves no file, and is released however this process ends
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another `cryutils run` is running here; wait until it has ended,"
                " or name this run with --name."
            ) from error
        except OSError as error:  # the file system, such as NFS, has no such locks
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
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
    staging.mkdir()  # never with parents: fails if the run has ended, and its folder moved
    for kind in ("models", "results", "notebooks", "logs"):
        (staging / kind).mkdir()
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
    folder, stamp = staging.parents[2], f"state/{name}.json"
    if (results := staging / "results" / f"{name}.json").is_file():
        result_store.read_results(results)
    paths = [path.relative_to(staging) for path in staging.rglob("*") if not path.is_dir()]
    files = sorted(
        path.as_posix()
        for path in paths
        if not path.name.startswith(".") and not (staging / path).is_symlink()
    )
    record = {**state, "files": files}
    record["sha256"] = {file: file_digest(staging / file) for file in files if file.startswith("models/")}
    with writing(staging / stamp) as part:  # before the earlier one goes, as a disk may be full
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    others = states(folder)
    in_use = {*files, *(file for key in others.keys() - {name} for file in others[key]["files"])}
    outdated = set(others.pop(name, {"files": []})["files"]) - in_use
    (folder / stamp).unlink(missing_ok=True)
    for path in (*(folder / file for file in outdated), *folder.glob(f"*/{name}.failed.*")):
        path.unlink(missing_ok=True)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (staging / file).replace(folder / file)
    result_store.merge(folder, {name, *others})
    (folder / "state").mkdir(exist_ok=True)
    (staging / stamp).replace(folder / stamp)
    shutil.rmtree(staging.parent, ignore_errors=True)


def give_up(staging: Path, name: str) -> dict[str, Path]:
    """Keep a failed execution's "notebook" and "log" next to the finished ones; return their paths.

    Either is missing if the execution failed before writing it.
    """
    folder, kept = staging.parents[2], {}
    for kind, file in {"notebook": f"notebooks/{name}.ipynb", "log": f"logs/{name}.log"}.items():
        target = (folder / file).with_stem(f"{name}.failed")
        target.unlink(missing_ok=True)  # from an earlier failure
        if (staging / file).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            kept[kind] = (staging / file).replace(target)
    shutil.rmtree(staging.parent, ignore_errors=True)
    return kept


def clean(folder: Path) -> None:
    """Remove what a killed run left in `folder` and damaged results; rebuild `results.json`."""
    for left in (folder / STAGING, *folder.glob(".part-*")):  # `.part-`: left by `writing`
        shutil.rmtree(left, ignore_errors=True)
    result_store.merge(folder, states(folder))
