"""The colours and names that all figures share, so that a split always looks the same.

Okabe and Ito's palette: people with any colour vision can tell its colours apart.
"""

from cryutils.words import SPLITS as _WORDS

# Ordered so that neighbours also differ in lightness.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
COLOURS = {
    "published": "#000000",
    "random_frames": "#CC79A7",
    "random": "#D55E00",
    "leak_free": "#0072B2",
    "chance": "#7F7F7F",
}
NAMES = {split: _WORDS[split] for split in ("random", "leak_free")}
SPLITS = {split: (COLOURS[split], words) for split, words in NAMES.items()}
# Of sound, face and fusion (Paper B's models cry2, image and full).
MODALITIES = {"audio": "#E69F00", "image": "#009E73", "fused": "#0072B2"}
