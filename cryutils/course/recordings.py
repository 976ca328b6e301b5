"""The recordings that each notebook needs, checked before a run starts: `check`.

A folder of recordings may lack sound, pictures or the classes that a notebook compares, or have
too few infants for its folds. `check` selects the clips as the notebook does, and draws the same
folds. No notebook uses this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation.splits import SPLITS, Split
from cryutils.models.training import training_seeds, validation_split
from cryutils.papers import nested, table2
from cryutils.papers.embeddings import three_states
from cryutils.papers.recognition import state_corpus

__all__ = ["NEEDS", "check"]

Values = Mapping[str, Any]
Parts = Iterable[tuple[Split, Any, Any]]  # split, indices of training and of validation clips

_SHARED = (
    "some training parts have one infant of each class, so clips of infants that are trained on"
    " decide when training stops"
)


def _of_any_class(corpus: Corpus, values: Values) -> Corpus:
    return corpus.select(values["classes"]) if values.get("classes") else corpus


def _of_table1(corpus: Corpus, values: Values) -> Corpus:
    return table2.select(corpus, values["classes"], values["stand_in"])[0]


def _single_splits(clips: Corpus, values: Values) -> Parts:
    for split in SPLITS:
        split.hold_out(clips, test_size=values["test_size"], seed=values["seed"])
        split.k_folds(clips, n_splits=values["n_folds"], repeats=1, seed=values["seed"])
    return ()


def _with_validation(
    clips: Corpus, values: Values, *, splits: Sequence[Split] = (Split.CLIP, Split.INFANT)
) -> Parts:
    labels, infants = clips.labels.tolist(), clips.infants.tolist()
    for split in splits:
        repeats = split.k_folds(
            clips, n_splits=values["n_folds"], repeats=values.get("repeats", 1), seed=values["seed"]
        )
        for train, _ in (fold for repeat in repeats for fold in repeat):
            yield split, *validation_split(train, labels, infants, split=split)


def _nested(clips: Corpus, values: Values) -> Parts:
    n_inner = values.get("n_inner", 0)  # notebook 07 has no inner folds
    for seed in training_seeds(values["seed"], values["repeats"]):
        for split in (Split.CLIP, Split.INFANT):
            units = nested.Units.of(clips, np.arange(len(clips)), split)
            for fold in nested.divide(
                units, split, n_folds=values["n_folds"], n_inner=n_inner, seed=seed
            ):
                yield split, fold.fit, fold.stop


def _nested_once(clips: Corpus, values: Values) -> Parts:
    return _nested(clips, {"repeats": 1, "n_inner": 3, **values})


def _audited(clips: Corpus, values: Values) -> Parts:
    from cryutils.papers import audit

    nothing = np.zeros((len(clips), 0))
    sessions = np.array([clip.session for clip in clips])
    windows = audit.Windows(
        nothing, nothing, np.arange(len(clips)), clips.labels, clips.infants, sessions
    )
    for unit in Split:
        audit.divide(
            windows, unit, n_folds=values["n_folds"], repeats=values["repeats"], seed=values["seed"]
        )
    return ()


def _benchmarked(clips: Corpus, values: Values) -> Parts:
    from cryutils.papers import benchmark

    possible = set(benchmark.splits_of(clips).task)
    if lacking := [task for task in values["tasks"] if task not in possible]:
        raise InputError(
            f"{lacking[0]} cannot be predicted; tasks may have {', '.join(sorted(possible))}."
        )
    return ()


@dataclass(frozen=True)
class Need:
    """What a notebook requires of a corpus.

    classes: selects the clips of the classes that the notebook compares, and gives the classes its
    names. by_paper: whether the classes are a paper's. sound, pictures: whether every clip must
    have them. pictures_if_any: whether clips without pictures are left out if any clip has sound
    and pictures. divide: draws the folds and yields those with a validation part; raises InputError
    if no folds are possible. infants, clips: minimum number of infants in each class, and of clips
    from each, if the folds need more than two infants.
    """

    classes: Callable[[Corpus, Values], Corpus] = _of_any_class
    by_paper: bool = False
    sound: bool = True
    pictures: bool = False
    pictures_if_any: bool = False
    divide: Callable[[Corpus, Values], Parts] | None = None
    infants: int = 0
    clips: int = 1

    def clips_of(self, corpus: Corpus, values: Values) -> Corpus:
        """Return the clips that the notebook uses, labelled with its class names."""
        if not self.by_paper:
            return self.classes(corpus.where(self.suits), values)
        corpus = self.classes(corpus, values)
        both = self.pictures_if_any and any(c.has_audio and c.has_video for c in corpus)
        return corpus.where(lambda clip: self.suits(clip) and (clip.has_video or not both))

    def suits(self, clip: Clip) -> bool:
        """Return whether the clip has the required sound and pictures."""
        return clip.has_audio >= self.sound and clip.has_video >= self.pictures


_PAPER_A: dict[str, Any] = {"classes": lambda corpus, _: three_states(corpus), "by_paper": True}
_PAPER_B: dict[str, Any] = {
    "classes": lambda corpus, values: state_corpus(corpus, stand_in=values["stand_in"]),
    "by_paper": True,
}
_LEAK_FREE = partial(_with_validation, splits=[Split.INFANT])
NEEDS: Mapping[str, Need] = {
    "00_start_here": Need(),
    "01_data_and_playback": Need(),
    "02_audio_features": Need(),
    "03_feature_validation": Need(_of_table1, divide=_single_splits),
    "appendix_table2": Need(_of_table1, divide=_single_splits),
    "04_cry2": Need(**_PAPER_B, divide=_with_validation),
    "05_image": Need(**_PAPER_B, divide=_with_validation, sound=False, pictures=True),
    "06_full": Need(**_PAPER_B, divide=_with_validation, pictures=True),
    "07_frames_resnet50": Need(**_PAPER_A, sound=False, pictures=True, divide=_nested),
    "08_autoencoder_dnn": Need(**_PAPER_A, divide=_with_validation),
    # Its ensemble trains on training clips that the submodels did not train on.
    "09_ensemble": Need(**_PAPER_A, pictures_if_any=True, divide=_nested, infants=2, clips=3),
    "appendix_table3": Need(
        **_PAPER_A, pictures_if_any=True, divide=_nested_once, infants=2, clips=3
    ),
    # Its honest recipe needs three groups of infants: to train, to choose an epoch and to test.
    "10_leakage_audit": Need(divide=_audited, infants=3),
    "11_robustness": Need(**_PAPER_B, divide=_LEAK_FREE, pictures_if_any=True),
    "12_beyond_the_papers": Need(divide=_benchmarked),
    "13_live_and_deployment": Need(**_PAPER_B, divide=_LEAK_FREE, pictures_if_any=True),
    "appendix_faces": Need(**_PAPER_A, sound=False, pictures=True, divide=_benchmarked),
    "appendix_explanations": Need(**_PAPER_B, divide=_LEAK_FREE, pictures_if_any=True),
}


def check(notebook: str, values: Values, corpus: Corpus) -> str:
    """Return a remark on a run of `notebook` on `corpus`, "" if there is none.

    values: all of the notebook's parameters, with defaults. Raises InputError if the notebook can't
    run; the message names what is missing, by the corpus' own labels, and the remedy.
    """
    need = NEEDS.get(notebook)
    if need is None:
        return ""
    _check_media(notebook, need, corpus)
    clips = need.clips_of(corpus, values)
    _check_media(notebook, need, clips)
    if need.divide is None:
        return ""
    try:
        is_shared = [
            split is Split.INFANT and np.isin(clips.infants[fit], clips.infants[stop]).any()
            for split, fit, stop in need.divide(clips, values)
        ]
        return _SHARED if any(is_shared) else ""
    except InputError as error:
        text = _shortage(need, clips) or str(error).removeprefix(f"{corpus.name}: ")
        labels = {clip.id: clip.label for clip in corpus}
        for label in clips.classes:
            originals = sorted({labels[clip.id] for clip in clips if clip.label == label})
            text = text.replace(repr(label), " + ".join(map(repr, originals)))
        what = notebook + (f" with n_folds={values['n_folds']}" if "n_folds" in values else "")
        raise InputError(f"{corpus.name}: {text} ({what}).") from error


def _check_media(notebook: str, need: Need, clips: Corpus) -> None:
    """Raise InputError if none of `clips` has the required sound and pictures."""
    if any(map(need.suits, clips)):
        return
    lacking, remedy = {
        (True, True): ("both sound and pictures", "videos with sound"),
        (True, False): ("sound", "sounds, or videos with sound"),
        (False, True): ("pictures", "videos or pictures"),
    }[need.sound, need.pictures]
    raise InputError(
        f"{clips.name}: no recording that {notebook} takes has {lacking}; add {remedy}."
    )


def _shortage(need: Need, clips: Corpus) -> str:
    """Return in words which class has too few infants with enough clips, "" if none has."""
    each = "" if need.clips == 1 else f" with {need.clips} clips or more"
    for label in clips.classes:
        counts = Counter(clip.infant for clip in clips if clip.label == label)
        infants = sum(count >= need.clips for count in counts.values())
        if infants < need.infants:
            return (
                f"class {label!r} has {infants} infant{'' if infants == 1 else 's'}{each},"
                f" {need.infants} are needed; leave the class out or add recordings"
            )
    return ""
