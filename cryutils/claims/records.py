"""The results of runs: every number that a notebook measured, its answers, and the run's folder.

Each notebook calls `begin` once, `record` for each result, and `write` at its end.

The runner executes a notebook in a staging folder, hidden in the run's folder and with the same
layout. Once it has finished, its files replace the earlier ones, the state file last. A notebook
without a state file has not finished, so one whose files a kill left half replaced runs again.
"""

import ast
import fcntl
import itertools
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from cryutils._io import extras
from cryutils._io.paths import file_digest, outputs_dir, project_dir, resolve, writable, writing
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.intervals import Interval
from cryutils.evaluation.permutation import PermutationTest
from cryutils.words import SPLITS

STAGING = ".running"

# The columns of a result. Texts are "" and numbers None where one does not apply.
_COLUMNS = (  # its key
    "study",  # what the number is part of, such as "feature_validation" or "table3"
    "condition",  # a pair of states, a disturbance with its level, or a class
    "feature",
    "model",
    "rival",  # if not "", `value` is the model's score minus this model's
    "metric",
)
_NUMBERS = ("value", "low", "high")  # low and high: ends of the interval
_COUNTS = (
    "n",  # test clips, and the infants in them
    "n_infants",
    "trainings",  # of networks, each with another seed and other splits
    "permutations",  # behind a p-value, which is at least 1 / (permutations + 1)
    "seed",
)
# split: a key of `SPLITS`. data: the corpus.
_FIELDS = (*_COLUMNS, "split", "data", *_NUMBERS, *_COUNTS[:-1], "notebook", "seed")
_NEEDED = {"study", "metric", "data", "value", "notebook"}
_ABOUT = ("study", "condition", "feature", "model")  # columns of predictions


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with its key and every column. Raises InputError for a wrong or missing one."""
    values: dict[str, Any] = {}
    for name in _FIELDS:
        value, is_number = row.get(name), name in (*_NUMBERS, *_COUNTS)
        if value is None or value == "":
            value, valid = (None if is_number else ""), name not in _NEEDED
        elif is_number:
            valid = isinstance(value, Real) and math.isfinite(value) and not (name in _COUNTS and value < 0)
            value = (int if name in _COUNTS else float)(value) if valid else value
        else:
            valid = isinstance(value, str) and (name != "split" or value in SPLITS)
        if not valid:
            raise InputError(f"{name}: {value!r} is no value of a result.")
        values[name] = value
    return {"key": key(values), **values}


def key(columns: Mapping[str, Any]) -> str:
    """Return the columns of a result as one text. Empty and other columns are left out.

    >>> key({"study": "cry2", "model": "cry2", "rival": "svm", "metric": "accuracy"})
    'cry2.minus_svm.accuracy'
    """
    parts = {name: columns.get(name) for name in _COLUMNS}
    if parts["model"] == parts["study"]:
        parts["model"] = None
    if parts["rival"]:
        parts["rival"] = f"minus_{parts['rival']}"
    return ".".join(filter(None, parts.values()))


@dataclass(slots=True)
class _Notebook:
    name: str
    seed: int | None
    results: dict[tuple[str, ...], dict[str, Any]]
    predictions: dict[tuple[Any, ...], pd.DataFrame]


_current: _Notebook | None = None


def run_dir() -> Path:
    """Return the run's folder, which is `outputs/manual` for a notebook executed by hand.

    Raises InputError if that folder can't be written to, as in a course that many people share.
    """
    if value := os.environ.get("CRYUTILS_RUN_DIR"):
        return resolve(value)
    if not writable(folder := outputs_dir() / "manual"):
        raise InputError(f"{folder}: can't be written to; set CRYUTILS_OUTPUTS_DIR to your folder.")
    return folder


def begin(notebook: str, *, seed: int | None = None) -> None:
    """Start collecting the results of a notebook.

    Raises InputError if a parameter has another type than its default, which papermill does not check.

    Parameters
    ----------
    notebook : str
        The name without ".ipynb".
    seed : int, optional
        Stored with each result.

    Examples
    --------
    >>> begin("03_feature_validation", seed=0)
    """
    global _current
    known = defaults(project_dir() / "notebooks" / f"{notebook}.ipynb")
    require_types(vars(sys.modules["__main__"]), known)
    _current = _Notebook(notebook, seed, {}, {})


def cells(notebook: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook, `source` as one text. Raises InputError if it is damaged."""
    try:
        content = json.loads(notebook.read_bytes())["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in content]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{notebook}: not a notebook of format 4, or damaged.") from error


def defaults(notebook: Path) -> dict[str, Any]:
    """Return the default of each parameter of the notebook that is a plain value; {} without a file."""
    values = dict[str, Any]()
    for cell in cells(notebook) if notebook.is_file() else []:
        if "parameters" not in cell["metadata"].get("tags", ()):
            continue
        with suppress(SyntaxError):  # a command of IPython
            for line in ast.parse(cell["source"]).body:
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                    with suppress(ValueError):  # a calculation
                        values[line.targets[0].id] = ast.literal_eval(line.value)
    return values


def require_types(values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise InputError for a value of another type than its default in `known`, None if any fits."""
    for name, default in known.items():
        value = values.get(name, default)
        if default is not None and _kind(value) != _kind(default):
            example = ["first", "second"] if default == [] else default
            raise InputError(f"{name}={value!r}: give {_kind(default)}, such as {json.dumps(example)}.")


def _kind(value: object) -> str:
    kinds = {bool: "true or false", str: "a text", dict: "names with values"}
    return kinds.get(type(value), "a number" if isinstance(value, Real) else "a list")


def _collecting() -> _Notebook:
    if _current is None:
        raise InputError("no notebook is collecting results: call claims.begin('<notebook>').")
    return _current


def record(value: float | Interval | PermutationTest | pd.DataFrame, *metrics: str, **columns: Any) -> None:
    """Collect one measured number, or a table of answers with its scores; `write` stores them.

    A later number with the same columns, split and data replaces an earlier one. Raises InputError
    for other columns, a number that is not finite, or a call before `begin`.

    Parameters
    ----------
    value : float, Interval, PermutationTest or DataFrame
        An interval also sets low, high, n and n_infants; a permutation test, the p-value of each of
        its models, adjusted for its family. A table of `evaluation.out_of_fold` may contain several
        models.
    *metrics : str
        Scores of a table; by default all of `evaluation.score` and precision, recall and F1 of each
        class.
    **columns
        Those of a result, such as study, metric and data, which are needed.

    Examples
    --------
    >>> begin("03_feature_validation", seed=0)
    >>> record(0.25, study="chance", metric="accuracy", data="made up")
    """
    if isinstance(value, pd.DataFrame):
        return _record_answers(value, metrics, columns)
    number: Any = value
    if hasattr(number, "adjusted"):  # a permutation test
        columns = {"metric": "p_value", "permutations": len(number.null)} | columns
        for model, p in number.adjusted.items():
            record(p, **{"model": model} | columns)
        return None
    notebook = _collecting()
    for name in columns.keys() - _FIELDS:
        raise InputError(f"{name}: no column of a result.{near_miss(name, _FIELDS)}")
    if hasattr(number, "n_infants"):  # an interval
        columns = number.row() | columns
        number = columns.pop("value")
    result = checked({**columns, "notebook": notebook.name, "seed": notebook.seed, "value": number})
    place = tuple(result[name] for name in (*_COLUMNS, "split", "data"))
    notebook.results[place] = result


def _record_answers(table: pd.DataFrame, metrics: tuple[Any, ...], columns: Any) -> None:
    from cryutils.evaluation import answers

    table = table.assign(**{name: columns[name] for name in answers.ABOUT if name in columns})
    rest = {name: value for name, value in columns.items() if name not in answers.ABOUT}
    by = [name for name in answers.ABOUT if name in table]
    for place, part in table.groupby(by, sort=False):
        scores = answers.score(part, *metrics).reset_index()
        names = dict(zip(by, place, strict=True)) | rest
        record_table(scores.assign(**{"metric": metrics[0]} if len(metrics) == 1 else {}, **names))
        if not metrics:
            classes = answers.per_class(part)
            for metric, name in itertools.product(("precision", "recall", "f1"), classes.index[:-1]):
                record(float(classes[metric][name]), metric=metric, **names | {"condition": name})
            for metric in ("precision", "recall"):
                record(float(classes[metric]["macro mean"]), metric=f"macro_{metric}", **names)
    table = table.assign(**dict.fromkeys(set(_ABOUT) - set(table), ""))
    table = table.sort_values(["repeat", "clip"], kind="stable")  # files become a third smaller
    for place, part in table.groupby([*_ABOUT, "split", "data"], sort=False):
        _collecting().predictions[place] = part


def record_table(table: pd.DataFrame, **columns: Any) -> None:
    """Collect each row of a table as one measured number.

    Parameters
    ----------
    table : DataFrame
        Its columns are those of a result. A missing one is NaN.
    **columns
        Columns of a result that all rows share.

    Examples
    --------
    >>> begin("03_feature_validation")
    >>> scores = pd.DataFrame({"metric": ["accuracy", "macro_f1"], "value": [0.5, 0.4]})
    >>> record_table(scores, study="chance", data="made up")
    """
    for _, row in table.astype(object).iterrows():
        record(**row.dropna(), **columns)


def results() -> pd.DataFrame:
    """Return what this notebook has collected so far.

    Returns
    -------
    DataFrame
        Columns as in `table`.

    Examples
    --------
    >>> begin("03_feature_validation")
    >>> record(0.25, study="chance", metric="accuracy", data="made up")
    >>> results().key.tolist()
    ['chance.accuracy']
    """
    return table(_collecting().results.values())


def write() -> None:
    """Write what this notebook has collected to the folders `results` and `predictions` of the run.

    Probabilities, the same rows, are in `probabilities`: the wheel leaves them out for their size.

    Examples
    --------
    >>> import tempfile
    >>> from unittest.mock import patch
    >>> begin("03_feature_validation")
    >>> record(0.25, study="chance", metric="accuracy", data="made up")
    >>> with tempfile.TemporaryDirectory() as run, patch.dict("os.environ", CRYUTILS_RUN_DIR=run):
    ...     write()
    ...     load_results().value.item()
    0.25
    """
    notebook = _collecting()
    _dump(notebook.results.values(), run_dir() / "results" / f"{notebook.name}.json")
    if notebook.predictions:
        answers = pd.concat(notebook.predictions.values(), ignore_index=True).assign(seed=notebook.seed)
        scores = [str(name) for name in answers if str(name).startswith("p_")]
        _store(answers.drop(columns=scores), "predictions")
        if scores:
            answers = answers[[*_ABOUT, "split", "data", *scores]]
            _store(answers, "probabilities", use_dictionary=False, use_byte_stream_split=scores)


def _store(table: pd.DataFrame, folder: str, **options: Any) -> None:
    with writing(run_dir() / folder / f"{_collecting().name}.parquet") as part:
        table.to_parquet(part, index=False, compression="zstd", compression_level=19, **options)


def _dump(rows: Iterable[dict[str, Any]], path: Path) -> None:
    with writing(path) as part:
        part.write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")


def table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return results as a table: the key, then each column of a result."""
    frame = pd.DataFrame(rows, columns=["key", *_FIELDS])
    return frame.astype(dict.fromkeys(_NUMBERS, "float64") | dict.fromkeys(_COUNTS, "Int64"))


def load_predictions(run: str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return the predictions behind the scores of a run. Raises InputError if none match.

    Parameters
    ----------
    run : str or Path, optional
        As in `load_results`.
    **columns : str
        Values to select by: study, condition, feature, model, split, data.

    Returns
    -------
    DataFrame
        A row for each clip and repeat. Columns: those above, clip, infant, repeat, fold (-1 if
        unknown), truth, predicted (None without an answer), seed, and `p_<class>` if there are any
        (those of `reference/` runs only in a clone).

    Examples
    --------
    >>> table = load_predictions("reference/judged", study="cry2", model="cry2", split="leak_free")
    >>> table["clip"].nunique()
    449
    """
    if sys.platform != "emscripten":  # in the browser, docs/browser/fastparquet.py reads them
        extras.require("pyarrow", "course", "a table of stored answers")
    folder, parts = _folder(run) / "predictions", []
    wanted = [(name, "==", value) for name, value in columns.items()] or None
    for path in sorted(folder.glob("*.parquet")):
        part = pd.read_parquet(path, filters=wanted)
        probabilities = folder.with_name("probabilities") / path.name
        if len(part) and probabilities.is_file():  # the same rows
            part = part.join(pd.read_parquet(probabilities, filters=wanted).filter(regex="^p_"))
        parts += [part] if len(part) else []
    if not parts:
        raise InputError(f"{folder}: no predictions of {key(columns) or 'any model'} here.")
    answers = pd.concat(parts, ignore_index=True)
    empty = answers.columns[answers.isna().all()]
    return answers.drop(columns=empty[empty.str.startswith("p_")])


def load_results(run: str | Path | None = None, **columns: str) -> pd.DataFrame:
    """Return the results of a run. Raises InputError if there are none, or a file is damaged.

    Parameters
    ----------
    run : str or Path, optional
        A folder, a run's name under the outputs folder, or "reference/<name>" for a run that git
        keeps; default: this run.
    **columns : str
        Values to select by, such as study="cry2".

    Returns
    -------
    DataFrame
        Columns as in `table`.

    Examples
    --------
    >>> rows = load_results("reference/judged", study="cry2", model="cry2", metric="accuracy")
    >>> rows.split.tolist()
    ['random', 'leak_free']
    """
    folder = _folder(run)
    paths = sorted((folder / "results").glob("*.json")) or [folder / "results.json"]
    if not paths[0].is_file():
        raise InputError(f"{folder}: no results here; `cryutils run` writes them.")
    rows = table(row for path in paths for row in read_results(path))
    for name, value in columns.items():
        rows = rows[rows[name] == value]
    if columns and rows.empty:
        raise InputError(f"{folder}: no results of {key(columns)} here.")
    return rows.reset_index(drop=True)


def every_run() -> dict[str, pd.DataFrame]:
    """Return the results of each run in the outputs folder, by run name, newest first.

    Columns as in `table`. The results kept in git, named `reference/<run>`, come last. Runs whose
    results can't be read are left out.
    """
    files = sorted(outputs_dir().glob("*/results.json"), key=lambda p: -p.stat().st_mtime)
    by_name = {path.parent.name: path for path in files}
    for path in sorted((project_dir() / "outputs" / "reference").glob("*/results.json")):
        by_name[f"reference/{path.parent.name}"] = path
    runs = {}
    for name, path in by_name.items():
        with suppress(InputError):
            runs[name] = table(read_results(path))
    return runs


def benchmark_output(name: str) -> str:
    """Return the stored output of `benchmarks/<name>.py`."""
    path = project_dir() / "outputs" / "reference" / "benchmarks" / f"{name}.txt"
    return path.read_text(encoding="utf-8")


def _folder(run: str | Path | None) -> Path:
    if run is None:
        return run_dir()
    in_git = str(run).startswith("reference/")  # whatever the folder for outputs
    return (project_dir() / "outputs" if in_git else outputs_dir()) / run


def merge(folder: Path, notebooks: Iterable[str]) -> None:
    """Write `results.json` from the files of these notebooks, and remove files that are damaged."""
    finished, rows = set(notebooks), []
    for path in sorted((folder / "results").glob("*.json")):
        try:
            rows += [row for row in read_results(path) if row["notebook"] in finished]
        except InputError:
            path.unlink()
    _dump(rows, folder / "results.json")


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the results in a file. Raises InputError if it is not valid output of `write`."""
    try:
        return [checked(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        what = f"{path}: damaged or of an older version ({error})"
        raise InputError(f"{what}; `cryutils run` makes it again.") from error


def states(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the state of each notebook that has finished in `folder`, by name.

    Keys: those of the runner, `files` with their paths in the run's folder, and `sha256`, the digests
    of those that are models. A damaged state file is skipped.
    """
    by_name = {}
    for path in sorted(folder.glob("state/*.json")):
        with suppress(ValueError, TypeError):
            by_name[path.stem] = {"files": [], **json.loads(path.read_bytes())}
    return by_name


def origin(run: str | Path) -> dict[str, Any]:
    """Return a run's number of notebooks, minutes of all together, and commit.

    run: as in `load_results`. commit: the first digits of the clone's, or the version of `cryutils`;
    several if notebooks were run at different times.
    """
    made = [state for state in states(_folder(run)).values() if "versions" in state]
    versions = [state["versions"] for state in made]
    commits = {each.get("commit", each.get("cryutils", "unknown"))[:7] for each in versions}
    return {
        "notebooks": len(made),
        "minutes": round(sum(state["seconds"] for state in made) / 60),
        "commit": ", ".join(sorted(commits)),
    }


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Create the run's folder if needed, and lock it.

    Raises InputError if it is locked by another run or can't be created.
    """
    if not writable(folder):
        raise InputError(f"{folder}: can't be written to; set CRYUTILS_OUTPUTS_DIR to your folder.")
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks, such as NFS
            try:  # this lock leaves no file, and is released however this process ends
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                what = "another `cryutils run` is running here; wait until it has ended"
                raise InputError(f"{folder}: {what}, or name this run with --name.") from error
        yield
    finally:
        os.close(descriptor)


def stage(folder: Path, name: str) -> Path:
    """Return a new staging folder for notebook `name`, with links to others' models and results.

    The library writes files with `writing`, which replaces a link, so these files are never changed.
    """
    # New each time, since a kernel briefly outlives a killed runner. Notebooks show its last part.
    staging = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder / STAGING), folder.name)
    staging.mkdir()  # never with parents: fails if the run has ended, and its folder moved
    for kind in ("models", "results", "notebooks", "logs"):
        (staging / kind).mkdir()
    earlier = {f"results/{name}.json", *states(folder).get(name, {"files": []})["files"]}
    for source in (*folder.glob("models/*"), *folder.glob("results/*.json")):
        file = source.relative_to(folder).as_posix()
        if source.is_file() and file not in earlier:
            (staging / file).symlink_to(source)
    return staging


def finish(staging: Path, name: str, state: Mapping[str, Any]) -> None:
    """Replace notebook `name`'s earlier files with those in `staging`, and write its `state`.

    Also rebuilds `results.json`. Raises InputError if the notebook's results can't be read.
    """
    folder, stamp = staging.parents[2], f"state/{name}.json"
    if (results := staging / "results" / f"{name}.json").is_file():
        read_results(results)
    written = [path for path in staging.rglob("*") if path.is_file() and not path.is_symlink()]
    files = sorted(str(path.relative_to(staging)) for path in written if path.name[0] != ".")
    digests = {file: file_digest(staging / file) for file in files if file.startswith("models/")}
    with writing(staging / stamp) as part:  # before the earlier one goes, as a disk may be full
        part.write_text(json.dumps({**state, "files": files, "sha256": digests}, indent=1) + "\n")
    others = states(folder)
    earlier = others.pop(name, {"files": []})["files"]
    (folder / stamp).unlink(missing_ok=True)
    in_use = {*files, *(file for other in others.values() for file in other["files"])}
    for path in (*(folder / file for file in {*earlier} - in_use), *folder.glob(f"*/{name}.failed.*")):
        path.unlink(missing_ok=True)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (staging / file).replace(folder / file)
    merge(folder, {name, *others})
    (folder / "state").mkdir(exist_ok=True)
    (staging / stamp).replace(folder / stamp)
    shutil.rmtree(staging.parent, ignore_errors=True)


def give_up(staging: Path, name: str) -> dict[str, Path]:
    """Keep a failed execution's notebook and log, if it wrote them; return "notebook" and "log"."""
    folder, files = staging.parents[2], {}
    for kind, file in {"notebook": f"notebooks/{name}.ipynb", "log": f"logs/{name}.log"}.items():
        target = (folder / file).with_stem(f"{name}.failed")
        target.unlink(missing_ok=True)  # from an earlier failure
        if (staging / file).is_file():
            target.parent.mkdir(exist_ok=True)
            files[kind] = (staging / file).replace(target)
    shutil.rmtree(staging.parent, ignore_errors=True)
    return files


def clean(folder: Path) -> None:
    """Remove what a killed run left in `folder` and damaged results; rebuild `results.json`."""
    for rest in (folder / STAGING, *folder.glob(".part-*")):  # `.part-`: of `writing`
        shutil.rmtree(rest, ignore_errors=True)
    merge(folder, states(folder))
