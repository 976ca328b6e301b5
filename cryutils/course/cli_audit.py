"""`cryutils audit`: what a table of predictions, or a folder of recordings, shows. See `cli`."""

from __future__ import annotations

import json
import shlex
import textwrap
from typing import TYPE_CHECKING

import click

from cryutils.course.cli_group import say
from cryutils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.claims.audit import Audit

__all__ = ["audit"]


@click.command()
@click.argument("source", metavar="TABLE|FOLDER")
@click.option(
    "--permutations",
    metavar="N",
    default=999,
    show_default=True,
    type=click.IntRange(19, 100_000),
    help="Permutations for the p-values.",
)
@click.option(
    "--folds",
    metavar="CSV",
    help="Refuse a table whose answers were not made on these"
    " fixed folds, such as data/benchmark/donateacry.csv.",
)
@click.option(
    "--train-infants",
    metavar="TABLE",
    help="For a single test set: a table whose column infant has the infants that the model was trained on.",
)
@click.option(
    "--distinct-infants",
    is_flag=True,
    help="Keep infants apart whose names differ only by case, spaces or underscores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of rows for each part.")
def audit(source: str, permutations: int, distinct_infants: bool, as_json: bool, **files: str | None) -> None:
    """Measure what predictions or recordings can show.

    TABLE is a CSV or Parquet file of any program, with a row for each clip: clip, infant, truth,
    and prediction or p_<class> for each class; if known, fold, repeat, model, device and split
    ("random" or "leak_free"). FOLDER holds recordings, <label>/<infant>/<file>, or is a CSV file
    that lists them (file, label, infant), or the name of a corpus; a logistic regression is then
    tested with both splits.

    Printed are intervals over infants, what no skill reaches, how often the model knew the infant,
    a permutation test, and the difference between the splits.

    \b
    Examples:
      cryutils audit tests/data/table2_predictions.csv
      cryutils audit donateacry
      cryutils audit answers.csv --folds data/benchmark/donateacry.csv
    """
    from cryutils._io.paths import resolve
    from cryutils.claims import audit as audits
    from cryutils.datasets import manifest, registry

    path = resolve(source)
    others = {name: resolve(file) for name, file in files.items() if file}
    if path.is_file() and not manifest.is_manifest(path):
        training = others.get("train_infants")
        table = audits.read(path, training, distinct_infants=distinct_infants)
        if "folds" in others:
            audits.check_folds(table, others["folds"])
    elif path.exists() or source in registry.DATASETS:
        if others or distinct_infants:
            what = "--folds, --train-infants and --distinct-infants need a table of predictions"
            raise InputError(f"{source}: {what}.")
        corpus = registry.load(source)
        table = audits.of_corpus(corpus)
        if path.exists():
            table.attrs["notes"].append(
                f"Problems of these recordings: {len(corpus.problems())};"
                f" `cryutils data describe {shlex.quote(source)} --problems` lists them."
            )
    else:
        raise InputError(f"{source}: no such file or folder.")
    result = audits.audit(table, permutations=permutations)
    if as_json:
        parts = {name: json.loads(part.to_json(orient="records")) for name, part in vars(result).items()}
        click.echo(json.dumps(parts, indent=1))
    else:
        _print(result)


def _print(result: Audit) -> None:
    """Print the parts of an audit as tables, in percent, each below its caption."""
    from cryutils.claims.board import in_percent

    def percent(table: pd.DataFrame) -> list[str]:
        return [in_percent(*row) for row in table[["value", "low", "high"]].to_numpy()]

    scores, leaks, gaps = result.scores, result.leaks, result.gaps
    known = leaks.shared.map(in_percent).replace("–", "unknown")
    p_values = leaks.p_value.map("{:.3f}".format).replace("nan", "–")
    tables = {
        "Clips; an infant with several labels is counted in each class.": result.classes,
        "Scores in percent, with 95 % intervals over infants. No skill: guessing, or always the"
        " most common class for accuracy and macro F1.": scores[["model", "split", "metric"]].assign(
            score=percent(scores), **{"no skill": scores.guess.map(in_percent)}
        ),
        "Known infants: the share of answers from a model trained on other clips of the same infant"
        " (needs several folds or --train-infants), in percent. p: how often the predictions agree"
        " as well with labels exchanged between infants, with the same device if known (needs a"
        " repeat with all clips). With a random split, recognising infants can make p small.": leaks[
            ["model", "split"]
        ].assign(**{"known infants": known}, p=p_values),
        "Balanced accuracy with the random split minus leak-free, in points, on the same clips.": gaps[
            ["model"]
        ].assign(difference=percent(gaps)),
    }
    for caption, table in tables.items():
        if len(table):
            for line in [*textwrap.wrap(caption), *table.to_string(index=False).splitlines(), ""]:
                say(line)
    for note in result.notes.note:
        say(note)
    if gaps.empty:
        say("No model has different answers to the same clips with both splits.")
