"""Google's speech embedding (Lin et al. 2020, arXiv 2002.01322) as a description of cries.

Used in notebook 12_beyond_the_papers. It was trained on spoken words, and is not trained here. The
extra `embeddings` installs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryutils._io import extras
from cryutils._io.progress import counting, quiet_stderr
from cryutils.audio.spectral import normalise_amplitude, resample
from cryutils.models.export import Lite

Array = npt.NDArray[np.float32]

_SR, _SHORTEST = 16_000, round(0.782 * 16_000)  # Hz, samples
_MEL_FRAMES, _STEP = 76, 16  # mel frames of a piece of sound, and from one to the next


def speech(sounds: Sequence[Array], *, sr: int) -> Array:
    """Return mean and deviation over time of each sound's vectors, float32 (clips, 192).

    sounds: float32 (samples,) at `sr` Hz, of any level. Raises InputError without the extra.
    """
    extras.require("pyopen_wakeword", "embeddings", "the network `speech`")
    from ai_edge_litert.interpreter import Interpreter

    package = find_spec("pyopen_wakeword")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "models"
    mel = Interpreter(str(folder / "melspectrogram.tflite"))  # any length: none is allocated yet
    network = Lite(folder / "embedding_model.tflite")

    def vectors(x: Array) -> Array:
        samples = np.pad(x, (0, max(0, _SHORTEST - len(x))))
        with quiet_stderr():  # resizing prints a line each time
            mel.resize_tensor_input(0, (1, len(samples)))
            mel.allocate_tensors()
        mel.set_tensor(0, np.float32(32_767) * samples[None])  # in the range of int16
        mel.invoke()
        levels = mel.get_tensor(mel.get_output_details()[0]["index"])[0, 0] / 10 + 2
        pieces = np.lib.stride_tricks.sliding_window_view(levels, _MEL_FRAMES, axis=0)[::_STEP]
        return network.predict(pieces.transpose(0, 2, 1)[..., None])[:, 0, 0]

    rows = []
    with counting("embeddings by speech", "clips") as report_progress:
        for x in sounds:
            each = vectors(resample(normalise_amplitude(x), sr=sr, to=_SR))
            rows.append(np.concatenate([each.mean(axis=0), each.std(axis=0)]))
            report_progress(len(rows), len(sounds))
    return np.array(rows, np.float32)
