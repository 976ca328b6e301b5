"""The cry player, `CryPlayer`: plays clips with a waveform, a spectrogram and model outputs.

Introduced in notebook 01_data_and_playback; 05_image and 06_full use it to show a model's outputs
over time. The state (clip, position, selection) is kept in Python, so it can be tested
without a browser. `player.js` draws and reports the user's actions. The player uses only what
ipywidgets 7 (Colab) and 8 have in common, and loads nothing from the network.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from cryutils.app.clip_view import Sound, asset, envelope, spectrogram, still_html
from cryutils.audio.files import wav_bytes
from cryutils.errors import InputError, near_miss

__all__ = ["CryPlayer"]

VIDEO_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}
VIDEO_BYTES = 8_000_000  # of a larger video only the sound is sent to the page


class CryPlayer(anywidget.AnyWidget):
    """A player of `clips`, one at a time. Only the current clip is read and sent to the page.

    clips: a corpus, or a sequence of `Sound` or of its fields. sr: sampling rate in Hz at which
    files are read; None keeps that of each file. probabilities: float (clips, classes), rows sum to
    1, shown as bars. over_time: outputs over time by the model's name, for each clip a float array
    (moments, classes), drawn below the spectrogram; a row of NaN means no answer. step_s: time
    between moments, in s. classes: column names of `probabilities` and `over_time`; by default the
    clips' classes, sorted. title: heading above the player. data: source of the sound, always
    visible; by default the corpus's note and licence. Raises InputError for no clips, and for
    outputs of another shape.

    >>> tone = np.sin(np.arange(8000) * 0.3).astype(np.float32)
    >>> CryPlayer([("tone", "hungry", tone, 8000)], data="a sine, not an infant")
    CryPlayer(clip 1 of 1: tone, hungry, 1.00 s)
    """

    _esm = asset("player.js")
    _css = asset("player.css")
    # ipywidgets 7 would display through this method and omit the still picture.
    _ipython_display_ = None

    index = traitlets.Int(0)
    position_s = traitlets.Float(0.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    selection = traitlets.List(traitlets.Float()).tag(sync=True)
    loop = traitlets.Bool(False).tag(sync=True)
    rate = traitlets.Float(1.0, min=0.25, max=1.0).tag(sync=True)
    chosen_class = traitlets.Unicode("").tag(sync=True)
    chosen_infant = traitlets.Unicode("").tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)
    _about = traitlets.Dict().tag(sync=True)
    _clip = traitlets.Dict().tag(sync=True)

    def __init__(
        self, clips: Sequence[Any], *, sr: int | None = None,
        probabilities: ArrayLike | None = None,
        over_time: Mapping[str, Sequence[ArrayLike]] | None = None, step_s: float = 1.0,
        classes: Sequence[str] | None = None, title: str = "", data: str = "",
    ) -> None:  # fmt: skip
        self._clips = [Sound(*clip) if isinstance(clip, tuple) else clip for clip in clips]
        if not self._clips:
            raise InputError("The player got no clips; give it a corpus or a list of sounds.")
        self._counts = dict(sorted(Counter(clip.label for clip in self._clips).items()))
        self._sr = sr
        self._names = list(self._counts if classes is None else classes)
        self._probabilities = _checked(probabilities, len(self._clips), self._names)
        self._over_time = _tracks(over_time or {}, len(self._clips), self._names)
        self._infants = Counter(filter(None, map(_infant, self._clips)))
        super().__init__(
            _about={
                "title": title,
                "data": data or _source(clips),
                "counts": list(self._counts.items()),
                "infants": sorted(self._infants.items()) if len(self._infants) > 1 else [],
                "tracks": list(self._over_time),
                "classes": self._names,
                "step_s": float(step_s),
            },
        )
        self.sound = _load(self._clips[0], sr)  # the current clip with its samples
        self._clip = self._page_clip()
        self.observe(self._on_index, "index")
        self.observe(self._on_chosen, ["chosen_class", "chosen_infant"])
        self.on_msg(self._on_message)

    def __repr__(self) -> str:
        # No object id, because nbval compares this text between runs.
        return (
            f"CryPlayer(clip {self.index + 1} of {len(self._clips)}: {self.sound.name}, "
            f"{self.sound.label}, {self.sound.duration_s:.2f} s)"
        )

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        if "google.colab" not in sys.modules:  # Colab saves the widget's state instead
            sound = self.sound
            data["text/html"] = still_html(
                sound,
                caption=f"{sound.label}: {sound.name}, {sound.duration_s:.2f} s",
                source=self._about["data"],
                frame=_frame(self._clips[self.index], sound.duration_s / 2),
            )
        return data, metadata

    def _members(self) -> list[int]:
        """Return the indices of the clips of the chosen class and infant."""
        return [
            i
            for i, clip in enumerate(self._clips)
            if self.chosen_class in ("", clip.label) and self.chosen_infant in ("", _infant(clip))
        ]

    def _step(self, by: int) -> None:
        """Show the next or previous clip of the chosen class and infant, going round."""
        members = self._members()
        if self.index in members:
            self.index = members[(members.index(self.index) + by) % len(members)]
        else:
            self.index = members[0]

    def _page_clip(self) -> dict[str, Any]:
        sound, members = self.sound, self._members()
        grey = spectrogram(sound.samples, sound.sr)
        row = [] if self._probabilities is None else self._probabilities[self.index].tolist()
        video, mime, video_note = _video(self._clips[self.index])
        return {
            "name": sound.name,
            "label": sound.label,
            "infant": _infant(self._clips[self.index]),
            "number": members.index(self.index) + 1,
            "count": len(members),
            "duration_s": sound.duration_s,
            "wav": wav_bytes(sound.samples, sound.sr),
            "envelope": envelope(sound.samples).astype("<f4").tobytes(),
            "spectrogram": grey.pixels.tobytes(),
            "rows": grey.pixels.shape[0],
            "columns": grey.pixels.shape[1],
            "top_hz": grey.top_hz,
            "probabilities": list(zip(self._names, row, strict=False)),
            "tracks": [
                [row if np.isfinite(row).all() else None for row in track[self.index].tolist()]
                for track in self._over_time.values()
            ],
            "video": video,
            "video_type": mime,
            "video_note": video_note,
        }

    def _show(self) -> None:
        # One message, so that the page never shows one clip's cursor over another's picture.
        with self.hold_sync():
            self.playing = False
            self.position_s = 0.0
            self.selection = []
            self.notice = ""
            self._clip = self._page_clip()

    def _on_index(self, change: Any) -> None:
        try:
            self.sound = _load(self._clips[self.index], self._sr)
        except InputError as error:
            self.notice = str(error)
            raise
        if self.index in self._members():
            self._show()
        else:  # `_on_chosen` shows the clip
            with self.hold_trait_notifications():
                self.chosen_class = self.chosen_infant = ""

    def _on_chosen(self, change: Any) -> None:
        members = self._members()
        if not members:  # the infant has no clip of the class: drop the earlier choice
            is_class = change["name"] == "chosen_class"
            setattr(self, "chosen_infant" if is_class else "chosen_class", "")
        elif self.index in members:
            self._show()
        else:
            self.index = members[0]

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        # `notice` reports a clip that can't be read; an exception would show a traceback.
        with suppress(InputError):
            match content:
                case {"type": "next"}:
                    self._step(+1)
                case {"type": "previous"}:
                    self._step(-1)
                case {"type": "choose_class", "label": label}:
                    self.chosen_class = label
                case {"type": "choose_infant", "infant": infant}:
                    self.chosen_infant = infant

    @traitlets.validate("index")
    def _valid_index(self, proposal: Any) -> int:
        index, last = proposal["value"], len(self._clips) - 1
        if not 0 <= index <= last:
            raise InputError(f"index is {index}; there are clips 0 to {last}.")
        return index

    @traitlets.validate("chosen_class", "chosen_infant")
    def _valid_choice(self, proposal: Any) -> str:
        kind, value = proposal["trait"].name.removeprefix("chosen_"), proposal["value"]
        known = self._counts if kind == "class" else self._infants
        if value and value not in known:
            raise InputError(f"No clip is of {kind} {value!r}.{near_miss(value, known)}")
        return value

    @traitlets.validate("position_s")
    def _valid_position(self, proposal: Any) -> float:
        return min(max(proposal["value"], 0.0), self.sound.duration_s)

    @traitlets.validate("selection")
    def _valid_selection(self, proposal: Any) -> list[float]:
        value = [min(max(s, 0.0), self.sound.duration_s) for s in proposal["value"]]
        if len(value) not in (0, 2) or value != sorted(set(value)):
            raise InputError(f"A selection is [] or [start, stop] in s, not {proposal['value']}.")
        return value


def _infant(clip: Any) -> str:
    return str(getattr(clip, "infant", ""))


def _video(clip: Any) -> tuple[bytes, str, str]:
    """Return a clip's video for the page, its MIME type, and why a video is left out, or ""."""
    if not getattr(clip, "has_video", False) or getattr(clip, "still", None):
        return b"", "", ""
    mime = VIDEO_TYPES.get(clip.path.suffix.lower(), "")
    size = clip.path.stat().st_size
    if not mime:
        return b"", "", f"A page can't show {clip.path.suffix[1:]} videos: sound only."
    if size > VIDEO_BYTES:
        return b"", "", f"The video has {size / 1e6:.0f} MB, too much for a page: sound only."
    return clip.path.read_bytes(), mime, ""


def _frame(clip: Any, time_s: float) -> np.ndarray | None:
    """Return a clip's frame at `time_s`, uint8 (height, width, 3), if it has pictures."""
    if not getattr(clip, "has_video", False):
        return None
    from cryutils import video

    return video.frame_at(clip.still or clip.path, time_s)


def _load(clip: Any, sr: int | None) -> Sound:
    if isinstance(clip, Sound):
        return clip
    from cryutils import audio

    rate = sr or audio.native_rate(clip.path)
    return Sound(clip.id, clip.label, audio.read(clip.path, sr=rate), rate)


def _source(clips: Any) -> str:
    """Return the note and licence of a corpus; lists of sounds have none."""
    remarks = [str(getattr(clips, name, "")) for name in ("note", "licence")]
    return ", ".join(filter(None, remarks)) or "not stated"


def _checked(probabilities: ArrayLike | None, clips: int, names: list[str]) -> np.ndarray | None:
    if probabilities is None:
        return None
    rows = np.asarray(probabilities, dtype=np.float64)
    if rows.shape != (clips, len(names)):
        raise InputError(
            f"probabilities have shape {rows.shape}; {clips} clips and {len(names)} classes "
            f"need ({clips}, {len(names)})."
        )
    return rows


def _tracks(
    over_time: Mapping[str, Sequence[ArrayLike]], clips: int, names: list[str]
) -> dict[str, list[np.ndarray]]:
    tracks = {
        model: [np.asarray(rows, dtype=np.float64) for rows in answers]
        for model, answers in over_time.items()
    }
    for model, answers in tracks.items():
        if {rows.shape[1:] for rows in answers} != {(len(names),)} or len(answers) != clips:
            raise InputError(
                f"{model}: answers over time need shape (moments, {len(names)}) for {clips} clips."
            )
    return tracks
