"""The colours and names that all figures share, so that a protocol always looks the same.

Okabe and Ito's palette: people with any colour vision can tell its colours apart.
"""

from __future__ import annotations

# Ordered so that neighbours also differ in lightness.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
COLOURS = {"published": "#000000", "clip": "#D55E00", "infant": "#0072B2", "chance": "#7F7F7F"}
NAMES = {"clip": "paper's protocol", "infant": "leak-free"}
MODALITIES = {"audio": "#E69F00", "image": "#009E73", "fused": "#0072B2"}
MODELS = {"audio": "cry2", "image": "image", "fused": "full"}  # Paper B's names for their models

# Colour and words of each division of the data.
PROTOCOLS = {split: (COLOURS[split], words) for split, words in NAMES.items()}
SPLITS = {
    "frame": ("#CC79A7", "split by frame"),
    "clip": (COLOURS["clip"], "split by clip"),
    "infant": (COLOURS["infant"], "leak-free"),
}
