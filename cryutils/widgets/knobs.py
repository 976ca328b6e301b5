"""A figure with sliders that redraw it, `knobs`. A saved notebook shows the last figure.

The figure is in an Image widget, because the Output widget of ipywidgets' `interact` can make
nbclient wait forever. JupyterLab 4.4 and later runs widget callbacks in several threads, but pyplot
must draw in one thread at a time; hence the lock `drawing`.
"""

import base64
import io
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

drawing = threading.RLock()
PICTURE = {"align_self": "flex-start", "max_width": "100%"}  # otherwise a box stretches it


class Knobs(ipywidgets.VBox):
    """Controls above a picture, which is also the output where there are no widgets."""

    def __init__(self, controls: dict[str, Any], picture: ipywidgets.Image, alt: str) -> None:
        super().__init__([*controls.values(), picture])
        self._controls, self._picture, self._alt = controls, picture, alt

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={box.value!r}" for name, box in self._controls.items())
        return f"Knobs({values})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        values = ", ".join(f"{name} = {box.value}" for name, box in self._controls.items())
        alt = self._alt or f"The figure with {values}; run the cell to change it."
        data = super()._repr_mimebundle_(**kwargs)
        data["image/png"] = base64.b64encode(self._picture.value).decode()
        return data, {"image/png": {"alt": alt}}


def knobs(draw: Callable[..., Figure], *, alt: str = "", **controls: Any) -> Knobs:
    """Return controls above a figure that is redrawn whenever one of their values changes.

    Parameters
    ----------
    draw : function
        Returns the figure; gets the value of each control by name. If values change several times
        meanwhile, it gets the newest only.
    alt : str
        Alternative text of the figure where there is no kernel; by default it names the values.
    **controls : ipywidgets
        By the name of `draw`'s parameter.

    Returns
    -------
    Knobs
        A widget. A saved notebook shows its last figure.

    Examples
    --------
    >>> knobs(lambda height: Figure((2, height)), height=ipywidgets.IntSlider(1))
    Knobs(height=1)
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
    return Knobs(controls, picture, alt)


def figure_png(figure: Figure) -> bytes:
    """Return `figure` as PNG with 90 dots per inch, and close it."""
    from matplotlib import pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()
