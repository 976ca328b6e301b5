"""Packages that are not installed."""

import pytest

from cryutils._io import extras
from cryutils.errors import InputError


def test_a_browser_names_the_package_that_it_lacks_and_no_way_to_install_it(monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "emscripten")
    with pytest.raises(InputError, match="no_such_package") as refusal:
        extras.require("no_such_package", "course", "a film")
    assert "pip" not in str(refusal.value) and "\n" not in str(refusal.value)
