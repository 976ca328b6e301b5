"""`python child.py SEEDS RUN` gives damaged files to everything that reads them.

It prints a line before each call, so that a call that ends the process is known, and JSON at the
end. Memory and the time of a call are limited.
"""

import faulthandler
import gc
import json
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from seeds import changes

from cryutils import audio, video
from cryutils._io import media
from cryutils.errors import InputError
from cryutils.inference.predict import Predictor

MEMORY = 3 << 30  # bytes of address space, of which libraries alone take one third
HANG_S = 120  # for one call; an undamaged file takes less than a second
STEP = 5  # every fifth case is tried


def main(seeds: str, run: str) -> None:
    """Make each damaged file and call each reading of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    predictor = Predictor(run=Path(run))
    readings: dict[str, Callable[[Path], object]] = {
        "probe": probe,
        "read": read,
        "track": track,
        "predict": lambda path: list(predictor(path)),
    }
    wrong: list[str] = []
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in islice(cases(Path(seeds)), 0, None, STEP):
            path = Path(folder, f"x{name[name.rindex('.') :]}")
            path.write_bytes(content)
            for reading, call in readings.items():
                print(f"{reading} of {name!r}", flush=True)
                faulthandler.dump_traceback_later(HANG_S, exit=True)
                end = outcome(call, path)
                tally[f"{reading} {end}"] += 1
                if end not in ("read", "refused"):
                    wrong.append(f"{reading} of {name!r}: {end}")
            gc.collect()  # what a decoder frees twice ends the case that it belongs to
    # `getrusage` would include the memory of this process's parent.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak_mib = int(status.split("VmHWM:")[1].split()[0]) >> 10
    print(json.dumps({"wrong": wrong, "tally": tally, "peak_mib": peak_mib}))


def cases(seeds: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (seed and damage in words and the suffix, content)."""
    for seed in sorted(seeds.iterdir()):
        content = seed.read_bytes()
        yield f"{seed.stem} whole{seed.suffix}", content
        for name, damaged in changes(content):
            yield f"{seed.stem} {name}{seed.suffix}", damaged
        for suffix in (".wav", ".mp4", ".png"):
            yield f"{seed.name} called{suffix}", content


def outcome(call: Callable[[Path], object], path: Path) -> str:
    """Return "read", "refused", or what is wrong with how it ended."""
    try:
        call(path)
    except InputError as error:
        message = str(error)
        fits = message.startswith(f"{path}: ") and "\n" not in message
        return "refused" if fits and "more memory than" not in message else f"refused so: {message}"
    except Exception as error:  # what this suite looks for
        return f"{type(error).__name__}: {error}"
    return "read"


def probe(path: Path) -> None:
    info = media.probe(path)
    assert info.has_audio or info.has_video
    assert 0 <= info.duration_s < 86400, f"{info.duration_s} s"


def read(path: Path) -> None:
    x = audio.read(path, sr=16000)
    assert len(x)
    assert np.abs(x).max() <= 1


def track(path: Path) -> None:
    followed = video.track(path)
    assert len(followed)
    assert np.isfinite(followed.boxes).all()
    assert (np.diff(followed.times_s) > 0).all()


if __name__ == "__main__":
    main(*sys.argv[1:])
