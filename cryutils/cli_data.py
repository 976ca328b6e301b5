"""`cryutils data`: list, fetch, check and describe the corpora. See `cli`."""

from __future__ import annotations

from functools import partial

import click

from cryutils.cli_group import SuggestingGroup
from cryutils.errors import InputError, near_miss
from cryutils.progress import counting

__all__ = ["data"]


@click.group(cls=SuggestingGroup)
def data() -> None:
    """List, fetch, check and describe the corpora.

    \b
    Example:
      cryutils data fetch donateacry
    """


@data.command("list")
def data_list() -> None:
    """List the corpora that can be loaded by name, and where each was found.

    \b
    Example:
      cryutils data list
    """
    from cryutils import donateacry

    found = donateacry.find()
    count = len(donateacry.registry())
    click.echo(f"donateacry  {count} real recordings, {donateacry.LICENCE}")
    click.echo(f"            {found or 'not on this machine: cryutils data fetch donateacry'}")
    click.echo("synthetic   generated voices, no evidence about real infants")
    click.echo("FOLDER      your own recordings as <label>/<infant>/<file>")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download the corpus NAME into the cache, or say where it was found.

    \b
    Example:
      cryutils data fetch donateacry
    """
    from cryutils import donateacry
    from cryutils.locations import data_dir

    _must_be_downloaded(name, "fetch")
    if (home := data_dir()) and not (home / "donateacry").is_dir():
        click.echo(f"CRYUTILS_DATA_DIR ({home}) holds no donateacry/; it goes into the cache.",
                   err=True)  # fmt: skip
    with counting("Downloading", "files") as report:
        folder = donateacry.fetch(report=report, announce=partial(click.echo, err=True))
    click.echo(f"DonateACry: {folder}")
    click.echo(f"Licence: {donateacry.LICENCE}")
    click.echo(f"Cite: {donateacry.CITATION}")


@data.command("check")
@click.argument("name")
def data_check(name: str) -> None:
    """Verify every file of the corpus NAME against its sha256.

    \b
    Example:
      cryutils data check donateacry
    """
    from cryutils import donateacry

    _must_be_downloaded(name, "check")
    folder = donateacry.find() or donateacry.fetch()
    with counting("Verifying", "files") as report:
        wrong = donateacry.check(folder, report=report)
    for file, what in wrong:
        click.echo(f"{folder / file}: {what}", err=True)
    total = len(donateacry.registry())
    click.echo(f"{total - len(wrong)} files verified in {folder}, {len(wrong)} wrong or missing.")
    if wrong:
        click.echo("Remove these and run `cryutils data fetch donateacry`.", err=True)
        raise SystemExit(1)


@data.command("describe")
@click.argument("name")
@click.option("--problems", is_flag=True, help="List each problem on a line of its own.")
def data_describe(name: str, problems: bool) -> None:
    """Count clips, infants and sessions of a corpus or FOLDER, and list its problems.

    \b
    Example:
      cryutils data describe donateacry --problems
    """
    from cryutils import load

    corpus = load(name)
    click.echo(corpus.describe().to_string())
    found = corpus.problems()
    click.echo(f"\n{corpus.note}\nLicence: {corpus.licence}\nCite: {corpus.cite()}")
    counts = found.kind.value_counts()
    kinds = [
        f"{n} {kind}" + "s" * (kind == "contradiction" and n > 1) for kind, n in counts.items()
    ]
    said = ", ".join(kinds) or "none"
    hint = "" if problems or found.empty else " --problems lists them."
    click.echo(f"Problems: {said}.{hint}")
    if problems:
        for row in found.itertuples():
            click.echo(f"{row.kind}  {row.item}: {row.what}")


def _must_be_downloaded(name: str, what: str) -> None:
    """Raise InputError where there is nothing to `what`: no such corpus, or a generated one."""
    from cryutils.datasets import CORPORA

    if name not in CORPORA:
        raise InputError(f"no corpus {name!r}.{near_miss(name, CORPORA)}")
    if name == "synthetic":
        raise InputError(f"synthetic: it is generated when it is used; nothing to {what}.")
