"""Backbones and models of time for faces, on the benchmark's leak-free folds.

Used in notebook appendix_faces. Paper A uses ResNet-50 and a rolling average; Paper B names other
backbones, temporal models and attention as future work. `representations` returns each backbone
for `beyond.probe`, `over_time` the networks that combine a clip's frames for `beyond.train`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial

import cv2
import numpy as np
import numpy.typing as npt

from cryutils.datasets.corpus import Corpus
from cryutils.models import backbones
from cryutils.models.backbones import Backbone
from cryutils.models.inputs import Examples, windows
from cryutils.models.temporal import POOLINGS
from cryutils.papers import beyond, embeddings
from cryutils.papers.beyond import Network, Representation
from cryutils.papers.embeddings import FrameInput, pictures_of

__all__ = [
    "COMPARED",
    "NAMES",
    "clip_vectors",
    "hog",
    "last_frames",
    "over_time",
    "representations",
    "sequences",
]

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
_HOG_SIDE = 64  # pixels

NAMES = {  # by feature
    "hog": "HOG",
    "small": "small CNN",
    "small_untrained": "small CNN, untrained",
    "efficientnet_lite0": "EfficientNet-Lite0, ImageNet",
    "efficientnet_lite0_untrained": "EfficientNet-Lite0, untrained",
    "resnet50": "ResNet-50, ImageNet",
    "resnet50_untrained": "ResNet-50, untrained",
    "frozen": "backbone frozen",
    "finetuned": "backbone fine-tuned",
    "single": "single frames, mean answer",
    "rolling": "single frames, rolling mean",
    **POOLINGS,
}
COMPARED = (  # each idea and its baseline
    ("small", "small_untrained"),
    ("efficientnet_lite0", "efficientnet_lite0_untrained"),
    ("resnet50", "resnet50_untrained"),
    ("frozen", "finetuned"),
    ("rolling", "single"),
    ("single", "mean"),
    ("convolution", "mean"),
    ("gru", "mean"),
    ("attention", "mean"),
)


def hog(corpus: Corpus, frame_input: FrameInput) -> list[Array]:
    """Return histograms of oriented gradients of each clip's frames, float32 (frames, 1764).

    They count the directions of edges in 8 x 8 cells of a grey picture (Dalal & Triggs 2005), and
    are not trained. frame_input: its `size` is 64.
    """
    cells = cv2.HOGDescriptor((_HOG_SIDE, _HOG_SIDE), (16, 16), (8, 8), (8, 8), 9)
    described = []
    for clip in corpus:
        path = pictures_of(clip)
        frames = [] if path is None else frame_input.frames(path)
        rows = [cells.compute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames]
        described.append(np.reshape(rows, (len(rows), cells.getDescriptorSize())))
    return described


def clip_vectors(frames: Sequence[Array]) -> Array:
    """Return mean and deviation over each clip's frames, float32 (clips, 2 * features).

    A clip without frames is NaN. frames: float32 (frames, features) of each clip.
    """
    rows = np.full((len(frames), 2 * frames[0].shape[1]), np.nan, np.float32)
    for row, of_clip in zip(rows, frames, strict=True):
        if len(of_clip):
            row[:] = np.concatenate([of_clip.mean(axis=0), of_clip.std(axis=0)])
    return rows


def representations(
    corpus: Corpus, networks: Mapping[str, tuple[Backbone, FrameInput]], *, progress: bool = False
) -> dict[str, Representation]:
    """Return each backbone, and the same untrained, for `beyond.probe`.

    The name of an untrained copy ends with "_untrained"; its weights are drawn again in each
    repeat. A backbone whose weights are random has only this copy. networks: backbone and frames by
    name.
    """

    def vectors(backbone: Backbone, frame_input: FrameInput) -> Array:
        return clip_vectors(embeddings.embed(corpus, backbone, frame_input, progress=progress))

    @cache
    def untrained(name: str, seed: int) -> Array:
        backbone, frame_input = networks[name]
        return vectors(backbones.untrained(backbone, seed=seed), frame_input)

    def fixed(x: Array, _clips: Indices, _seed: int) -> Array:
        return x

    def drawn(name: str, _clips: Indices, seed: int) -> Array:
        return untrained(name, seed)

    made: dict[str, Representation] = {}
    for name, (backbone, frame_input) in networks.items():
        if backbone.trained:
            made[name] = partial(fixed, vectors(backbone, frame_input))
        made[f"{name}_untrained"] = partial(drawn, name)
    return made


def sequences(frames: Sequence[Array], length: int) -> Examples:
    """Return windows of `length` frames side by side, float32 (rows, length, features).

    frames: float32 (frames, features) of each clip. A shorter clip is padded as in
    `examples.windows`; a clip without frames has no rows.
    """
    nothing = np.empty((0, length, frames[0].shape[1]), np.float32)
    return Examples.of(
        [windows(each, frames=length, hop=length) if len(each) else nothing for each in frames]
    )


def last_frames(examples: Examples, n: int) -> Examples:
    """Return the last `n` rows of each clip, over which a rolling average ends."""
    kept = [rows[-n:] for clip in np.unique(examples.clip) if len(rows := examples.rows(clip))]
    chosen = np.concatenate(kept)
    return Examples(examples.x[chosen], examples.clip[chosen])


def over_time(
    frames: Sequence[Array], *, length: int, units: int
) -> dict[str, tuple[Examples, Network]]:
    """Return the networks on frames for `beyond.train`: "single", and one for each pooling.

    "single" gets one frame at a time; the answers to a clip's frames are averaged. The others get
    `length` frames. frames: as in `sequences`. units: as in `temporal.build`.
    """
    single = beyond.over_time(sequences(frames, 1), units=units, together=1)["mean"]
    return {"single": single} | beyond.over_time(sequences(frames, length), units=units, together=1)
