"""`cryutils audit`: what a table of predictions, or a folder of recordings, shows. See `cli`."""

from __future__ import annotations

import click

from cryutils.course.cli_group import say
from cryutils.errors import InputError

__all__ = ["audit"]


def _numbers(text: str, option: str, kind: type[float]) -> list[float]:
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(
            f"{option} {text!r}: give numbers with commas, such as 6,5,6,6."
        ) from error


@click.command()
@click.argument("source", metavar="TABLE|FOLDER")
@click.option("--figures", metavar="LIST", default="", help="Printed percentages to check, such as"
              " 75.83,79.16.")  # fmt: skip
@click.option("--test", metavar="LIST", default="", help="Clips of each class in the printed test,"
              " such as 6,5,6,6 (default: those of the table).")  # fmt: skip
@click.option("--permutations", metavar="N", default=999, show_default=True,
              type=click.IntRange(19, 100_000), help="Permutations for the p-values.")  # fmt: skip
@click.option("--simulations", metavar="N", default=20, show_default=True,
              type=click.IntRange(1, 10_000), help="Simulated corpora per signal.")  # fmt: skip
@click.option("--output", metavar="DIR", help="Folder of the report (default: outputs/audit).")
def audit(
    source: str, figures: str, test: str, permutations: int, simulations: int, output: str | None
) -> None:
    """Measure what predictions or recordings can show.

    TABLE is a CSV or Parquet file of any program, with a row for each clip: clip, infant, truth,
    and prediction or p_<class> for each class; if known, fold, repeat, model and split ("clip" or
    "infant"). FOLDER holds recordings, <label>/<infant>/<file>, or is a CSV file that lists them
    (file, label, infant), or the name of a corpus; a logistic regression is then tested with both
    splits.

    The report shows intervals over infants, what no skill reaches, how often the model knew the
    infant, the difference between the splits, a permutation test, what a study of this size could
    show, and which printed figures are possible.

    \b
    Examples:
      cryutils audit tests/data/table2_predictions.csv
      cryutils audit tests/data/table2_predictions.csv --figures 83.33 --test 6,5,6,6
      cryutils audit donateacry
    """
    from cryutils import datasets
    from cryutils._io.paths import outputs_dir, resolve
    from cryutils.claims import audit as audits
    from cryutils.datasets import manifest, registry

    path = resolve(source)
    if path.is_file() and not manifest.is_manifest(path):
        table = audits.read(path)
    elif path.exists() or source in registry.MODULES:
        table = audits.of_corpus(datasets.load(source))
    else:
        raise InputError(f"{source}: no such file or folder.")
    printed = audits.Printed(
        _numbers(figures, "--figures", float),
        [int(n) for n in _numbers(test, "--test", int)],
    )
    result = audits.audit(
        table, path.stem, printed=printed, permutations=permutations, simulations=simulations
    )
    page, _ = audits.write(result, resolve(output) if output else outputs_dir() / "audit")
    for line in audits.summary(result):
        say(line)
    say(f"Report: {page}")
