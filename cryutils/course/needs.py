"""Which notebooks can use a corpus, and which of its recordings they leave out.

`needs` of a notebook in notebooks/contents.yml has `sound` and `pictures`, as in `load`; `states`, the
study whose states it compares, or its parameter with labels (empty: all); `paper`, lists of labels of
which it compares the first that occurs instead of all; `folds`, a number or its parameter; `infants`
and `clips`, the least of each class; and `leaves_out`, whether it leaves smaller classes out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cryutils import studies
from cryutils.course.runner import contents
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.registry import with_media
from cryutils.errors import InputError
from cryutils.evaluation import SPLITS, hold_back

Values = Mapping[str, Any]


def check(corpus: Corpus, parameters: Mapping[str, Values]) -> tuple[list[str], list[str]]:
    """Return a line for each notebook, what it uses or why it can't run, and the names of the latter.

    Notebooks without `needs` are in neither. parameters: of each notebook, with the defaults.
    """
    lines, unable = [], []
    for row in contents():
        if "needs" in row and (name := row["name"]) in parameters:
            try:
                words = _used(corpus, row["needs"], parameters[name])
            except InputError as error:
                words = f"can't run: {error}"
                unable.append(name)
            lines.append(f"{name}: {words}")
    return lines, unable


def _used(corpus: Corpus, needs: Values, values: Values) -> str:
    """Return what a notebook uses and leaves out, in words. Raises InputError if it can't run."""
    media = {name: needs[name] for name in ("sound", "pictures") if name in needs}
    part = with_media(corpus, **media)
    chosen, names = _selected(part, needs, values)
    large = _large(chosen, needs)
    if folds := needs.get("folds"):
        options = {"n_splits": values.get(folds, folds), "repeats": 1, "seed": values["seed"]}
        for split in SPLITS:
            for train, _ in split.k_folds(large, **options)[0]:
                hold_back(large.labels, train, split.groups(large), seed=values["seed"])
    left = [
        *_left_out(corpus, part, f"without {' or '.join(media)}"),
        *_left_out(part, chosen, f"not one of {', '.join(names)}"),
        *_left_out(chosen, large, f"fewer than {_least(needs)}"),
    ]
    used = ", ".join(f"{n} {label}" for label, n in sorted(Counter(large.labels.tolist()).items()))
    return "; ".join([used, *[f"left out: {words}" for words in left]])


def _selected(corpus: Corpus, needs: Values, values: Values) -> tuple[Corpus, Sequence[str]]:
    """Return the clips with the labels that a notebook compares, and these labels."""
    states = needs.get("states", "")
    if not states or states in values:
        possible = [*needs.get("paper", ()), corpus.classes]
        names = values.get(states) or next(each for each in possible if {*each} <= {*corpus.classes})
        return corpus.select(names), names
    study = getattr(studies, states)
    absent = {label: others for label, others in study.STAND_INS.items() if label not in corpus.classes}
    names = [" or ".join([label, *absent.get(label, ())]) for label in study.STATES]
    return corpus.select(study.STATES, study.STAND_INS), names


def _large(corpus: Corpus, needs: Values) -> Corpus:
    """Return the clips of large enough classes. Raises InputError if a needed class is too small."""
    counts = corpus.describe().drop("all")
    large = counts.index[
        (counts.clips >= needs.get("clips", 1)) & (counts.infants >= needs.get("infants", 1))
    ]
    if needs.get("leaves_out") and len(large) < 2:
        raise InputError(f"two classes with {_least(needs)} each are needed; record more.")
    for label in counts.index.difference(large) if not needs.get("leaves_out") else ():
        has = f"{counts.clips[label]} clips of {counts.infants[label]} infants"
        what = f"class {label!r} has {has}, but {_least(needs)} are needed"
        raise InputError(f"{what}; record more, or leave the class out.")
    return corpus.where(lambda clip: clip.label in large)


def _least(needs: Values) -> str:
    return " of ".join(f"{needs[name]} {name}" for name in ("clips", "infants") if name in needs)


def _left_out(whole: Corpus, part: Corpus, why: str) -> list[str]:
    """Return which clips of `whole` are not in `part`, counted by label, and why; [] if all are."""
    used = {*part.ids}
    counts = Counter(clip.label for clip in whole if clip.id not in used)
    words = " and ".join(f"{n} recording{'s' * (n > 1)} of `{label}`" for label, n in sorted(counts.items()))
    return [f"{words}: {why}"] if words else []
