"""A corpus of recordings: `Clip`, `Problem` and `Corpus`.

A corpus is a sequence of clips, each with a label and an *infant*: a leak-free split keeps all
clips of an infant together. Anything left out or contradictory is listed as a problem.
`datasets.load` returns a corpus. Used in notebook lesson_4_who_is_in_the_data.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils.datasets.names import first_spellings, name_key, state_of
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    import pandas as pd

SESSION_GAP_S = 600.0  # a longer pause starts a new session


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, with its label and its infant.

    start_s: unix time in s, None if unknown. duration_s: in s, 0.0 for a picture. reason: label in
    the file's name, which may differ from `label`. device: type of the recorder, such as a phone's
    system. still: picture that belongs to the sound at `path`.
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
    device: str | None = None
    still: Path | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a corpus that its user should know.

    kind: "left out", "changed", "contradiction" or "doubtful".
    """

    kind: str
    item: str
    what: str


def _column(field: str, doc: str, dtype: type = str) -> property:
    """Return a property: the array of this field of all clips."""
    return property(lambda corpus: np.array([getattr(clip, field) for clip in corpus], dtype), doc=doc)


@dataclass(eq=False, repr=False)
class Corpus(Sequence[Clip]):
    """A sequence of clips with their labels, groups, problems, citation and licence."""

    clips: Sequence[Clip]
    _: KW_ONLY
    name: str
    note: str
    problem_list: Sequence[Problem] = ()
    citation: str = ""
    licence: str = ""

    def __getitem__(self, index: Any) -> Any:
        """Return the clip at a position, or the clips in a slice."""
        return self.clips[index]

    def __len__(self) -> int:
        return len(self.clips)

    labels = _column("label", "Label of each clip, str (clips,).")
    ids = _column("id", "Name of each clip, str (clips,); a corpus of windows names a clip several times.")
    infants = _column("infant", "Infant of each clip, str (clips,): the groups of a leak-free split.")
    sessions = _column("session", "Session of each clip, str (clips,).")
    devices = _column("device", "Device of each clip or None, object (clips,).", object)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted. Models order their outputs in the same way."""
        return tuple(sorted({clip.label for clip in self}))

    def frame(self) -> "pd.DataFrame":
        """Return one row for each clip, with all fields of `Clip` except the paths."""
        import pandas as pd

        table = pd.DataFrame(self.clips, columns=list(Clip.__slots__))
        return table.drop(columns=["path", "still"])

    def describe(self) -> "pd.DataFrame":
        """Return the number of clips, infants, sessions and minutes, per class and in total.

        `effective_infants` is Kish's number, (sum n)^2 / sum n^2 over their clips n: the clips contain
        at most as much information as those of this many infants with equally many clips each.
        `largest_infant` is the largest number of clips of one infant.
        """
        import pandas as pd

        table = self.frame()
        rows = {}
        for label, part in [*table.groupby("label"), ("all", table)]:
            counts = part.infant.value_counts()
            rows[label] = {
                "clips": len(part),
                "infants": len(counts),
                "effective_infants": round(len(part) ** 2 / (counts**2).sum(), 1),
                "largest_infant": int(counts.max()),
                "sessions": part.session.nunique(),
                "minutes": round(part.duration_s.sum() / 60, 1),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")

    def problems(self) -> "pd.DataFrame":
        """Return one row for each problem: kind, item, what."""
        import pandas as pd

        return pd.DataFrame(self.problem_list, columns=["kind", "item", "what"])

    def cite(self) -> str:
        """Return the reference to cite when results from this corpus are published."""
        return self.citation

    def where(self, keep: Callable[[Clip], bool]) -> "Corpus":
        """Return the corpus of the clips for which `keep(clip)` is true."""
        return self._with(clip for clip in self if keep(clip))

    def take(self, indices: Iterable[int]) -> "Corpus":
        """Return the corpus of the clips at `indices`, int (n,), in that order."""
        return self._with(self.clips[int(index)] for index in indices)

    def relabel(self, labels: Iterable[str]) -> "Corpus":
        """Return the same clips with other labels, one for each clip, such as its age group."""
        pairs = zip(self, labels, strict=True)
        return self._with(replace(clip, label=str(label)) for clip, label in pairs)

    def select(self, labels: Sequence[str], stand_ins: Mapping[str, Sequence[str]] | None = None) -> "Corpus":
        """Return the clips with one of `labels`, or of the states that these mean (`names.STATES`).

        stand_ins: labels that replace one that does not occur, as belly pain replaces pain in
        DonateACry. Their clips are relabelled, and `note` says so. Then two labels are enough,
        otherwise each has to occur. Raises InputError if too few do.
        """
        labels = [label if label in self.classes else state_of(label) or label for label in labels]
        if stand_ins is None:
            for label in labels:
                if label not in self.classes:
                    raise InputError(f"{self.name} has no class {label!r}.{near_miss(label, self.classes)}")
            return self.where(lambda clip: clip.label in labels)
        new = {label: label for label in labels} | {
            other: label
            for label, others in stand_ins.items()
            for other in others
            if label not in self.classes and other in self.classes
        }
        part = self.where(lambda clip: new.get(clip.label) in labels)
        if len({new[label] for label in part.classes}) < 2:
            names = [" or ".join([label, *stand_ins.get(label, ())]) for label in labels]
            what = f"at least two of {', '.join(names)} are needed, but it has {', '.join(self.classes)}"
            raise InputError(f"{self.name}: {what}; name the folders after these labels.")
        part = part.relabel(new[label] for label in part.labels.tolist())
        words = [f"{other} stands for {label}" for other, label in new.items() if other != label]
        part.note = "; ".join([self.note, *words])
        return part

    def draw(self, counts: Mapping[str, int], *, seed: int) -> npt.NDArray[np.int64]:
        """Return the positions of at most `counts[label]` random clips of each label, sorted.

        Raises InputError for a class that does not occur.
        """
        rng, labels = np.random.default_rng(seed), self.labels
        positions: list[int] = []
        for label in self.select(tuple(counts)).classes:
            positions += rng.permutation(np.flatnonzero(labels == label))[: counts[label]].tolist()
        return np.array(sorted(positions), int)

    def _with(self, clips: Iterable[Clip]) -> "Corpus":
        return replace(self, clips=tuple(clips))


def one_spelling(clips: Sequence[Clip]) -> tuple[list[Clip], list[Problem]]:
    """Return the clips with one spelling of each name, and a problem for each other spelling.

    The names are of labels, infants and sessions. A label that means a state is read as that state
    (`names.STATES`). One infant counted as two would leak through a leak-free split; two counted as
    one only make it stricter.
    """
    problems = []
    for field in ("label", "infant", "session"):
        spelling: dict[str, Any] = first_spellings(getattr(clip, field) for clip in clips)
        if field == "label":
            spelling = {name: state_of(name) or same for name, same in spelling.items()}
        for name, same in spelling.items():
            what = f"{field} counted as {same!r}, which differs in spelling alone"
            if name_key(name.replace("-", " ")) != name_key(same.replace("-", " ")):
                what = f"read as {same}"
            problems += [Problem("changed", name, what)] * (name != same)
        clips = [replace(clip, **{field: spelling[getattr(clip, field)]}) for clip in clips]
    return [*clips], problems


def number_sessions(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips with session names; a pause above SESSION_GAP_S starts a new session.

    An infant's clips without a time form one more session.
    """
    # Without pandas, as `contradictions`: the browser loads it after the first sounds.
    names: dict[int, str] = {}
    last: dict[str, tuple[int, float]] = {}  # of each infant: session and time of the clip before
    times = [math.inf if clip.start_s is None else clip.start_s for clip in clips]
    for k in sorted(range(len(clips)), key=times.__getitem__):
        number, before = last.get(clips[k].infant, (1, times[k]))
        number += times[k] > before + SESSION_GAP_S
        last[clips[k].infant] = number, times[k]
        names[k] = f"{clips[k].infant}/{number}"
    return [replace(clip, session=names[k]) for k, clip in enumerate(clips)]


def contradictions(clips: Sequence[Clip]) -> list[Problem]:
    """Return contradictions between label and file name, and within an infant or a session."""
    problems = [
        Problem("contradiction", clip.id, f"folder says {clip.label}, its name says {clip.reason}")
        for clip in clips
        if clip.reason is not None and name_key(clip.reason) != name_key(clip.label)
    ]
    timed = [clip for clip in clips if clip.start_s is not None]
    for part, group, field, what in (
        (clips, "infant", "sex", "one app instance, both sexes"),
        (clips, "infant", "age", "one app instance, several ages"),
        (timed, "session", "label", "clips minutes apart, different labels"),
    ):
        values: dict[str, set[Any]] = {}
        for clip in part:
            values.setdefault(getattr(clip, group), set()).add(getattr(clip, field))
        for key, names in values.items():
            if len(different := sorted(names - {None})) > 1:
                problems.append(Problem("contradiction", key, f"{what}: {', '.join(different)}"))
    return problems
