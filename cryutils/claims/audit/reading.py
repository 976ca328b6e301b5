"""A table of any program's predictions, checked: `read`, and `check_folds` for fixed folds."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cryutils._io.spreadsheet import cells, refuse
from cryutils.claims.audit import names
from cryutils.claims.audit.names import plural
from cryutils.datasets.names import first_spellings, name_key
from cryutils.errors import InputError
from cryutils.words import SPLITS

_OPTIONAL = {"model": "model", "split": "", "repeat": "0", "fold": "-1", "device": ""}
_PARTS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing")  # in a column split


def read(
    source: Path | str | pd.DataFrame,
    train_groups: Path | None = None,
    *,
    distinct_groups: bool = False,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return the predictions in a CSV or Parquet file or a DataFrame, with doubts in `attrs["notes"]`.

    There is one row for each unit, such as a clip or an image (and repeat, model and split, if there
    are several). The result has our names of the columns in `names.ROLES`: clip for the unit and
    infant for what units share, such as a patient. Needed: infant, truth, and prediction or p_<class>
    for each class. Optional: clip (else each row is a unit), fold, repeat, model, device, and split,
    which is "random" or "leak_free", or names training and test rows. Names of classes, devices,
    repeats and folds are the same if they differ only by case, spaces, underscores or Unicode form,
    or as 1, 1.0 and true. `attrs` also has the table's own `words`, what was understood (`read`), and
    the `unused` columns.

    train_groups: a table with a column of the training groups; `trained` in the result marks their
    units. distinct_groups: whether groups' names may differ only in these ways. columns: the
    table's columns by the keys unit, group, truth, prediction or device, where names are not clear.
    Raises InputError, with row (as in a spreadsheet) and column, for what can't be read or is missing,
    rows that contradict each other, and names of groups that differ only in these ways.
    """
    path = Path("table" if isinstance(source, pd.DataFrame) else source)  # names it in errors
    raw = _cells(source if isinstance(source, pd.DataFrame) else path, ())
    if raw.empty:
        raise InputError(f"{path}: no rows below the names of the columns; add one for each answer.")
    headings = [str(name) for name in raw]
    chances = [name for name in headings if name[:2] == "p_"]
    found = names.columns(path, [name for name in headings if name not in chances], columns or {})
    words = names.nouns(found)
    table, trained = _test_rows(_ours(path, raw, found, chances))
    table = _checked(path, table, found, words["clip"], distinct_groups)
    table = _with_answers(path, table, found)
    if train_groups is not None:
        trained = _training_groups(train_groups, found["infant"])
    if trained is not None:
        key = str if distinct_groups else name_key
        known, whose = {*trained.map(key)}, table.infant.map(key)
        table["trained"] = whose.isin(known)
        met = f"{len(known & {*whose})} of {len(known)} training {plural(words['infant'])}"
        table.attrs["notes"].append(f"{train_groups or path}: {met} are in the test part.")
    used = {name for ours, name in found.items() if ours != "score" or "p_1" in table}
    unused = [name for name in headings if name not in used and name not in chances]
    read = _understood({ours: name for ours, name in found.items() if name in used}, chances, unused)
    table.attrs |= {"words": words, "read": read, "unused": unused}
    return table


def _ours(path: Path, raw: pd.DataFrame, found: Mapping[str, str], chances: Sequence[str]) -> pd.DataFrame:
    """Return a table with our names of its columns, and the defaults of those that it lacks.

    chances: columns of probabilities. Raises InputError if there are no answers, or a row has no group.
    """
    table = pd.DataFrame({**{ours: raw[name] for ours, name in found.items()}, **raw[chances]})
    if "score" in table and not chances:
        table = _with_score(path, table, found)
    if not chances and not {"prediction", "p_1"} & {*table}:
        what = "such as y_pred, and no probabilities, such as p_<class>"
        raise names.missing(path, "prediction", what, map(str, raw))
    for name, default in _OPTIONAL.items():
        if name not in table or not table[name].any():
            table[name] = default
    refuse(path, table.infant.rename(found["infant"]), table.infant == "", "nothing is given")
    return table


def _checked(
    path: Path, table: pd.DataFrame, found: Mapping[str, str], unit: str, distinct: bool
) -> pd.DataFrame:
    """Return a table with one spelling of each name, a unit in each row, and folds as numbers.

    Raises InputError for a cell that is missing, or that contradicts an earlier one.
    """

    def check(name: str, wrong: "pd.Series[bool]", what: str) -> None:
        refuse(path, table[name].rename(found.get(name, name)), wrong, what)

    if "clip" not in table:
        table["clip"] = table.index.astype(str)
        if len(table[["model", "split", "repeat"]].drop_duplicates()) > 1:
            what = "which shows what repeats, models or splits have answered"
            raise names.missing(path, "clip", what, found.values())
    for name in ("truth", "device", "repeat", "fold"):
        table[name] = table[name].map(first_spellings(table[name]))
    for name in ("clip", "truth", "model", "repeat", "fold"):
        check(name, table[name] == "", "nothing is given")
    names.check_classes(f"{path}: column {found['truth']}", table.truth)
    first = table.infant if distinct else table.infant.map(first_spellings(table.infant))
    wrong = first != table.infant
    what = f"an earlier row has {next(iter(first[wrong]), '')!r}; make them one name"
    check("infant", wrong, f"{what}, or give --distinct-groups")
    wrong = ~table.split.isin(["", "random", "leak_free"])
    check("split", wrong, "give random or leak_free, or call the test rows test")
    wrong = table.duplicated(["model", "split", "repeat", "clip"])
    check("clip", wrong, f"this {unit} has two rows; give one, or number repeats")
    for name in ("truth", "infant", "device"):
        wrong = table[name] != table.groupby("clip")[name].transform("first")
        check(name, wrong, f"an earlier row of this {unit} has another one")
    return table.assign(fold=pd.factorize(table.fold.mask(table.fold == "-1"))[0])


def _training_groups(path: Path, column: str) -> "pd.Series[str]":
    """Return the groups in a table: its column of this name, or one with another word for groups."""
    table = _cells(path, ())
    fits = [name for name in table if names.word(str(name)) in names.WORDS["infant"]]
    for name in [name for name in table if name == column] or fits[:1]:
        return table[name]
    raise InputError(f"{path}: no column {column!r}.")


def _with_score(path: Path, table: pd.DataFrame, found: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with the probabilities of classes 0 and 1 from that of 1, its score."""
    if {*table.truth.map(name_key)} - {"", "0", "1"}:
        if "prediction" in table:
            return table
        what = f"column {found['score']!r}: of which class? Name it p_<class>, and add the other class"
        raise InputError(f"{path}: {what}; or give 0 and 1 as truth.")
    score = pd.to_numeric(table.score.str.replace(",", "."), errors="coerce")
    refuse(path, table.score.rename(found["score"]), score.isna(), "give a number")
    return table.assign(p_0=(1 - score).astype(str), p_1=score.astype(str))


def _test_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[str] | None"]:
    """Return the test rows, and the groups of training rows, if the column split names such parts."""
    part = table.split.str.casefold()
    if not part.isin(_PARTS).all() or not part.str.startswith("test").any():
        return table, None
    tested = part.str.startswith("test")
    return table[tested].assign(split=""), table.infant[~tested]


def _understood(found: Mapping[str, str], chances: Sequence[str], unused: Sequence[str]) -> str:
    """Return a line that says which column is what."""
    told = names.OPTIONS | {"score": "probability of 1"}
    rows = [] if "clip" in found else ["each row = unit"]
    rows += [name if name == ours else f"{name} = {told.get(ours, ours)}" for ours, name in found.items()]
    rows += [f"{len(chances)} columns of probabilities"] if chances else []
    others = f"; not used: {', '.join(unused)}" if unused else ""
    return f"Columns: {', '.join(rows)}{others}."


def _cells(source: Path | pd.DataFrame, required: Sequence[str]) -> pd.DataFrame:
    """Return a table's columns as text in one Unicode form, with `p_<class>` by `name_key`.

    The index is the row in a spreadsheet, of a DataFrame as well.
    """

    def rename(name: str) -> str:
        chance = re.fullmatch(r"(?:p|prob|proba|probability)_(.+)", name)
        return f"p_{name_key(chance[1])}" if chance else name

    if isinstance(source, pd.DataFrame):
        table = source.astype(object).where(source.notna(), "").map(lambda cell: str(cell).strip())
        table.columns = pd.Index([rename(str(name).casefold()) for name in source])
        table.index = pd.RangeIndex(2, len(table) + 2)
    else:
        table = cells(source, required, rename)
    return table.map(lambda text: unicodedata.normalize("NFC", text))


def _with_answers(path: Path, table: pd.DataFrame, found: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with probabilities as numbers, and answers spelled as the classes of truth."""
    classes = {name_key(name): name for name in table.truth}
    is_given = "prediction" in table
    chances = [str(name) for name in table if str(name)[:2] == "p_"]
    columns = sorted(name for name in chances if not is_given or name[2:] in classes)
    if not is_given and (lacking := [f"p_{key}" for key in classes if f"p_{key}" not in columns]):
        raise InputError(
            f"{path}: no column {lacking[0]!r}; add the probabilities, or a column 'prediction'."
        )
    texts = table[columns].replace(",", ".", regex=True)
    numbers = texts.apply(pd.to_numeric, errors="coerce")
    blank = (texts == "").all(axis=1).groupby(table.model).transform("all") & is_given
    for name in columns:
        refuse(path, table[name], numbers[name].isna() & ~blank, "give a number")
        refuse(path, table[name], np.isinf(numbers[name]), "give a finite number")
    if not is_given:
        table["prediction"] = numbers.idxmax(axis=1).str[2:]
    keys = table.prediction.map(name_key)
    wrong, answers = ~keys.isin(classes), table.prediction.rename(found.get("prediction"))
    remedy = "Put probabilities of class 1 into a column y_score"
    names.check_classes(f"{path}: column {answers.name}", keys[wrong], remedy)
    what = f"no answer of this model is one of the classes {', '.join(sorted(classes.values()))}"
    refuse(path, answers, wrong.groupby(table.model).transform("all"), f"{what}; write both alike")
    table = table.assign(**numbers, prediction=[classes.get(key, key) for key in keys])
    table = table.rename(columns={f"p_{key}": f"p_{name}" for key, name in classes.items()})
    table.attrs["notes"] = [
        f"Counted as wrong: {wrong.sum()} of {len(wrong)} answers, missing or no class of truth;"
        f" the first: row {row}, column {found['prediction'] if is_given else f'p_{key}'}, {key!r}."
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
