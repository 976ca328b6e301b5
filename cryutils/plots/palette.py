"""The colours and names that every figure shares, so that a protocol looks alike everywhere.

Okabe and Ito's palette: told apart by people with any colour vision. `plots` gives them on.
"""

from __future__ import annotations

__all__ = ["COLOURS", "MODALITIES", "NAMES"]

COLOURS = {"published": "#000000", "paper": "#D55E00", "leak_free": "#0072B2", "chance": "#7F7F7F"}
NAMES = {"paper": "paper's protocol", "leak_free": "leak-free"}
MODALITIES = {"audio": "#E69F00", "image": "#009E73", "fused": "#0072B2"}
