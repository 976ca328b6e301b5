"""Frames by class, for notebook 05_image."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cryutils.datasets.corpus import Corpus
from cryutils.plots.models import pictures
from cryutils.plots.parts import spaced
from cryutils.video.tracks import frame_at


def frames_by_class(corpus: Corpus) -> Figure:
    """Draw one frame of three infants in each class, a column per class.

    The frame is that at 1 s of the infant's first clip in the class.
    """
    classes = corpus.classes
    size = (1.9 * len(classes), 6.15)
    fig, axes = plt.subplots(3, len(classes), figsize=size, layout="compressed")
    for column, label in zip(axes.T, classes, strict=True):
        clips = {clip.infant: clip for clip in reversed(corpus) if clip.label == label}
        chosen = [clips[name] for name in sorted(clips)[:3]]
        frames = [frame_at(clip.still or clip.path, 1.0) for clip in chosen]
        pictures(frames, [f"{spaced(label)}, {clip.infant}" for clip in chosen], column)
    return fig
