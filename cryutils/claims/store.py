"""The results store: every number that a notebook measured, with where it came from.

A notebook calls `begin` once and `record` for each result; the runner merges the files of all
notebooks into one `results.json` (`merge`). Tables in notebooks and reports are drawn from
these files alone, so a number that nothing measured can't appear. Every notebook uses it.
"""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Hashable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cryutils._io.paths import outputs_dir, project_dir, resolve, writing
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:  # pandas would cost `cryutils run` a third of a second before it starts
    import pandas as pd

    from cryutils.evaluation.intervals import Interval
    from cryutils.evaluation.permutation import PermutationTest

__all__ = [
    "PROTOCOLS", "Result", "begin", "benchmark_output", "current", "figure_path",
    "load_predictions", "load_results", "merge", "read_results", "record", "record_interval",
    "record_predictions", "record_scores", "record_table", "record_test", "run_dir", "unreadable",
]  # fmt: skip

PROTOCOLS = ("paper", "leak_free")
_COUNTS = ("n", "n_infants", "seed", "trainings", "permutations")
_LATER: dict[str, Any] = {"trainings": None, "permutations": None}  # not in older files


@dataclass(frozen=True, slots=True)
class Result:
    """One measured number: `n` counts test clips, `n_infants` the infants they come from.

    `trainings`: with how many seeds the networks behind it were trained, each time on divisions
    of their own; None where no network is behind it. `permutations`: of how many a p-value is, so
    how small it could be; None for what is no p-value.
    """

    key: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    n_infants: int | None
    protocol: str | None
    data: str
    notebook: str
    seed: int | None
    trainings: int | None
    permutations: int | None


class Scored(Protocol):
    """A model's scores with the answers behind them, such as `papers.recognition.Scored`."""

    def results(self, key: str, /, *names: str) -> pd.DataFrame:
        """Return scores as rows for `record_table`."""
        ...

    def predictions(self, key: str, /) -> pd.DataFrame:
        """Return every answer as rows for `record_predictions`."""
        ...


@dataclass(slots=True)
class _Notebook:
    name: str
    seed: int | None
    texts: dict[tuple[str, str | None, str], str]  # each result as it stands in the file
    predictions: dict[str, dict[tuple[str, str], pd.DataFrame]]  # by key, protocol and data


_current: _Notebook | None = None


def run_dir() -> Path:
    """Return the folder of this run: the runner's, or `outputs/manual` for a notebook by hand."""
    value = os.environ.get("CRYUTILS_RUN_DIR")
    return resolve(value) if value else outputs_dir() / "manual"


def begin(notebook: str, *, seed: int | None = None) -> None:
    """Start the results of `notebook` afresh; `seed` is stored with each of them."""
    global _current
    _current = _Notebook(notebook, seed, {}, {})
    _write(_current)


def record(
    key: str,
    value: float,
    *,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    n_infants: int | None = None,
    protocol: str | None = None,
    data: str,
    trainings: int | None = None,
    permutations: int | None = None,
) -> Result:
    """Store one measured number and return it.

    Parameters
    ----------
    key : str
        Dotted.
    value : float
    low, high : float, optional
        The ends of its interval.
    n, n_infants, trainings, permutations : int, optional
        As in `Result`.
    protocol : {"paper", "leak_free"}, optional
        None where no split is involved.
    data : str
        Names the corpus.

    Raises
    ------
    InputError
        Another protocol, a number that isn't finite, or a call before `begin`.
    """
    if _current is None:
        raise InputError(f"{key}: call claims.begin('<notebook>') before claims.record.")
    if protocol is not None and protocol not in PROTOCOLS:
        raise InputError(f"{key}: protocol {protocol!r} is neither 'paper' nor 'leak_free'.")
    numbers = [float(number) for number in (value, low, high) if number is not None]
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{key}: {numbers} holds a number that isn't finite.")
    result = Result(
        key=key,
        value=float(value),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        n=None if n is None else int(n),
        n_infants=None if n_infants is None else int(n_infants),
        protocol=protocol,
        data=data,
        notebook=_current.name,
        seed=_current.seed,
        trainings=None if trainings is None else int(trainings),
        permutations=None if permutations is None else int(permutations),
    )
    text = json.dumps(asdict(result), indent=1)
    _current.texts[key, protocol, data] = textwrap.indent(text, " ")
    _write(_current)
    return result


def record_interval(
    key: str,
    interval: Interval,
    *,
    protocol: str | None,
    data: str,
    trainings: int | None = None,
) -> Result:
    """Store an interval as `record` does.

    Parameters
    ----------
    interval : Interval
        Its value, ends, `n` and `n_infants` are stored.
    key, protocol, data, trainings : as in `record`
    """
    return record(**interval.row(key, protocol=protocol, data=data), trainings=trainings)


def record_table(table: pd.DataFrame) -> None:
    """Store each row of `table`, whose columns are the arguments of `record`; NaN is None."""
    rows: Any = table.astype(object).where(table.notna(), None).to_dict("records")
    for row in rows:
        record(**row)


def record_predictions(table: pd.DataFrame) -> None:
    """Keep what scores were computed from, in `predictions/<key>.parquet`, a row a clip and repeat.

    `table` has columns `key` (that of the score, without its metric), `protocol`, `data`, `clip`,
    `infant`, `repeat`, `fold` (-1 where it isn't known), `truth`, `predicted` (None without an
    answer) and, where it is known how strongly each class was answered, `p_<class>`. The
    seed is added. Raises InputError for a call before `begin`.
    """
    import pandas as pd

    if _current is None:
        raise InputError("call claims.begin('<notebook>') before claims.record_predictions.")
    for (key, protocol, data), rows in table.groupby(["key", "protocol", "data"], sort=False):
        parts = _current.predictions.setdefault(str(key), {})
        parts[str(protocol), str(data)] = rows.drop(columns="key").assign(seed=_current.seed)
        with writing(_predictions_path(run_dir(), str(key))) as part:
            pd.concat(parts.values(), ignore_index=True).to_parquet(part, index=False)


def record_scores(key: str, scored: Scored, *names: str) -> None:
    """Store a model's scores as `<key>.<score>`, and the answers that they were computed from.

    Parameters
    ----------
    key : str
    scored : Scored
    *names : str
        Those of `scored.results`: without any, it is all of them.
    """
    record_table(scored.results(key, *names))
    record_predictions(scored.predictions(key))


def record_test(key: str, test: PermutationTest, cell: Hashable, scored: Scored) -> str:
    """Store as `<key>.p_value` how often chance scores as high as a cell, and return it in words.

    It is adjusted for the whole family.

    Parameters
    ----------
    key : str
    test : PermutationTest
    cell : hashable
        One of the test's.
    scored : Scored
        That cell's scores.
    """
    row = scored.results(key, "balanced_accuracy").assign(
        key=f"{key}.p_value", value=test.adjusted[cell], low=None, high=None,
        permutations=len(test.null),
    )  # fmt: skip
    record_table(row)
    return test.words(cell)


def load_predictions(key: str, run: str | Path | None = None) -> pd.DataFrame:
    """Return what `record_predictions` kept of a score in a run.

    Parameters
    ----------
    key : str
        That of the score, without its metric.
    run : str or Path, optional
        As in `load_results`.

    Raises
    ------
    InputError
        Nothing was kept.
    """
    import pandas as pd

    path = _predictions_path(_folder(run), key)
    if not path.is_file():
        names = [file.stem for file in path.parent.glob("*.parquet")]
        raise InputError(f"{path}: no predictions of that name.{near_miss(key, names)}")
    return pd.read_parquet(path)


def _predictions_path(folder: Path, key: str) -> Path:
    return folder / "predictions" / f"{key}.parquet"


def benchmark_output(name: str) -> str:
    """Return what `cryutils bench <name>` printed when it was last kept with the reference runs.

    Raises InputError where none of that name is kept.
    """
    path = project_dir() / "outputs" / "reference" / "benchmarks" / f"{name}.txt"
    if not path.is_file():
        names = [file.stem for file in path.parent.glob("*.txt")]
        raise InputError(f"{path}: no such output is kept.{near_miss(name, names)}")
    return path.read_text(encoding="utf-8")


def current() -> str:
    """Return the name of the notebook that called `begin`, or "" before that."""
    return _current.name if _current else ""


def figure_path(key: str) -> Path:
    """Return where the figure `key` of this run belongs."""
    path = run_dir() / "figures" / f"{key}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def load_results(run: str | Path | None = None) -> pd.DataFrame:
    """Return every result of a run, one row each (columns as in `Result`).

    Parameters
    ----------
    run : str or Path, optional
        A folder, or a run's name under the outputs folder; default: this run.

    Raises
    ------
    InputError
        There is none.
    """
    import pandas as pd

    folder = _folder(run)
    if not (folder / "results").is_dir():
        raise InputError(f"{folder}: no results here; `cryutils run` writes them.")
    rows, damaged = _read(folder)
    for path in damaged:
        read_results(path)  # raises what is wrong with it
    return pd.DataFrame(rows, columns=list(Result.__slots__))


def _folder(run: str | Path | None) -> Path:
    if run is None:
        return run_dir()
    return Path(run) if Path(run).is_absolute() else outputs_dir() / run


def merge(folder: Path, notebooks: Iterable[str] | None = None) -> list[Path]:
    """Write `results.json` from the notebooks' own files in `folder`.

    What can't be read is left out and returned.
    """
    keep = None if notebooks is None else set(notebooks)
    rows, damaged = _read(folder)
    rows = [row for row in rows if keep is None or row["notebook"] in keep]
    with writing(folder / "results.json") as part:
        part.write_text(json.dumps(rows, indent=1) + "\n")
    return damaged


def unreadable(folder: Path) -> list[Path]:
    """Return the notebooks' own files of results in `folder` that can't be read."""
    return _read(folder)[1]


def _read(folder: Path) -> tuple[list[dict[str, Any]], list[Path]]:
    """Return the records in the notebooks' own files, and the files that can't be read."""
    rows, damaged = [], []
    for path in sorted((folder / "results").glob("*.json")):
        try:
            rows += read_results(path)
        except InputError:
            damaged.append(path)
    return rows, damaged


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the records in a results file (keys as in `Result`).

    Files of older versions don't know all of them, which are then None. Raises InputError where it
    can't be read, or holds anything that `record` doesn't write.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON ({error}); `cryutils run` makes it again.") from error
    if isinstance(rows, list):
        rows = [_LATER | row if isinstance(row, dict) else row for row in rows]
    if not isinstance(rows, list) or not all(map(_is_result, rows)):
        raise InputError(f"{path}: damaged, no list of results; `cryutils run` makes it again.")
    return rows


def _is_result(row: Any) -> bool:
    if not isinstance(row, dict) or set(row) != set(Result.__slots__):
        return False
    numbers = [row[name] for name in ("value", "low", "high") if row[name] is not None]
    counts = [row[name] for name in _COUNTS if row[name] is not None]
    return (
        row["value"] is not None
        and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
        and all(type(count) is int for count in counts)
        and all(isinstance(row[name], str) for name in ("key", "data", "notebook"))
        and row["protocol"] in (None, *PROTOCOLS)
    )


def _write(notebook: _Notebook) -> None:
    with writing(run_dir() / "results" / f"{notebook.name}.json") as part:
        rows = ",\n".join(notebook.texts.values())
        part.write_text(f"[\n{rows}\n]\n" if rows else "[]\n")
