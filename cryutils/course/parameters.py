"""Every parameter of the notebooks, declared once: `DECLARED`, and checked before anything starts.

A parameter of one name means the same in every notebook. The command checks what it is given by
this table (`check_names`, `check`), and against the recordings (`check_corpus`; `recordings` has
what each notebook needs of them); `cryutils run --list` prints it. A notebook that somebody else
adds may have parameters that aren't here: those take what is of the kind of their default. No
notebook walks this module.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cryutils._io.paths import resolve
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss

__all__ = ["DECLARED", "Parameter", "check", "check_corpus", "check_names", "declaration",
           "read_value"]  # fmt: skip

Kind = Literal["flag", "whole", "even", "number", "text"]
_KINDS: dict[type, Kind] = {bool: "flag", int: "whole", float: "number", str: "text"}
_NOUNS = {
    "flag": "true or false", "whole": "a whole number", "even": "an even number",
    "number": "a number", "text": "different names",
}  # fmt: skip
_ENDS = {
    "[]": " from {} to {}", "()": " above {} and below {}", "[)": " from {} to below {}",
    "(]": " above {} and up to {}",
}  # fmt: skip
_MANY = 100  # items of a list
_SOME, _LAYERS = (1, _MANY), (1, 6)
_SHOWN = 60  # characters of a wrong value


@dataclass(frozen=True)
class Parameter:
    """What a parameter may be.

    about: a few words, with the unit. span: an interval such as "[0, 1)", for numbers. choices:
    for a text; other: what a text may name beside them. items: how many a list holds, least and
    most; None for a single value. null, empty: whether null, or "" or [], is one of its values.
    """

    kind: Kind
    about: str = ""
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
        if self.kind == "flag":
            return isinstance(item, bool)
        if self.kind == "text":
            named = self.other != "" and isinstance(item, str) and item.strip() != ""
            return item in self.choices or named
        number = (int, float) if self.kind == "number" else int
        if isinstance(item, bool) or not isinstance(item, number):
            return False
        low, high = map(float, self.span[1:-1].split(", "))
        # NaN lies nowhere: all of its comparisons are false.
        above = low < item if self.span[0] == "(" else low <= item
        below = item < high if self.span[-1] == ")" else item <= high
        return above and below and not (self.kind == "even" and item % 2)

    @property
    def words(self) -> str:
        """What it may be, in words: "a whole number from 1 to 512"."""
        if self.kind == "text" and self.items is None:
            names = [f'"{name}"' for name in self.choices] + [self.other] * bool(self.other)
            words = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        else:
            low, high = self.span[1:-1].split(", ")
            ends = _ENDS[self.span[0] + self.span[-1]].format(low, high) if high != "inf" else ""
            words = _NOUNS[self.kind] + ends
        if self.items is not None:
            least, most = self.items
            many = words.removeprefix("a ").removeprefix("an ").replace("number", "numbers")
            words = f"a list of {least if least == most else f'{least} to {most}'} {many}"
        empty = "" if not self.empty else ' or ""' if self.items is None else ", or []"
        return words + empty + " or null" * self.null


_KERAS = "an image network such as ResNet50"
_OPTIONAL = Parameter(
    "text", 'the frozen network, "" to train a small one', other=_KERAS, empty=True
)

# Ends are the library's own where it has any; the others leave a researcher room, and stop what
# would never end.
DECLARED: Mapping[str, Parameter] = {
    # The recordings
    "data": Parameter(
        "text", "the recordings", choices=("synthetic", "donateacry"), other="a folder"
    ),
    "runs": Parameter(
        "text",
        "runs to read, [] for all",
        choices=("reference",),
        other="a run",
        items=_SOME,
        empty=True,
    ),
    "classes": Parameter(
        "text",
        "classes to compare, [] for Table 1's, or a folder's own",
        other="a class",
        items=(2, _MANY),
        empty=True,
    ),
    "states": Parameter("text", "classes to show", other="a class", items=(2, 2)),
    "stand_in": Parameter(
        "text",
        "the class that stands for pain where there is none",
        choices=("auto",),
        other="a class",
    ),
    "infants": Parameter("whole", "synthetic infants", "[4, 10000]"),
    "clips": Parameter("whole", "synthetic clips in all", "[6, 100000]"),
    "clips_per_infant": Parameter("whole", "synthetic clips of each infant", "[1, 1000]"),
    "duration_s": Parameter("number", "seconds of a synthetic clip", "[0.5, 600]"),
    "signal": Parameter("number", "how much the state shapes a synthetic voice and face", "[0, 1]"),
    "known_signals": Parameter(
        "number", "other values of signal, to see what can be heard", "[0, 1]", items=_SOME
    ),
    "identity": Parameter("number", "how much the infant shapes them", "[0, 1]"),
    "interaction": Parameter("number", "how far states differ from infant to infant", "[0, 1]"),
    "session": Parameter("number", "how far microphone, room and day differ", "[0, 1]"),
    "face_signal": Parameter("number", "the face's signal, null: the voice's", "[0, 1]", null=True),
    "fps": Parameter("number", "frames a second of a synthetic video", "[1, 120]"),
    "size": Parameter("even", "pixels of a synthetic video's side", "[64, 1024]"),
    # Sound
    "sr": Parameter("whole", "sampling rate to work at, in Hz", "[4000, 96000]"),
    "kind": Parameter("text", "features of the sound", choices=("mel", "mfcc", "mel+mfcc", "stft")),
    "scaling": Parameter(
        "text",
        "what is scaled (Paper A: the signal)",
        choices=("signal", "recording", "recording_centred", "features", "none"),
    ),
    "n_fft": Parameter("whole", "samples of a frame", "[16, 16384]"),
    "hop_length": Parameter("whole", "samples from frame to frame, n_fft at most", "[1, 16384]"),
    "n_mels": Parameter("whole", "mel bands, n_fft // 2 + 1 at most", "[2, 512]"),
    "n_mfcc": Parameter("whole", "coefficients, n_mels at most", "[2, 512]"),
    "window_s": Parameter("number", "seconds of sound that a network hears at once", "[0.25, 60]"),
    "step_s": Parameter("number", "seconds from one such window to the next", "[0.01, 60]"),
    "snr_db": Parameter("number", "noise levels tried, in dB", "[-100, 100]", items=_SOME),
    "noise_db": Parameter("number", "signal to noise of every clip, in dB", "[-100, 100]"),
    "noise_levels": Parameter("number", "other levels tried, in dB", "[-100, 100]", items=_SOME),
    "noise_range": Parameter(
        "number", "lowest and highest trained on, dB", "[-100, 100]", items=(2, 2)
    ),
    "noisy_patches": Parameter("whole", "noisy patches of each recording", "[1, 10000]"),
    # Pictures
    "face_fps": Parameter("number", "frames a second in which a face is looked for", "[0.1, 120]"),
    "face_limit": Parameter(
        "whole", "frames of a clip at most, null for all", "[1, 10000]", null=True
    ),
    "face_size": Parameter("whole", "pixels of a face crop's side", "[16, 512]"),
    "detector": Parameter("text", "what finds faces", choices=("auto", "haar", "yunet")),
    "backbone": Parameter("text", "the frozen network", choices=("auto", "small"), other=_KERAS),
    "05_image.backbone": _OPTIONAL,
    "06_full.backbone": _OPTIONAL,
    "weights": Parameter(
        "text",
        "where the frozen network's weights come from",
        choices=("auto", "imagenet", "random"),
        other="a weights file",
    ),
    "engine": Parameter(
        "text", "what runs the frozen network", choices=("keras", "openvino-bf16", "openvino-int8")
    ),
    "crop": Parameter(
        "text", "the part of a frame that it sees", choices=("auto", "frame", "centre", "face")
    ),
    "frame_fps": Parameter("number", "frames a second for the frozen network", "[0.1, 120]"),
    "frame_size": Parameter("whole", "pixels of their side, 0 for the network's own", "[0, 1024]"),
    "head_fps": Parameter("number", "frames a second to train on, 0 for all", "[0, 120]"),
    "resnet_row": Parameter("flag", "whether a ResNet-50 with random weights is shown, too"),
    "resnet_fps": Parameter("number", "frames a second for that ResNet-50", "[0.01, 120]"),
    "resnet_size": Parameter("whole", "pixels of such a frame's side", "[32, 512]"),
    "windows": Parameter("whole", "rolling averages tried, in frames", "[1, 100000]", items=_SOME),
    "rolling": Parameter("whole", "frames of the rolling average", "[1, 100000]"),
    # Networks
    "filters": Parameter("whole", "filters, by block of convolutions", "[1, 1024]", items=_LAYERS),
    "patch": Parameter("whole", "frames of a patch", "[1, 1000]"),
    "per_window": Parameter("whole", "patches of each window to train on", "[1, 1000]"),
    "bottleneck": Parameter("whole", "numbers of an autoencoder's code", "[1, 4096]"),
    "sizes": Parameter("whole", "other codes tried", "[1, 4096]", items=_SOME),
    "hidden": Parameter("whole", "units on either side of the code", "[1, 4096]"),
    "units": Parameter("whole", "hidden units of the second model", "[1, 4096]"),
    "dnn_units": Parameter("whole", "hidden units of a DNN, by layer", "[1, 4096]", items=_LAYERS),
    "image_units": Parameter(
        "whole", "hidden units of the image model, by layer", "[1, 4096]", items=_LAYERS
    ),
    "ensemble_units": Parameter(
        "whole", "hidden units of the ensemble, by layer", "[1, 4096]", items=_LAYERS
    ),
    "ensemble_input": Parameter(
        "text", "what of the submodels is joined", choices=("probabilities", "features")
    ),
    "out_of_fold": Parameter("flag", "whether the ensemble learns from answers to unseen clips"),
    # Training
    "epochs": Parameter("whole", "epochs at most", "[1, 10000]"),
    "autoencoder_epochs": Parameter("whole", "epochs of autoencoders at most", "[1, 10000]"),
    "dnn_epochs": Parameter("whole", "epochs of DNNs at most", "[1, 10000]"),
    "denoise_epochs": Parameter("whole", "epochs of denoising autoencoders at most", "[1, 10000]"),
    "image_epochs": Parameter("whole", "epochs of the image submodel at most", "[1, 10000]"),
    "ensemble_epochs": Parameter("whole", "epochs of ensembles at most", "[1, 10000]"),
    "finetune": Parameter("flag", "whether the backbone is trained, too, which takes minutes"),
    "finetune_epochs": Parameter("whole", "epochs of fine-tuning at most", "[1, 10000]"),
    "patience": Parameter("whole", "epochs without a better loss before it stops", "[1, 10000]"),
    "batch_size": Parameter("whole", "examples of a batch", "[1, 8192]"),
    "learning_rate": Parameter("number", "step size of the optimiser", "(0, 1]"),
    "dropout": Parameter("number", "share of units dropped in training", "[0, 1)"),
    # Tests
    "test_size": Parameter("number", "share of the clips to test in one split", "(0, 1)"),
    "splits": Parameter("whole", "splits drawn at random", "[1, 10000]"),
    "n_folds": Parameter("whole", "folds of cross-validation", "[2, 100]"),
    "n_inner": Parameter("whole", "folds within a fold", "[2, 100]"),
    "repeats": Parameter("whole", "repeats of cross-validation, networks trained anew", "[1, 100]"),
    "permutations": Parameter("whole", "permutations of labels for a p-value", "[1, 100000]"),
    "permuted_repeats": Parameter(
        "whole", "divisions over which p-values of refitted models are of the mean", "[1, 100]"
    ),
    "recipe_draws": Parameter("whole", "single hold-outs of each recipe of Table 2", "[1, 10000]"),
    "recipe_networks": Parameter("flag", "whether Table 2's DNN is tried under each recipe"),
    "simulations": Parameter("whole", "corpora simulated for each point", "[1, 10000]"),
    "split_unit": Parameter("text", "what Paper A's split divides", choices=("frame", "clip")),
    "drop_shares": Parameter(
        "number", "shares of clips that lose a modality", "[0, 1]", items=_SOME
    ),
    "stresses": Parameter(
        "text", "disturbances tried, [] for all", other="a disturbance", items=_SOME, empty=True
    ),
    "coverage": Parameter("number", "share of validation clips to be answered", "(0, 1]"),
    "listen_s": Parameter("number", "seconds for which the replayed infant cries", "[2, 60]"),
    "pause_s": Parameter("number", "seconds of other sounds before and after it", "[2, 60]"),
    "each": Parameter("whole", "recordings of each kind of sound that is no cry", "[5, 1000]"),
    "calls": Parameter("whole", "answers over which a latency is taken", "[10, 100000]"),
    "yamnet": Parameter(
        "text", "YAMNet's LiteRT file, to compare the gate with", other="a file", empty=True
    ),
    "annotated": Parameter(
        "text",
        "a recording with a CSV of onset and offset (s) beside it",
        other="a file",
        empty=True,
    ),
    "bins": Parameter("whole", "bins of confidence in a reliability diagram", "[1, 100]"),
    "seeds": Parameter("whole", "trainings of one fold, each with its own seed", "[1, 100]"),
    "seed": Parameter("whole", "where random numbers start", "[0, 2000000000]"),
}


def declaration(notebook: str, name: str, default: object) -> Parameter | None:
    """Return what the parameter `name` of `notebook` may be, None where nothing says so.

    Where it isn't declared, its default tells the kind.
    """
    declared = DECLARED.get(f"{notebook}.{name}", DECLARED.get(name))
    sample = default[0] if isinstance(default, list) and default else default
    if declared or type(sample) not in _KINDS:
        return declared
    items = (1, _MANY) if isinstance(default, list) else None
    return Parameter(_KINDS[type(sample)], other="a text", items=items, empty=True)


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


def check_names(chosen: Mapping[str, Any], notebooks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError for a name that is a parameter of none of `notebooks`."""
    names = {key for parameters in notebooks.values() for key in parameters}
    for key in chosen:
        if key not in names:
            where = next(iter(notebooks)) if len(notebooks) == 1 else "any chosen notebook"
            raise InputError(f"{key} is no parameter of {where}.{near_miss(key, names)}")


def check(notebook: str, defaults: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """Raise InputError, in one line with the mend, where `notebook` can't take what is given.

    defaults: the notebook's own parameters. chosen: those that are set, by names in `defaults`.
    """
    values = {}
    for name, value in {**defaults, **chosen}.items():
        declared = declaration(notebook, name, defaults[name])
        if not declared or declared.accepts(value):
            values[name] = value
        elif name in chosen:
            example = _example(name, value, declared, defaults[name])
            raise InputError(f"{name}={_short(value)}: give {declared.words}{example}.")
    for mistake in (*_beyond(values, chosen), *_mistakes(values)):
        raise InputError(mistake)
    if values.get("data") == "synthetic":
        from cryutils.datasets.synthetic.states import STATES

        _check_classes(chosen, "synthetic", sorted(STATES))


def check_corpus(chosen: Mapping[str, Any], corpus: Corpus) -> None:
    """Raise InputError where the parameters given ask for what `corpus` doesn't hold."""
    _check_classes(chosen, corpus.name, corpus.classes)
    longest = max(clip.duration_s for clip in corpus)
    if chosen.get("window_s", 0) > longest:
        raise InputError(
            f"window_s={chosen['window_s']}: {corpus.name}'s longest recording has {longest:.1f} s;"
            " give no more."
        )


def _beyond(values: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is larger, or longer, than another parameter allows; first names what is given."""
    for name, most, other in _limits(values):
        value = values.get(name, 0)
        many = isinstance(value, list)
        if (len(value) if many else value) > most:
            most_words = f"{most} of them" if many else most
            large, small = f"{name}={_short(value)}", f"{other}={_short(values[other])}"
            if other in chosen and name not in chosen:
                yield f"{small} leaves no room for {large}: give {most_words} at most."
            else:
                yield f"{large}: give {most_words} at most, for {small}."


def _limits(values: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Yield a parameter, the most it may be, and the other one that says so."""
    if "n_fft" in values:
        yield "hop_length", values["n_fft"], "n_fft"
        yield "n_mels", values["n_fft"] // 2 + 1, "n_fft"
    if "n_mels" in values:
        yield "n_mfcc", values["n_mels"], "n_mels"
    heard = {"sr", "n_fft", "hop_length", "n_mels", "n_mfcc", "window_s"}
    if heard <= values.keys():
        from cryutils.models.inputs import SoundInput

        kind = values.get("kind", "mfcc")
        frames, width = SoundInput(kind=kind, **{name: values[name] for name in heard}).shape
        yield "patch", frames, "window_s"
        narrow = width < frames and "kind" in values
        yield "filters", _blocks(min(frames, width)), "kind" if narrow else "window_s"
    if "face_size" in values and not values.get("backbone"):
        yield "filters", _blocks(values["face_size"]), "face_size"
    if values.get("data") == "synthetic":
        if "duration_s" in values:
            yield "window_s", values["duration_s"], "duration_s"
        if "infants" in values:
            yield "n_folds", values["infants"], "infants"
        elif {"clips", "clips_per_infant"} <= values.keys():
            yield "n_folds", values["clips"] // values["clips_per_infant"], "clips"


def _blocks(side: int) -> int:
    """How many blocks of convolution and pooling a picture of that side allows (`blocks`)."""
    return side.bit_length() - 2


def _mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else is wrong between parameters, or with a file that one names."""
    low, high = values.get("noise_range", (0, 0))
    if low > high:
        yield f"noise_range={_short([low, high])}: give the lower level first."
    if values.get("data") == "synthetic":
        least = 2 * (len(values.get("classes", [])) or 4)
        if values.get("infants", least) < least:
            yield f"infants={values['infants']}: give {least} or more, two of each class."
        least = 6 * values.get("clips_per_infant", 1)
        if values.get("clips", least) < least:
            yield f"clips={values['clips']}: give {least} or more, of two infants in each state."
    for name in ("weights", "yamnet", "annotated"):
        file, choices = values.get(name) or "", DECLARED[name].choices
        if file and file not in choices and not resolve(file).is_file():
            yield f"{name}={_short(file)}: no such file.{near_miss(file, choices)}"


def _check_classes(chosen: Mapping[str, Any], corpus: str, classes: Sequence[str]) -> None:
    for name in ("classes", "states", "stand_in"):
        labels = chosen.get(name, [])
        for label in [labels] if isinstance(labels, str) else labels:
            if label not in classes and (name, label) != ("stand_in", "auto"):
                listing = f" Known: {', '.join(classes)}."
                hint = near_miss(label, classes).replace(listing, "")
                raise InputError(f"{name}: {corpus} has no class {_short(label)}.{hint}{listing}")


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
