"""Results kept on disk by joblib, under keys made of everything that they depend on.

Keys include a version number, which is raised if the same inputs give another result. A recording
is identified by its `parallel.identity`. An entry that does not load is computed again.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import cache_dir, explain_write_errors
from cryutils.errors import InputError

R = TypeVar("R")
Array = npt.NDArray[Any]


def key(*parts: Any) -> str:
    """Return a digest of `parts`, the same in every process."""
    import joblib

    # joblib also hashes an array's strides.
    parts = tuple(np.ascontiguousarray(p) if isinstance(p, np.ndarray) else p for p in parts)
    return str(joblib.hash(parts))


def cached(compute: Callable[[], R], kind: str, *parts: Any, mapped: bool = False) -> R:
    """Return `compute()`, or what it returned before for the same `kind` and `parts`.

    mapped: whether arrays are memory-mapped. Changes to them stay in this process.
    """
    import joblib

    folder = cache_dir()
    try:
        with explain_write_errors(folder):
            memory = joblib.Memory(folder / "joblib", mmap_mode="c" if mapped else None, verbose=0)
            results = memory.cache(_result, ignore=["compute"])
            return results(kind, key(*parts), compute)  # type: ignore[no-any-return]
    except KeyError as error:
        if "Non-existing item" not in str(error):
            raise
        raise InputError(f"{folder}: no result could be stored; is the disk full?") from error


def ragged(compute: Callable[[], Iterable[Array]], kind: str, *parts: Any) -> list[Array]:
    """Return arrays that agree in all axes except the first, as views of one memory-mapped file.

    `compute` yields at least one array. `kind` and `parts` are as in `cached`.
    """

    def joined() -> tuple[Array, list[int]]:
        arrays = list(compute())
        return np.concatenate(arrays), [len(array) for array in arrays]

    whole, lengths = cached(joined, kind, *parts, mapped=True)
    return np.split(np.asarray(whole), np.cumsum(lengths)[:-1])


def _result(kind: str, digest: str, compute: Callable[[], Any]) -> Any:
    return compute()
