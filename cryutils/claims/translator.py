"""Does an application that names the reason for a cry work? The verdict of a test by docs/translator.md.

Each infant is heard once, some cries twice, and sometimes there is no cry. `read` reads the answers, which
`cryutils audit` reads as well; `measure` counts, `lines` reports. The page `translator.html` shows the same
lines: it has `SENTENCES` and `bounds`.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils._io.spreadsheet import cells, refuse
from cryutils.claims.tables import in_percent
from cryutils.datasets.names import name_key
from cryutils.errors import InputError
from cryutils.evaluation.intervals import combined, part_degrees

NO_ANSWER = "no answer"
SENTENCES = {
    "right": "Right for {score} % of {n} infants, with a 95 % interval.",
    "commonest": "Always answering “{name}” would be right for {score} %.",
    "again": "The same cry got the same answer {score} % of the time ({n} cries were played twice).",
    "no_cry": "It named a reason {score} % of the time when there was no cry ({n} times).",
    "constant": "It gave every cry the same answer. So it does not tell reasons apart.",
    "better": "It was better than always giving the commonest answer.",
    "worse": "It was worse than always giving the commonest answer.",
    "undecided": "This test does not show whether it is better than always giving the commonest answer.",
}


class Share(NamedTuple):
    """How many times out of `n`, with the 95 % interval of its share, NaN for fewer than two."""

    times: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        low, high = bounds(self.n)[self.times] if self.n > 1 else (np.nan, np.nan)
        return float(low), float(high)

    def __str__(self) -> str:
        return in_percent(self.times / self.n, *self.interval)


class Verdict(NamedTuple):
    """What a test found: answers that are right, the commonest reason, and answers to a second playing
    (`again`) and to no cry, None if there were none. outcome: a key of `SENTENCES`."""

    right: Share
    name: str
    commonest: float
    again: Share | None
    no_cry: Share | None
    outcome: str


@lru_cache(1000)
def bounds(n: int) -> NDArray[np.float64]:
    """Return the interval's ends (n + 1, 2) of each number of right answers to n infants' cries.

    They are those of `evaluation.interval` for accuracy with one cry of each infant. n: at least 2.

    >>> bounds(40)[20].round(2).tolist()
    [0.34, 0.66]
    """
    right, clips = np.tri(n + 1, n, -1)[:, :, None], np.ones((n + 1, n, 1))
    found = combined(right, clips, [1.0], df=part_degrees(clips[0]))
    return np.stack([found.low, found.high], axis=-1)


def read(path: Path) -> pd.DataFrame:
    """Return the answers in a CSV file, a row for each infant, with the columns infant, truth and prediction.

    Optional columns: `again`, the answer to a second playing, and `no_cry`, an answer to silence or noise;
    a cell is empty if nothing was played. "no answer" is an answer. Names are compared by `name_key`.
    Raises InputError, with row and column, for an infant with two rows and for an empty cell in the others.
    """
    required = ("infant", "truth", "prediction")
    table = cells(path, required).reindex(columns=[*required, "again", "no_cry"], fill_value="")
    for name in required:
        refuse(path, table[name], table[name] == "", "nothing is given")
    wrong = table.infant.map(name_key).duplicated()
    refuse(path, table.infant, wrong, "this infant has two rows; keep the first")
    if table.empty:
        raise InputError(f"{path}: there are no answers yet.")
    return table


def measure(table: pd.DataFrame) -> Verdict:
    """Return what a test found, from columns as in `read`."""
    keys = table.drop(columns="infant").map(name_key)
    counts = keys.truth.value_counts(sort=False)
    right = Share(int((keys.truth == keys.prediction).sum()), len(keys))
    commonest, (low, high) = float(counts.max() / len(keys)), right.interval
    outcome = "better" if low > commonest else "worse" if high < commonest else "undecided"
    heard, silent = keys[keys.again != ""], keys.no_cry[keys.no_cry != ""]
    return Verdict(
        right,
        str(counts.idxmax()),
        commonest,
        Share(int((heard.again == heard.prediction).sum()), len(heard)) if len(heard) else None,
        Share(int((silent != NO_ANSWER).sum()), len(silent)) if len(silent) else None,
        "constant" if len(keys) > 1 and keys.prediction.nunique() == 1 else outcome,
    )


def lines(found: Verdict) -> Iterator[str]:
    """Yield the sentences that report a test."""
    yield SENTENCES["right"].format(score=found.right, n=found.right.n)
    yield SENTENCES["commonest"].format(name=found.name, score=in_percent(found.commonest))
    for key, share in (("again", found.again), ("no_cry", found.no_cry)):
        if share:
            yield SENTENCES[key].format(score=share, n=share.n)
    yield SENTENCES[found.outcome]
