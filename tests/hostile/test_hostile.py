"""Thousands of damaged files: each is read, or refused in one line, within memory and time.

Seeds of every format are made here, damaged by a fixed list of mutations, and given to `probe`,
`read`, `frames`, `track` and `predict` in processes of their own. A short list runs always, a
long one with CRYUTILS_TEST_LARGE=1.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import child
import mutations
import numpy as np
import pytest
import seeds
from sizes import LARGE
from trained_run import Trained

from cryutils import audio, video
from cryutils.errors import NO_MEMORY, InputError

PEAK_MIB = 1000  # of a child; with the libraries alone it is a tenth of that
CHILD = Path(__file__).with_name("child.py")


@pytest.fixture(scope="module")
def seed_folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "seeds"
    cry = trained.corpus[0].path
    seeds.write(folder, list(video.frames(cry)), audio.read(cry, sr=seeds.SR))
    return folder


def test_every_damaged_file_is_read_or_refused_in_one_line(
    seed_folder: Path, trained: Trained, tmp_path: Path
) -> None:
    # Of the small list one process makes every fifth case.
    size, parts = ("large", os.cpu_count() or 1) if LARGE else ("small", 5)
    environment = {**os.environ, "CRYUTILS_CACHE_DIR": str(tmp_path / "cache")}
    environment["MALLOC_PERTURB_"] = "165"  # so that memory which nobody wrote isn't zero by chance
    outputs = [tmp_path / f"{part}.jsonl" for part in range(parts if LARGE else 1)]
    children = []
    for part, output in enumerate(outputs):
        with output.open("w") as lines:
            command = [
                sys.executable,
                "-W",
                "error",
                str(CHILD),
                str(seed_folder),
                str(trained.run),
            ]
            children.append(
                subprocess.Popen(
                    [*command, size, str(part), str(parts)], stdout=lines, env=environment
                )
            )
    ended = [child.wait() for child in children]
    wrong: list[str] = []
    tally: Counter[str] = Counter()
    for code, output in zip(ended, outputs, strict=True):
        wrong += judged(code, output.read_text().splitlines(), tally)
    print(dict(tally), f"{len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    for reading in ("probe", "read", "frames", "track", "predict"):  # nothing is vacuous
        assert tally[f"{reading} read"] >= 50
        assert tally[f"{reading} refused"] >= 50


@pytest.mark.parametrize("name", ["a.flac", "flac.ogg"])
def test_what_is_read_of_a_damaged_file_are_its_samples(
    name: str, seed_folder: Path, tmp_path: Path
) -> None:
    """FLAC: all of them, as its checksum proves. Ogg: all, or those before a cut.

    Ogg is held to its last whole page, so that the end may be missing, as after a hard stop. Opus
    and Vorbis in it may differ by 4096 samples more, and aren't tried. Nor is WebM: it has no
    checksums, only times, and a third of its mutations are read changed or without their end.
    """
    seed, path = seed_folder / name, tmp_path / name
    samples, counts = audio.read(seed), Counter[str]()
    for damage, change in mutations.changes(seed.read_bytes(), large=LARGE):
        path.write_bytes(change(seed.read_bytes()))
        try:
            x = audio.read(path)
        except InputError:
            counts["refused"] += 1
            continue
        counts["read"] += 1
        end = len(samples) if name == "a.flac" else min(len(x), len(samples))
        np.testing.assert_array_equal(x, samples[:end], err_msg=damage)
    assert min(counts["read"], counts["refused"]) >= 2


def judged(code: int, lines: Iterable[str], tally: Counter[str]) -> list[str]:
    """Return what is wrong with how a child ended and what it wrote; count the rest in `tally`."""
    wrong = []
    call: dict[str, Any] = {}
    for row in map(json.loads, lines):
        if "case" in row:
            call = row
        elif row.get("outcome") in ("read", "refused"):
            tally[f"{call['reading']} {row['outcome']}"] += 1
        elif "outcome" in row:
            wrong.append(f"{call['reading']} of {call['case']!r}: {row['outcome']}")
        elif row["peak_mib"] > PEAK_MIB:
            wrong.append(f"{row['peak_mib']} MiB at most, more than {PEAK_MIB}")
    if code:
        wrong.append(f"{call.get('reading')} of {call.get('case')!r} ended the process: {code}")
    return wrong


@pytest.mark.parametrize(
    ("code", "last", "expected"),
    [
        (0, {"outcome": "read"}, []),
        (0, {"outcome": "ValueError: no"}, ["read of 'x': ValueError: no"]),
        (0, {"peak_mib": 4000}, ["4000 MiB at most, more than 1000"]),
        (-signal.SIGSEGV, None, ["read of 'x' ended the process: -11"]),
    ],
)
def test_a_foreign_error_a_crash_and_too_much_memory_count(
    code: int, last: dict[str, Any] | None, expected: list[str]
) -> None:
    rows = [{"case": "x", "reading": "read"}, *([last] if last else [])]
    assert judged(code, map(json.dumps, rows), Counter()) == expected


def test_the_memory_of_a_child_is_none_of_its_parents() -> None:
    held = np.ones(1 << 25)  # 256 MiB
    command = [sys.executable, "-c", "import child; print(child.peak_mib())"]
    peak = subprocess.check_output(command, cwd=CHILD.parent)
    assert 20 < int(peak) < held.nbytes >> 20


def test_a_call_that_computes_on_and_on_ends_its_process() -> None:
    script = "import child\nwith child.limited(0.1):\n    while True:\n        pass"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=CHILD.parent, capture_output=True, text=True)
    assert done.returncode == -signal.SIGPROF
    assert 'File "<string>", line' in done.stderr


def test_a_damaged_file_may_take_many_times_what_the_slowest_whole_one_takes(
    tmp_path: Path,
) -> None:
    for name in ("slow.wav", "fast.wav"):
        (tmp_path / name).touch()

    def call(path: Path) -> None:
        begun = time.process_time()
        while path.stem == "slow" and time.process_time() < begun + 0.06:
            pass

    assert child.limit_s(call, tmp_path) >= 0.06 * child.TIMES > child.LEAST_S
    (tmp_path / "slow.wav").unlink()
    assert child.limit_s(lambda path: None, tmp_path) == child.LEAST_S


def test_only_a_refusal_in_one_line_that_names_the_file_is_one(tmp_path: Path) -> None:
    def refusing(message: str) -> str:
        def call(path: Path) -> None:
            raise InputError(message.format(path))

        return child.outcome(call, tmp_path / "a.wav")

    assert refusing("{}: it is damaged.") == "refused"
    assert refusing("it is damaged.") == "refused so: it is damaged."
    assert refusing("{}: it\nis damaged.") != "refused"
    assert refusing(f"{{}}: {NO_MEMORY}.") != "refused"
    assert child.outcome(lambda path: None, tmp_path) == "read"
    assert child.outcome(lambda path: [][0], tmp_path).startswith("IndexError")
