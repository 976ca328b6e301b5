"""`cryutils notebooks` and `lab`: copy the course's notebooks, and open them. See `cli`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from cryutils._io import extras
from cryutils._io.paths import project_dir, resolve, writing
from cryutils.course.cli_group import say
from cryutils.errors import InputError

__all__ = ["copy_notebooks", "lab"]

FIRST = "00_start_here.ipynb"


@click.command("notebooks")
@click.argument("folder", metavar="DIR")
def copy_notebooks(folder: str) -> None:
    """Copy the course's notebooks, quizzes and solutions to a folder of your own.

    There you can open and change them. DIR is created if needed. A notebook in DIR that differs
    from the course's is not overwritten.

    \b
    Example:
      cryutils notebooks course
    """
    copies = _copies(folder)
    for source, copy in copies.items():
        if copy.is_file() and copy.read_bytes() != source.read_bytes():
            raise InputError(f"{copy}: this file differs from the course's; choose another folder.")
    for source, copy in copies.items():
        with writing(copy) as part:
            shutil.copyfile(source, part)
    say(f"{sum(path.suffix == '.ipynb' for path in copies)} notebooks: {folder}")
    say(f"Next: cryutils lab {shlex.quote(folder)}")


@click.command("lab", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", metavar="[DIR] [OPTION OF JUPYTERLAB]...", nargs=-1)
def lab(arguments: tuple[str, ...]) -> None:
    """Open the course in JupyterLab.

    Notebooks that DIR does not have are copied there first (default: the folder course); those that
    you have changed stay as they are.

    \b
    Examples:
      cryutils lab
      cryutils lab my-course
    """
    folder, options = "course", list(arguments)
    if options and not options[0].startswith("-"):
        folder = options.pop(0)
    extras.require("jupyterlab", "lab", "JupyterLab")
    trusted = []
    for source, copy in _copies(folder).items():
        if not copy.exists():
            with writing(copy) as part:
                shutil.copyfile(source, part)
        if copy.suffix == ".ipynb" and copy.read_bytes() == source.read_bytes():
            trusted.append(str(copy))
    # JupyterLab removes the sounds of a notebook that it does not trust.
    trust = [sys.executable, "-m", "jupyter", "trust", *trusted]
    subprocess.run(trust, check=False, stdout=subprocess.DEVNULL)
    os.chdir(resolve(folder))
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", "lab", FIRST, *options])


def _copies(folder: str) -> dict[Path, Path]:
    """Return the path in `folder` of each notebook of the course, each quiz and each solution."""
    from cryutils.course.runner import notebooks

    home = project_dir() / "notebooks"
    sources = [*notebooks().values(), *home.glob("quiz/*.json"), *home.glob("solutions/*.py")]
    return {source: resolve(folder) / source.relative_to(home) for source in sources}
