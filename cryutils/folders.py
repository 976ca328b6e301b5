"""Index a folder of recordings: `<label>/<infant>/<file>`, or files with DonateACry names.

`datasets.load` calls it for any folder. Every file that can't be used becomes one
`Problem`, so that nothing is dropped in silence.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cryutils.clips import Clip, Problem
from cryutils.donateacry import FileName, parse_name
from cryutils.errors import InputError
from cryutils.media import SOUND, STILL, VIDEO, probe

__all__ = ["index"]

_UPLOADS = frozenset({".3gp", ".caf"})  # what the two apps recorded


def index(root: Path) -> tuple[list[Clip], list[Problem], bool]:
    """Return the clips under `root`, what was left out, and whether it is DonateACry's uploads.

    A picture belongs to the sound of the same stem, and is a clip of its own where there is
    none. Raises InputError where `root` holds nothing usable.
    """
    files, problems = _media_files(root)
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda path: _clip(path, root), files))
    problems += [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    clips = _with_stills([outcome for outcome in outcomes if isinstance(outcome, Clip)])
    if not clips:
        first = ""
        if problems:
            first = f" First of {len(problems)} problems: {problems[0].item}: {problems[0].what}."
        raise InputError(f"{root}: no usable recording; expected <label>/<infant>/<file>.{first}")
    problems += _copies(clips)
    uploads = all(clip.path.suffix.lower() in _UPLOADS and clip.reason for clip in clips)
    return clips, problems, uploads


def _media_files(root: Path) -> tuple[list[Path], list[Problem]]:
    files, problems = [], []
    for path in sorted(root.rglob("*")):
        item = path.relative_to(root).as_posix()
        if _is_hidden(path, root):
            continue  # the system's own files, such as .DS_Store
        if path.is_dir():
            if all(_is_hidden(inside, root) for inside in path.iterdir()):
                problems.append(Problem("left out", item, "an empty folder"))
        elif path.suffix.lower() in SOUND | VIDEO | STILL:
            files.append(path)
        else:
            problems.append(Problem("left out", item, "not a sound, video or picture"))
    return files, problems


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _clip(path: Path, root: Path) -> Clip | Problem:
    item = path.relative_to(root).as_posix()
    try:
        label, infant, name = _label_and_infant(path, root)
        info = probe(path)
    except InputError as error:
        return Problem("left out", item, str(error).removeprefix(f"{path}: ").rstrip("."))
    return Clip(
        id=item,
        path=path,
        label=label,
        infant=infant,
        session="",
        start_s=name.start_s if name else None,
        duration_s=round(info.duration_s, 3),
        has_audio=info.has_audio,
        has_video=info.has_video,
        reason=name.reason if name else None,
        sex=name.sex if name else None,
        age=name.age if name else None,
    )


def _with_stills(clips: Sequence[Clip]) -> list[Clip]:
    """Give each sound without pictures the still of its stem, and drop that still's own clip."""
    stills = {c.path.with_suffix(""): c.path for c in clips if c.path.suffix.lower() in STILL}
    paired = [
        replace(clip, still=stills[clip.path.with_suffix("")], has_video=True)
        if not clip.has_video and clip.path.with_suffix("") in stills
        else clip
        for clip in clips
    ]
    taken = {clip.still for clip in paired}
    return [clip for clip in paired if clip.path not in taken]


def _label_and_infant(path: Path, root: Path) -> tuple[str, str, FileName | None]:
    folders = path.relative_to(root).parts[:-1]
    try:
        name = parse_name(path.name)
    except InputError as error:
        if len(folders) >= 2:
            return folders[0], folders[1], None
        raise InputError(
            f"{error} Or put it into <label>/<infant>/, so that its infant is known."
        ) from error
    if len(folders) >= 2:
        return folders[0], folders[1], name
    # The apps' uploads stand in one folder a platform, which is no label.
    is_upload = not folders or path.suffix.lower() in _UPLOADS
    return (name.reason if is_upload else folders[0]), name.infant, name


def _copies(clips: Sequence[Clip]) -> list[Problem]:
    """Return one problem for each set of byte-equal files: a split between copies would leak."""
    by_size: dict[int, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_size[clip.path.stat().st_size].append(clip)
    by_content: dict[str, list[str]] = defaultdict(list)
    for same_size in by_size.values():
        if len(same_size) > 1:
            for clip in same_size:
                by_content[hashlib.sha256(clip.path.read_bytes()).hexdigest()].append(clip.id)
    return [
        Problem("contradiction", ids[0], f"the same bytes as {', '.join(ids[1:])}")
        for ids in by_content.values()
        if len(ids) > 1
    ]
