"""Figures of autoencoders: each shows the numbers that it was given."""

from __future__ import annotations

import numpy as np

from cryutils import plots


def test_a_window_and_its_reconstruction_share_their_colours() -> None:
    rng = np.random.default_rng(0)
    window, code = rng.normal(size=(20, 6)), rng.normal(size=(4, 3))
    fig = plots.reconstructions(
        {"mfcc": (window, code, 2 * window), "stft": (window, code, window)}, seconds=2.0
    )
    left, middle, right = (ax.images[0] for ax in fig.axes[:3])
    shown = ((left, window[:, 1:]), (middle, code), (right, 2 * window[:, 1:]))
    for image, values in shown:  # without MFCC number 0
        assert np.array_equal(image.get_array(), values.T)
    assert left.get_clim() == right.get_clim()
    low, high = middle.get_clim()
    assert -low == high == np.abs(code).max()
    assert fig.axes[0].get_ylim() == (1, 6)
    titles = [ax.get_title() for ax in fig.axes[:6]]
    assert titles[:2] == ["MFCC: 30 numbers a patch", "code: 3 numbers a patch"]
    assert np.array_equal(fig.axes[3].images[0].get_array(), window.T)


def test_each_spectrogram_is_relative_to_its_loudest_cell() -> None:
    tone = np.sin(np.arange(4000) * 2 * np.pi * 1000 / 8000).astype(np.float32)
    fig = plots.spectrograms({"loud": tone, "quiet": 0.01 * tone, "half": tone[:2000]}, sr=8000)
    panels = [ax for ax in fig.axes if ax.images]
    assert [ax.get_title() for ax in panels] == ["loud", "quiet", "half"]
    for ax in panels:
        (image,) = ax.images
        assert image.get_array().max() == 0
        row = np.unravel_index(image.get_array().argmax(), image.get_array().shape)[0]
        assert row == 32  # 1000 Hz in bins of 31.25 Hz
        assert image.get_extent()[3] == 4.0
