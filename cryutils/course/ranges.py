"""The ranges of the notebooks' parameters (`Parameters`), and the rules between parameters.

A name means the same in every notebook. `parameters` reads notebooks and checks their values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cryutils._io.paths import resolve
from cryutils.datasets import registry
from cryutils.errors import near_miss

__all__ = ["Parameters", "short", "unknown_classes"]

_SHOWN = 60  # characters of a value in a message
_NO_LIMIT = 10**9  # if a notebook lacks the parameter that would limit another


def _is_file(name: str) -> str:
    if not resolve(name).is_file():
        raise ValueError
    return name


def _are_different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError
    return names


Text = Annotated[str, Field(pattern=r"\S")]
File = Annotated[Text, AfterValidator(_is_file)]
Names = Annotated[list[Text], AfterValidator(_are_different)]
Nothing = Annotated[list[Text], Field(max_length=0)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Repeats = Annotated[int, Field(ge=1, le=100)]
Units = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(ge=-100, le=100)]  # dB


def _field(low: float | None = None, high: float | None = None, **constraints: Any) -> Any:
    return Field(None, ge=low, le=high, **constraints)  # None if the notebook lacks it


def _items(least: int = 1, most: int = 100) -> Any:
    return Field(None, min_length=least, max_length=most)


class Parameters(BaseModel):
    """The range of each parameter. All are optional: a notebook has only some of them.

    Limits are those of the library, if it has any; the others only prevent endless runs.
    `description` is for messages: the noun for a text, or a range that excludes an end.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    # Recordings
    data: Literal[*registry.MODULES] | Text = _field(description="a folder")  # type: ignore[valid-type]
    unlabelled: Literal[*registry.MODULES] | Text = _field(description="a folder")  # type: ignore[valid-type]
    runs: Names = _items(0)
    classes: Annotated[Names, Field(min_length=2, max_length=100)] | Nothing = _field()
    states: Names = _items(2, 2)
    stand_in: Literal["auto"] | Text = _field(description="a class")
    tasks: list[Literal["reason", "infant", "age", "sex"]] = _items(1, 4)
    infants: int = _field(4, 10_000)
    voices: int = _field(4, 10_000)
    clips: int = _field(6, 100_000)
    clips_per_infant: int = _field(1, 1000)
    duration_s: float = _field(0.5, 600)
    signal: Share = _field()
    known_signals: list[Share] = _items()
    identity: Share = _field()
    interaction: Share = _field()
    session: Share = _field()
    face_signal: Share | None = _field()
    fps: float = _field(1, 120)
    size: int = _field(64, 1024, multiple_of=2, description="an even number")
    # Sound
    sr: int = _field(4000, 96_000)
    kind: Literal["mel", "mfcc", "mel+mfcc", "stft"] = _field()
    scaling: Literal["signal", "recording", "recording_centred", "features", "none"] = _field()
    n_fft: int = _field(16, 16_384)
    hop_length: int = _field(1, 16_384)
    n_mels: int = _field(2, 512)
    n_mfcc: int = _field(2, 512)
    window_s: float = _field(0.25, 60)
    step_s: float = _field(0.01, 60)
    sequence_s: float = _field(0.5, 60)
    snr_db: list[Level] = _items()
    noise_db: Level = _field()
    # Pictures
    face_fps: float = _field(0.1, 120)
    face_limit: Count | None = _field()
    face_size: int = _field(16, 512)
    detector: Literal["auto", "haar", "yunet"] = _field()
    backbone: Literal["auto", "small"] | Text = _field(description="a network such as ResNet50")
    backbones: Names = _items()
    weights: Literal["auto", "imagenet", "random"] | File = _field(description="an existing file")
    engine: Literal["keras", "openvino-bf16"] = _field()
    crop: Literal["auto", "frame", "centre", "face"] = _field()
    frame_fps: float = _field(0.1, 120)
    frame_size: int = _field(0, 1024)
    head_fps: float = _field(0, 120)
    resnet_row: bool = _field()
    resnet_fps: float = _field(0.01, 120)
    resnet_size: int = _field(32, 512)
    windows: list[Annotated[int, Field(ge=1, le=100_000)]] = _items()
    rolling: int = _field(1, 100_000)
    # Networks
    filters: list[Annotated[int, Field(ge=1, le=1024)]] = _items(1, 6)
    patch: int = _field(1, 1000)
    per_window: int = _field(1, 1000)
    bottleneck: Units = _field()
    sizes: list[Units] = _items()
    hidden: Units = _field()
    units: Units = _field()
    dnn_units: list[Units] = _items(1, 6)
    image_units: list[Units] = _items(1, 6)
    ensemble_units: list[Units] = _items(1, 6)
    ensemble_input: Literal["probabilities", "features"] = _field()
    # Training
    epochs: Count = _field()
    autoencoder_epochs: Count = _field()
    dnn_epochs: Count = _field()
    pretraining_epochs: Count = _field()
    temperature: float = _field(gt=0, high=10, description="a number above 0 and up to 10")
    image_epochs: Count = _field()
    ensemble_epochs: Count = _field()
    finetune: bool = _field()
    finetune_epochs: Count = _field()
    patience: Count = _field()
    batch_size: int = _field(1, 8192)
    learning_rate: float = _field(gt=0, high=1, description="a number above 0 and up to 1")
    dropout: float = _field(0, lt=1, description="a number from 0 to below 1")
    # Tests
    test_size: float = _field(gt=0, lt=1, description="a number above 0 and below 1")
    splits: Count = _field()
    n_folds: int = _field(2, 100)
    n_inner: int = _field(2, 100)
    repeats: Repeats = _field()
    permutations: int = _field(1, 100_000)
    permuted_repeats: Repeats = _field()
    recipe_draws: Count = _field()
    recipe_networks: bool = _field()
    simulations: Count = _field()
    drop_shares: list[Share] = _items()
    labelled: list[Annotated[float, Field(gt=0, le=1)]] = _items()
    stresses: Names = _items(0)
    coverage: float = _field(gt=0, high=1, description="a number above 0 and up to 1")
    listen_s: float = _field(2, 60)
    pause_s: float = _field(2, 60)
    each: int = _field(5, 1000)
    calls: int = _field(10, 100_000)
    bins: Repeats = _field()
    seeds: Repeats = _field()
    seed: int = _field(0, 2_000_000_000)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if mistake := next(_mistakes(self.model_dump(exclude_unset=True)), None):
            raise ValueError(mistake)
        return self


def _mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each rule between parameters that `values` violate."""
    if values.get("data") == "synthetic":
        from cryutils.datasets.synthetic.states import STATES

        yield from unknown_classes(values, "synthetic", sorted(STATES))
        each, classes = values.get("clips_per_infant", 1), len(values.get("classes", [])) or 4
        for name, least, why in (
            ("clips", 6 * each, f"of two infants in each state, for clips_per_infant={each}"),
            ("infants", 2 * classes, "two of each class"),
        ):
            if values.get(name, least) < least:
                yield f"{name}={values[name]}: give {least} or more, {why}."
    for name, most, other in _limits(values):
        value, unit = values.get(name, 0), ""
        if isinstance(value, list):
            value, unit = len(value), " of them"
        if value > most:
            shown, limit = short(values[name]), short(values[other])
            yield f"{name}={shown}: give {most}{unit} at most, for {other}={limit}."


def _limits(values: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Yield (parameter, its maximum, the parameter that sets this maximum).

    The maximum of a list is a number of items. Each convolutional block halves its input.
    """
    n_fft = values.get("n_fft", _NO_LIMIT)
    yield "hop_length", n_fft, "n_fft"
    yield "n_mels", n_fft // 2 + 1, "n_fft"
    yield "n_mfcc", values.get("n_mels", _NO_LIMIT), "n_mels"
    sound = {"sr", "n_fft", "hop_length", "n_mels", "n_mfcc", "window_s"}
    if sound <= values.keys():
        from cryutils.models.inputs import SoundInput

        settings = {name: values[name] for name in sound}
        frames, width = SoundInput(kind=values.get("kind", "mfcc"), **settings).shape
        yield "patch", frames, "window_s"
        is_narrow = width < frames and "kind" in values
        blocks = min(frames, width).bit_length() - 2
        yield "filters", blocks, "kind" if is_narrow else "window_s"
    if not values.get("backbone"):
        yield "filters", values.get("face_size", _NO_LIMIT).bit_length() - 2, "face_size"
    if values.get("data") == "synthetic":
        from_clips = values.get("clips", _NO_LIMIT) // values.get("clips_per_infant", 1)
        yield "window_s", values.get("duration_s", _NO_LIMIT), "duration_s"
        yield "n_folds", values.get("infants", _NO_LIMIT), "infants"
        yield "n_folds", from_clips, "clips"


def unknown_classes(values: Mapping[str, Any], corpus: str, known: Sequence[str]) -> Iterator[str]:
    """Yield a message for each class in `values` that is not in `known`, those of `corpus`."""
    for name in ("classes", "states", "stand_in"):
        labels = values.get(name, [])
        for label in [labels] if isinstance(labels, str) else labels:
            if label not in known and (name, label) != ("stand_in", "auto"):
                yield f"{name}: {corpus} has no class {short(label)}.{near_miss(label, known)}"


def short(value: object) -> str:
    """Return `value` as JSON, cut after 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
