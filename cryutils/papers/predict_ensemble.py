"""Paper A's ensemble on any recording: `EnsemblePredictor`, behind `predict --model ensemble`.

Walked by notebook 09_ensemble (Paper A §3.5). A recording is cut into windows as in training:
sound, as MFCC and as STFT, with the frames shown meanwhile. Each submodel looks at
its input, the ensemble at what the three of them give. Without sound, or without pictures, the
submodels that have something answer in the mean. It runs the LiteRT files and is no medical
device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cryutils import audio, video
from cryutils._io import media
from cryutils.models.examples import by_clip
from cryutils.models.export import Lite
from cryutils.models.fusion import rolling_average
from cryutils.models.inputs import SoundInput, picture_problem, sound_problem
from cryutils.models.model_card import ModelCard, from_json
from cryutils.models.novelty import Reference
from cryutils.models.verdict import verdict
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.predict import (
    NO_MODEL,
    Prediction,
    Predictor,
    Timeline,
    find_run,
    is_synthetic,
    runs_with_models,
    sound_changes,
)
from cryutils.papers.streams import IMAGE, grid, pairs
from cryutils.video import faces

__all__ = ["EnsemblePredictor", "Models", "opened"]

Array = npt.NDArray[np.float32]

ENSEMBLE = "ensemble"
_FACE_FPS = 2.0
_FRAMES = 16  # that a backbone sees at once
_USED = {
    (True, True): "both", (True, False): "audio", (False, True): "image", (False, False): "none",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """A submodel: its network, how a recording is prepared for it, how much it gives on.

    Of what the network says, the first `features` numbers are for the ensemble; its own
    probabilities follow.
    """

    network: Lite
    input: SoundInput | FrameInput
    features: int
    reference: Reference | None

    def fits(self, states: int) -> bool:
        """Return whether the network takes that input, and says so much of so many states."""
        network = self.network
        return (network.shape, network.classes) == (self.input.shape, self.features + states)


@dataclass(frozen=True, slots=True, eq=False)
class _Outputs:
    """What the submodels give over time: times in s (n,), and by part float32 (n, width).

    boxes: of the faces, where they were followed, as in `Timeline`. unlike: as in `Prediction`,
    the most that a stream of sound says.
    """

    times_s: npt.NDArray[np.float64]
    outputs: Mapping[str, Array]
    boxes: Array | None = None
    unlike: float | None = None


class Models:
    """The runs that answer for a model: the first of `predict.runs_with_models`, and a stand-in.

    A run on real infants may have a model of sound alone. What it has no model for, such as a
    picture, is answered by the first run on synthetic infants, and the prediction says so.
    """

    def __init__(self, model: str, *, run: str | Path | None = None) -> None:
        """Open `model`: "cry2", "image", "full" or "ensemble", of `run` alone where it is named.

        Raises InputError as `Predictor` does.
        """
        self.model = model
        self.first = opened(model, find_run(model, run))
        self._others = [
            folder
            for folder in runs_with_models(model)
            if run is None and is_synthetic(folder, model) and folder != self.first.run
        ][:1]
        self._stand_in: Predictor | EnsemblePredictor | None = None

    def __call__(self, path: Path) -> Prediction:
        """Return what the models say of the file at `path`. Raises InputError as they do."""
        prediction = self.first(path)
        lacking = any(reason.endswith(NO_MODEL) for reason in prediction.why)
        if prediction.state is not None or not lacking or not self._others:
            return prediction
        if self._stand_in is None:
            self._stand_in = opened(self.model, self._others[0])
        return self._stand_in(path)


def opened(model: str, folder: Path) -> Predictor | EnsemblePredictor:
    """Return what asks `model` of the run in `folder`. Raises InputError as they do."""
    return EnsemblePredictor(run=folder) if model == ENSEMBLE else Predictor(model, run=folder)


class EnsemblePredictor:
    """The ensemble of one run with its submodels, ready for any file.

    >>> EnsemblePredictor(run="quick")(Path("cry.mp4")).state              # doctest: +SKIP
    'hungry'
    """

    def __init__(self, *, run: str | Path | None = None) -> None:
        """Open the ensemble of `run`, a name or an absolute `Path`.

        None: the first of `predict.runs_with_models`. Raises InputError where the run has none,
        or its files are damaged or don't belong together.
        """
        self.run = find_run(ENSEMBLE, run)
        card = ModelCard.read(self.run / "models", ENSEMBLE)
        content = card.content
        try:
            self.classes = card.classes
            self.data = card.text("data")
            computed = _computed(content.get("engine"))
            self.note = f"{card.text('note')}{computed}; ensemble: not calibrated"
            self._rolling = None if content["rolling"] is None else int(content["rolling"])
            prepared = {name: _prepared(name, part) for name, part in content["parts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise card.refusal(error) from error
        self._network = card.network(f"{ENSEMBLE}.tflite")
        self._parts = {
            name: _Part(card.network(f"{ENSEMBLE}_{name}.tflite"), *part)
            for name, part in prepared.items()
        }
        parts, states = self._parts.values(), len(self.classes)
        sounds = [part.input for part in parts if isinstance(part.input, SoundInput)]
        width = sum(part.features for part in parts)
        if (
            not all(part.fits(states) for part in parts)
            or (self._network.shape, self._network.classes) != ((width,), states)
            or len({grid(sound) for sound in sounds}) != 1
        ):
            raise card.refusal()
        self._hearing = sounds[0]

    def __call__(self, path: Path) -> Prediction:
        """Return what the ensemble says of the file at `path`: a sound, a video or a picture.

        Raises InputError, in one line, where it can't be read.
        """
        info = media.probe(path)
        why: list[str] = []
        by_window = self._hear(path, info, why)
        by_frame = self._look(path, info, why)
        sound = self._sound(by_window) if by_window else None
        pictures = self._pictures(by_frame) if by_frame else None
        fused = self._join(by_window, by_frame)
        timelines = [fused] if fused else [line for line in (sound, pictures) if line]
        answers = [line.probabilities.mean(axis=0) for line in timelines]
        p = np.mean(answers, axis=0) if answers else None
        shares = {} if p is None else dict(zip(self.classes, map(float, p), strict=True))
        return Prediction(
            file=path,
            info=info,
            state=verdict(shares) if shares else None,
            probabilities=shares,
            used=_USED[sound is not None, pictures is not None],
            why=tuple(why),
            sound=sound,
            face=self._rolled(pictures) if pictures else None,
            fused=fused,
            run=self.run.name,
            model=ENSEMBLE,
            data=self.data,
            note=self.note,
            unlike=by_window.unlike if by_window else None,
        )

    @property
    def networks(self) -> dict[str, Lite]:
        """The networks that are asked, by the names of their files."""
        parts = {f"{ENSEMBLE}_{name}": part.network for name, part in self._parts.items()}
        return {ENSEMBLE: self._network, **parts}

    def _hear(self, path: Path, info: media.MediaInfo, why: list[str]) -> _Outputs | None:
        """Return what the submodels of sound give for each window."""
        if not info.has_audio:
            why.append(f"sound: {info.missing('sound')}")
            return None
        parts = {name: part for name, part in self._parts.items() if name != IMAGE}
        sr, problem = self._hearing.sr, None
        times: list[npt.NDArray[np.float64]] = []
        outputs: dict[str, list[Array]] = {name: [] for name in parts}
        unlike: dict[str, list[float]] = {name: [] for name in parts}
        for start_s, x in audio.pieces(path, sr=sr):
            if unusable := sound_problem(x, sr):
                problem = unusable
                continue
            for name, part in parts.items():
                assert isinstance(part.input, SoundInput)
                rows = part.input.windows(x)
                outputs[name].append(part.network.predict(rows))
                if part.reference:
                    unlike[name].append(part.reference.share(rows))
            times.append(start_s + self._hearing.starts_s(len(rows), len(x)))
        if not times:
            why.append(f"sound: {problem}")
            return None
        why += sound_changes(path)
        joined = {name: np.concatenate(series) for name, series in outputs.items()}
        shares = [min(series) for series in unlike.values() if series]
        return _Outputs(np.concatenate(times), joined, unlike=max(shares, default=None))

    def _look(self, path: Path, info: media.MediaInfo, why: list[str]) -> _Outputs | None:
        """Return what the submodel of pictures gives for each frame that shows something."""
        if not info.has_video:
            why.append(f"picture: {info.missing('picture')}")
            return None
        part = self._parts.get(IMAGE)
        if part is None or not isinstance(part.input, FrameInput):
            why.append(f"picture: {NO_MODEL}")
            return None
        seeing, follows = part.input, part.input.crop == "face"
        # Where the submodel looks at the centred square, as in the paper, a face is looked for
        # now and then nevertheless, since an empty room has no state.
        fps = seeing.fps if follows else _FACE_FPS
        track = video.track(path, fps=fps, size=seeing.size, detector=seeing.detector)
        if problem := picture_problem(track):
            why.append(f"picture: {problem}")
            return None
        frames = iter(track.crops) if follows else seeing.frames(path)
        count, shown, outputs = 0, [], []
        while batch := list(islice(frames, _FRAMES)):
            usable = [
                k
                for k, frame in enumerate(batch)
                if (track.usable[count + k] if follows else not faces.is_blank(frame))
            ]
            shown += [count + k for k in usable]
            count += len(batch)
            if usable:
                outputs.append(part.network.predict(np.stack([batch[k] for k in usable])))
        if not outputs:
            why.append("picture: black or blank frames")
            return None
        boxes = track.boxes[shown] if follows else None
        return _Outputs(seeing.times_s(count)[shown], {IMAGE: np.concatenate(outputs)}, boxes)

    def _join(self, by_window: _Outputs | None, by_frame: _Outputs | None) -> Timeline | None:
        """Return the ensemble's answer to each window; None where a submodel has nothing."""
        if by_window is None or (IMAGE in self._parts and by_frame is None):
            return None
        outputs = dict(by_window.outputs)
        if by_frame is not None:
            middles = by_window.times_s + self._hearing.window_s / 2
            frame, window = pairs(by_frame.times_s, middles)
            outputs[IMAGE] = by_clip(by_frame.outputs[IMAGE][frame], window, len(middles))
        rows = [outputs[name][:, : part.features] for name, part in self._parts.items()]
        return Timeline(by_window.times_s, self._network.predict(np.concatenate(rows, axis=1)))

    def _sound(self, by_window: _Outputs) -> Timeline:
        """Return the mean of the submodels of sound for each window."""
        answers = [self._probabilities(name, output) for name, output in by_window.outputs.items()]
        return Timeline(by_window.times_s, np.mean(answers, axis=0, dtype=np.float32))

    def _pictures(self, by_frame: _Outputs) -> Timeline:
        """Return the answer to each frame."""
        return Timeline(
            by_frame.times_s, self._probabilities(IMAGE, by_frame.outputs[IMAGE]), by_frame.boxes
        )

    def _rolled(self, pictures: Timeline) -> Timeline:
        """Return the answers to the frames as the paper shows them: their rolling average."""
        frames = pictures.probabilities
        rolled = rolling_average(frames, self._rolling or len(frames))
        return Timeline(pictures.times_s, rolled, pictures.boxes)

    def _probabilities(self, name: str, output: Array) -> Array:
        return output[:, self._parts[name].features :]


def _prepared(
    name: str, stored: Mapping[str, Any]
) -> tuple[SoundInput | FrameInput, int, Reference | None]:
    kind: type[SoundInput] | type[FrameInput] = FrameInput if name == IMAGE else SoundInput
    reference = Reference.from_json(stored.get("reference"))
    return from_json(kind, stored["input"]), int(stored["features"]), reference


def _computed(engine: Mapping[str, Any] | None) -> str:
    """Return the words on an engine that computes otherwise than the files do, in float32."""
    if engine is None or str(engine["precision"]).startswith("float32"):
        return ""
    return f"; pictures learned and scored with {engine['words']}, computed here in float32"
