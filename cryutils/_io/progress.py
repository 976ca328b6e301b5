"""Progress of long work, by tqdm on stderr. `TQDM_DISABLE=1` hides it, as in a run of notebooks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cryutils.errors import printable

__all__ = ["counting", "quiet_stderr", "say"]

# Between updates in a pipe, a log, a notebook or for one file, and before the first one.
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

    # Smoothing, because the first clips may come from the cache.
    options: dict[str, Any] = {"leave": False, "miniters": 1, "smoothing": 0.5}
    if hasattr(_shell(), "kernel"):
        options |= {"file": _CellLine(), "ncols": 80}
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    shown = shown and (is_terminal or not one_file)
    if not shown or sys.stderr is None or os.environ.get("TQDM_DISABLE"):
        options["disable"] = True
    elif one_file or not is_terminal:
        options |= {"mininterval": _PIPE_S, "delay": _PIPE_S}
    with tqdm(desc=printable(what), unit=f" {unit}", **options) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report
        bar.total = bar.n  # otherwise the bar of a training that stops early turns red


def _shell() -> Any:
    """Return IPython's shell, which has a `kernel` in a notebook; None without IPython."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


class _CellLine:
    """A line below a notebook's cell, for tqdm to write to; it disappears when the bar is done.

    tqdm's own widget would stay in a saved notebook as "model not found".
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self._line: Any = None

    def write(self, text: str) -> None:
        """Show a line of text instead of the previous one, and nothing if it is blank."""
        from IPython.display import display

        shown = {"text/plain": text.strip()} if text.strip() else {}
        if self._line is not None:
            self._line.update(shown, raw=True)
        elif shown:
            self._line = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Do nothing: each line is shown at once."""


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
