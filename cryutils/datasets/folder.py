"""Load a folder of recordings: `<label>/<infant>/<file>`, or files named as those of a known corpus.

`datasets.load` calls `load` for a folder. Every file that can't be used becomes one `Problem`.
"""

import os
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from cryutils._io.extras import MissingExtra
from cryutils._io.media import RECORDINGS, STILL, probe
from cryutils._io.parallel import thread_map
from cryutils._io.paths import check_file, other_kind
from cryutils.audio.files import SHORTEST_S, check_length, inspect
from cryutils.datasets.archives import Dataset
from cryutils.datasets.copies import merge_copies
from cryutils.datasets.corpus import Clip, Corpus, Problem, contradictions, number_sessions, one_spelling
from cryutils.datasets.names import state_of
from cryutils.errors import InputError, printable

Named: TypeAlias = Callable[[str], dict[str, Any]]

# Names of hidden and system folders, such as @eaDir, #recycle, $RECYCLE.BIN and __MACOSX.
_SYSTEM = re.compile(
    r"[.@#$]|__|(trash|lost\+found|lost\.dir|recycle[rd]|system volume information"
    r"|network trash folder|temporary items)$",
    re.I,
)
_EXPECTED = "expected <label>/<infant>/<file>"
# Names made of the words for a part of a split, as test_set is, or for a fold, with its number. The
# course draws its own splits, and an infant in two parts is still one infant.
_PARTS = re.compile(
    r"(?=.*(train|test|val|dev|hold|unseen)"
    r"|(?=.*(\d|[\W_][a-z]$)).*(fold|split|part|batch|chunk|shard|subset|cv))"
    r"(train(ing)?|test(ing)?|e?val(id|uation|idation)?|dev(el(opment)?)?|hold[-_ ]?out|unseen"
    r"|k?fold|split|part|batch|chunk|shard|(sub)?set|cv|data|\d|[\W_]|(?<=[\W_])([a-z]$|clean|other))+",
    re.I,
)


def load(root: Path, named: Named, dataset: Dataset | None = None) -> Corpus:
    """Return the corpus of the recordings under `root`.

    named: what a file's name says, as in `Dataset.fields`. dataset: given if these are its files.

    A picture belongs to the sound with the same stem, or is a separate clip. Infants that share a
    recording are merged. Raises InputError if nothing is usable, if labels are on the second level
    of folders, or if a label or an infant is a part of a split or a fold.
    """
    files, problems = [], []
    for path, why in walk(root):
        if not why and path.suffix.lower() in RECORDINGS:
            files.append(path)
            continue
        suffix = printable(path.suffix)
        unknown = f"files named *{suffix} are not read" if suffix else "a name without a suffix"
        why = why or other_kind(path) or f"{unknown}; rename it if it is a recording"
        problems.append(Problem("left out", printable(path.relative_to(root).as_posix()), why))
    _check_folders(files, root, named)
    clips, unused = clips_of(files, root, partial(_fields, root=root, named=named))
    problems += unused
    for clip in clips:
        infant = _said(clip.path, named)[0].get("infant", clip.infant)
        if infant.lower() != clip.infant.lower():
            what = f"folder says {clip.infant}, its name says {infant}"
            problems.append(Problem("contradiction", clip.id, what))
    return corpus_of(clips, problems, place=root, dataset=dataset)


def corpus_of(
    clips: Sequence[Clip], problems: Sequence[Problem], *, place: Path, dataset: Dataset | None = None
) -> Corpus:
    """Return the corpus of clips, with stills joined, sessions numbered and infants merged.

    Names are spelled as by `one_spelling`, and the note names the words that were read as states.

    place: folder or manifest that was loaded. dataset: given if these are its files. Raises
    InputError, with all problems, if there is no clip.
    """
    clips, respelled = one_spelling(_with_stills(clips))
    if not clips:
        reason = f"{problems[0].item}: {problems[0].what}" if problems else f"it is empty; {_EXPECTED}"
        listing = f"`cryutils data describe {shlex.quote(str(place))} --problems` lists them"
        count = f"First of {len(problems)} problems: {reason}; {listing}" if len(problems) > 1 else reason
        error = InputError(f"{place}: no usable recording. {count}.")
        error.problems = problems
        raise error
    numbered = number_sessions(clips)
    clips = [each if each.session else new for each, new in zip(clips, numbered, strict=True)]
    try:
        merged, copies = merge_copies(clips)
    except (InputError, OSError):  # a file may have vanished since it was read
        whys = {c.id: _refusal(c.path) or _refusal(c.still or c.path) for c in clips}
        gone = [Problem("left out", item, why) for item, why in whys.items() if why]
        if not gone:
            raise
        left = [clip for clip in clips if not whys[clip.id]]
        return corpus_of(left, [*problems, *respelled, *gone], place=place, dataset=dataset)
    before, after = (len({clip.infant for clip in part}) for part in (clips, merged))
    place_name = printable(place.name)
    note = f"{dataset.title} (real recordings)" if dataset else f"recordings in {place_name}"
    if after < before:
        note += f"; {before} infants counted as {after}: some share recordings"
    note = "; ".join([note, *(f"{p.item} {p.what}" for p in respelled if p.what.startswith("read as "))])
    return Corpus(
        merged,
        name=dataset.files.name if dataset and dataset.files else place_name.removesuffix(".csv"),
        note=note,
        problem_list=[*problems, *respelled, *copies, *contradictions(clips)],
        citation=dataset.citation if dataset else f"Recordings in {place_name}.",
        licence=dataset.licence if dataset else "as stated by the owner of the recordings",
    )


def walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file below `folder` with "", and each unusable path with the reason.

    Paths are sorted. Hidden files, such as .DS_Store, and hidden and system folders are left out;
    such a folder is yielded with a reason if sounds or videos are in it. Nothing is opened, and
    whatever can't be, or vanishes meanwhile, has its reason.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        yield folder, f"this folder can't be opened ({error.strerror}); allow it to be read"
        return
    for path in paths:
        # Not the methods of Path, which raise an OSError in a forbidden folder.
        is_folder, is_link = os.path.isdir(path), os.path.islink(path)  # noqa: PTH112, PTH114
        if is_folder and _SYSTEM.match(path.name):
            names = (name for _, _, names in os.walk(path) for name in names if name[0] != ".")
            if not is_link and any(Path(name).suffix.lower() in RECORDINGS - STILL for name in names):
                yield path, "a hidden or system folder; rename it if its recordings are to be used"
        elif is_folder and is_link:
            yield path, "a link to a folder; give that folder itself"
        elif is_folder:
            yield from [*walk(path)] or [(path, "an empty folder")]
        elif path.name.startswith("."):
            if path.suffix == ".icloud":
                yield path, "not downloaded from iCloud; open its folder in Finder and download it"
        elif os.path.isfile(path):  # noqa: PTH113
            yield path, ""
        elif is_link:
            yield path, "a link that is broken, or leads to no file and no folder"
        else:
            yield path, _refusal(path)


def _refusal(path: Path) -> str:
    """Return why `check_file` refuses a path, "" if it doesn't."""
    try:
        check_file(path)
    except InputError as error:
        return _reason(error, path)
    return ""


def _reason(error: InputError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").rstrip(".")


def clips_of(
    files: Sequence[Path], root: Path, fields: Callable[[Path], dict[str, Any]]
) -> tuple[list[Clip], list[Problem]]:
    """Return the clips of the usable files, and the problems of all files.

    fields: returns a file's fields of `Clip`, except those that are read from the file itself, or
    raises InputError with the reason why the file can't be used.
    """
    read = partial(_clip, root=root, fields=fields)
    results = list(thread_map(read, files, what="Reading", progress=True))
    problems = [problem for _, part in results for problem in part]
    return [clip for clip, _ in results if clip], problems


def _clip(
    path: Path, root: Path, fields: Callable[[Path], dict[str, Any]]
) -> tuple[Clip | None, list[Problem]]:
    """Return a file's clip, or None if it can't be used, and its problems."""
    item = printable(Path(os.path.relpath(path, root)).as_posix())
    try:
        columns = fields(path)
        info = probe(path)
        duration_s = info.duration_s
        problems = [Problem("doubtful", item, f"its {kind} can't be decoded") for kind in info.lost]
        if info.has_audio:
            # Decode the whole sound: the header may be wrong, or the damage only at the end.
            sound = inspect(path)
            check_length(sound, path)
            duration_s = sound.duration_s
            if duration_s < SHORTEST_S and not info.has_video:
                raise InputError(f"{path}: only {1000 * duration_s:.0f} ms of sound.")
            problems += [Problem("changed", item, what) for what in sound.changes]
            problems += [Problem("doubtful", item, what) for what in sound.doubts]
    except MissingExtra:
        raise
    except InputError as error:
        return None, [Problem("left out", item, _reason(error, path))]
    clip = Clip(
        id=item,
        path=path,
        duration_s=round(duration_s, 3),
        has_audio=info.has_audio,
        has_video=info.has_video,
        **columns,
    )
    return clip, problems


def _said(path: Path, named: Named) -> tuple[dict[str, Any], str]:
    """Return what a file's name says, as fields of `Clip`, or {} and why it says nothing."""
    try:
        return named(path.name), ""
    except InputError as error:
        return {}, _reason(error, Path(path.name))


def _fields(path: Path, root: Path, named: Named) -> dict[str, Any]:
    """Return a file's label and infant, by its folders or its name, and what else the name says."""
    folders, (name, why) = path.relative_to(root).parts[:-1], _said(path, named)
    if "session" in name:
        return name
    if len(folders) >= 2:
        label, infant = folders[:2]
    elif name:
        label, infant = name.get("label") or (*folders, name["reason"])[0], name["infant"]
    else:
        raise InputError(f"put it into <label>/<infant>/, as its name doesn't identify the infant: {why}")
    # macOS writes accents in another Unicode form than other systems.
    label, infant = (unicodedata.normalize("NFC", printable(text)) for text in (label, infant))
    return {"start_s": None, **name, "label": label, "infant": infant, "session": ""}


def _with_stills(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips, in which a picture is joined to the sound of the same stem."""
    stills = {c.path.with_suffix(""): c.path for c in clips if c.path.suffix.lower() in STILL}
    joined = []
    for clip in clips:
        still = stills.get(clip.path.with_suffix(""))
        if still is not None and not clip.has_video:
            clip = replace(clip, still=still, has_video=True)
        joined.append(clip)
    used = {clip.still for clip in joined}
    return [clip for clip in joined if clip.path not in used]


def _check_folders(files: Sequence[Path], root: Path, named: Named) -> None:
    """Raise InputError for labels on the second level, and for parts of a split or folds."""
    folders = [path.relative_to(root).parts[:-1] for path in files]
    first, second = ({names[k].casefold() for names in folders if len(names) > 1} for k in (0, 1))
    labels = sorted(filter(state_of, second))
    if 2 * len(labels) > len(second) and not any(map(state_of, first)):
        raise InputError(f"{root}: {labels[0]} is on the second level of folders; {_EXPECTED}.")
    for path, names in zip(files, folders, strict=True):
        part = next((name for name in names[:2] if _PARTS.fullmatch(name)), None)
        # A folder is not used if its files' names say label and infant.
        if part and (len(names) > 1 or "label" not in _said(path, named)[0]):
            what = f"{root}: {part} is a part of a split, not a label or an infant"
            remedy = "move its files to <label>/<infant>/, or rename it if it is an infant"
            raise InputError(f"{what}; {remedy}. The course draws its own splits.")
