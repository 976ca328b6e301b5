"""A picture that follows sliders: `knobs`.

Walked by notebook 02_audio_features. ipywidgets' own `interact` captures what a function
prints or draws in an Output widget, and nbclient, which executes notebooks without a browser,
can wait forever for a cell that does. Here the picture is an Image widget whose bytes change.
Since version 4.4 JupyterLab has widgets answered in a thread beside the kernel's own, and pyplot
draws in one at a time: two at once leave axes blank, so they take turns (`drawing`).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["PICTURE", "drawing", "figure_png", "knobs"]

drawing = threading.RLock()
PICTURE = {"align_self": "flex-start", "max_width": "100%"}  # a box would stretch it to its width


def knobs(draw: Callable[..., Figure], **controls: Any) -> ipywidgets.VBox:
    """Return `controls` above the picture that `draw` makes of their values.

    Whenever a control changes, `draw` is called again, and the figure that it returns is shown and
    closed. While that takes its time the last picture stays, and of changes made meanwhile only the
    newest values are drawn.

    Parameters
    ----------
    draw : function
        Returns a figure, of every control's value by name.
    **controls : ipywidgets.Widget
        Each with a `value`.
    """
    import ipywidgets

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
    return ipywidgets.VBox([*controls.values(), picture])


def figure_png(figure: Figure) -> bytes:
    """Return `figure` as PNG, 90 dots an inch, and close it."""
    from matplotlib import pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()
