"""Engines of the extra `openvino`, which need not be installed: what asks for them is skipped."""

from __future__ import annotations

import pytest

from cryutils.errors import InputError
from cryutils.models import runtimes


def engine_or_skip(name: str) -> str:
    """Return the name of an engine; skip the test where it isn't installed."""
    try:
        runtimes.runtime_of(name)
    except InputError as error:
        pytest.skip(f"{error}")
    return name


def need(form: str) -> None:
    """Skip what needs the extra where it isn't installed."""
    if form == "openvino":
        engine_or_skip("openvino-int8")
