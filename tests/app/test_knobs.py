"""The picture follows the sliders, and no figure stays open behind it."""

from __future__ import annotations

import io

import ipywidgets
import matplotlib
from PIL import Image

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cryutils.app.knobs import knobs


def test_a_changed_slider_draws_anew_with_every_value_by_name() -> None:
    seen: list[dict[str, int]] = []

    def draw(**values: int) -> Figure:
        seen.append(values)
        figure, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, values["height"]])
        return figure

    height, width = ipywidgets.IntSlider(value=1), ipywidgets.IntSlider(value=5)
    box = knobs(draw, height=height, width=width)
    picture = box.children[-1]
    first = bytes(picture.value)
    height.value = 3

    assert seen == [{"height": 1, "width": 5}, {"height": 3, "width": 5}]
    assert bytes(picture.value) != first
    assert Image.open(io.BytesIO(picture.value)).format == "PNG"
    assert plt.get_fignums() == []


def test_controls_stand_above_the_picture_and_nothing_captures_output() -> None:
    slider = ipywidgets.IntSlider()
    box = knobs(lambda a: plt.figure(figsize=(1, 1)), a=slider)
    assert box.children[0] is slider
    assert isinstance(box.children[1], ipywidgets.Image)
    # nbclient can wait forever for a cell with an Output widget.
    assert not any(isinstance(child, ipywidgets.Output) for child in box.children)
