"""How long a run will still take: what its notebooks took before, and how far they are now.

Pure functions; `watch.watching` shows what they say. No notebook walks this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Standing", "time_left", "words"]

_SETTLING_S = 30.0  # so long an execution must be until its pace weighs as much as the last one's
_TELLING = 0.2  # of a notebook's cells: with fewer, they say nothing about the rest


@dataclass(slots=True)
class Standing:
    """How far a notebook is; all times in s, of one clock.

    `started_s` and `ended_s` are None before that. `share` of its cells, 0-1, have been done since
    `news_s`. At `counted_s` a count within the present cell said that it takes `count_left_s` more.
    """

    started_s: float | None = None
    ended_s: float | None = None
    share: float = 0.0
    news_s: float = 0.0
    counted_s: float = 0.0
    count_left_s: float = 0.0


def time_left(
    standings: Mapping[str, Standing],
    before: Mapping[str, Sequence[float]],
    *,
    now_s: float,
    processes: int,
    after: Mapping[str, Sequence[str]],
) -> float | None:
    """Return how many seconds the notebooks `standings` still take, None where nothing tells.

    An earlier execution is scaled by the pace of this one. A notebook that never ran before is
    taken to go on as it began, once a fifth of its cells is done.

    Parameters
    ----------
    standings : mapping
        Every notebook of the run that isn't finished before, in its order.
    before : mapping
        What earlier executions took, seconds from the start to the end of each cell.
    now_s : float
        The present, on the clock of `standings`.
    processes : int
        How many notebooks run side by side.
    after : mapping
        Notebooks that wait for others.
    """
    pace = _pace(standings, before, now_s)
    running, waiting = {}, {}
    for name, standing in standings.items():
        if standing.ended_s is not None:
            continue
        cells, scale = before.get(name, ()), pace
        if not cells:
            scale = 1.0
            if standing.started_s is not None and standing.share >= _TELLING:
                cells = [(standing.news_s - standing.started_s) / standing.share]
            else:
                return None
        if standing.started_s is None:
            waiting[name] = cells[-1] * scale
        else:
            running[name] = _rest(standing, cells, scale, now_s)
    return _end(running, waiting, processes, after) or None


def _at(cells: Sequence[float], share: float) -> float:
    """Return the seconds after which a share of the cells was done."""
    edges = [0.0, *cells]
    done, part = divmod(min(share, 1.0) * len(cells) + 1e-9, 1.0)  # shares are rounded
    low, high = edges[int(done)], edges[min(int(done) + 1, len(cells))]
    return low + part * (high - low)


def _pace(
    standings: Mapping[str, Standing], before: Mapping[str, Sequence[float]], now_s: float
) -> float:
    """Return how many times as long this run takes as those before."""
    took = expected = _SETTLING_S
    for name, standing in standings.items():
        cells = before.get(name)
        if not cells or standing.started_s is None:
            continue
        if standing.ended_s is not None:
            took, expected = took + standing.ended_s - standing.started_s, expected + cells[-1]
            continue
        position, cell_end = _at(cells, standing.share), _at(cells, standing.share + 1 / len(cells))
        late = now_s - standing.started_s > cell_end  # a cell that lasts is news, too
        took += (now_s if late else standing.news_s) - standing.started_s
        expected += cell_end if late else position
    return took / expected


def _rest(standing: Standing, cells: Sequence[float], scale: float, now_s: float) -> float:
    """Return the seconds that a running notebook still takes."""
    position, cell_end = _at(cells, standing.share), _at(cells, standing.share + 1 / len(cells))
    in_cell = (cell_end - position) * scale - (now_s - standing.news_s)
    counted = standing.count_left_s - (now_s - standing.counted_s)
    return max(in_cell, counted, 0.0) + (cells[-1] - cell_end) * scale


def _end(
    running: Mapping[str, float],
    waiting: Mapping[str, float],
    processes: int,
    after: Mapping[str, Sequence[str]],
) -> float:
    """Return when the last notebook ends, if each begins as soon as it may, the longest first."""
    queue = dict(sorted(waiting.items(), key=lambda item: item[1], reverse=True))
    active, clock = dict(running), 0.0
    while active or queue:
        for name in list(queue):
            busy = active.keys() | queue.keys()
            if len(active) < processes and not busy & set(after.get(name, ())):
                active[name] = clock + queue.pop(name)
        if not active:  # each waits for another
            break
        first = min(active, key=lambda name: active[name])
        clock = active.pop(first)
    return clock


def words(left_s: float | None) -> str:
    """Return the time left as people say it.

    >>> words(None), words(20), words(400), words(9000)
    ('estimating the time left', 'less than a minute left', 'about 7 min left', 'about 2.5 h left')
    """
    if left_s is None:
        return "estimating the time left"
    if left_s < 60:
        return "less than a minute left"
    return (
        f"about {left_s / 60:.0f} min left"
        if left_s < 5400
        else f"about {left_s / 3600:.1f} h left"
    )
