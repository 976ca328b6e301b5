"""A player of videos in a real browser: picture and sound together, infants, answers."""

from __future__ import annotations

import pytest
from frontends import Notebook, in_first
from playwright.sync_api import Locator, expect
from sizes import large

pytestmark = [in_first, large]


def part(films: Notebook, name: str) -> Locator:
    return films.page.locator(f".cry-player .cry-{name}")


def test_the_video_runs_with_the_sound_and_stops_with_it(films: Notebook) -> None:
    video = part(films, "video")
    expect(video).to_be_visible()
    part(films, "play").click()
    films.page.wait_for_function(
        "video => !video.paused && video.currentTime > 0.3", arg=video.element_handle()
    )
    part(films, "play").click()
    still = "video => video.paused && !video.seeking"
    films.page.wait_for_function(still, arg=video.element_handle())
    at = float(part(films, "graph").get_attribute("aria-valuenow") or "nan")
    assert video.evaluate("v => [v.muted, v.videoWidth]") == [True, 64]
    assert video.evaluate("v => v.currentTime") == pytest.approx(at, abs=0.1)


def test_what_each_model_says_is_drawn_and_said_where_the_cursor_stands(films: Notebook) -> None:
    graph = part(films, "graph")
    graph.focus()
    films.page.keyboard.press("Home")
    expect(part(films, "now")).to_have_text("sound: hungry 90 % · face: tired 80 %")
    for _ in range(11):
        films.page.keyboard.press("ArrowRight")
    expect(part(films, "now")).to_have_text("sound: tired 70 % · face: tired 80 %")
    expect(graph).to_have_attribute("aria-valuetext", "1.10 of 2.00 s; sound: tired 70 %; face: tired 80 %")
    films.page.keyboard.press("End")
    expect(part(films, "now")).to_have_text("sound: no answer · face: tired 80 %")


def test_a_choice_that_leaves_nothing_of_an_earlier_one_ends_that_one(films: Notebook) -> None:
    part(films, "infant").select_option("ada")
    expect(part(films, "number")).to_have_text("1 of 1")
    part(films, "class").select_option("tired")
    films.until(lambda s: s["index"] == 2, "the only tired clip, of ben")
    expect(part(films, "name")).to_have_text("clip-2 · infant ben")
    expect(part(films, "infant")).to_have_value("")
    part(films, "class").select_option("")
    part(films, "next").click()
    films.until(lambda s: s["index"] == 0, "the first clip after the last")
    assert films.faults == []
