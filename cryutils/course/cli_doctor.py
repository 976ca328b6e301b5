"""`cryutils doctor`: is this machine ready, and what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata

import click

from cryutils._io import extras
from cryutils._io.parallel import memory
from cryutils._io.paths import cache_dir, outputs_dir, writable
from cryutils.course.cli_group import say
from cryutils.datasets import registry

__all__ = ["doctor"]


@click.command()
def doctor() -> None:
    """Check whether this machine is ready, and name what is missing.

    \b
    Example:
      cryutils doctor
    """
    is_ready = True
    for state, what, detail in _checks():
        say(f"{state:7}  {what}: {detail}")
        is_ready &= state != "BAD"
    if not is_ready:
        say("What is BAD must be fixed before the course runs.", err=True)
        raise SystemExit(1)


def _checks() -> Iterator[tuple[str, str, str]]:
    """Yield state, thing and detail. The course runs without what is "missing"."""
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield "ok" if fits else "BAD", "Python", f"{sys.version.split()[0]} (3.11 to 3.13 are tested)"
    from joblib import cpu_count

    yield "ok", "cores", f"{cpu_count()} allowed, of {os.cpu_count()}"
    gib = memory() / 2**30
    yield "ok" if gib >= 2 else "BAD", "memory", f"{gib:.1f} GiB allowed (2 for each notebook)"
    for extra, state in {"": "BAD", **dict.fromkeys(extras.PURPOSES, "missing")}.items():
        lacking = ", ".join(filter(_is_missing, extras.packages(extra)))
        what = f"extra [{extra}], for {extras.PURPOSES[extra]}" if extra else "packages"
        if lacking:
            yield state, what, f"not installed: {lacking}"
        else:
            yield "ok", what, "installed"
    for what, folder in (("CACHE", cache_dir()), ("OUTPUTS", outputs_dir())):
        place = next(each for each in (folder, *folder.parents) if each.exists())
        gib = shutil.disk_usage(place).free / 2**30
        detail = f"{folder} can't be written to; set CRYUTILS_{what}_DIR to another folder"
        if is_ok := writable(folder):
            detail = f"{folder}, {gib:.0f} GiB free (1 needed)"
        yield "ok" if is_ok and gib >= 1 else "BAD", what.lower(), detail
    for name in registry.DATASETS:
        if (dataset := registry.find(name)) and dataset.files:
            home = dataset.files.find()
            state = "ok" if home else "missing"
            yield state, dataset.title, f"{home or f'`cryutils data fetch {name}` downloads it'}"


def _is_missing(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return True
    return False
