"""The four decorators of numba that librosa uses, without a compiler: there is none for the browser.

librosa's loops then run as Python. They are short, except those that the course does not call.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

uint32 = np.uint32


def jit(function: Any = None, **_: object) -> Any:
    """Return the function as it is."""
    return function if callable(function) else lambda decorated: decorated


def vectorize(*_: object, **options: object) -> Any:
    """Apply a function of numbers to each element of arrays."""
    return np.vectorize


def guvectorize(*_: object, **options: object) -> Any:
    """Apply a function of rows, whose last argument is its result, along the last axis."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def apply(*arguments: Any) -> None:
            """Fill the last argument: librosa always passes it."""
            for row in np.ndindex(arguments[-1].shape[:-1]):
                function(*(a[row] if np.ndim(a) else a for a in arguments))

        return apply

    return decorate


class _Window:
    """A position in a row of numbers, from which an index counts."""

    def __init__(self, row: Any, position: int) -> None:
        self.row, self.position = row, position

    def __getitem__(self, offset: int) -> Any:
        if self.position + offset < 0:
            raise IndexError
        return self.row[self.position + offset]


def stencil(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply a function of a number and its neighbours at each position; 0 where one is missing."""

    def at(row: Any, position: int, options: tuple[Any, ...]) -> Any:
        try:
            return function(_Window(row, position), *options)
        except IndexError:
            return 0

    return lambda row, *options: np.array([at(row, k, options) for k in range(len(row))])
