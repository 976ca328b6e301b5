"""`cryutils benchmark`: representations of cries on fixed splits. See `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from cryutils._io import extras
from cryutils.course.cli_group import say
from cryutils.errors import InputError

__all__ = ["benchmark"]


@click.command()
@click.option("--data", metavar="NAME|FOLDER", default="donateacry", show_default=True,
              help="Corpus, or folder <label>/<infant>/<file>.")  # fmt: skip
@click.option("--with", "added", metavar="NAME|FILE", multiple=True,
              help="Another representation: a network with its file, such as yamnet=yamnet.tflite,"
              " or a table with the columns clip and one for each number.")  # fmt: skip
@click.option("--predictions", metavar="TABLE", help="Predictions of any program, as for"
              " `cryutils audit`, to be scored next to the others.")  # fmt: skip
@click.option("--task", metavar="NAME", default="reason", show_default=True,
              help="Task of the predictions: reason, infant, age or sex.")  # fmt: skip
@click.option("--splits", metavar="FILE", help="Folds of another run (default: those that come with"
              " the corpus, or new ones).")  # fmt: skip
@click.option("--output", metavar="DIR", help="Folder of the results (default: outputs/benchmark).")
def benchmark(
    data: str,
    added: tuple[str, ...],
    predictions: str | None,
    task: str,
    splits: str | None,
    output: str | None,
) -> None:
    """Score representations of cries on fixed splits.

    A representation is a row of numbers for each clip: MFCC, STFT, Google's speech embedding (with
    the extra `embeddings`), and any that you add. Two heads are trained on it, logistic regression
    and a small network, for four tasks: the reason, the infant on another day, its age and its sex.
    Every score has its interval over infants, and the difference between the splits its own.

    \b
    Examples:
      cryutils benchmark --data donateacry
      cryutils benchmark --data donateacry --with mine.csv
      cryutils benchmark --predictions mine.csv --task reason
    """
    from cryutils import datasets
    from cryutils._io.paths import outputs_dir, resolve
    from cryutils.claims import audit as audits
    from cryutils.claims import benchmark as results
    from cryutils.papers import benchmark as study

    if task not in study.TASKS:
        raise InputError(f"--task {task}: give one of {', '.join(study.TASKS)}.")
    corpus = datasets.load(data)
    folds = study.splits_of(corpus, resolve(splits) if splits else None)
    names = ["mfcc", "stft"]
    if extras.is_installed("pyopen_wakeword"):
        names.append("speech")
    else:
        say("Without the speech embedding; install it with: " + extras.command("embeddings"))
    answers = study.predict(
        folds, corpus, {name: study.represent(name, corpus) for name in (*names, *added)}
    )
    if predictions:
        answers = results.with_predictions(answers, audits.read(resolve(predictions)), folds, task)
    folder = resolve(output) if output else outputs_dir() / "benchmark"
    scores = results.score(answers)
    page = results.write(scores, answers, folds, folder, Path(corpus.name).name)
    for line in results.summary(scores):
        say(line)
    say(f"Table: {page}")
