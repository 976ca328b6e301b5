"""`cryutils notebooks`: copy the course's notebooks to a folder of the user."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from cryutils._io import extras
from cryutils._io.paths import check_file, resolve, writing
from cryutils.course.cli_group import say
from cryutils.errors import InputError, near_miss

__all__ = ["chosen_notebooks", "copy_notebooks"]


@click.command("notebooks")
@click.argument("folder", metavar="DIR")
@click.option("--force", is_flag=True, help="Overwrite notebooks that you have changed.")
def copy_notebooks(folder: str, force: bool) -> None:
    """Copy the course's notebooks to a folder of your own.

    There you can open and change them. DIR is created if needed. A notebook in DIR that differs
    from the course's is not overwritten.

    \b
    Example:
      cryutils notebooks course
    """
    from cryutils import course

    target = resolve(folder)
    copies = {source: target / source.name for source in course.notebooks().values()}
    if not copies:
        raise InputError("the course has no notebooks; does CRYUTILS_PROJECT_DIR name its folder?")
    if folders := [copy for copy in copies.values() if copy.is_dir()]:
        raise InputError(f"{folders[0]}: a folder has this notebook's name; choose another folder.")
    differing = [
        copy for source, copy in copies.items()
        if copy.exists() and copy.read_bytes() != source.read_bytes()
    ]  # fmt: skip
    if differing and not force:
        raise InputError(
            f"{differing[0]}: this notebook differs from the course's; choose another folder, "
            "or give --force to overwrite it."
        )
    for source, copy in copies.items():
        if copy not in differing and copy.exists():
            continue
        try:
            with writing(copy) as part:
                shutil.copyfile(source, part)
        except OSError as error:
            raise InputError(
                f"{target}: can't be written to ({error.strerror}); choose another folder."
            ) from error
    say(f"{len(copies)} notebooks: {folder}")
    say(f"Next: jupyter lab {shlex.quote(str(Path(folder) / next(iter(copies.values())).name))}")
    if not extras.is_installed("jupyterlab"):
        say(f"JupyterLab is not installed; install it with: {extras.command('lab')}")


def chosen_notebooks(arguments: Sequence[str]) -> tuple[list[str], dict[str, Path]]:
    """Return the names of the notebooks in `arguments`, and the file of every notebook by name.

    Arguments are names or paths of copies. Raises InputError if a copy does not exist, was renamed
    or is given twice.
    """
    from cryutils import course

    names, sources = [], course.notebooks()
    for name in arguments:
        path = resolve(name)
        if path.suffix == ".ipynb":
            check_file(path)
            name = path.stem
            if name not in sources:
                hint = near_miss(name, sources)
                raise InputError(f"{path}: a copy must keep its notebook's name.{hint}")
            if name in names:
                raise InputError(f"{path}: notebook {name} is given twice; run one at a time.")
            sources[name] = path
        names.append(course.notebook_name(name, sources))
    return names, sources
