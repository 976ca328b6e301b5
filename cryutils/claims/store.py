"""The results store: every number that a notebook measured, with its origin.

Each notebook calls `begin` once, one of the `record` functions for each result, and `write` at its
end. The runner merges the files of all notebooks into one `results.json` (`merge`). A result is a
row: six columns state what was measured (`COLUMNS`), one how the clips were split, and the others
hold the number. Tables in notebooks and reports are made from these files alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from cryutils._io.paths import outputs_dir, project_dir, resolve, writing
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:  # importing pandas would delay `cryutils run` by a third of a second
    import pandas as pd

    from cryutils.evaluation.intervals import Interval, Metric
    from cryutils.evaluation.permutation import PermutationTest
    from cryutils.papers.scored import Scored

__all__ = [
    "COLUMNS", "Result", "begin", "benchmark_output", "current", "figure_path", "key",
    "load_predictions", "load_results", "merge", "read_results", "record", "record_gain",
    "record_predictions", "record_scores", "record_table", "record_test", "reference", "results",
    "run_dir", "table", "unreadable", "write",
]  # fmt: skip

COLUMNS = ("study", "condition", "feature", "model", "rival", "metric")

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measured number.

    Attributes
    ----------
    study : str
        What the number is part of: "feature_validation", "table3", "cry2".
    condition : str
        A pair of states, a disturbance with its level, or a class; "" for none.
    feature, model : str
        The input and the model, "" if there is none.
    rival : str
        If not "", `value` is the model's score minus this model's.
    metric : str
        "accuracy", "p_value", "clips".
    split : {"frame", "clip", "infant", ""}
        The unit that was kept whole when the data were split; "" if they were not.
    data : str
        The corpus.
    value, low, high : float
        The number and the ends of its interval, None without one.
    n, n_infants : int
        Test clips, and the infants in them.
    trainings : int
        Trainings of the networks, each with another seed and other splits; None without a network.
    permutations : int
        Number behind a p-value, which cannot be smaller than 1 / (permutations + 1).
    notebook : str
    seed : int
    """

    study: Text
    condition: str = ""
    feature: str = ""
    model: str = ""
    rival: str = ""
    metric: Text
    split: Literal["frame", "clip", "infant", ""] = ""
    data: Text
    value: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    n: Count | None = None
    n_infants: Count | None = None
    trainings: Count | None = None
    permutations: Count | None = None
    notebook: Text
    seed: int | None = None

    @property
    def key(self) -> str:
        """The columns as one text, such as "table3.total.svm.accuracy": for people and scripts."""
        return key(asdict(self))


_ABOUT = ("study", "condition", "feature", "model")  # columns of predictions
_FIELDS = tuple(field.name for field in fields(Result))
_RESULT = TypeAdapter(Result)
_RESULTS = TypeAdapter(list[Result])


def key(columns: Mapping[str, Any]) -> str:
    """Return the columns of a result as one text.

    columns: the values of `COLUMNS`; empty ones may be left out, and other columns are ignored.

    >>> key({"study": "table3", "condition": "total", "model": "svm", "metric": "accuracy"})
    'table3.total.svm.accuracy'
    >>> key({"study": "cry2", "model": "cry2", "rival": "svm", "metric": "accuracy"})
    'cry2.minus_svm.accuracy'
    """
    parts = {name: columns.get(name) or "" for name in COLUMNS}
    if parts["model"] == parts["study"]:
        parts["model"] = ""
    if parts["rival"]:
        parts["rival"] = f"minus_{parts['rival']}"
    return ".".join(part for part in parts.values() if part)


@dataclass(slots=True)
class _Notebook:
    name: str
    seed: int | None
    results: dict[tuple[str, str, str], Result]
    predictions: dict[tuple[Any, ...], pd.DataFrame]


_current: _Notebook | None = None


def run_dir() -> Path:
    """Return the run's folder, which is `outputs/manual` for a notebook executed by hand."""
    value = os.environ.get("CRYUTILS_RUN_DIR")
    return resolve(value) if value else outputs_dir() / "manual"


def begin(notebook: str, *, seed: int | None = None) -> None:
    """Start collecting the results of `notebook`; `seed` is stored with each of them."""
    global _current
    _current = _Notebook(notebook, seed, {}, {})


def _collecting() -> _Notebook:
    if _current is None:
        raise InputError("no notebook is collecting results: call claims.begin('<notebook>').")
    return _current


def record(value: float | Interval, **columns: Any) -> None:
    """Collect one measured number; `write` stores it.

    A later number with the same key, split and data replaces an earlier one. An interval also sets
    low, high, n and n_infants. columns: fields of `Result`; study, metric and data are needed.

    Raises
    ------
    InputError
        A column that a result does not have, a number that is not finite, or a call before `begin`.
    """
    notebook = _collecting()
    for name in columns:
        if name not in _FIELDS:
            raise InputError(f"{name}: no column of a result.{near_miss(name, _FIELDS)}")
    number: Any = value
    if hasattr(number, "n_infants"):  # an interval
        columns = number.row() | columns
        number = columns.pop("value")
    about = {"notebook": notebook.name, "seed": notebook.seed}
    try:
        result = _RESULT.validate_python({**columns, **about, "value": number})
    except ValidationError as error:
        first = error.errors()[0]
        field, missing = first["loc"][0], first["type"] == "missing"
        what = f"{field}" if missing else f"{field} = {first['input']!r}"
        raise InputError(f"{key(columns)}: {what}: {first['msg']}.") from error
    notebook.results[result.key, result.split, result.data] = result


def record_table(table: pd.DataFrame, **columns: Any) -> None:
    """Collect each row of `table`, whose columns are fields of `Result`. NaN counts as missing.

    **columns : further fields, the same for every row.
    """
    for _, row in table.astype(object).iterrows():
        record(**row.dropna(), **columns)


def record_scores(scored: Scored, *metrics: str, **columns: Any) -> None:
    """Collect a model's scores and the predictions that they were computed from.

    metrics: as in `scored.results`; none means all of them. columns: study, and condition, feature
    and model if they apply.
    """
    record_table(scored.results(*metrics), **columns)
    record_predictions(scored.predictions(), **columns)


def record_predictions(table: pd.DataFrame, **columns: Any) -> None:
    """Collect the predictions behind scores, in rows as `load_predictions` returns them.

    **columns : study, condition, feature and model, if the table does not have them.
    """
    table = table.assign(**dict.fromkeys(set(_ABOUT) - set(table), "") | columns)
    for place, rows in table.groupby([*_ABOUT, "split", "data"], sort=False):
        _collecting().predictions[place] = rows


def record_test(test: PermutationTest, cell: Hashable, scored: Scored, **columns: Any) -> str:
    """Collect a model's p-value, adjusted for the whole family; return it in words.

    cell: the model's key in `test`. columns: as in `record_scores`.
    """
    row = scored.results("balanced_accuracy").assign(
        metric="p_value", value=test.adjusted[cell], low=None, high=None,
        permutations=len(test.null),
    )  # fmt: skip
    record_table(row, **columns)
    return test.words(cell)


def record_gain(scored: Scored, other: Scored, metric: Metric, **columns: Any) -> Interval:
    """Collect a model's score minus that of a rival on the same clips; return the difference.

    metric: as in `Scored.minus`. columns: as in `record_scores`, and rival.
    """
    gain = scored.minus(other, metric)
    about = {"split": str(scored.split), "data": scored.corpus.name, "trainings": scored.trainings}
    record(gain, metric=metric, **about, **columns)
    return gain


def results() -> pd.DataFrame:
    """Return what this notebook has collected so far, columns as in `table`."""
    return table(_collecting().results.values())


def write() -> None:
    """Write what this notebook has collected to `results/` and `predictions/` of the run."""
    import pandas as pd

    current = _collecting()
    _dump(current.results.values(), run_dir() / "results" / f"{current.name}.json")
    if current.predictions:
        answers = pd.concat(current.predictions.values(), ignore_index=True)
        with writing(run_dir() / "predictions" / f"{current.name}.parquet") as part:
            answers.assign(seed=current.seed).to_parquet(part, index=False)


def _dump(rows: Iterable[Result], path: Path) -> None:
    with writing(path) as part:
        content = [{"key": row.key, **asdict(row)} for row in rows]
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def table(rows: Iterable[Result]) -> pd.DataFrame:
    """Return results as a table, one row each: the key, then the fields of `Result`."""
    import pandas as pd

    content = [{"key": row.key, **asdict(row)} for row in rows]
    frame = pd.DataFrame(content, columns=["key", *_FIELDS])
    numbers = dict.fromkeys(("value", "low", "high"), "float64")
    counts = ("n", "n_infants", "trainings", "permutations", "seed")
    return frame.astype(numbers | dict.fromkeys(counts, "Int64"))


def load_predictions(run: str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return the predictions behind the scores of a run.

    Parameters
    ----------
    run : str or Path, optional
        As in `load_results`.
    **columns
        Values to select by: study, condition, feature, model, split, data.

    Returns
    -------
    pandas.DataFrame
        A row for each clip and repeat. Columns: study, condition, feature, model, split, data,
        clip, infant, repeat, fold (-1 if unknown), truth, predicted (None without an answer),
        seed, and `p_<class>` if the model gives probabilities or other scores.

    Raises
    ------
    InputError
        No predictions match.
    """
    import pandas as pd

    folder = _folder(run) / "predictions"
    wanted = [(name, "==", value) for name, value in columns.items()]
    parts = [pd.read_parquet(path, filters=wanted or None) for path in folder.glob("*.parquet")]
    if not sum(map(len, parts)):
        raise InputError(f"{folder}: no predictions of {key(columns) or 'any model'} here.")
    answers = pd.concat([part for part in parts if len(part)], ignore_index=True)
    empty = answers.columns[answers.isna().all()]
    return answers.drop(columns=empty[empty.str.startswith("p_")])


def reference(run: str, **columns: str) -> pd.DataFrame:
    """Return results of a run in `outputs/reference`, such as "judged", columns as in `table`.

    columns: values to select by, such as study="cry2". Raises InputError if no results match.
    """
    results = load_results(project_dir() / "outputs" / "reference" / run)
    for name, value in columns.items():
        results = results[results[name] == value]
    if results.empty:
        raise InputError(f"the reference run {run} has no results of {key(columns)}.")
    return results.reset_index(drop=True)


def benchmark_output(name: str) -> str:
    """Return the output of a benchmark that is kept with the reference runs.

    Raises InputError if none of that name is kept.
    """
    path = project_dir() / "outputs" / "reference" / "benchmarks" / f"{name}.txt"
    if not path.is_file():
        names = [file.stem for file in path.parent.glob("*.txt")]
        raise InputError(f"{path}: no such output is kept.{near_miss(name, names)}")
    return path.read_text(encoding="utf-8")


def current() -> str:
    """Return the name of the notebook that called `begin`, or "" before that."""
    return _current.name if _current else ""


def figure_path(name: str) -> Path:
    """Return the path of a figure of this run."""
    path = run_dir() / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def load_results(run: str | Path | None = None) -> pd.DataFrame:
    """Return every result of a run, columns as in `table`.

    run: a folder, a run's name under the outputs folder, or "reference/<name>" for a run that git
    keeps; default: this run.

    Raises
    ------
    InputError
        There are no results, or a file of them is damaged.
    """
    folder = _folder(run)
    paths = sorted((folder / "results").glob("*.json")) or [folder / "results.json"]
    if not paths[0].is_file():
        raise InputError(f"{folder}: no results here; `cryutils run` writes them.")
    return table(row for path in paths for row in read_results(path))


def _folder(run: str | Path | None) -> Path:
    if run is None:
        return run_dir()
    is_kept = str(run).startswith("reference/")  # in git, whatever the folder for outputs
    return (project_dir() / "outputs" if is_kept else outputs_dir()) / run


def merge(folder: Path, notebooks: Iterable[str]) -> None:
    """Write `results.json` from the readable files of these notebooks."""
    keep = set(notebooks)
    _dump((row for row in _read(folder)[0] if row.notebook in keep), folder / "results.json")


def unreadable(folder: Path) -> list[Path]:
    """Return the notebooks' own files of results in `folder` that cannot be read."""
    return _read(folder)[1]


def _read(folder: Path) -> tuple[list[Result], list[Path]]:
    """Return the results in the notebooks' own files, and the files that cannot be read."""
    rows, damaged = [], []
    for path in sorted((folder / "results").glob("*.json")):
        try:
            rows += read_results(path)
        except InputError:
            damaged.append(path)
    return rows, damaged


def read_results(path: Path) -> list[Result]:
    """Return the results in a file. Raises InputError if it is not valid output of `write`."""
    try:
        return _RESULTS.validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        what = error.errors()[0]
        place = ".".join(map(str, what["loc"]))
        reason = f"{place}: {what['msg']}" if place else what["msg"]
        raise InputError(
            f"{path}: damaged or of an older version ({reason}); `cryutils run` makes it again."
        ) from error
