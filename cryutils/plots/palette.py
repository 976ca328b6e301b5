"""The colours and names that all figures share, so that a protocol always looks the same.

Okabe and Ito's palette: people with any colour vision can tell its colours apart.
"""

from __future__ import annotations

__all__ = ["COLOURS", "MODALITIES", "NAMES"]

COLOURS = {"published": "#000000", "clip": "#D55E00", "infant": "#0072B2", "chance": "#7F7F7F"}
NAMES = {"clip": "paper's protocol", "infant": "leak-free"}
MODALITIES = {"audio": "#E69F00", "image": "#009E73", "fused": "#0072B2"}
