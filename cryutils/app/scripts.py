"""The scripts of the widgets, as one text each: a page fetches nothing else."""

from __future__ import annotations

from pathlib import Path

__all__ = ["script"]


def script(name: str) -> str:
    """Return a widget's script, such as "player.js", behind what all of them share."""
    folder = Path(__file__).parent
    return "\n".join((folder / part).read_text(encoding="utf-8") for part in ("shared.js", name))
