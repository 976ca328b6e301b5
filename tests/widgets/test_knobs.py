"""The picture follows the sliders, and no figure stays open behind it."""

from __future__ import annotations

import base64
import io

import ipywidgets
import matplotlib
import pytest
from PIL import Image

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cryutils.widgets.knobs import knobs


def test_a_changed_slider_draws_anew_with_every_value_by_name() -> None:
    slider_values: list[dict[str, int]] = []

    def draw(**values: int) -> Figure:
        slider_values.append(values)
        figure, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, values["height"]])
        return figure

    height, width = ipywidgets.IntSlider(value=1), ipywidgets.IntSlider(value=5)
    box = knobs(draw, height=height, width=width)
    picture = box.children[-1]
    first = bytes(picture.value)
    height.value = 3

    assert box.children[:2] == (height, width)
    # nbclient can wait forever for a cell with an Output widget.
    assert isinstance(picture, ipywidgets.Image) and len(box.children) == 3
    assert slider_values == [{"height": 1, "width": 5}, {"height": 3, "width": 5}]
    assert bytes(picture.value) != first
    assert Image.open(io.BytesIO(picture.value)).format == "PNG"
    assert plt.get_fignums() == []


def test_without_widgets_the_output_is_the_picture() -> None:
    def draw(height: int) -> Figure:
        return plt.subplots(figsize=(2, 1))[0]

    box = knobs(draw, height=ipywidgets.IntSlider(value=1))
    if not hasattr(ipywidgets.VBox, "_repr_mimebundle_"):
        pytest.skip("ipywidgets 7 displays by itself")
    data, metadata = box._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == box.children[-1].value
    assert metadata["image/png"]["alt"].startswith("The figure with height = 1;")
    assert data["text/plain"] == "Knobs(height=1)"
    assert "application/vnd.jupyter.widget-view+json" in data
