"""Inputs of models: `SoundInput`, `PictureInput`, `JoinedInput`, and unusable recordings.

Used in notebooks 04_cry2 (sound), 05_image (faces; Paper B §3, preprocessing) and 09_ensemble. The card of a
trained model contains these settings. Networks get several `Examples` of a clip, and the
probabilities of a clip are the mean over them.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cryutils._io.parallel import thread_map
from cryutils.audio import spectral
from cryutils.audio.files import SHORTEST_S, SILENCE_DB
from cryutils.errors import InputError, near_miss

if TYPE_CHECKING:
    from cryutils.video.tracks import FaceTrack

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

KINDS = ("mel", "mfcc", "mel+mfcc", "stft")
SCALINGS = ("conditioned", "recording")
CROPS = ("face", "frame")
_EDGE_S = 0.01  # ignored at both ends: resampling makes an offset ring, for 6 ms at 8 kHz


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs of a network: `x` (rows, ...), and the `clip` index of each row, int (rows,).

    An unusable clip has no rows.
    """

    x: npt.NDArray[Any] = field(repr=False)
    clip: Indices = field(repr=False)

    @classmethod
    def of(cls, clips: Sequence[npt.NDArray[Any]]) -> "Examples":
        """Return the examples of all clips, in order.

        Parameters
        ----------
        clips : list of arrays
            (rows, ...) of each clip; no rows for an unusable one.

        Returns
        -------
        Examples

        Examples
        --------
        >>> Examples.of([np.zeros((2, 5)), np.zeros((0, 5)), np.zeros((1, 5))]).clip
        array([0, 0, 2])
        """
        return cls(np.concatenate(clips), np.repeat(np.arange(len(clips)), [len(c) for c in clips]))

    def rows(self, clips: npt.ArrayLike) -> Indices:
        """Return the row indices of `clips`, int64 (n,), ascending."""
        return np.flatnonzero(np.isin(self.clip, clips))


def windows(features: Array, *, frames: int, hop: int) -> Array:
    """Return the windows of one clip's features, float32 (windows, frames, coefficients).

    A window of `frames` frames starts every `hop` frames. If half a hop or more would be left out
    at the end, a last window ends with the clip. A clip shorter than a window is padded at the end
    with the minimum of each coefficient. features: float32 (frames, coefficients).
    """
    length, width = features.shape
    if length < frames:
        rest = np.broadcast_to(features.min(axis=0), (frames - length, width))
        features = np.concatenate([features, rest])
    last = len(features) - frames
    starts = list(range(0, last + 1, hop))
    if 2 * (last - starts[-1]) >= hop:
        starts.append(last)
    return np.stack([features[i : i + frames] for i in starts]).astype(np.float32, copy=False)


def by_clip(values: npt.NDArray[Any], clip: Indices, n_clips: int) -> npt.NDArray[Any]:
    """Return the mean over each clip's rows, such as its windows' probabilities.

    Parameters
    ----------
    values, clip : arrays
        Float (rows, d), and the clip of each row, int (rows,), as in `Examples`.
    n_clips : int
        The number of clips.

    Returns
    -------
    array
        (n_clips, d), of the type of `values`; NaN for a clip without rows.

    Examples
    --------
    >>> by_clip(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([1, 1]), 2).round(2)
    array([[nan, nan],
           [0.7, 0.3]])
    """
    total = np.zeros((n_clips, values.shape[1]))
    np.add.at(total, clip, values)
    rows = np.bincount(clip, minlength=n_clips)[:, None]
    mean = np.divide(total, rows, where=rows > 0, out=np.full_like(total, np.nan))
    return mean.astype(values.dtype)


@dataclass(frozen=True, kw_only=True)
class SoundInput:
    """How a sound becomes windows of its spectrogram. Raises InputError for a setting out of range.

    Parameters
    ----------
    sr, n_fft, hop_length : int
        Sampling rate in Hz, samples per frame, and samples from one frame to the next.
    kind : str
        One of `KINDS`: mel levels in dB, MFCCs, both, or levels in dB of all 1 + n_fft // 2 bins.
    n_mels, n_mfcc : int
        Numbers of mel bands and of MFCCs.
    window_s, step_s : float
        Length of a window and distance between windows, in s.
    scaling : str
        "conditioned", Paper B's, or "recording", Paper A's; see `scaled`.

    Examples
    --------
    >>> SoundInput(kind="mfcc", window_s=1.0).windows(np.sin(np.arange(24000, dtype=np.float32))).shape
    (3, 32, 20)
    """

    sr: int = 8000
    kind: str = "mel"
    n_fft: int = 512
    hop_length: int = 256
    n_mels: int = 40
    n_mfcc: int = 20
    window_s: float = 2.0
    step_s: float = 1.0
    scaling: str = "conditioned"

    def __post_init__(self) -> None:
        numbers = asdict(self)
        for name, known in {"kind": KINDS, "scaling": SCALINGS}.items():
            if (value := numbers.pop(name)) not in known:
                raise InputError(f"no {name} {value!r}.{near_miss(str(value), known)}")
        spectral.check_settings(**numbers)
        if self.window_s < SHORTEST_S or self.step_s <= 0:
            what = f"a window lasts {SHORTEST_S} s or more, and the next one starts later"
            raise InputError(f"window_s={self.window_s}, step_s={self.step_s}: {what}.")

    @property
    def frames(self) -> int:
        """Frames in one window."""
        return 1 + round(self.window_s * self.sr) // self.hop_length

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one window: (frames, coefficients)."""
        wide = {"mel": self.n_mels, "mfcc": self.n_mfcc, "stft": 1 + self.n_fft // 2}
        return self.frames, sum(wide[part] for part in self.kind.split("+"))

    @property
    def hop(self) -> int:
        """Frames from the start of one window to that of the next."""
        return max(1, round(self.step_s * self.sr / self.hop_length))

    def arrays(self) -> dict[str, Any]:
        """Return the settings of "conditioned" mel levels and MFCCs for a device's own code."""
        names = ("sr", "n_fft", "hop_length", "n_mels", "n_mfcc")
        parts = {"mel": range(self.n_mels), "mfcc": range(self.n_mels, self.n_mels + self.n_mfcc)}
        return {
            **spectral.arrays(**{name: getattr(self, name) for name in names}),
            "pre_emphasis": spectral.PRE_EMPHASIS,
            "columns": [k for part in self.kind.split("+") for k in parts[part]],
            "samples": round(self.window_s * self.sr),
            "frames": self.frames,
            "hop": self.hop,
        }

    def starts_s(self, rows: int, samples: int | None = None) -> npt.NDArray[np.float64]:
        """Return the start times of a sound's `rows` windows in s, float64 (rows,).

        If the sound's number of `samples` is given, the last window ends with the sound.
        """
        starts = np.arange(rows) * self.hop
        if samples is not None:
            starts = np.minimum(starts, max(0, 1 + samples // self.hop_length - self.frames))
        return starts * self.hop_length / self.sr

    def scaled(self, x: Array) -> Array:
        """Return the scaled sound, float32 (samples,).

        "conditioned": peak 1 and pre-emphasis. "recording": Paper A's standard scaler, then min-max
        (§3.2), fitted on this recording, minus the mean, from which the 80 dB range of a spectrogram
        would otherwise start.
        """
        if self.scaling == "conditioned":
            return spectral.pre_emphasis(spectral.normalise_amplitude(x))
        y = spectral.min_max(x)
        return y - y.mean(dtype=np.float64).astype(np.float32)

    def features(self, x: Array) -> Array:
        """Return the features of a sound `x` at `sr` Hz, float32 (frames, coefficients)."""
        y = self.scaled(x)
        if self.kind == "stft":
            return spectral.stft_db(y, n_fft=self.n_fft, hop_length=self.hop_length)
        settings = {"sr": self.sr, "n_fft": self.n_fft, "hop_length": self.hop_length}
        levels = spectral.mel_db(y, n_mels=self.n_mels, **settings)
        if self.kind == "mel":
            return levels
        coefficients = spectral.cepstrum(levels, n_mfcc=self.n_mfcc)
        return coefficients if self.kind == "mfcc" else np.concatenate([levels, coefficients], axis=1)

    def windows(self, x: Array) -> Array:
        """Return a usable sound's windows, float32 (windows, frames, coefficients), else none."""
        if sound_problem(x, self.sr):
            return np.zeros((0, *self.shape), np.float32)
        return windows(self.features(x), frames=self.frames, hop=self.hop)

    def examples(self, sounds: Sequence[Array]) -> Examples:
        """Return the windows of all `sounds`, float32 (samples,) each."""
        return Examples.of(list(thread_map(self.windows, sounds, what="windows")))


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """How pictures become inputs of a network. Raises InputError for a setting out of range.

    Parameters
    ----------
    fps, size : float, int
        Frames per second (frame k is shown at k / fps s); side of a frame in pixels.
    crop : str
        "face", the face that `video.track` follows, or "frame", the picture's centred square, as in
        Paper A for ResNet-50.
    limit : int, optional
        Maximum number of frames of a recording, spread over its length; all by default.

    Examples
    --------
    >>> PictureInput(size=32).shape
    (32, 32, 3)
    """

    fps: float = 2.0
    size: int = 64
    crop: str = "face"
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise InputError(f"there is no crop {self.crop!r}.{near_miss(self.crop, CROPS)}")
        spectral.check_settings(fps=self.fps)
        whole = [self.size] if self.limit is None else [self.size, self.limit]
        is_right = 0 < self.fps <= 1000 and all(type(n) is int and 0 < n <= 4096 for n in whole)
        if not is_right:
            raise InputError(f"{self}: fps, size and limit are numbers above 0.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one frame: (height, width, RGB)."""
        return self.size, self.size, 3

    def examples(self, tracks: "Sequence[FaceTrack | None]") -> Examples:
        """Return the usable crops of all recordings; a track is None if there are no pictures."""
        none = np.zeros((0, *self.shape), np.uint8)
        return Examples.of([none if track is None else track.crops[track.usable] for track in tracks])

    def frames(self, path: str | os.PathLike[str]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield all frames of a file, uint8 (size, size, 3) RGB.

        With "face", a frame without a face shows where the face was last or will be next, or the
        centred square if there is none at all; all crops of the file are then in memory. Raises
        InputError as `video.frames` does.
        """
        from cryutils import video
        from cryutils.video import faces

        if self.crop == "face":
            yield from video.track(path, fps=self.fps, size=self.size).crops
            return
        for picture in video.frames(path, fps=self.fps):
            yield faces.crop(picture, faces.centre(*picture.shape[:2]), size=self.size)


@dataclass(frozen=True, kw_only=True)
class JoinedInput:
    """The probabilities of several models, one after another: what an ensemble joins (Paper A §3.5).

    parts: the models' names, in order. classes: number of states.
    """

    parts: Sequence[str]
    classes: int

    @property
    def shape(self) -> tuple[int]:
        """Shape of one example: (models * classes,)."""
        return (len(self.parts) * self.classes,)


def pairs(times_s: npt.NDArray[np.float64], middles_s: npt.NDArray[np.float64]) -> tuple[Indices, Indices]:
    """Return the indices of frames and of their windows of sound, two int64 (n,).

    Each frame, shown at `times_s`, belongs to the window with the nearest middle. A window without
    a frame, because frames are few or end before the sound, shares the nearest one.
    """
    apart = np.abs(times_s[:, None] - middles_s)
    window = apart.argmin(axis=1)
    empty = np.setdiff1d(np.arange(len(middles_s)), window)
    frame = np.concatenate([np.arange(len(times_s)), apart[:, empty].argmin(axis=0)])
    return frame.astype(np.int64), np.concatenate([window, empty]).astype(np.int64)


def sound_problem(x: Array, sr: int) -> str | None:
    """Return why a sound is unusable (missing, too short or silent), or None if it is usable.

    x: float32 (samples,) in [-1, 1], at `sr` Hz. A constant offset is inaudible.
    """
    if not len(x):
        return "no sound"
    if len(x) < SHORTEST_S * sr:
        return f"only {len(x) / sr:.2f} s of sound"
    inner = x[round(_EDGE_S * sr) : -round(_EDGE_S * sr) or None]
    peak = float(np.abs(inner - inner.mean()).max())
    if peak < 10 ** (SILENCE_DB / 20):
        return "silence" if peak == 0 else f"silence (peak {20 * np.log10(peak):.0f} dB)"
    return None


def picture_problem(track: "FaceTrack | None") -> str | None:
    """Return why pictures are unusable (none, all blank, no face), or None if they are usable."""
    if track is None or not len(track.crops):
        return "no pictures"
    if track.blank.all():
        return "black or blank frames"
    if not track.usable.any():
        return f"no face in {len(track.crops)} frames"
    return None
