"""Checks of this machine for `cryutils doctor`: what is ready, missing or must be fixed."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cryutils._io import extras
from cryutils._io.paths import cache_dir, data_dir, outputs_dir, writable
from cryutils.datasets import registry
from cryutils.errors import InputError

__all__ = ["Finding", "examine"]

_NEEDED_GIB = 1.0  # for features, synthetic voices and figures of both profiles, with reserve


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: state "ok", "missing" (the course runs without it) or "bad"."""

    state: str
    what: str
    detail: str


def examine() -> Iterator[Finding]:
    """Yield the results of all checks."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("ok" if fits else "bad", "Python", f"{version} (3.11 to 3.13 are tested)")
    if lacking := " ".join(_lacking("")):
        yield Finding("bad", "packages", f"not installed: {lacking}; pip install {lacking}")
    else:
        yield Finding("ok", "packages", "all packages that the notebooks import are installed")
    for extra, purpose in extras.PURPOSES.items():
        lacking = ", ".join(_lacking(extra))
        how = f"; missing {lacking}; {extras.command(extra)}" if lacking else ""
        state = "missing" if lacking else "ok"
        yield Finding(state, f"extra [{extra}]", f"for {purpose}{how}")
    yield Finding("ok", "processor", f"{os.cpu_count()} cores")
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    state = "ok" if gib >= 3.5 else "bad"  # a machine sold with 4 GiB reports a little less
    yield Finding(state, "memory", f"{gib:.1f} GiB (4 GiB is enough)")
    for what, folder in (("cache", cache_dir()), ("outputs", outputs_dir())):
        yield _disk(what, folder)
    yield from _corpora()
    yield _face_detector()


def _lacking(extra: str) -> list[str]:
    """Return the packages of `extra` ("": of the course itself) that are not installed."""
    lacking = []
    for line in metadata.requires("cryutils") or []:
        name = re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]
        wanted_by = re.search(r"extra == ['\"](\w+)['\"]", line)
        if (wanted_by[1] if wanted_by else "") == extra:
            try:
                metadata.version(name)
            except metadata.PackageNotFoundError:
                lacking.append(name)
    return lacking


def _disk(what: str, folder: Path) -> Finding:
    if not writable(folder):
        variable = f"CRYUTILS_{what.upper()}_DIR"
        detail = f"{folder} can't be written to; set {variable} to another folder"
        return Finding("bad", what, detail)
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free / 2**30
    state = "ok" if free >= _NEEDED_GIB else "bad"
    return Finding(state, what, f"{folder}, {free:.0f} GiB free ({_NEEDED_GIB:.0f} needed)")


def _corpora() -> Iterator[Finding]:
    """Yield where each corpus is, or how to download it."""
    for name, dataset in registry.datasets().items():
        if not (files := dataset.files):
            continue
        if folder := files.find():
            yield Finding("ok", dataset.title, str(folder))
            continue
        named = f"CRYUTILS_DATA_DIR ({data_dir()}) has no {name}/; " if data_dir() else ""
        size = f"{files.download_bytes / 1e6:.0f} MB"
        yield Finding(
            "missing", dataset.title, f"{named}`cryutils data fetch {name}` downloads it ({size}); "
            "without it, the course uses only synthetic infants",
        )  # fmt: skip


def _face_detector() -> Finding:
    what = "face detector"
    if not extras.is_installed("cv2"):
        return Finding("bad", what, "OpenCV is not installed; pip install opencv-python")
    from cryutils.video import faces

    try:
        faces.cascade_file()
        is_yunet = faces.detector().name == "yunet"
    except InputError as error:
        return Finding("bad", what, str(error).rstrip("."))
    if is_yunet:
        return Finding("ok", what, f"YuNet ({faces.yunet_file()})")
    hint = f"for YuNet, put {faces.YUNET} into CRYUTILS_WEIGHTS_DIR"
    return Finding("ok", what, f"the Haar cascade of OpenCV ({hint})")
