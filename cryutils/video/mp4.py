"""Writing MP4 files: `write` encodes frames (H.264) and a sound (AAC) through PyAV.

Used for the synthetic corpus of notebooks 05_image and 06_full.
"""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils._io.media import SYNTHETIC
from cryutils._io.paths import writing

# Sample rates in Hz that AAC in an MP4 file can have.
SOUND_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
# By default 38 dB, in two thirds of the time and size of 23 and x264's preset "veryfast".
_SOUND_BITS = 64_000  # per second; at 48,000 a cry's mean MFCCs change 2.5 times as much


def write(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    fps: float | Fraction,
    sound: npt.NDArray[np.float32] | None = None,
    sr: int | None = None,
    crf: int = 26,
    synthetic: bool = False,
) -> None:
    """Write an MP4 file, completely or not at all.

    frames: uint8 (height, width, 3) RGB of one size with even sides, shown at i / fps s. sound:
    float32 (samples,) in [-1, 1]. sr: its rate in Hz, one of `SOUND_RATES`. crf: x264's constant
    rate factor, 0 (lossless) to 51. synthetic: whether the file says that its faces are drawn.
    """
    import av

    rate = Fraction(fps).limit_denominator(1001)
    # With the default unit of time in the header, 1 ms, the sound's end would be rounded. The frames
    # wait for the sound, which is encoded after them.
    header = {"movie_timescale": str(sr or 1000), "max_interleave_delta": "0"}
    with writing(path) as part, av.open(str(part), "w", "mp4", container_options=header) as container:
        if synthetic:
            container.metadata["comment"] = SYNTHETIC
        # x264's macroblock tree reads uninitialised memory (core 165, AVX2). With it, the first
        # file of a process would differ from the second with the same frames.
        options = {"crf": str(crf), "preset": "superfast", "x264-params": "mbtree=0"}
        pictures: Any = container.add_stream("libx264", rate=rate, options=options)
        pictures.pix_fmt = "yuv420p"
        pictures.codec_context.thread_count = 1  # workers write in parallel
        track = None
        if sound is not None and sr is not None:
            track = container.add_stream("aac", rate=sr, layout="mono")
            track.codec_context.thread_count, track.codec_context.bit_rate = 1, _SOUND_BITS
        for count, frame in enumerate(frames):
            if not count:
                pictures.height, pictures.width = frame.shape[:2]
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = count, 1 / rate
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode(None))
        if track is not None and sound is not None and sr is not None:
            block = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
            block.sample_rate, block.time_base, block.pts = sr, Fraction(1, sr), 0
            container.mux([*track.encode(block), *track.encode(None)])
