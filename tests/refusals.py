"""How a file is refused: in one line that begins with its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cryutils.errors import InputError


def refusal(path: Path, reading: Callable[[Path], Any]) -> str:
    with pytest.raises(InputError) as caught:
        reading(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message
