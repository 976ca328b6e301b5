"""Cries as events in time, detected and annotated: `joined`, `read` and `compare`.

Used in notebook 13_live_and_deployment. An event is (onset, offset), in s. Annotations are read
from CSV files and from Praat's TextGrid files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import resolve
from cryutils.errors import InputError

__all__ = ["Agreement", "Event", "compare", "joined", "read"]

Event = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """Agreement of detected with annotated cries; shares are NaN if undefined.

    recall: share of annotated time that was detected. precision: share of detected time that was
    annotated. met: share of annotated cries that were detected at least in part. false_alarms:
    number of detected cries without any annotated time.
    """

    recall: float
    precision: float
    met: float
    false_alarms: int


def joined(times_s: npt.ArrayLike, is_cry: npt.ArrayLike, *, hop_s: float) -> list[Event]:
    """Return the cries in a detector's readings, with consecutive crying readings merged.

    times_s: end of each reading's hop in s, ascending, float (readings,). is_cry: bool (readings,).
    hop_s: length of a hop in s.

    >>> joined([0.5, 1.0, 1.5, 2.0], [True, True, False, True], hop_s=0.5)
    [(0.0, 1.0), (1.5, 2.0)]
    """
    ends = np.asarray(times_s, np.float64)[np.asarray(is_cry, bool)]
    return _union([(float(end) - hop_s, float(end)) for end in ends], apart_s=hop_s / 100)


def read(path: str | os.PathLike[str]) -> list[Event]:
    """Return the annotated cries in a file.

    path: a CSV file with columns `onset` and `offset`, in s. Or a TextGrid in Praat's long text
    format (`Save as text file`), whose intervals with the text "cry" are returned. Raises
    InputError if the file can't be read, or an event ends before it starts.
    """
    parse, kind = _read_csv, "CSV file with columns onset and offset, in s"
    if resolve(path).suffix.lower() == ".textgrid":
        parse, kind = _read_text_grid, "TextGrid in Praat's long text format"
    try:
        events = parse(resolve(path))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a {kind}.") from error
    return _checked(events, str(path))


def _read_csv(path: Path) -> list[Event]:
    import pandas as pd

    rows = pd.read_csv(path)[["onset", "offset"]].to_numpy(np.float64)
    return [(float(onset), float(offset)) for onset, offset in rows]


def _read_text_grid(path: Path) -> list[Event]:
    text = path.read_text(encoding="utf-8")
    if 'class = "IntervalTier"' not in text:
        raise ValueError
    intervals = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "([^"]*)"', text)
    return [(float(onset), float(offset)) for onset, offset, text in intervals if text == "cry"]


def compare(detected: Sequence[Event], annotated: Sequence[Event]) -> Agreement:
    """Return the agreement of `detected` with `annotated` cries, overlapping ones merged in each.

    Events are (onset, offset), in s.

    >>> compare([(0.0, 2.0)], [(1.0, 2.0), (3.0, 4.0)])
    Agreement(recall=0.5, precision=0.5, met=0.5, false_alarms=0)
    """
    a, b = _union(_checked(detected, "detected")), _union(_checked(annotated, "annotated"))
    shared = [max(0.0, min(x[1], y[1]) - max(x[0], y[0])) for x in a for y in b]
    met = [any(_overlap(x, y) for x in a) for y in b]
    length_a, length_b = (sum(offset - onset for onset, offset in events) for events in (a, b))
    return Agreement(
        recall=_share(sum(shared), length_b),
        precision=_share(sum(shared), length_a),
        met=_share(sum(met), len(b)),
        false_alarms=sum(not any(_overlap(x, y) for y in b) for x in a),
    )


def _overlap(a: Event, b: Event) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _checked(events: Sequence[Event], name: str) -> list[Event]:
    for onset, offset in events:
        if not (np.isfinite([onset, offset]).all() and onset <= offset):
            raise InputError(f"{name}: an event from {onset} to {offset} s; give onset, offset.")
    return list(events)


def _union(events: Sequence[Event], *, apart_s: float = 0.0) -> list[Event]:
    """Return the events in order, merged if at most `apart_s` apart."""
    union: list[Event] = []
    for onset, offset in sorted(events):
        if union and onset - union[-1][1] <= apart_s:
            union[-1] = (union[-1][0], max(union[-1][1], offset))
        else:
            union.append((onset, offset))
    return union


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
