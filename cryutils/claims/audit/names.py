"""The words of any field for the columns of a table, and for its rows and groups in a report."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from cryutils.errors import InputError, printable

ROLES = {  # our name of a column, and the words for it; ours is preferred
    "clip": "clip, unit, recording, sample, image, file, filename, path, scan, slide, utterance, record,"
    " segment, window, lesion, nodule, eye, patch, tile, trial, visit, example, instance, item, row, id",
    "infant": "infant, group, patient, subject, speaker, participant, donor, person, baby, child, animal,"
    " individual, volunteer, user, singer, writer, author, owner, client, case",
    "truth": "truth, label, target, y true, true label, true class, true, actual, ground truth, class,"
    " diagnosis, dx, histology, outcome, emotion, reference, gold, y",
    "prediction": "prediction, predicted, y pred, pred, predicted label, predicted class,"
    " predicted diagnosis, y hat, answer, output",
    "fold": "fold, cv fold, test fold, outer fold, kfold",
    "repeat": "repeat, repetition, seed, run",
    "split": "split, subset",
    "model": "model, classifier, algorithm, method, system",
    "device": "device, site, hospital, center, centre, clinic, scanner, recorder, microphone, phone, camera,"
    " machine, manufacturer, vendor, lab, batch, room",
    "score": "score, y score, prob, y prob, proba, y proba, probability, risk",
}
WORDS = {name: [part.strip() for part in words.split(",")] for name, words in ROLES.items()}
_KNOWN = {word.replace(" ", ""): word for words in WORDS.values() for word in words}
OPTIONS = {name: name for name in ("truth", "prediction", "device")} | {"clip": "unit", "infant": "group"}
_CODES = "If they are codes of classes, put a letter before each"
_RARE = {"child": "children", "person": "people"}


def word(column: str) -> str:
    """Return the noun in the name of a column.

    >>> word("Patient_ID"), word("y_true"), word("GroundTruth")
    ('patient', 'y true', 'ground truth')
    """
    text = " ".join(re.sub(r"[_\-.\s]+", " ", column.casefold()).split())
    text = re.sub(r"(?<=.) (id|name|code|number|no)$", "", text)
    joined = text.replace(" ", "")
    return _KNOWN.get(joined) or _KNOWN.get(joined.removesuffix("id")) or text


def plural(noun: str) -> str:
    """Return a noun's plural.

    >>> plural("baby"), plural("patient")
    ('babies', 'patients')
    """
    return _RARE.get(noun) or re.sub(r"(?<=[^aeiou])y$", "ie", re.sub(r"(s|x|ch)$", r"\1e", noun)) + "s"


def columns(path: Path, names: Iterable[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the column for each of our names that a table has.

    chosen: columns by unit, group, truth, prediction or device. A site or device is the group if
    nothing else is.
    Raises InputError if several columns have words for one, or if there is no such column.
    """
    nouns, found = {name: word(name) for name in names}, {}
    for ours, known in WORDS.items():
        option = OPTIONS.get(ours, "")
        if option in chosen:
            name = chosen[option].strip().casefold()
            if name not in nouns:
                raise InputError(f"{path}: --{option}: no column {name!r}; it has {', '.join(nouns)}.")
            found[ours] = name
            continue
        fits = [name for name, noun in nouns.items() if noun in known and name not in chosen.values()]
        fits = [name for name in fits if nouns[name] == known[0]] or fits
        fits = [name for name in fits if nouns[name] != "id"] or fits
        if len(fits) > 1:
            remedy = f"name it with --{option} COLUMN" if option else "rename one of them"
            raise InputError(
                f"{path}: {' or '.join(fits)}? Several columns may be the {option or ours}; {remedy}."
            )
        found |= dict.fromkeys([ours], *fits) if fits else {}
    if "infant" not in found and "device" in found and "device" not in chosen:
        found["infant"] = found.pop("device")
    for ours in ("truth", "infant"):
        if ours not in found:
            remedy = "" if ours == "truth" else " (the column of the rows, if each is of another one)"
            raise missing(path, ours, f"such as {', '.join(WORDS[ours][2:6])}", nouns, remedy)
    return found


def missing(path: Path, ours: str, what: str, names: Iterable[str], remedy: str = "") -> InputError:
    """Return the error that a table with columns of these names has none for one of ours."""
    option = OPTIONS[ours]
    what = f"{path}: no column {option!r}, {what}; name it with --{option} COLUMN{remedy}"
    return InputError(f"{what}. It has {', '.join(names)}.")


def nouns(found: Mapping[str, str]) -> dict[str, str]:
    """Return what a report calls a unit, a group and a device: the words of their columns."""
    words = {name: word(found.get(name, "")) for name in ("clip", "infant", "device")}
    unit = words["clip"] if words["clip"] not in ("", "id", "unit") else "row"
    return {"clip": {"path": "file"}.get(unit, unit), "infant": words["infant"], "device": words["device"]}


def check_classes(what: str, answers: "pd.Series[str]", remedy: str = _CODES) -> None:
    """Raise InputError if labels or answers are estimated numbers, more than 20 different ones."""
    values = answers[answers != ""].unique()
    numbers = pd.to_numeric(pd.Series(values, dtype=str).str.replace(",", "."), errors="coerce")
    if len(values) > 20 and numbers.notna().all():
        shown = f"{len(values)} different numbers, as in a regression; the audit needs classes"
        raise InputError(printable(f"{what}: {shown}. {remedy}."))
