"""What a caregiver can try in each state, with the source of every piece of advice.

Paper B §3, recommended actions. `data/actions.csv` holds them; the paper's own aren't printed. Both
advice and state may be wrong: the pages say so, and the general advice stands under every state.
"""

from __future__ import annotations

import csv
from typing import NamedTuple

from cryutils._io.paths import project_dir

__all__ = ["ANY", "Action", "actions"]

ANY = "any"  # the advice for every state


class Action(NamedTuple):
    """One piece of advice, whose it is, and where it can be read."""

    text: str
    source: str
    url: str


def actions() -> dict[str, list[Action]]:
    """Return `data/actions.csv`: the advice by state, and under ANY what always holds."""
    by_state: dict[str, list[Action]] = {}
    with (project_dir() / "data" / "actions.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            advice = Action(row["action"], row["source"], row["url"])
            by_state.setdefault(row["state"], []).append(advice)
    return by_state
