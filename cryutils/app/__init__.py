"""The course's widgets and the caregiver application, each imported when first touched.

Notebook 01 walks `player`. Nothing here is imported by the rest of the library, so a
page that only logs in or only plays a clip pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryutils.app.clip_view import Sound
    from cryutils.app.player import CryPlayer

__all__ = ["CryPlayer", "Sound"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from cryutils.app import player

        return getattr(player, name)
    raise AttributeError(f"module 'cryutils.app' has no attribute {name!r}")
