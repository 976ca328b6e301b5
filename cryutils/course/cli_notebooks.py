"""`cryutils notebooks`: copy the course's notebooks to a folder of the user."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click

from cryutils._io.paths import project_dir, resolve, writing
from cryutils.course.cli_group import say
from cryutils.errors import InputError

__all__ = ["copy_notebooks"]


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
    from cryutils.course.runner import notebooks

    target, home = resolve(folder), project_dir() / "notebooks"
    paths = list(notebooks().values())
    more = [*home.glob("quiz/*.json"), *home.glob("solutions/*.py")]
    copies = {source: target / source.relative_to(home) for source in paths + more}
    for source, copy in copies.items():
        if copy.is_file() and copy.read_bytes() != source.read_bytes():
            raise InputError(f"{copy}: this file differs from the course's; choose another folder.")
    for source, copy in copies.items():
        with writing(copy) as part:
            shutil.copyfile(source, part)
    say(f"{len(paths)} notebooks: {folder}")
    say(f"Next: jupyter lab {shlex.quote(str(Path(folder, '00_start_here.ipynb')))}")
