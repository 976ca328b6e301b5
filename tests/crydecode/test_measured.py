"""The measured errors that pages show are those of the stored table."""

import pandas as pd
import pytest

from crydecode.alarm import DELAY_S
from crydecode.measured import SOUNDS, false_alarms
from cryutils.models.gate import reference


def test_pages_show_the_stored_errors_of_a_delay_that_was_tested() -> None:
    stored = reference("gate_alarms").set_index(["kind", "delay_s"])
    for delay_s, tested in ((0.0, 0.0), (DELAY_S, DELAY_S), (DELAY_S + 1, DELAY_S), (600.0, 30.0)):
        shown = false_alarms(delay_s)
        assert [each.sound for each in shown] == [*SOUNDS.values()]
        for kind, each in zip(SOUNDS, shown, strict=True):
            row = stored.loc[(kind, tested)]
            assert (each.rings, each.makers) == (row.rings, row.makers)
            assert each.a_night == pytest.approx(10 * row.per_hour, rel=2e-3)


def test_a_longer_delay_has_no_more_false_alarms() -> None:
    rings = reference("gate_alarms").pivot(index="kind", columns="delay_s", values="rings").dropna()
    assert (pd.DataFrame(rings).diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
