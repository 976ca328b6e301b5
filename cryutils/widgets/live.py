"""The live analysis as a widget for notebook lesson_8_put_it_to_use, `LiveAnalysis` (Paper B §3).

`live.js` records and draws, here and in the application. `Listener` answers its messages.
"""

import base64
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from cryutils.widgets.clip_view import asset
from cryutils.widgets.listener import Listener
from cryutils.widgets.monitor import Monitor


class LiveAnalysis(anywidget.AnyWidget):
    """A widget that sends the page's microphone and camera to a monitor and shows its readings.

    source: which models answer and what they were trained on; always visible.
    """

    _esm = asset("live.js")
    _css = asset("live.css")
    # ipywidgets 7 would display through this method and omit the picture.
    _ipython_display_ = None

    _about = traitlets.Dict().tag(sync=True)

    def __init__(self, monitor: Monitor, *, source: str = "") -> None:
        monitor.restart(synthetic=False)  # it may have answered for synthetic infants before
        self.listener = Listener(monitor)
        warning = "Course material, not a medical device: its answers may be wrong."
        super().__init__(_about=self.listener.about(source=f"{source} {warning}".strip()))
        self.on_msg(self._on_message)

    def __repr__(self) -> str:
        return "LiveAnalysis()"  # without an id: nbval compares this text between runs

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture = base64.b64encode(Path(__file__).with_name("live.png").read_bytes()).decode()
        data["text/html"] = (  # what a saved notebook shows
            "<p>A picture of the live analysis of a synthetic film. Run the cell to use it.</p>"
            '<img alt="The live page: the answer, the camera, what to try, and a probability for '
            f'each state" src="data:image/png;base64,{picture}"/>'
        )
        return data, metadata

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        self.send(self.listener.receive(content, buffers))
