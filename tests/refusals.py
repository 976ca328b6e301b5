"""How a file is refused: in one line that begins with its path; and how the command refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cryutils.errors import InputError

Outcome = tuple[int, str, str]  # exit code, stdout, stderr
Command = Callable[..., Outcome]  # the fixture `command`


def refusal(path: Path, reading: Callable[[Path], Any]) -> str:
    with pytest.raises(InputError) as caught:
        reading(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def mistake(outcome: Outcome) -> str:
    """The only line of a command that refuses all that the user asked for."""
    code, out, err = outcome
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("cryutils: ") and err.endswith("\n")
    return err


def success(outcome: Outcome) -> str:
    """What a command that succeeds prints to stdout; stderr is empty."""
    code, out, err = outcome
    assert (code, err) == (0, "")
    return out
