"""Progress of long work, by tqdm on stderr. `TQDM_DISABLE=1` hides it, as in a run of notebooks."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from cryutils.errors import printable

# Before the first update and between updates in a pipe, a log, a notebook or for one file.
_PIPE_S = 2.0


@contextmanager
def counting(
    what: str, unit: str, *, shown: bool = True, one_file: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """Yield `report(done, total)`, which draws a progress bar that is removed at the end.

    Nothing is drawn if `shown` is False. total: 0 if it is unknown. one_file: of a file among
    others, so that a bar appears only on a terminal, if the file takes longer than two seconds.
    """
    from tqdm import tqdm

    if sys.platform == "emscripten":  # a browser has no thread for tqdm's monitor
        tqdm.monitor_interval = 0
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    slowly = {"mininterval": _PIPE_S, "delay": _PIPE_S} if one_file or not is_terminal else {}
    hidden = not shown or sys.stderr is None or (one_file and not is_terminal)
    with tqdm(
        desc=printable(what),
        unit=f" {unit}",
        disable=hidden or bool(os.environ.get("TQDM_DISABLE")),
        leave=False,
        miniters=1,
        smoothing=0.5,  # the first clips may come from the cache
        **slowly,
    ) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard everything that the process writes to stderr, including from C++ code.

    TensorFlow writes its first messages before it reads any log level, so the file descriptor
    itself is redirected.
    """
    stderr = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def say(line: object, *, err: bool = False) -> None:
    """Print one line to stdout or stderr, with control characters escaped."""
    # Not click.echo, which writes UTF-8 even to an ASCII stream.
    if (stream := sys.stderr if err else sys.stdout) is None:  # it was closed
        return
    bars = sys.modules.get("tqdm")  # progress bars are cleared first and redrawn afterwards
    with bars.tqdm.external_write_mode(stream) if bars else nullcontext():
        # In one write: a signal between text and line end would join it to the next line.
        print(f"{printable(line)}\n", end="", file=stream, flush=True)
