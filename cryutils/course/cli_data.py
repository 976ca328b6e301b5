"""`cryutils data`: list, fetch, check and describe the corpora. See `cli`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from cryutils.course.cli_group import HelpGroup, example, say
from cryutils.datasets import registry
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.datasets.archives import Dataset, Files

__all__ = ["counted", "data"]


@click.group(cls=HelpGroup)
def data() -> None:
    """List, fetch, check and describe the corpora.

    \b
    Example:
      cryutils data fetch donateacry
    """


@data.command("list")
@example("cryutils data list")
def data_list() -> None:
    """List the corpora that can be loaded by name, and their folders."""
    for name in registry.DATASETS:
        dataset = registry.find(name)
        assert dataset is not None
        say(f"{name:<20}{dataset.contents}; {dataset.licence}")
        if dataset.files:
            folder = dataset.files.find()
            say(f"{'':<20}{folder or f'not on this machine: cryutils data fetch {name}'}")
    say(f"{'FOLDER':<20}your own recordings as <label>/<infant>/<file>")
    say(f"{'FILE.csv':<20}your own recordings, listed with the columns file, label, infant")


@data.command("fetch")
@click.argument("name")
@example("cryutils data fetch donateacry")
def data_fetch(name: str) -> None:
    """Download the corpus NAME into the cache, unless it is on this machine."""
    dataset, files = _downloaded(name, "fetch")
    say(f"{dataset.title}: {files.fetch()}")
    say(f"Licence: {dataset.licence}")
    say(f"Cite: {dataset.citation}")


@data.command("check")
@click.argument("name")
@example("cryutils data check donateacry")
def data_check(name: str) -> None:
    """Verify the SHA-256 checksum of every file of the corpus NAME."""
    _, files = _downloaded(name, "check")
    folder = files.fetch()
    wrong = files.check(folder)
    for file, what in wrong.items():
        say(f"{folder / file}: {what}", err=True)
    verified = len(files.registry()) - len(wrong)
    say(f"{verified} files verified in {folder}, {len(wrong)} wrong or missing.")
    if wrong:
        say(f"Remove these and run `cryutils data fetch {name}`.", err=True)
        raise SystemExit(1)


@data.command("describe")
@click.argument("name")
@click.option("--problems", is_flag=True, help="Also list each problem on its own line.")
@example("cryutils data describe donateacry --problems")
def data_describe(name: str, problems: bool) -> None:
    """Count the clips, infants, sessions and problems of a corpus.

    NAME is a corpus that `cryutils data list` shows, a folder of recordings, or a manifest.
    """

    def say_all(rows: Iterable[Any]) -> None:
        for row in rows if problems else ():
            say(f"{row.kind}  {row.item}: {row.what}")

    try:
        corpus = registry.load(name)
    except InputError as error:
        say_all(error.problems)
        raise
    table = corpus.problems()
    origin = ("", corpus.note, f"Licence: {corpus.licence}", f"Cite: {corpus.cite()}")
    for line in (*corpus.describe().to_string().split("\n"), *origin):
        say(line)
    hint = "" if problems or table.empty else " --problems lists them."
    say(f"Problems: {counted(table) or 'none'}.{hint}")
    say_all(table.itertuples())


def counted(problems: pd.DataFrame) -> str:
    """Return the number of rows of each kind in `Corpus.problems`, in words."""
    return ", ".join(
        f"{n} {kind}" + "s" * (kind == "contradiction" and n > 1)
        for kind, n in problems.kind.value_counts().items()
    )


def _downloaded(name: str, what: str) -> tuple[Dataset, Files]:
    """Return the dataset `name` and its files. Raises InputError if there are none to `what`."""
    dataset = registry.find(name)
    if dataset is None:
        raise InputError(f"no corpus {name!r}.{near_miss(name, registry.DATASETS)}")
    if dataset.files is None:
        raise InputError(f"{name}: it is generated when it is used; nothing to {what}.")
    return dataset, dataset.files
