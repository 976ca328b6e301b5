"""Advice for caregivers by state, with its sources: `actions`.

Paper B §3, recommended actions. The paper gives no list of them, so `data/actions.csv` is our own.
State and advice may be wrong, as the pages say, so general advice is shown with every state.
"""

from __future__ import annotations

import csv
from typing import NamedTuple

from cryutils._io.paths import project_dir

__all__ = ["ANY", "Action", "actions"]

ANY = "any"  # the key of the general advice


class Action(NamedTuple):
    """A piece of advice with its source."""

    text: str
    source: str
    url: str


def actions() -> dict[str, list[Action]]:
    """Return the advice in `data/actions.csv` by state; `ANY` has the general advice."""
    by_state: dict[str, list[Action]] = {}
    with (project_dir() / "data" / "actions.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            advice = Action(row["action"], row["source"], row["url"])
            by_state.setdefault(row["state"], []).append(advice)
    return by_state
