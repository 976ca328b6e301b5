"""The widgets' scripts, each as a single text, so that a page loads no other file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["script"]


def script(name: str) -> str:
    """Return a widget's script, such as "player.js", preceded by the code that all share."""
    folder = Path(__file__).parent
    return "\n".join((folder / part).read_text(encoding="utf-8") for part in ("shared.js", name))
