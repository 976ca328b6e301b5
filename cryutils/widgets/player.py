"""The cry player, `CryPlayer`: plays clips with a waveform, a spectrogram and model outputs.

Introduced in notebook lesson_4_who_is_in_the_data; 05_image and 06_full use it to show a model's outputs
over time. Python reads a clip and draws its picture; `player.js` plays the clip. The player uses
only what ipywidgets 7 (Colab) and 8 have in common, and loads nothing from the network.
"""

import mimetypes
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from cryutils.audio.files import inspect, read, wav_bytes
from cryutils.errors import InputError
from cryutils.widgets.clip_view import Sound, asset, picture, still_html
from cryutils.widgets.knobs import drawing

VIDEO_BYTES = 8_000_000  # of a larger video only the sound is sent to the page


class CryPlayer(anywidget.AnyWidget):
    """A player of clips, one at a time. Only the current clip is read and sent to the page.

    `index` is the current clip's number; set it to show another. Raises InputError for no clips, and
    for outputs of another shape.

    Parameters
    ----------
    clips : Corpus or list of Sound
        What is played.
    sr : int, optional
        Sampling rate in Hz at which files are read; by default that of each file.
    over_time : dict, optional
        Outputs over time by the model's name, for each clip a float array (moments, classes), drawn
        below the spectrogram; a row of NaN means no answer.
    step_s : float
        Time between moments, in s.
    classes : list of str, optional
        Columns of `over_time`; by default the clips' classes, sorted.
    title, data : str
        Heading above the player; source of the sound, always visible, by default the corpus's note
        and licence.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000) * 0.3).astype(np.float32)
    >>> CryPlayer([Sound("tone", "hungry", tone, 8000)], data="a sine, not an infant")
    CryPlayer(clip 1 of 1: tone, hungry, 1.00 s)
    """

    _esm = asset("player.js")
    _css = asset("player.css")
    # ipywidgets 7 would display through this method and omit the still picture.
    _ipython_display_ = None

    index = traitlets.Int(0).tag(sync=True)
    _notice = traitlets.Unicode("").tag(sync=True)
    _about = traitlets.Dict().tag(sync=True)
    _clip = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        clips: Sequence[Any],
        *,
        sr: int | None = None,
        over_time: Mapping[str, Sequence[ArrayLike]] | None = None,
        step_s: float = 1.0,
        classes: Sequence[str] | None = None,
        title: str = "",
        data: str = "",
    ) -> None:
        self._clips = list(clips)
        if not self._clips:
            raise InputError("The player got no clips; give it a corpus or a list of sounds.")
        names = list(sorted({clip.label for clip in self._clips}) if classes is None else classes)
        shape = len(self._clips), len(names)
        self._over_time = {
            model: _checked(model, answers, *shape) for model, answers in (over_time or {}).items()
        }
        self._sr = sr
        remarks = [str(getattr(clips, name, "")) for name in ("note", "licence")]  # of a corpus
        super().__init__(
            _about={
                "title": title,
                "data": data or ", ".join(filter(None, remarks)) or "not stated",
                "clips": [(clip.label, str(getattr(clip, "infant", ""))) for clip in self._clips],
                "classes": names,
                "step_s": float(step_s),
            }
        )
        self._show()

    def __repr__(self) -> str:
        # No object id, because nbval compares this text between runs.
        return (
            f"CryPlayer(clip {self.index + 1} of {len(self._clips)}: {self.sound.name}, "
            f"{self.sound.label}, {self.sound.duration_s:.2f} s)"
        )

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        if "google.colab" not in sys.modules:  # Colab saves the widget's state instead
            frame = _frame(self._clips[self.index], self.sound.duration_s / 2)
            data["text/html"] = still_html(
                self.sound, self._clip["picture"], source=self._about["data"], frame=frame
            )
        return data, metadata

    def _show(self) -> None:
        """Read and draw the current clip, and send it to the page."""
        with drawing:  # if the index changes meanwhile, the newest clip is the last one sent
            clip = self._clips[self.index]
            sound = clip
            if not isinstance(clip, Sound):
                rate = self._sr or inspect(clip.path).sr
                sound = Sound(clip.id, clip.label, read(clip.path, sr=rate), rate)
            self.sound = sound
            tracks = {model: clips[self.index] for model, clips in self._over_time.items()}
            shown = tracks, self._about["classes"], self._about["step_s"]
            png, axes = picture(sound.samples, sound.sr, *shown)
            video, video_type, video_note = _video(clip)
            with self.hold_sync():
                self._notice = ""
                self._clip = {
                    "index": self.index,
                    "name": sound.name,
                    "duration_s": sound.duration_s,
                    "wav": wav_bytes(sound.samples, sound.sr),
                    "picture": png,
                    "axes": axes,
                    "tracks": [
                        [model, [row if np.isfinite(row).all() else None for row in rows.tolist()]]
                        for model, rows in tracks.items()
                    ],
                    "video": video,
                    "video_type": video_type,
                    "video_note": video_note,
                }

    @traitlets.observe("index")
    def _on_index(self, change: Any) -> None:
        try:
            self._show()
        except InputError as error:
            self._notice = str(error)

    @traitlets.validate("index")
    def _valid_index(self, proposal: Any) -> int:
        index, last = proposal["value"], len(self._clips) - 1
        if not 0 <= index <= last:
            raise InputError(f"index is {index}; there are clips 0 to {last}.")
        return index


def _video(clip: Any) -> tuple[bytes, str, str]:
    """Return a clip's video for the page, its MIME type, and why a video is left out, or ""."""
    if not getattr(clip, "has_video", False) or getattr(clip, "still", None):
        return b"", "", ""
    size = clip.path.stat().st_size
    if size > VIDEO_BYTES:
        return b"", "", f"The video has {size / 1e6:.0f} MB, too much for a page: sound only."
    return clip.path.read_bytes(), mimetypes.guess_type(clip.path.name)[0] or "", ""


def _frame(clip: Any, time_s: float) -> np.ndarray | None:
    """Return a clip's frame at `time_s`, uint8 (height, width, 3), if it has pictures."""
    if not getattr(clip, "has_video", False):
        return None
    from cryutils import video

    return video.frame_at(clip.still or clip.path, time_s)


def _checked(name: str, answers: Iterable[Any], clips: int, classes: int) -> list[np.ndarray]:
    """Return each clip's answers as float64 (..., classes), after a check of number and shape."""
    rows = [np.asarray(answer, dtype=np.float64) for answer in answers]
    if len(rows) != clips or {row.shape[-1:] for row in rows} != {(classes,)}:
        shapes = ", ".join(sorted({str(row.shape) for row in rows}))
        what = f"{name}: {len(rows)} clips with answers of shape {shapes}"
        raise InputError(f"{what}; give {clips} clips, with {classes} classes as the last axis.")
    return rows
