"""The measured errors that pages show are those of the stored table."""

import pandas as pd
import pytest

from crydecode.alarm import DELAY_S
from crydecode.measured import SOUNDS, false_alarms
from cryutils.models.gate import reference


def test_pages_show_the_stored_errors_of_the_usual_delay() -> None:
    stored = reference("gate_alarms").set_index(["kind", "delay_s"])
    shown = false_alarms()
    assert [each.sound for each in shown] == [*SOUNDS.values()]
    for kind, each in zip(SOUNDS, shown, strict=True):
        row = stored.loc[(kind, DELAY_S)]
        assert each.rings == row.rings
        assert each.a_night == pytest.approx(10 * row.per_hour, rel=2e-3)


def test_a_longer_delay_has_no_more_false_alarms() -> None:
    rings = reference("gate_alarms").pivot(index="kind", columns="delay_s", values="rings").dropna()
    assert (pd.DataFrame(rings).diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
