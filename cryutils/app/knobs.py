"""A picture that follows sliders: `knobs`.

Walked by notebook 02_audio_features. ipywidgets' own `interact` captures what a function
prints or draws in an Output widget, and nbclient, which executes notebooks without a browser,
can wait forever for a cell that does. Here the picture is an Image widget whose bytes change.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["knobs"]


def knobs(draw: Callable[..., Figure], **controls: Any) -> ipywidgets.VBox:
    """Return `controls`, widgets with a `value`, above the picture of `draw(**values)`.

    Whenever a control changes, `draw` is called again with every control's value by name, and
    the figure that it returns is shown and closed.
    """
    import ipywidgets

    picture = ipywidgets.Image(format="png")

    def redraw(change: Any = None) -> None:
        picture.value = _png(draw(**{name: control.value for name, control in controls.items()}))

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])


def _png(figure: Figure) -> bytes:
    from matplotlib import pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()
