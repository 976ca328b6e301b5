"""How much noise Paper A's autoencoders remove, compared with spectral gating.

Used in notebook 08_autoencoder_dnn. Paper A §3.5 uses the front part of an autoencoder "to remove
the noise", and §3.4.1 cites that autoencoders are "very effective" at denoising. `feature_errors`
measures this on features, `compare` on sounds, with noise that is added and therefore known. The
methods are in `models.denoising`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.audio import stress
from cryutils.evaluation.intervals import Interval, mean_interval
from cryutils.models import autoencoders, denoising, stacked
from cryutils.models.stacked import FitSpec, NetworkBatch
from cryutils.papers.autoencoding import Study

__all__ = ["METHODS", "Removal", "compare", "feature_errors", "with_noise"]

Array = npt.NDArray[np.float32]
Method = Callable[[Array], Array]

METHODS = ("autoencoder", "spectral gate")
_DECIBELS = np.arange(3.0, 25.0, 3.0).tolist()  # values to choose from on training clips
_CHOSEN_ON = 6  # training clips


def with_noise(study: Study, clip: int, snr_db: float, *, key: int = 1) -> Array:
    """Return a clip with pink noise, the same for the same `key`; unchanged if it is unusable."""
    x = study.sounds[clip]
    rng = np.random.default_rng([study.seed, key, clip])
    return stress.add_noise(x, snr_db=snr_db, rng=rng) if clip in study.usable else x


def feature_errors(study: Study, snr_db: float, *, progress: bool = False) -> pd.DataFrame:
    """Return how far features of noisy clips of new infants are from those of the clean clips.

    Columns: feature, model and error, the root mean square in standard deviations (1 is the error
    of always answering the mean). Models: "noisy" (nothing removed), "plain" (the study's
    autoencoder) and "denoising" (trained from noisy to clean).
    """
    noisy = [with_noise(study, k, snr_db) for k in range(len(study.sounds))]
    rows = []
    for kind, clean in study.windows.items():
        dirty = study.hearing[kind].examples(noisy)
        spread = study.scale(kind)[1][: clean.x.shape[2]]
        plain = study.autoencoders(kind, progress=progress)
        trained = study.autoencoders(kind, windows=dirty.x, clean=clean.x, progress=progress)
        squares = []
        for k, (_, _, test) in enumerate(study.divisions()):
            target, heard = clean.x[clean.rows(test)], dirty.x[clean.rows(test)]
            back = autoencoders.reconstruction(trained, k, heard)
            frames = back.shape[1]
            guesses = heard[:, :frames], autoencoders.reconstruction(plain, k, heard), back
            squares.append([np.mean(((x - target[:, :frames]) / spread) ** 2) for x in guesses])
        errors = np.sqrt(np.mean(squares, axis=0))
        names = ("noisy", "plain", "denoising")
        rows += [(kind, name, float(e)) for name, e in zip(names, errors, strict=True)]
    return pd.DataFrame(rows, columns=["feature", "model", "error"])


@dataclass(frozen=True, eq=False)
class Removal:
    """Two methods that remove noise from sounds, each fitted on the training clips of each fold.

    remove: by method, repeat and fold, a function from a noisy sound to an estimate of the clean
    one. gains: by method, the improvement of the signal-to-noise ratio of each clip in dB, in the
    fold that tests it, float64 (repeats, clips), NaN if unusable.
    """

    infants: list[str] = field(repr=False)
    remove: dict[tuple[str, int, int], Method] = field(repr=False)
    gains: dict[str, npt.NDArray[np.float64]] = field(repr=False)

    def gain(self, method: str) -> Interval:
        """Return the mean gain of a method in dB, with its interval over infants."""
        return mean_interval(self.gains[method], self.infants)

    def difference(self) -> Interval:
        """Return the gain of the autoencoder minus that of the gate in dB, with its interval."""
        ours, gate = (self.gains[method] for method in METHODS)
        return mean_interval(ours - gate, self.infants)


def compare(
    study: Study,
    spectrogram: denoising.Spectrogram,
    snr_db: float,
    *,
    snr_range: Sequence[float],
    per_sound: int,
    epochs: int,
    progress: bool = False,
) -> Removal:
    """Fit a denoising autoencoder and a spectral gate in each fold, and test them at `snr_db`.

    The autoencoder's offset and the gate's threshold and smoothing are chosen on training clips.

    snr_range: lowest and highest signal-to-noise ratio in training, in dB. per_sound: training
    patches of each clip. epochs: at most.
    """
    low, high = snr_range
    x, y, of = denoising.pairs(
        [study.sounds[k] for k in study.usable], spectrogram, snr_db=(low, high),
        rng=np.random.default_rng(study.seed), per_sound=per_sound,
    )  # fmt: skip
    clip = np.array(study.usable)[of]
    remove: dict[tuple[str, int, int], Method] = {}
    gains = {method: np.full((study.repeats, len(study.sounds)), np.nan) for method in METHODS}
    for repeat, seed in enumerate(study.seeds):
        divisions = study.divisions(repeat=repeat)
        tasks = [
            FitSpec(np.flatnonzero(np.isin(clip, train)), np.flatnonzero(np.isin(clip, stop)))
            for train, stop, _ in divisions
        ]
        settings = replace(denoising.SETTINGS, epochs=epochs, seed=seed)
        networks = stacked.fit(x, y, tasks, settings=settings, progress=progress)
        for k, (train, _, test) in enumerate(divisions):
            rng = np.random.default_rng([seed, k])
            some = rng.permutation(np.intersect1d(train, study.usable))[:_CHOSEN_ON]
            levels = np.linspace(low, high, len(some))
            noisy = [with_noise(study, i, snr, key=2) for i, snr in zip(some, levels, strict=True)]
            clean = [study.sounds[i] for i in some]
            tested = [i for i in test if i in study.usable]
            for method in METHODS:
                chosen = _best(_options(method, networks, k, spectrogram), clean, noisy)
                remove[method, repeat, k] = chosen
                gains[method][repeat, tested] = denoising.gains_db(
                    [study.sounds[i] for i in tested],
                    [with_noise(study, i, snr_db) for i in tested], chosen,
                )  # fmt: skip
    return Removal(study.corpus.infants.tolist(), remove, gains)


def _best(options: Sequence[Method], clean: Sequence[Array], noisy: Sequence[Array]) -> Method:
    """Return the option with the largest mean gain."""
    means = [denoising.gains_db(clean, noisy, option).mean() for option in options]
    return options[int(np.argmax(means))]


def _options(
    method: str, networks: NetworkBatch, task: int, spectrogram: denoising.Spectrogram
) -> list[Method]:
    if method == "autoencoder":
        about: dict[str, Any] = {"dense": networks, "task": task, "spectrogram": spectrogram}
        return [partial(denoising.autoencoder, **about, lift_db=lift) for lift in _DECIBELS]
    gate = partial(denoising.spectral_gate, spectrogram=spectrogram)
    pairs = product(_DECIBELS, ((1, 1), (5, 3)))
    return [partial(gate, threshold_db=threshold, smooth=smooth) for threshold, smooth in pairs]
