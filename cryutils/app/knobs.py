"""A figure with sliders that redraw it, `knobs`.

Used in notebook 02_audio_features. The figure is shown in an Image widget. The Output widget of
ipywidgets' `interact` can make nbclient, which executes notebooks without a browser, wait forever.
JupyterLab 4.4 and later runs widget callbacks in several threads, but pyplot must draw in one
thread at a time; hence the lock `drawing`.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["PICTURE", "drawing", "figure_png", "knobs"]

drawing = threading.RLock()
PICTURE = {"align_self": "flex-start", "max_width": "100%"}  # otherwise a box stretches it


def knobs(draw: Callable[..., Figure], **controls: Any) -> ipywidgets.VBox:
    """Return `controls` above a figure that is redrawn whenever one of their values changes.

    The old figure stays visible while the new one is drawn. If values change several times
    meanwhile, only the newest are drawn. `draw` gets the value of each control by name. The first
    figure is also stored in the notebook, for readers without a kernel.
    """
    import ipywidgets

    class Knobs(ipywidgets.VBox):  # defined here, since importing ipywidgets takes a second
        def __repr__(self) -> str:
            return f"Knobs({', '.join(controls)})"

        def _repr_mimebundle_(self, **options: Any) -> Any:
            bundle = super()._repr_mimebundle_(**options)
            still = base64.b64encode(bytes(picture.value)).decode()
            alt = f"The figure that these controls redraw: {', '.join(controls)}."
            return {**bundle, "text/plain": repr(self), "image/png": still}, {
                "image/png": {"alt": alt}
            }

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
