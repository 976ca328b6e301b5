"""A figure with sliders that redraw it, `knobs`.

Used in notebooks 02_audio_features and 13_live_and_deployment. The figure is shown in an Image
widget. The Output widget of ipywidgets' `interact` can make nbclient, which executes notebooks
without a browser, wait forever. JupyterLab 4.4 and later runs widget callbacks in several threads,
but pyplot must draw in one thread at a time; hence the lock `drawing`.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PICTURE", "Knobs", "drawing", "figure_png", "knobs"]

drawing = threading.RLock()
PICTURE = {"align_self": "flex-start", "max_width": "100%"}  # otherwise a box stretches it


class Knobs(ipywidgets.VBox):
    """Controls above a figure. A saved notebook shows the figure without them."""

    _ipython_display_ = None  # of ipywidgets 7, which shows no picture

    def __repr__(self) -> str:
        return "A figure with controls: run the cell to use them."

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        picture = base64.b64encode(self.children[-1].value).decode()
        alternative = "The figure with the first value of each control"
        return {
            "text/plain": repr(self),
            "text/html": f'<img alt="{alternative}" src="data:image/png;base64,{picture}"/>',
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2, "version_minor": 0, "model_id": self.model_id,
            },
        }  # fmt: skip


def knobs(draw: Callable[..., Figure], **controls: Any) -> Knobs:
    """Return `controls` above a figure that is redrawn whenever one of their values changes.

    The old figure stays visible while the new one is drawn. If values change several times
    meanwhile, only the newest are drawn. `draw` gets the value of each control by name.
    """
    picture = ipywidgets.Image(format="png", layout=PICTURE)
    shown: dict[str, Any] = {}

    def redraw(change: Any = None) -> None:
        with drawing:
            values = {name: control.value for name, control in controls.items()}
            if values != shown:
                picture.value = figure_png(draw(**values))
                shown.update(values)

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return Knobs([*controls.values(), picture])


def figure_png(figure: Figure) -> bytes:
    """Return `figure` as PNG with 90 dots per inch, and close it."""
    from matplotlib import pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()
