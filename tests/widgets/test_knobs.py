"""The picture follows the sliders, and no figure stays open behind it."""

import base64

import ipywidgets
import matplotlib
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cryutils.widgets.knobs import knobs


def test_a_changed_slider_redraws_the_picture_which_is_also_the_output_without_widgets() -> None:
    drawn: list[dict[str, int]] = []

    def draw(**values: int) -> Figure:
        drawn.append(values)
        figure, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, values["height"]])
        return figure

    plt.close("all")
    height, width = ipywidgets.IntSlider(value=1), ipywidgets.IntSlider(value=5)
    box = knobs(draw, height=height, width=width)
    picture = box.children[-1]
    first = bytes(picture.value)
    height.value = 3
    # nbclient can wait forever for a cell with an Output widget.
    assert box.children[:2] == (height, width) and isinstance(picture, ipywidgets.Image)
    assert drawn == [{"height": 1, "width": 5}, {"height": 3, "width": 5}]
    assert bytes(picture.value) != first and plt.get_fignums() == []
    if not hasattr(ipywidgets.VBox, "_repr_mimebundle_"):
        pytest.skip("ipywidgets 7 displays by itself")
    data, metadata = box._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == picture.value
    assert metadata["image/png"]["alt"].startswith("The figure with height = 3, width = 5;")
    assert data["text/plain"] == "Knobs(height=3, width=5)"
    assert "application/vnd.jupyter.widget-view+json" in data
