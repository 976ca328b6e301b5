"""An audit of any program's table of predictions: what a printed score of infant cries is worth.

`read` checks a table, `of_corpus` makes one from recordings, `audit` measures, `lines` reports;
`of_parts` asks for the room and the cry.
"""

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.parallel import thread_map
from cryutils._io.spreadsheet import cells, refuse
from cryutils.claims.tables import METRICS, MODEL, in_percent, split_gaps
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.names import first_spellings, name_key
from cryutils.errors import InputError
from cryutils.evaluation import NOT_DRAWN, Interval, Split
from cryutils.evaluation.answers import Answers, answers
from cryutils.evaluation.splits import Fold
from cryutils.words import SPLITS

_FOLDS = 5  # of a folder's clips
_REQUIRED = ("clip", "infant", "truth")
_OPTIONAL = {"model": "model", "split": "", "repeat": "0", "fold": "-1", "device": ""}


@dataclass(frozen=True)
class Audit:
    """What an audit found; each part is a table.

    classes: clips and infants of each class. scores: value, low and high by model, split and
    metric, next to what answers without any skill reach (`guess`). leaks: the share of answers from
    a model trained on other clips of the same infant (NaN if unknown), and the p-value of a
    permutation test (within devices). gaps: random minus leak-free. notes: what is missing and why.
    """

    classes: pd.DataFrame
    scores: pd.DataFrame
    leaks: pd.DataFrame
    gaps: pd.DataFrame
    notes: pd.DataFrame


def read(path: Path, train_infants: Path | None = None, *, distinct_infants: bool = False) -> pd.DataFrame:
    """Return the predictions in a CSV or Parquet file, with doubts about them in `attrs["notes"]`.

    There is one row for each clip (and repeat, model and split, if there are several). Columns:
    clip, infant, truth, and prediction or p_<class> for each class. Optional: fold, repeat, model,
    device, and split, which is "random" or "leak_free". Names of classes, devices, repeats and
    folds are the same if they differ only by case, spaces, underscores or Unicode form, or as 1,
    1.0 and true.

    train_infants: a table whose column infant has the training infants; `trained` in the result
    marks their clips. distinct_infants: whether infants' names may differ only in these ways.
    Raises InputError, with row (as in a spreadsheet) and column, for what can't be read or is missing,
    rows that contradict each other, and names of infants that differ only in these ways.
    """
    table = _cells(path, _REQUIRED)
    for name, default in _OPTIONAL.items():
        if name not in table or not table[name].any():
            table[name] = default
    for name in (*_REQUIRED, "model", "repeat", "fold"):
        refuse(path, table[name], table[name] == "", "nothing is given")
    for name in ("truth", "device", "repeat", "fold"):
        table[name] = table[name].map(first_spellings(table[name]))
    if not distinct_infants:
        first = table.infant.map(first_spellings(table.infant))
        wrong = first != table.infant
        what = f"an earlier row has {next(iter(first[wrong]), '')!r}; make them one name"
        refuse(path, table.infant, wrong, f"{what}, or give --distinct-infants")
    wrong = ~table.split.isin(["", "random", "leak_free"])
    refuse(path, table.split, wrong, "give random or leak_free")
    wrong = table.duplicated(["model", "split", "repeat", "clip"])
    refuse(path, table["clip"], wrong, "this clip has two rows; give one, or number repeats")
    for name in ("truth", "infant", "device"):
        wrong = table[name] != table.groupby("clip")[name].transform("first")
        refuse(path, table[name], wrong, "an earlier row of this clip has another one")
    table["fold"] = pd.factorize(table.fold.mask(table.fold == "-1"))[0]
    table = _with_answers(path, table)
    if train_infants is not None:
        key = str if distinct_infants else name_key
        trained = _cells(train_infants, ["infant"]).infant.map(key)
        table["trained"] = table.infant.map(key).isin(trained)
        met = f"{table.infant[table.trained].nunique()} of {trained.nunique()} training infants"
        table.attrs["notes"].append(f"{train_infants}: {met} are in this table.")
    return table


def _cells(path: Path, required: Sequence[str]) -> pd.DataFrame:
    """Return a table's columns as text in one Unicode form, with `p_<class>` by `name_key`."""

    def rename(name: str) -> str:
        name = f"p_{name_key(name[2:])}" if name.startswith("p_") else name
        return "prediction" if name == "predicted" else name

    return cells(path, required, rename).map(lambda text: unicodedata.normalize("NFC", text))


def _with_answers(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with probabilities as numbers, and answers spelled as the classes of truth."""
    names = {name_key(name): name for name in table.truth}
    is_given = "prediction" in table
    chances = [str(name) for name in table if str(name)[:2] == "p_"]
    columns = sorted(name for name in chances if not is_given or name[2:] in names)
    if not is_given and (lacking := [f"p_{key}" for key in names if f"p_{key}" not in columns]):
        raise InputError(f"{path}: no column prediction, and no probabilities in {lacking[0]}.")
    texts = table[columns].replace(",", ".", regex=True)
    numbers = texts.apply(pd.to_numeric, errors="coerce")
    blank = (texts == "").all(axis=1).groupby(table.model).transform("all") & is_given
    for name in columns:
        refuse(path, table[name], numbers[name].isna() & ~blank, "give a number")
        refuse(path, table[name], np.isinf(numbers[name]), "give a finite number")
    if not is_given:
        table["prediction"] = numbers.idxmax(axis=1).str[2:]
    keys = table.prediction.map(name_key)
    wrong = ~keys.isin(names)
    what = f"no answer of this model is one of the classes {', '.join(sorted(names.values()))}"
    refuse(path, table.prediction, wrong.groupby(table.model).transform("all"), what)
    table = table.assign(**numbers, prediction=[names.get(key, key) for key in keys])
    table = table.rename(columns={f"p_{key}": f"p_{name}" for key, name in names.items()})
    table.attrs["notes"] = [
        f"Counted as wrong: {wrong.sum()} of {len(wrong)} answers, missing or no class of truth;"
        f" the first: row {row}, column {'prediction' if is_given else f'p_{key}'}, {key!r}."
        for row, key in keys[wrong][:1].items()
    ]
    table.attrs["notes"] += _doubts(numbers, keys, table.truth.map(name_key), is_given)
    return table.rename(columns={"prediction": "predicted"})


def _doubts(p: pd.DataFrame, answer: "pd.Series[str]", truth: "pd.Series[str]", is_given: bool) -> list[str]:
    """Return notes on answers that contradict probabilities, ties, and numbers outside 0 to 1.

    p: columns `p_<class>`; all by `name_key`. is_given: whether the answers have their own column.
    """
    if p.empty:
        return []
    numbers, place = p.to_numpy(), p.columns.get_indexer(pd.Index("p_" + answer))
    largest = numbers.max(axis=1, keepdims=True)
    if is_given:
        doubtful = (place >= 0) & (np.take_along_axis(numbers, place[:, None], 1) < largest)[:, 0]
        what = "are not the class with the largest probability; the answers count"
    else:
        doubtful = (numbers == largest).sum(axis=1) > 1
        what = "have several largest probabilities; the class first in the alphabet counts,"
        what += f" right in {(doubtful & (answer == truth)).sum()}"
    notes = {what: doubtful}
    notes["have probabilities below 0 or above 1"] = ((numbers < 0) | (numbers > 1)).any(axis=1)
    return [
        f"{rows.sum()} of {len(p)} answers {what}; the first: row {p.index[rows][0]}."
        for what, rows in notes.items()
        if rows.any()
    ]


def check_folds(table: pd.DataFrame, path: Path) -> None:
    """Raise InputError unless a table's answers were made on the fixed folds in a file.

    table: from `read`. path: as `data/benchmark/donateacry.csv`: task, clip, truth, and for each split
    the clip's fold in each repeat, a digit each. Every model needs an answer to every clip of one
    task in every repeat. Folds may have any names.
    """
    fixed = _cells(path, ("task", "clip", "truth", "random", "leak_free"))
    truths = table.drop_duplicates("clip").set_index("clip").truth.map(name_key).sort_index()
    for _, task in fixed.set_index("clip").groupby("task"):
        if task.truth.map(name_key).sort_index().equals(truths):
            break
    else:
        raise InputError(f"{path}: no task has exactly the clips of this table with their labels.")
    for (model, split), part in table.groupby(["model", "split"]):
        if split not in task:
            raise InputError(f"{model}: to compare folds, name the split in a column split.")
        digits = task[split][part["clip"]]
        repeats = list(map(str, range(len(digits.iloc[0]))))
        if part.repeat.value_counts().to_dict() != dict.fromkeys(repeats, len(task)):
            needed = f"{len(task)} clips in each of the repeats {', '.join(repeats)}"
            raise InputError(f"{model}, {SPLITS[str(split)]}: give an answer to {needed}.")
        wanted = [text[int(k)] for text, k in zip(digits, part.repeat, strict=True)]
        pairs = part.assign(wanted=wanted).groupby(["repeat", "fold", "wanted"]).size()
        for name in ("fold", "wanted"):
            if pairs.groupby(["repeat", name]).size().max() > 1:
                raise InputError(f"{model}, {SPLITS[str(split)]}: not the folds of {path}.")


def of_corpus(corpus: Corpus) -> pd.DataFrame:
    """Return predictions of a corpus's labels by logistic regression, with both splits.

    The features are `studies.ladder.vectors` of mel bands and MFCC. Columns as in `read`. A class with
    fewer clips than folds, or from one infant, is left out if two others are left. Notes name it, and
    a split that has no folds. Raises InputError if both have none.
    """
    from cryutils.studies.ladder import vectors  # which loads scikit-learn

    corpus, rare = _large_classes(corpus)
    notes = [f"Left out: {x!r}; a class needs {_FOLDS} clips and two infants." for x in rare]
    divisions = {}
    for split in (Split.RANDOM, Split.LEAK_FREE):
        try:
            divisions[split] = _divided(corpus, split)
        except InputError as reason:
            notes.append(f"{SPLITS[str(split)].capitalize()}: no scores; {reason}.")
    if not divisions:
        raise InputError(f"{corpus.name}: {' '.join(notes)} Add recordings.")
    sr = 8000
    rows = thread_map(lambda x: vectors(x, sr=sr)[0], audio.signals(corpus, sr=sr), what="clips")
    experiment = evaluation.linear(np.array(list(rows)), corpus.labels)
    parts = [
        evaluation.out_of_fold(experiment, corpus, split=split, folds=folds)
        for split, folds in divisions.items()
    ]
    table = pd.concat(parts, ignore_index=True).drop(columns="data")
    devices = pd.Series(corpus.devices, [clip.id for clip in corpus]).fillna("")
    table = table.assign(model="logistic regression", device=table["clip"].map(devices))
    table.attrs["notes"] = notes
    return table


def of_parts(corpus: Corpus) -> pd.DataFrame:
    """Return the scores of parts of a corpus' recordings, columns as in `studies.background.scores`.

    Classes are left out as in `of_corpus`. Raises InputError if the clips allow no five leak-free folds.
    """
    from cryutils.studies import background  # which loads scikit-learn

    corpus, sr = _large_classes(corpus)[0], 8000
    try:
        folds = _divided(corpus, Split.LEAK_FREE)
    except InputError as reason:
        raise InputError(f"--background: {reason}; add recordings, or leave out --background.") from None
    numbers = background.parts(audio.signals(corpus, sr=sr), sr=sr)
    return background.scores(background.answers(corpus, numbers, folds=folds))


def parts_in_words(scores: pd.DataFrame) -> pd.DataFrame:
    """Return `studies.background.scores` in percent, a row for each part, a column for each metric."""
    from cryutils.studies.background import PARTS

    heads = {"balanced_accuracy": "balanced accuracy", "paired": "pairs", "matched": "matched pairs"}
    texts = [in_percent(*row) for row in scores[["value", "low", "high"]].to_numpy()]
    table = scores.assign(text=texts).pivot(index="condition", columns="metric", values="text").fillna("–")
    table = table.reindex(index=list(PARTS), columns=[name for name in heads if name in table])
    return table.rename(index=PARTS, columns=heads).rename_axis(index="part", columns=None)


def _divided(corpus: Corpus, split: Split) -> list[list[Fold]]:
    """Return five divisions into folds. Raises InputError with the reason alone if there are none."""
    try:
        return split.k_folds(corpus, n_splits=_FOLDS, repeats=5, seed=0)
    except InputError as error:  # after the semicolon it advises other folds
        raise InputError(str(error).partition(";")[0]) from None


def _large_classes(corpus: Corpus) -> tuple[Corpus, list[str]]:
    """Return the clips of classes that are large enough, if there are two, and the other classes."""
    sizes = corpus.frame().groupby("label").infant.agg(["size", "nunique"])
    rare = [*sizes.index[(sizes < [_FOLDS, 2]).any(axis=1)]]
    if len(sizes) - len(rare) < 2:
        return corpus, []
    return corpus.where(lambda clip: clip.label not in rare), rare


def audit(table: pd.DataFrame, *, permutations: int = 999) -> Audit:
    """Return what a table of predictions shows, columns as in `read`.

    permutations: of the labels, for the p-values. Raises InputError for one class or one infant.
    """
    clips = table.drop_duplicates("clip")
    if clips.truth.nunique() < 2 or clips.infant.nunique() < 2:
        raise InputError("an audit needs two classes and two infants.")
    counts = clips.groupby("truth").agg(clips=("clip", "size"), infants=("infant", "nunique"))
    scores, leaks = [], []
    for (model, split), part in table.groupby(["model", "split"], sort=False):
        about = {"model": model, "split": SPLITS.get(str(split), "not stated")}
        arrays = answers(part)
        arrays = arrays._replace(truth=np.unique(part.truth.astype(str))[arrays.truth])
        scores += [about | row for row in _scores(arrays)]
        if part.device.any():
            row = _scores(_device_alone(arrays, part.drop_duplicates("clip").device))[0]
            scores.append(about | row | {"metric": f"{row['metric']} of the device alone"})
        leaks.append(about | _leak(part, arrays, permutations))
    rows = pd.DataFrame(scores)
    notes = [
        f"No interval of {', '.join(metrics.unique())}: {reason}."
        for reason, metrics in rows[rows.reason != ""].groupby("reason").metric
    ]
    return Audit(
        classes=counts.reset_index(names="class"),
        scores=rows,
        leaks=pd.DataFrame(leaks),
        notes=pd.DataFrame({"note": [*table.attrs.get("notes", []), *notes]}),
        gaps=split_gaps(table.assign(**dict.fromkeys({*MODEL} - {"model"}, ""))),
    )


def lines(result: Audit) -> Iterator[str]:
    """Yield the lines of text that report an audit: tables in percent, each below its caption, and notes.

    Columns of text are added to the tables of `result`.
    """
    for table, name in ((result.scores, "score"), (result.gaps, "difference")):
        table[name] = [in_percent(*row) for row in table[["value", "low", "high"]].to_numpy()]
    result.scores["no skill"] = result.scores.guess.map(in_percent)
    result.leaks["known infants"] = result.leaks.shared.map(in_percent).replace("–", "unknown")
    result.leaks["p"] = result.leaks.p_value.map("{:.3f}".format).replace("nan", "–")
    scores = result.scores[["model", "split", "metric", "score", "no skill"]]
    leaks, gaps = result.leaks[["model", "split", "known infants", "p"]], result.gaps[["model", "difference"]]
    tables = {
        "Clips; an infant with several labels is counted in each class.": result.classes,
        "Scores in percent, with 95 % intervals over infants. No skill: guessing, or always the most"
        " common class for accuracy and macro F1.": scores,
        "Known infants: the share of answers from a model trained on other clips of the same infant"
        " (needs several folds or --train-infants), in percent. p: how often the predictions agree as"
        " well with labels exchanged between infants, with the same device if known (needs a repeat"
        " with all clips). With a random split, recognising infants can make p small.": leaks,
        "Balanced accuracy with the random split minus leak-free, in points, on the same clips.": gaps,
    }
    for caption, table in tables.items():
        if len(table):
            yield from [*textwrap.wrap(caption), *table.to_string(index=False).splitlines(), ""]
    yield from result.notes.note
    if gaps.empty:
        yield "No model has different answers to the same clips with both splits."


def _scores(part: Answers) -> list[dict[str, Any]]:
    """Return a row for each metric: its interval over infants, and its value without any skill."""
    intervals: dict[str, Interval] = {
        metric: evaluation.interval(part.predicted, part.truth, part.infants, metric=metric)
        for metric in get_args(evaluation.Metric)
    }
    if np.isfinite(part.strengths).any(axis=(0, 1)).all():  # of every class
        folds = part.folds if all(part.folds) else None
        intervals["roc_auc"] = evaluation.auc_interval(part.strengths, part.truth, part.infants, folds)
    shares = np.unique(part.truth, return_counts=True)[1] / len(part.truth)
    commonest = shares.max()
    guess = {
        "balanced_accuracy": 1 / len(shares),
        "accuracy": commonest,
        "macro_f1": 2 * commonest / (1 + commonest) / len(shares),
        "roc_auc": 0.5,
    }
    return [
        {"metric": METRICS[metric], **x.row(), "guess": guess[metric], "reason": x.reason}
        for metric, x in intervals.items()
    ]


def _leak(table: pd.DataFrame, part: Answers, permutations: int) -> dict[str, float]:
    """Return the share of answers with the infant in the training part, NaN if unknown; a p-value."""
    known = table.groupby(["repeat", "infant"]).fold.transform("nunique") > 1
    is_unknown = (table.fold < 0).any() or table.groupby("repeat").fold.nunique().min() < 2
    known |= table.get("trained", False)
    shared = np.nan if is_unknown and "trained" not in table else known.mean()
    row = {"shared": float(shared), "p_value": np.nan}
    complete = part.predicted[(part.predicted != NOT_DRAWN).all(axis=1)]
    if len(complete):
        devices = table.drop_duplicates("clip").device.to_numpy()
        test = evaluation.permutation_test(
            {"model": complete}, part.truth, part.infants, strata=devices, permutations=permutations
        )
        row["p_value"] = float(test.p_values["model"])
    return row


def _device_alone(part: Answers, devices: "pd.Series[Any]") -> Answers:
    """Return the answers from the device alone, by a tree that weights classes equally.

    It is trained in the same folds if these keep infants whole, else on all other infants.
    """
    infants, (y, _) = part.infants, evaluation.class_indices(part.truth)
    apart = [len(a) and {*infants[a]}.isdisjoint(infants[b]) for row in part.folds for a, b in row]
    others = [(np.flatnonzero(infants != i), np.flatnonzero(infants == i)) for i in set(infants)]
    folds = part.folds if apart and all(apart) else [others]
    rule, predicted = evaluation.group_rule(devices.to_numpy(), y), np.full((len(folds), len(y)), NOT_DRAWN)
    for row, repeat in zip(predicted, folds, strict=True):
        for train, test in repeat:
            row[test] = rule(train, test).argmax(axis=1)
    return part._replace(predicted=predicted)
