"""`cryutils data`: list, fetch, check and describe the corpora. See `cli`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cryutils._io.progress import counting
from cryutils.course.cli_group import SuggestingGroup, say
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["counted", "data", "donateacry_folder", "say_problems"]


@click.group(cls=SuggestingGroup)
def data() -> None:
    """List, fetch, check and describe the corpora.

    \b
    Example:
      cryutils data fetch donateacry
    """


@data.command("list")
def data_list() -> None:
    """List the corpora that can be loaded by name, and their folders.

    \b
    Example:
      cryutils data list
    """
    from cryutils.datasets import donateacry

    folder = donateacry.find()
    count = len(donateacry.registry())
    say(f"donateacry  {count} real recordings, {donateacry.LICENCE}")
    say(f"            {folder or 'not on this machine: cryutils data fetch donateacry'}")
    say("synthetic   generated voices, no evidence about real infants")
    say("FOLDER      your own recordings as <label>/<infant>/<file>")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download the corpus NAME, unless it is on this machine.

    A download goes into the cache. The command prints the folder of the corpus.

    \b
    Example:
      cryutils data fetch donateacry
    """
    from cryutils._io.paths import data_dir
    from cryutils.datasets import donateacry

    _must_be_downloaded(name, "fetch")
    if (home := data_dir()) and not (home / "donateacry").is_dir():
        say(f"CRYUTILS_DATA_DIR ({home}) holds no donateacry/; it goes into the cache.", err=True)
    say(f"DonateACry: {donateacry_folder()}")
    say(f"Licence: {donateacry.LICENCE}")
    say(f"Cite: {donateacry.CITATION}")


@data.command("check")
@click.argument("name")
def data_check(name: str) -> None:
    """Verify the SHA-256 checksum of every file of the corpus NAME.

    \b
    Example:
      cryutils data check donateacry
    """
    from cryutils.datasets import donateacry

    _must_be_downloaded(name, "check")
    folder = donateacry_folder()
    with counting("Verifying", "files") as report:
        wrong = donateacry.check(folder, report=report)
    for file, what in wrong:
        say(f"{folder / file}: {what}", err=True)
    total = len(donateacry.registry())
    say(f"{total - len(wrong)} files verified in {folder}, {len(wrong)} wrong or missing.")
    if wrong:
        say("Remove these and run `cryutils data fetch donateacry`.", err=True)
        raise SystemExit(1)


@data.command("describe")
@click.argument("name")
@click.option("--problems", is_flag=True, help="Also list each problem on its own line.")
def data_describe(name: str, problems: bool) -> None:
    """Count the clips, infants, sessions and problems of a corpus.

    NAME is a corpus that `cryutils data list` shows, or a folder of recordings.

    \b
    Example:
      cryutils data describe donateacry --problems
    """
    from cryutils.datasets.loading import load

    try:
        corpus = load(name)
    except InputError as error:
        if problems:
            say_problems(error.problems)
        raise
    for line in corpus.describe().to_string().split("\n"):
        say(line)
    table = corpus.problems()
    for line in ("", corpus.note, f"Licence: {corpus.licence}", f"Cite: {corpus.cite()}"):
        say(line)
    hint = "" if problems or table.empty else " --problems lists them."
    say(f"Problems: {counted(table) or 'none'}.{hint}")
    if problems:
        say_problems(table.itertuples())


def donateacry_folder() -> Path:
    """Return DonateACry's folder, downloading what isn't there with a bar."""
    from cryutils.datasets import donateacry

    with counting("Downloading", "MB") as report:
        return donateacry.fetch(
            report=lambda done, total: report(done // 10**6, -(-total // 10**6)),
            announce=partial(say, err=True),
        )


def counted(problems: pd.DataFrame) -> str:
    """Return how many rows of `Corpus.problems` are of each kind, in words."""
    return ", ".join(
        f"{n} {kind}" + "s" * (kind == "contradiction" and n > 1)
        for kind, n in problems.kind.value_counts().items()
    )


def say_problems(problems: Iterable[Any]) -> None:
    """Print each `Problem`, or row of `Corpus.problems`, on a line of its own."""
    for row in problems:
        say(f"{row.kind}  {row.item}: {row.what}")


def _must_be_downloaded(name: str, what: str) -> None:
    """Raise InputError where there is nothing to `what`: no such corpus, or a generated one."""
    from cryutils.datasets.loading import CORPORA

    if name not in CORPORA:
        raise InputError(f"no corpus {name!r}.{near_miss(name, CORPORA)}")
    if name == "synthetic":
        raise InputError(f"synthetic: it is generated when it is used; nothing to {what}.")
