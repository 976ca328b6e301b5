"""One alarm for an episode of crying, whatever its pauses, gaps and clocks."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from crydecode.alarm import Alarm, Change, Event, is_crying
from cryutils.inference.readings import HOP_S
from cryutils.words import GAP, NO_CRY, QUIET, UNSURE

T = 1_800_000_000.0
CRY, CALM, LOST = "c", ".", "-"  # half a second each


def events(alarm: Alarm, heard: str, start: float = T) -> list[tuple[str, float, float]]:
    """What an alarm says about readings each half second: (what, time, since), in s after T."""
    value = {CRY: True, CALM: False, LOST: None}
    given = (alarm.add(start + (k + 1) * HOP_S, value[each]) for k, each in enumerate(heard))
    return shown(given)


def shown(given: Iterable[Event | None]) -> list[tuple[str, float, float]]:
    return [(str(each.what), each.time - T, each.since - T) for each in given if each]


def test_an_alarm_begins_after_the_delay_is_given_again_and_ends_after_quiet() -> None:
    alarm = Alarm(delay_s=10, again_s=60, hold_s=30)
    told = events(alarm, CRY * 280 + CALM * 100)
    assert told == [("crying", 10, 0), ("crying again", 70, 0), ("crying again", 130, 0), ("quiet", 170, 140)]
    assert events(Alarm(delay_s=0), CRY) == [("crying", 0.5, 0)]
    assert not events(Alarm(delay_s=10, hold_s=30), (CRY * 18 + CALM * 60) * 5), "too short each time"


def test_eight_bursts_in_a_minute_are_one_alarm_and_a_later_cry_is_another() -> None:
    bursts = (CRY * 6 + CALM * 9) * 8
    assert [each[0] for each in events(Alarm(delay_s=10), bursts)] == ["crying"]
    assert [each[0] for each in events(Alarm(delay_s=0), bursts + CALM * 120 + bursts)] == [
        "crying",
        "quiet",
        "crying",
    ]


def test_time_without_sound_is_neither_quiet_nor_crying() -> None:
    alarm = Alarm(delay_s=0, hold_s=60, again_s=300)
    events(alarm, CRY * 20)
    assert not events(alarm, LOST * 400, T + 10) and alarm.since == T
    assert alarm.add(T + 5000, False) is None, "nothing came for 80 minutes: nobody knows"
    assert events(alarm, CALM * 130, T + 5000) == [("quiet", 5060, 5000)]
    assert events(alarm, CRY, T + 9000)[0][0] == "crying"
    assert events(alarm, CRY, T + 12_000)[0][0] == "crying again", "after an hour, people are told"


def test_two_devices_that_hear_the_same_baby_count_once() -> None:
    alarm = Alarm(delay_s=10)
    both = [(T + k * HOP_S + late, late == 0) for k in range(60) for late in (0, 0.2)]
    assert [each[1] for each in shown(alarm.add(*each) for each in both)] == [9.5]


def test_a_clock_that_is_set_back_or_forward_ends_no_alarm() -> None:
    alarm = Alarm(delay_s=0, again_s=300)
    assert len(events(alarm, CRY * 10)) == 1
    assert not events(alarm, (CRY + CALM) * 50, T - 7200)
    assert not events(alarm, CALM * 50, T - 7150 + 3 * 86400) and alarm.since == T


@given(st.lists(st.sampled_from(CRY + CALM + LOST), max_size=600), st.sampled_from((0.0, 5.0, 20.0)))
def test_a_longer_delay_never_adds_an_alarm_nor_makes_it_earlier(heard: list[str], delay_s: float) -> None:
    readings = "".join(heard)
    early, late = (
        [each for each in events(Alarm(delay_s=wait, hold_s=10), readings) if each[0] == Change.CRYING]
        for wait in (delay_s, delay_s + 5)
    )
    begins = {since: time for _, time, since in early}
    assert all(begins[since] < time for _, time, since in late)


def test_verdicts_say_whether_a_reading_is_of_crying() -> None:
    values = [is_crying(each) for each in (UNSURE, "hungry", NO_CRY, QUIET, GAP)]
    assert values == [True, True, False, False, None]
