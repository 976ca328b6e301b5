"""Every parameter of the notebooks, declared once: `DECLARED`, and checked before anything starts.

A parameter of one name means the same in every notebook. The command checks what it is given by
this table (`check_names`, `check`, `check_corpus`), and `cryutils run --list` prints it. A
notebook that somebody else adds may have parameters that aren't here: those take what is of the
kind of their default. No notebook walks this module.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cryutils.clips import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.locations import resolve

__all__ = ["DECLARED", "Parameter", "check", "check_corpus", "check_names", "declaration",
           "read_value"]  # fmt: skip

Kind = Literal["flag", "whole", "even", "number", "text"]
_KINDS: dict[type, Kind] = {bool: "flag", int: "whole", float: "number", str: "text"}
_RANGES = {
    "[]": " from {} to {}", "()": " above {} and below {}", "[)": " from {} to below {}",
    "(]": " above {} and up to {}",
}  # fmt: skip
_MANY = 100  # items of a list
_SHOWN = 60  # characters of a wrong value


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What a parameter may be.

    about: a few words, with the unit. span: an interval such as "[0, 1)", for numbers. choices:
    for a text; other: what a text may name beside them. items: how many a list holds, least and
    most; None for a single value. null, empty: whether null, or "" or [], is one of its values.
    """

    about: str = ""
    kind: Kind
    span: str = "(-inf, inf)"
    choices: tuple[str, ...] = ()
    other: str = ""
    items: tuple[int, int] | None = None
    null: bool = False
    empty: bool = False

    def accepts(self, value: object) -> bool:
        """Return whether `value`, as JSON or YAML give it, is one that this parameter may have."""
        if value is None:
            return self.null
        if value in ("", []):
            return self.empty
        if self.items is None:
            return self._takes(value)
        if not isinstance(value, list) or not self.items[0] <= len(value) <= self.items[1]:
            return False
        twice = self.kind == "text" and len({str(item) for item in value}) < len(value)
        return not twice and all(self._takes(item) for item in value)

    def _takes(self, item: object) -> bool:
        if self.kind == "flag" or isinstance(item, bool):
            return self.kind == "flag" and isinstance(item, bool)
        if self.kind == "text":
            named = isinstance(item, str) and item.strip() != "" and self.other != ""
            return item in self.choices or named
        if not isinstance(item, int if self.kind in ("whole", "even") else (int, float)):
            return False
        low, high = self._ends
        # NaN lies nowhere: all of its comparisons are false.
        above = low < item if self.span[0] == "(" else low <= item
        below = item < high if self.span[-1] == ")" else item <= high
        return above and below and not (self.kind == "even" and item % 2)

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = self.span[1:-1].split(", ")
        return float(low), float(high)

    @property
    def words(self) -> str:
        """What it may be, in words: "a whole number from 1 to 512"."""
        if self.kind == "flag":
            words = "true or false"
        elif self.kind == "text":
            words = (
                self._listed if self.items is None else f"a list of {self._count}different names"
            )
        else:
            noun = {"whole": "whole number", "even": "even number", "number": "number"}[self.kind]
            if self.items is None:
                words = f"a{'n' if noun[0] == 'e' else ''} {noun}{self._range}"
            else:
                words = f"a list of {self._count}{noun}s{self._range}"
        empty = ", or []" if self.empty and self.items else ' or ""' if self.empty else ""
        return words + empty + (" or null" if self.null else "")

    @property
    def _range(self) -> str:
        low, high = self.span[1:-1].split(", ")
        return "" if high == "inf" else _RANGES[self.span[0] + self.span[-1]].format(low, high)

    @property
    def _count(self) -> str:
        least, most = self.items or (1, 1)
        return {2: "two "}.get(most, f"{most} ") if least == most else "two or more " * (least == 2)

    @property
    def _listed(self) -> str:
        names = [*(f'"{name}"' for name in self.choices), *([self.other] if self.other else [])]
        return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _whole(span: str, about: str) -> Parameter:
    return Parameter(kind="whole", span=span, about=about)


def _number(span: str, about: str, *, null: bool = False) -> Parameter:
    return Parameter(kind="number", span=span, about=about, null=null)


def _numbers(span: str, about: str, *, items: tuple[int, int] = (1, _MANY)) -> Parameter:
    return Parameter(kind="number", span=span, about=about, items=items)


def _wholes(span: str, about: str, *, most: int = _MANY) -> Parameter:
    return Parameter(kind="whole", span=span, about=about, items=(1, most))


def _flag(about: str) -> Parameter:
    return Parameter(kind="flag", about=about)


def _choice(*choices: str, about: str, other: str = "") -> Parameter:
    return Parameter(kind="text", choices=choices, about=about, other=other)


# Ends are the library's own where it has any; the others leave a researcher room, and stop what
# would never end.
DECLARED: Mapping[str, Parameter] = {
    # The recordings
    "data": _choice("synthetic", "donateacry", other="a folder", about="the recordings"),
    "classes": Parameter(
        kind="text", other="a class", items=(2, _MANY), empty=True,
        about="classes to compare, [] for Table 1's, or a folder's own",
    ),
    "states": Parameter(kind="text", other="a class", items=(2, 2), about="classes to show"),
    "stand_in": _choice(
        "auto", other="a class", about="the class that stands for pain where there is none"
    ),
    "infants": _whole("[4, 10000]", "synthetic infants"),
    "clips": _whole("[6, 100000]", "synthetic clips in all"),
    "clips_per_infant": _whole("[1, 1000]", "synthetic clips of each infant"),
    "duration_s": _number("[0.5, 600]", "seconds of a synthetic clip"),
    "signal": _number("[0, 1]", "how much the state shapes a synthetic voice and face"),
    "identity": _number("[0, 1]", "how much the infant shapes them"),
    "face_signal": _number("[0, 1]", "signal of the face, null for the voice's", null=True),
    "fps": _number("[1, 120]", "frames a second of a synthetic video"),
    "size": Parameter(
        kind="even", span="[64, 1024]", about="pixels of a synthetic video's side"
    ),
    # Sound
    "sr": _whole("[4000, 192000]", "sampling rate to work at, in Hz"),
    "kind": _choice("mel", "mfcc", "mel+mfcc", "stft", about="features of the sound"),
    "scaling": _choice("signal", "features", "none", about="what is scaled (Paper A: the signal)"),
    "n_fft": _whole("[16, 16384]", "samples of a frame"),
    "hop_length": _whole("[1, 16384]", "samples from frame to frame, n_fft at most"),
    "n_mels": _whole("[2, 512]", "mel bands, n_fft // 2 + 1 at most"),
    "n_mfcc": _whole("[2, 512]", "coefficients, n_mels at most"),
    "window_s": _number("[0.25, 60]", "seconds of sound that a network hears at once"),
    "step_s": _number("[0.01, 60]", "seconds from one such window to the next"),
    "snr_db": _numbers("[-100, 100]", "noise levels tried: signal to noise in dB"),
    "noise_db": _number("[-100, 100]", "signal to noise of every clip, in dB"),
    "noise_levels": _numbers("[-100, 100]", "other levels tried, in dB"),
    "noise_range": _numbers("[-100, 100]", "lowest and highest in training, dB", items=(2, 2)),
    "noisy_patches": _whole("[1, 10000]", "noisy patches of each recording"),
    # Pictures
    "face_fps": _number("[0.1, 120]", "frames a second in which a face is looked for"),
    "face_limit": Parameter(
        kind="whole", span="[1, 10000]", null=True, about="frames of a clip at most, null for all"
    ),
    "face_size": _whole("[16, 512]", "pixels of a face crop's side"),
    "detector": _choice("auto", "haar", "yunet", about="what finds faces"),
    "backbone": Parameter(
        kind="text", choices=("auto", "small"), other="a network of keras.applications",
        about="the frozen network",
    ),
    "05_image.backbone": Parameter(
        kind="text", other="a network of keras.applications", empty=True,
        about='the frozen network, "" to train a small one',
    ),
    "06_full.backbone": Parameter(
        kind="text", other="a network of keras.applications", empty=True,
        about='the frozen network, "" to train a small one',
    ),
    "weights": _choice(
        "auto", "imagenet", "random", other="a weights file",
        about="where the frozen network's weights come from",
    ),
    "engine": _choice(
        "keras", "openvino-bf16", "openvino-int8", about="what runs the frozen network"
    ),
    "crop": _choice("auto", "frame", "centre", "face", about="the part of a frame that it sees"),
    "frame_fps": _number("[0.1, 120]", "frames a second for the frozen network"),
    "frame_size": _whole("[0, 1024]", "pixels of their side, 0 for the network's own"),
    "head_fps": _number("[0, 120]", "frames a second that train the second model, 0 for all"),
    "resnet_row": _flag("whether a ResNet-50 with random weights is shown, too"),
    "resnet_fps": _number("[0.01, 120]", "frames a second for that ResNet-50"),
    "resnet_size": _whole("[32, 512]", "pixels of such a frame's side"),
    "windows": _wholes("[1, 100000]", "lengths of rolling averages tried, in frames"),
    "rolling": _whole("[1, 100000]", "frames of the rolling average"),
    # Networks
    "filters": _wholes("[1, 1024]", "filters of each block of convolutions", most=6),
    "patch": _whole("[1, 1000]", "frames of a patch"),
    "per_window": _whole("[1, 1000]", "patches of each window that an autoencoder trains on"),
    "bottleneck": _whole("[1, 4096]", "numbers of an autoencoder's code"),
    "sizes": _wholes("[1, 4096]", "other codes tried"),
    "hidden": _whole("[1, 4096]", "units on either side of the code"),
    "units": _whole("[1, 4096]", "units of the second model"),
    "dnn_units": _wholes("[1, 4096]", "units of each layer behind an encoder", most=6),
    "image_units": _wholes("[1, 4096]", "units of each layer of the second model", most=6),
    "ensemble_units": _wholes("[1, 4096]", "units of each layer of the ensemble", most=6),
    "ensemble_input": _choice("probabilities", "features", about="what of the submodels is joined"),
    "out_of_fold": _flag("whether the ensemble learns from answers to unseen clips"),
    # Training
    "epochs": _whole("[1, 10000]", "epochs at most"),
    "autoencoder_epochs": _whole("[1, 10000]", "epochs of autoencoders at most"),
    "dnn_epochs": _whole("[1, 10000]", "epochs of DNNs at most"),
    "denoise_epochs": _whole("[1, 10000]", "epochs of denoising autoencoders at most"),
    "image_epochs": _whole("[1, 10000]", "epochs of the image submodel at most"),
    "ensemble_epochs": _whole("[1, 10000]", "epochs of ensembles at most"),
    "finetune": _flag("whether the backbone is trained, too, which takes minutes"),
    "finetune_epochs": _whole("[1, 10000]", "epochs of fine-tuning at most"),
    "patience": _whole("[1, 10000]", "epochs without a better loss before it stops"),
    "batch_size": _whole("[1, 8192]", "examples of a batch"),
    "learning_rate": _number("(0, 1]", "step size of the optimiser"),
    "dropout": _number("[0, 1)", "share of units dropped in training"),
    # Tests
    "test_size": _number("(0, 1)", "share of the clips to test in one split"),
    "splits": _whole("[1, 10000]", "splits drawn at random"),
    "n_folds": _whole("[2, 100]", "folds of cross-validation"),
    "n_inner": _whole("[2, 100]", "folds within a fold"),
    "repeats": _whole("[1, 100]", "repeats of cross-validation"),
    "permutations": _whole("[1, 100000]", "permutations of labels for a p-value"),
    "split_unit": _choice("frame", "clip", about="what Paper A's split divides"),
    "drop_shares": _numbers("[0, 1]", "shares of clips that lose a modality"),
    "seeds": _whole("[1, 100]", "trainings of the first fold, each from another seed"),
    "seed": _whole("[0, 2000000000]", "where random numbers start"),
}  # fmt: skip


def declaration(notebook: str, name: str, default: object) -> Parameter | None:
    """Return what the parameter `name` of `notebook` may be, None where nothing says so.

    Where it isn't declared, its default tells the kind.
    """
    declared = DECLARED.get(f"{notebook}.{name}", DECLARED.get(name))
    sample = default[0] if isinstance(default, list) and default else default
    if declared or type(sample) not in _KINDS:
        return declared
    items = (1, _MANY) if isinstance(default, list) else None
    return Parameter(kind=_KINDS[type(sample)], other="a text", items=items, empty=True)


def read_value(text: str) -> Any:
    """Return the value of a parameter given as text: JSON where it is, else a number or text.

    >>> read_value("1e-3"), read_value('["hungry","tired"]'), read_value("hungry")
    (0.001, ['hungry', 'tired'], 'hungry')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # more digits or brackets than Python reads, too
        pass
    # YAML 1.1 takes 1e-3 for text, so numbers are tried first.
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"True": True, "False": False, "None": None}.get(text, text)


def check_names(given: Mapping[str, Any], notebooks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError for a name that is a parameter of none of `notebooks`."""
    known = {key for parameters in notebooks.values() for key in parameters}
    for key in given:
        if key not in known:
            where = next(iter(notebooks)) if len(notebooks) == 1 else "any chosen notebook"
            raise InputError(f"{key} is no parameter of {where}.{near_miss(key, known)}")


def check(notebook: str, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise InputError, in one line with the mend, where `notebook` can't take what is given.

    defaults: the notebook's own parameters. given: those that are set, by names in `defaults`.
    """
    for name, value in given.items():
        declared = declaration(notebook, name, defaults[name])
        if declared and not declared.accepts(value):
            example = _example(name, value, declared, defaults[name])
            raise InputError(f"{name}={_short(value)}: give {declared.words}{example}.")
    values = {**defaults, **given}
    for name, most, other in _limits(values):
        size = values[name]
        if (len(size) if isinstance(size, list) else size) > most:
            what = f"{most} of them" if isinstance(size, list) else most
            raise InputError(
                f"{name}={_short(size)}: give {what} at most, for {other}={_short(values[other])}."
            )
    for mistake in _mistakes(values):
        raise InputError(mistake)
    if values.get("data") == "synthetic":
        from cryutils.synth.voice import STATES

        _check_classes(given, "synthetic", sorted(STATES))


def check_corpus(given: Mapping[str, Any], corpus: Corpus) -> None:
    """Raise InputError where the parameters given ask for what `corpus` doesn't hold."""
    _check_classes(given, corpus.name, corpus.classes)
    longest = max(clip.duration_s for clip in corpus)
    if given.get("window_s", 0) > longest:
        raise InputError(
            f"window_s={given['window_s']}: {corpus.name}'s longest recording has {longest:.1f} s;"
            " give no more."
        )


def _limits(values: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Yield what may be no larger, or no longer, than another parameter allows: name, most, it."""
    if "n_fft" in values:
        yield "hop_length", values["n_fft"], "n_fft"
        yield "n_mels", values["n_fft"] // 2 + 1, "n_fft"
        yield "n_mfcc", values["n_mels"], "n_mels"
    if "window_s" in values:
        from cryutils.inputs import SoundInput

        settings = ("sr", "n_fft", "hop_length", "n_mels", "n_mfcc", "window_s")
        kind = values.get("kind", "mfcc")
        shape = SoundInput(kind=kind, **{name: values[name] for name in settings}).shape
        if "patch" in values:
            yield "patch", shape[0], "window_s"
        if "filters" in values:
            yield "filters", _blocks(min(shape)), "kind" if shape[1] < shape[0] else "window_s"
    if "face_size" in values and not values["backbone"]:
        yield "filters", _blocks(values["face_size"]), "face_size"
    if values.get("data") == "synthetic" and "duration_s" in values:
        if "window_s" in values:
            yield "window_s", values["duration_s"], "duration_s"
        if "n_folds" in values and "infants" in values:
            yield "n_folds", values["infants"], "infants"
        elif "n_folds" in values:
            yield "n_folds", values["clips"] // values["clips_per_infant"], "clips"


def _blocks(side: int) -> int:
    """How many blocks of convolution and pooling a picture of that side allows (`networks`)."""
    return side.bit_length() - 2


def _mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else is wrong between parameters, or with a file that one names."""
    low, high = values.get("noise_range", (0, 0))
    if low > high:
        yield f"noise_range={_short([low, high])}: give the lower level first."
    if values.get("data") == "synthetic" and "infants" in values:
        least = 2 * (len(values.get("classes", [])) or 4)
        if values["infants"] < least:
            yield f"infants={values['infants']}: give {least} or more, two of each class."
    elif values.get("data") == "synthetic" and "clips" in values:
        least = 6 * values["clips_per_infant"]
        if values["clips"] < least:
            yield f"clips={values['clips']}: give {least} or more, of two infants in each state."
    weights = values.get("weights") or "auto"
    choices = DECLARED["weights"].choices
    if weights not in choices and not resolve(weights).is_file():
        yield f"weights={_short(weights)}: no such file.{near_miss(weights, choices)}"


def _check_classes(given: Mapping[str, Any], corpus: str, classes: Sequence[str]) -> None:
    for name in ("classes", "states", "stand_in"):
        labels = given.get(name, [])
        for label in [labels] if isinstance(labels, str) else labels:
            if label not in classes and (name, label) != ("stand_in", "auto"):
                known = f" Known: {', '.join(classes)}."
                hint = near_miss(label, classes).replace(known, "")
                raise InputError(f"{name}: {corpus} has no class {_short(label)}.{hint}{known}")


def _example(name: str, value: object, declared: Parameter, default: object) -> str:
    """A list as the shell must be given it: the one that was meant, as far as one can tell."""
    if declared.items is None:
        return ""
    example = default or ["hungry", "tired"]
    if isinstance(value, str):  # its quotes are missing, or the shell has eaten them
        meant = [read_value(word.strip(" \"'")) for word in value.strip("[](){} ").split(",")]
        example = meant if declared.accepts(meant) else example
    return f", such as -p {shlex.quote(f'{name}={json.dumps(example)}')}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
