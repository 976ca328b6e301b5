"""What is trained for Paper A's Table 3, and how: `Settings`, `Job`, the rows and the subsets.

Walked by notebook 09_ensemble; `ensemble` trains it (Paper A §3.5 and §4). The paper states none
of these sizes; `data/unstated.csv` lists what it leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Literal, NamedTuple

from cryutils.errors import InputError, near_miss
from cryutils.models.autoencoders import AUTOENCODER
from cryutils.models.autoencoders import DNN as AUDIO
from cryutils.models.dense import Dense
from cryutils.models.dense_plan import DenseSettings

__all__ = ["KINDS", "Job", "Kind", "Settings", "Trained", "cells", "subsets"]

Kind = Literal["features", "probabilities"]
KINDS: tuple[Kind, ...] = ("features", "probabilities")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the parts are trained; epochs are upper limits, see `dense.DenseSettings`.

    encoder: the autoencoders' (`patch` frames a patch, `per_window` patches of each moment).
    audio: of the DNN behind each. image: of ResNet-50's second model. joint: of the single
    DNN on all inputs. final: of the ensemble. kind: what it is given of each submodel, the
    last hidden layer's "features" or "probabilities". A class means the same in every network, a
    hidden unit doesn't, so what inner folds have learned is exchanged better as probabilities.
    out_of_fold: whether it learns from answers to clips that the submodels have not seen; False is
    the paper's simpler way.
    n_inner: inner folds.
    """

    encoder: DenseSettings = AUTOENCODER
    patch: int = 8
    per_window: int = 4
    audio: DenseSettings = AUDIO
    image: DenseSettings = field(
        default_factory=lambda: DenseSettings(units=(64,), epochs=10, batch_size=64, patience=10)
    )
    joint: DenseSettings = AUDIO
    final: DenseSettings = field(
        default_factory=lambda: DenseSettings(units=(32,), epochs=100, patience=20)
    )
    kind: Kind = "probabilities"
    out_of_fold: bool = True
    n_folds: int = 5
    n_inner: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"there is no input {self.kind!r}.{near_miss(self.kind, KINDS)}")


class Job(NamedTuple):
    """One network's place: split, outer fold, states told apart, and inner fold (None: outer)."""

    scheme: str
    fold: int
    states: tuple[int, ...]
    inner: int | None = None


class Trained(NamedTuple):
    """The network of a job: a task of a `Dense`."""

    network: Dense
    task: int


def cells(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the rows of Table 3 that the classes allow: pairs by name, then all three, "total".

    >>> list(cells(["hug", "hungry", "sleepy"]))
    ['sleepy_hungry', 'sleepy_hugging', 'hugging_hungry', 'total']
    """
    pairs = {
        "sleepy_hungry": ("sleepy", "hungry"),
        "sleepy_hugging": ("sleepy", "hug"),
        "hugging_hungry": ("hug", "hungry"),
    }
    place = {name: k for k, name in enumerate(classes)}
    found = {
        row: tuple(sorted(place[name] for name in pair))
        for row, pair in pairs.items()
        if set(pair) <= set(classes)
    }
    return found | ({"total": (0, 1, 2)} if len(classes) == 3 else {})


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all subsets of the streams but the empty one, the largest last."""
    return list(chain(*(combinations(names, n) for n in range(1, len(names) + 1))))
