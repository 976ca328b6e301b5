"""A player of videos in a real browser: picture and sound together, infants, answers."""

from __future__ import annotations

import pytest
from frontends import Notebook, in_first
from playwright.sync_api import Locator, expect
from sizes import large

pytestmark = [in_first, large]


def part(films: Notebook, name: str) -> Locator:
    return films.page.locator(f".cry-player .cry-{name}")


def test_the_picture_runs_with_the_sound_and_stops_with_it(films: Notebook) -> None:
    video = part(films, "video")
    expect(video).to_be_visible()
    part(films, "play").click()
    films.until(lambda s: s["playing"] and s["position_s"] > 0.3, "the clip plays")
    films.page.wait_for_function(
        "video => !video.paused && video.currentTime > 0.1", arg=video.element_handle()
    )
    part(films, "play").click()
    state = films.until(lambda s: not s["playing"], "the clip is paused")

    still = "video => video.paused && !video.seeking"
    films.page.wait_for_function(still, arg=video.element_handle())
    assert video.evaluate("v => [v.muted, v.videoWidth]") == [True, 64]
    assert video.evaluate("v => v.currentTime") == pytest.approx(state["position_s"], abs=0.1)


def test_what_each_model_says_is_drawn_and_said_where_the_cursor_stands(films: Notebook) -> None:
    graph = part(films, "graph")
    graph.focus()
    films.page.keyboard.press("Home")
    expect(part(films, "now")).to_have_text("sound: hungry 90 % · face: tired 80 %")
    for _ in range(11):
        films.page.keyboard.press("ArrowRight")
    expect(part(films, "now")).to_have_text("sound: tired 70 % · face: tired 80 %")
    expect(graph).to_have_attribute(
        "aria-valuetext", "1.10 of 2.00 s; sound: tired 70 %; face: tired 80 %"
    )
    films.page.keyboard.press("End")
    expect(part(films, "now")).to_have_text("sound: no answer · face: tired 80 %")
    expect(part(films, "key")).to_have_text(["hungry ◆ label", "tired"])


def test_a_class_and_an_infant_are_kept_to(films: Notebook) -> None:
    infants, classes = part(films, "infant"), part(films, "class")
    assert infants.locator("option").all_inner_texts() == ["all infants (3)", "ada (1)", "ben (2)"]
    infants.select_option("ben")
    films.until(lambda s: (s["index"], s["chosen_infant"]) == (1, "ben"), "ben's first clip")
    expect(part(films, "number")).to_have_text("1 of 2")
    part(films, "next").click()
    films.until(lambda s: s["index"] == 2, "ben's second clip")
    classes.select_option("hungry")
    films.until(lambda s: (s["index"], s["chosen_class"]) == (1, "hungry"), "the hungry one")
    expect(part(films, "number")).to_have_text("1 of 1")
    classes.select_option("")
    infants.select_option("")
    films.until(lambda s: s["chosen_class"] == s["chosen_infant"] == "", "all clips again")


def test_nothing_went_wrong_in_the_page(films: Notebook) -> None:
    assert films.faults == []
