"""The widgets' scripts and styles, each as a single text, so that a page loads no other file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["asset"]


def asset(name: str) -> str:
    """Return a script or style such as "player.js", preceded by the code that all widgets share."""
    folder, kind = Path(__file__).parent, Path(name).suffix
    parts = (folder / f"shared{kind}", folder / name)
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)
