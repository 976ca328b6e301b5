"""A run's folder: its name, what is finished in it, and how an execution's files get there.

An execution writes into a folder of its own, hidden in the run's, laid out in the same way. Only
when it has finished do its files take the place of those before, the state file last, so what has
finished is never half replaced, nor lost to an execution that fails. `course` executes, `claims`
reads and writes the numbers. No notebook walks this module.
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
from typing import Any, NamedTuple

from cryutils._io.paths import file_digest, writing
from cryutils.claims import store
from cryutils.errors import InputError

__all__ = [
    "News", "Staging", "finish", "finish_interrupted_moves", "give_up", "is_whole", "missing",
    "name_of", "news_file", "progress", "read_state", "recover", "require_name", "run_lock",
    "set_aside", "share_file", "stage", "states", "stop", "tidy", "unreadable",
]  # fmt: skip

_RUNNING = ".running"
_BORROWED = {"models": "*", "results": "*.json"}  # what notebooks take up from one another
# Notebooks by hand, the results that git keeps, and the article on all of them.
_TAKEN = ("manual", "reference", "article")
_PLAIN = re.compile(r"[a-z0-9_.]+")
_LONGEST = 40
_KINDS: dict[str, Any] = {
    "fingerprint": str, "profile": str, "parameters": dict, "seconds": (int, float),
    "peak_mib": (int, float), "versions": dict, "files": dict,
}  # fmt: skip
_LATER: dict[str, Any] = {"profile": "", "files": {}}  # not in older states


# Names


def require_name(name: str, taken: Iterable[str] = ()) -> None:
    """Raise InputError where `--name` is no folder's plain name, or one of `taken`."""
    if not name or name.startswith(".") or re.search(r"[/\\]", name) or not name.isprintable():
        raise InputError(f"--name {name!r}: give a plain name, without / or \\, such as trial-2.")
    if name in (*_TAKEN, *taken):
        raise InputError(f"--name {name}: that name is taken; give another, such as trial-2.")


def name_of(profile: str, data: Path | None, parameters: Mapping[str, Any]) -> str:
    """Return a run's name: profile, before it the folder of the data, behind it the parameters.

    `data` is a folder of the user's own recordings, `parameters` are those of the command. Where
    they are long or no plain words, a digest stands for their values.

    >>> name_of("quick", Path("my cries"), {"repeats": 2})
    'my cries-quick-repeats-2'
    """
    first = profile if data is None else f"{data.name}-{profile}"
    if not parameters:
        return first
    pairs = [(key, _plain(parameters[key])) for key in sorted(parameters)]
    last = "-".join(f"{key}-{text}" for key, text in pairs)
    if all(text for _, text in pairs) and len(last) <= _LONGEST:
        return f"{first}-{last}"
    everything = json.dumps(dict(parameters), sort_keys=True)
    digest = hashlib.sha256(everything.encode()).hexdigest()[:8]
    keys = "-".join(key for key, _ in pairs)
    return f"{first}-{keys}-{digest}" if len(keys) <= _LONGEST else f"{first}-{digest}"


def _plain(value: Any) -> str | None:
    """Return `value` as part of a file name that no other value has, None where it can't be."""
    if isinstance(value, str):
        # "1" and "true" are no texts where they are typed as a parameter.
        numeric = re.fullmatch(r"[0-9.].*|true|false|null|none|nan|inf|infinity", value)
        return value if _PLAIN.fullmatch(value) and not numeric else None
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return None


# What has finished


def read_state(path: Path) -> dict[str, Any] | None:
    """Return the state of a finished notebook, None where there is none or it can't be read.

    Keys: fingerprint, profile, parameters, seconds, peak_mib, versions and `files` (sha256 by path
    within the run's folder). The states of older versions have no `profile` and `files`.
    """
    if not path.is_file():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(state, dict):
        return None
    state = _LATER | state
    if not all(isinstance(state.get(key), kind) for key, kind in _KINDS.items()):
        return None
    # What an execution replaces is removed by these paths.
    inside = all(
        isinstance(digest, str)
        and not PurePath(file).is_absolute()
        and ".." not in Path(file).parts
        for file, digest in state["files"].items()
    )
    return state if inside else None


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the state of each notebook that has finished in `folder`, by name."""
    by_name = {path.stem: read_state(path) for path in sorted((folder / "state").glob("*.json"))}
    return {name: state for name, state in by_name.items() if state is not None}


def unreadable(folder: Path) -> list[Path]:
    """Return the state files in `folder` that can't be read."""
    whole = states(folder)
    return [path for path in sorted((folder / "state").glob("*.json")) if path.stem not in whole]


def missing(folder: Path) -> list[Path]:
    """Return the results files that finished notebooks left in `folder` and that are gone."""
    left = ((f"results/{name}.json", state["files"]) for name, state in states(folder).items())
    return [
        folder / path for path, files in left if path in files and not (folder / path).is_file()
    ]


def is_whole(folder: Path, state: Mapping[str, Any]) -> bool:
    """Return whether every file of a finished notebook is in `folder` as it was left.

    Logs don't count: a process that ends may write there after the notebook has finished.
    """
    files = {path: digest for path, digest in state["files"].items() if path[:5] != "logs/"}
    return bool(files) and all(
        (folder / path).is_file() and file_digest(folder / path) == digest
        for path, digest in files.items()
    )


# Executions


@dataclass(frozen=True, slots=True)
class Staging:
    """Where the execution of notebook `name` writes until it has finished, at `path`."""

    name: str
    folder: Path
    path: Path
    borrowed: Mapping[str, tuple[int, ...]] = field(repr=False)

    @property
    def notebook(self) -> Path:
        """Where the executed notebook is written."""
        return self.path / "notebooks" / f"{self.name}.ipynb"

    @property
    def alive(self) -> Path:
        """The file whose removal stops the execution."""
        return self.path.parent / "alive"

    @property
    def log(self) -> Path:
        """Where what libraries print is written."""
        return self.path / "logs" / f"{self.name}.log"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run's folder, made where it isn't there. Raises InputError where another does."""
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            # Of the folder itself: it leaves no file, and ends with this process however that ends.
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another `cryutils run` is at work here; wait for its end,"
                " or name this run with --name."
            ) from error
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
            # A file system, such as NFS, that locks no folders: on without.
        yield
    finally:
        os.close(place)


def stage(folder: Path, name: str) -> Staging:
    """Return a new place for an execution of notebook `name`, with what it may take up of others.

    These are copies of the others' models and results; what it made itself before is left out.
    """
    home = folder / _RUNNING
    home.mkdir(parents=True, exist_ok=True)
    # A kernel outlives its killed runner by a moment, so no place is used twice. The last part
    # is the run's name, which notebooks show.
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home), folder.name)
    before = read_state(folder / "state" / f"{name}.json")
    files = {f"results/{name}.json", *(before["files"] if before else ())}
    borrowed = {}
    for kind, pattern in _BORROWED.items():
        (path / kind).mkdir(parents=True)
        for source in (folder / kind).glob(pattern):
            relative = f"{kind}/{source.name}"
            if source.is_file() and relative not in files:
                shutil.copy2(source, path / relative)
                borrowed[relative] = _stamp(path / relative)
    staging = Staging(name, folder, path, borrowed)
    for file in (staging.notebook, staging.log):
        file.parent.mkdir()
    staging.alive.touch()
    return staging


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def finish(staging: Staging, state: Mapping[str, Any], among: Iterable[str]) -> None:
    """Put the files of an execution in the place of those before, and note its `state`.

    `results.json` then holds the numbers of those of the notebooks `among` that have finished.
    Raises InputError where the notebook has written results that can't be read.
    """
    results = staging.path / "results" / f"{staging.name}.json"
    if results.is_file():
        store.read_results(results)
    files = {}
    for path in sorted(staging.path.rglob("*")):
        relative = path.relative_to(staging.path)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not hidden and relative != _page(staging.name):
            name = relative.as_posix()
            if staging.borrowed.get(name) != _stamp(path):
                files[name] = file_digest(path)
    with writing(staging.path / "state" / f"{staging.name}.json") as part:
        part.write_text(json.dumps({**state, "files": files}, indent=1) + "\n", encoding="utf-8")
    # From here on a killed runner's next one goes on with it.
    _move(staging.path, staging.name, staging.folder, among)


def _move(path: Path, name: str, folder: Path, among: Iterable[str]) -> None:
    state = read_state(path / "state" / f"{name}.json")
    if state is not None:
        by_name = states(folder)
        before = by_name.pop(name, {"files": {}})
        for relative in state["files"]:
            if (path / relative).is_file():  # else it was moved before the kill
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                (path / relative).replace(folder / relative)
        in_use = {relative for other in (state, *by_name.values()) for relative in other["files"]}
        for relative in set(before["files"]) - in_use:
            (folder / relative).unlink(missing_ok=True)
        # A page that is there is of the notebook before, however new it looks.
        page = _page(name)
        for left in (*_failed(folder, name), folder / page):
            left.unlink(missing_ok=True)
        if (path / page).is_file():
            (path / page).replace(folder / page)
        set_aside(store.merge(folder, {name, *by_name} & set(among)))
        (folder / "state").mkdir(exist_ok=True)
        (path / "state" / f"{name}.json").replace(folder / "state" / f"{name}.json")
    shutil.rmtree(path.parent, ignore_errors=True)


def _page(name: str) -> Path:
    """Return where an executed notebook stands as HTML; in no state, for any report makes it."""
    return Path("notebooks", f"{name}.html")


def give_up(staging: Staging) -> tuple[Path, Path]:
    """Keep an execution that failed beside what finished before; return its notebook and log.

    Either is missing if the execution did not get as far as to write it.
    """
    failed = _failed(staging.folder, staging.name)
    for source, target in zip((staging.notebook, staging.log), failed, strict=True):
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        else:
            target.unlink(missing_ok=True)  # of an earlier failure
    shutil.rmtree(staging.path.parent, ignore_errors=True)
    return failed


def _failed(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / "notebooks" / f"{name}.failed.ipynb", folder / "logs" / f"{name}.failed.log"


def recover(folder: Path, among: Iterable[str]) -> list[str]:
    """Mend what a killed run or a damaged file left in `folder`; return a line for each damage.

    A results file that can't be read is set aside, one that is missing is named, for its numbers
    leave `results.json`. Executions that had finished are put in their place, others forgotten.
    `among` as in `finish`.
    """
    lines = [f"{path} can't be read: {path.stem} runs again." for path in unreadable(folder)]
    damaged = store.unreadable(folder)
    lines += set_aside(damaged)
    for place in (folder / _RUNNING).glob("*/"):
        for state in place.glob("*/state/*.json"):
            _move(state.parent.parent, state.stem, folder, among)
        shutil.rmtree(place, ignore_errors=True)
    for part in folder.glob(".part-*"):  # of a killed `writing`
        shutil.rmtree(part, ignore_errors=True)
    gone = [path for path in missing(folder) if path not in damaged]
    return lines + [f"{path} is missing: {path.stem} runs again when chosen." for path in gone]


def finish_interrupted_moves(folder: Path) -> None:
    """Finish the moves that a kill interrupted in `folder`, so that readers see whole models.

    Nothing is done while another process executes there, or where nothing can be written.
    """
    if any((folder / _RUNNING).glob("*/*/state/*.json")):
        with suppress(InputError, OSError), run_lock(folder):
            for state in (folder / _RUNNING).glob("*/*/state/*.json"):
                _move(state.parent.parent, state.stem, folder, {state.stem, *states(folder)})


def set_aside(damaged: Iterable[Path]) -> list[str]:
    """Rename these results files, which can't be read; return a line for each."""
    return [
        f"{path} can't be read: set aside as"
        f" {path.replace(path.with_name(f'{path.name}.damaged')).name}, {path.stem} runs again."
        for path in damaged
    ]


def tidy(folder: Path) -> None:
    """Remove the progress of notebooks, and the folder for executions if it is empty."""
    for news in (folder / _RUNNING).glob("*.*"):
        news.unlink(missing_ok=True)
    with suppress(OSError):
        (folder / _RUNNING).rmdir()


def share_file(folder: Path, name: str) -> Path:
    """Return where the share of the cells of notebook `name` that are done is written, 0-1."""
    return folder / _RUNNING / f"{name}.share"


def news_file(folder: Path, name: str) -> Path:
    """Return where `progress.counting` writes how far a long cell of notebook `name` is."""
    return folder / _RUNNING / f"{name}.news"


class News(NamedTuple):
    """The share of a notebook's cells that are done, 0-1; text: the count of a long cell, or ""."""

    share: float
    text: str = ""


def progress(folder: Path, name: str) -> Iterator[News]:
    """Yield the latest news of notebook `name`: none before it starts."""
    with suppress(FileNotFoundError):
        share = float(share_file(folder, name).read_text(encoding="utf-8"))
        yield News(share)
        yield News(share, news_file(folder, name).read_text(encoding="utf-8"))


def stop(folder: Path) -> None:
    """Stop the executions in `folder`: each ends within a second."""
    for alive in (folder / _RUNNING).glob("*/alive"):
        alive.unlink(missing_ok=True)
