"""The contract of a corpus: `Clip`, `Problem` and `Corpus`.

A corpus is a sequence of clips, each with a label and an *infant*: the group that no
honest split crosses. What was left out or contradicts itself is listed, never dropped
in silence. `datasets.load` makes one; notebook 01_data_and_playback walks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Clip", "Corpus", "Problem", "effective_infants"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: what it is, whose it is, and what is known about it.

    `start_s` is unix time in s (None if unknown), `duration_s` in s (0.0 for a still),
    `reason` what the file name says where that may differ from `label`, and `still` a
    picture that belongs to the sound at `path`.
    """

    id: str
    path: Path
    label: str
    infant: str
    session: str
    start_s: float | None
    duration_s: float
    has_audio: bool
    has_video: bool
    reason: str | None = None
    sex: str | None = None
    age: str | None = None
    still: Path | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What was `left out` or `changed`, a `contradiction`, or what looks `doubtful`: its `kind`."""

    kind: str
    item: str
    what: str


class Corpus(Sequence[Clip]):
    """A sequence of clips with their labels, groups, problems, citation and licence."""

    def __init__(
        self,
        clips: Iterable[Clip],
        *,
        name: str,
        note: str,
        problems: Iterable[Problem] = (),
        citation: str = "",
        licence: str = "",
        source: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the clips; `source` are the arguments of `load` that give them again."""
        self._clips = tuple(clips)
        self._problems = tuple(problems)
        self._citation = citation
        self.name = name
        self.note = note
        self.licence = licence
        self.source = source

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Clip, ...]: ...
    def __getitem__(self, index: int | slice) -> Clip | tuple[Clip, ...]:
        return self._clips[index]

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self._clips)

    def __repr__(self) -> str:
        return (
            f"<Corpus {self.name}: {len(self)} clips, {len(set(self.infants))} infants, "
            f"{len(self.classes)} classes, {len(self._problems)} problems>"
        )

    @property
    def labels(self) -> np.ndarray:
        """Label of each clip, str (clips,)."""
        return np.array([clip.label for clip in self], dtype=str)

    @property
    def infants(self) -> np.ndarray:
        """Group of each clip, str (clips,): no honest split has one on both sides."""
        return np.array([clip.infant for clip in self], dtype=str)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted: the order of every model's outputs."""
        return tuple(sorted({clip.label for clip in self}))

    def frame(self) -> pd.DataFrame:
        """Return one row a clip with every field of `Clip`."""
        import pandas as pd

        fields = [field for field in Clip.__slots__ if field not in ("path", "still")]
        return pd.DataFrame([[getattr(c, f) for f in fields] for c in self], columns=fields)

    def describe(self) -> pd.DataFrame:
        """Return one row a class and a total: clips, infants, sessions, minutes, largest infant.

        `effective_infants` is Kish's number, see `effective_infants`.
        """
        import pandas as pd

        table = self.frame()
        groups = [(label, table[table.label == label]) for label in self.classes]
        rows = {}
        for label, part in [*groups, ("all", table)]:
            counts = part.infant.value_counts()
            rows[label] = {
                "clips": len(part),
                "infants": len(counts),
                "effective_infants": round(effective_infants(part.infant.tolist()), 1),
                "largest_infant": int(counts.max()),
                "sessions": part.session.nunique(),
                "minutes": round(part.duration_s.sum() / 60, 1),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")

    def problems(self) -> pd.DataFrame:
        """Return one row for each thing left out or contradictory: kind, item, what."""
        import pandas as pd

        rows = [(problem.kind, problem.item, problem.what) for problem in self._problems]
        return pd.DataFrame(rows, columns=["kind", "item", "what"])

    def cite(self) -> str:
        """Return the reference to give when results from this corpus are published."""
        return self._citation

    def where(self, keep: Callable[[Clip], bool]) -> Corpus:
        """Return the corpus of the clips for which `keep(clip)` is true."""
        return self._with(clip for clip in self if keep(clip))

    def take(self, indices: Iterable[int]) -> Corpus:
        """Return the corpus of the clips at `indices`, int (n,), in that order."""
        return self._with(self._clips[int(index)] for index in indices)

    def among(self, states: Sequence[str]) -> Corpus:
        """Return the clips of those of `states` that occur. Raises InputError below two."""
        present = [state for state in states if state in self.classes]
        if len(present) < 2:
            raise InputError(
                f"{self.name}: of {', '.join(states)} it holds {', '.join(present) or 'none'};"
                " name the folders after at least two of them."
            )
        return self.select(present)

    def select(self, classes: Sequence[str]) -> Corpus:
        """Return the corpus of `classes` alone. Raises InputError for a class it doesn't hold."""
        for label in classes:
            if label not in self.classes:
                raise InputError(
                    f"{self.name} has no class {label!r}.{near_miss(label, self.classes)}"
                )
        return self.where(lambda clip: clip.label in classes)

    def relabel(self, names: Mapping[str, str]) -> Corpus:
        """Return the corpus with labels renamed, `{"belly_pain": "pain"}`, which `note` then says.

        Paper B's *pain* has no clip in DonateACry, where belly pain stands for it. Raises
        InputError for a label that the corpus doesn't hold, or a name it already has.
        """
        for label, name in names.items():
            self.select([label])
            if name in self.classes:
                raise InputError(f"{self.name} has a class {name!r} already; drop one of the two.")
        words = [f"{label} stands for {name}" for label, name in names.items()]
        clips = (replace(clip, label=names.get(clip.label, clip.label)) for clip in self)
        return self._with(clips, note="; ".join([self.note, *words]))

    def subsample(self, counts: Mapping[str, int], *, seed: int) -> Corpus:
        """Return at most `counts[label]` clips of each label in `counts`, drawn at random.

        Raises InputError for a class that the corpus doesn't hold, or a count below 0.
        """
        rng = np.random.default_rng(seed)
        labels = self.labels
        chosen = [np.array([], dtype=int)]
        for label in self.select(tuple(counts)).classes:
            if counts[label] < 0:
                raise InputError(f"{counts[label]} clips of {label}: a count is 0 or more.")
            chosen.append(rng.permutation(np.flatnonzero(labels == label))[: counts[label]])
        return self.take(np.sort(np.concatenate(chosen)))

    def _with(self, clips: Iterable[Clip], *, note: str | None = None) -> Corpus:
        return Corpus(
            clips, name=self.name, note=note or self.note, problems=self._problems,
            citation=self._citation, licence=self.licence, source=self.source,
        )  # fmt: skip


def effective_infants(infants: Sequence[str]) -> float:
    """Return how many equally recorded infants would tell as much: (sum n)^2 / sum n^2.

    Kish's effective sample size over the clips per infant `n`: 221 donors where a few gave
    ten clips each count as fewer. It is an upper guide; a class has its own, smaller one.

    >>> effective_infants(["a", "a", "b", "c"])
    2.6666666666666665
    """
    counts = np.unique(np.asarray(infants), return_counts=True)[1]
    return float(counts.sum() ** 2 / (counts**2).sum())
