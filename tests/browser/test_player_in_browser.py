"""The cry player in a real browser: what a person does reaches Python, and the other way round.

Each test runs on one opened notebook, in `make test-all` of every frontend.
"""

from __future__ import annotations

import pytest
from frontends import Notebook, in_first
from playwright.sync_api import Locator, expect

pytestmark = in_first

RISING_S = 2.0

# How many pixels of a canvas differ from its commonest colour.
DRAWN = """canvas => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const counts = new Map();
  for (let i = 0; i < data.length; i += 4) {
    const colour = data.slice(i, i + 3).join();
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return 1 - Math.max(...counts.values()) / (data.length / 4);
}"""
PICTURE = "canvas => canvas.toDataURL()"


def part(notebook: Notebook, name: str) -> Locator:
    return notebook.page.locator(f".cry-player .cry-{name}")


def cursor_s(notebook: Notebook, duration_s: float) -> float:
    """Return where the cursor stands on the plots, in s of a clip of `duration_s`."""
    plots, cursor = (
        part(notebook, "overlay").bounding_box(),
        part(notebook, "cursor").bounding_box(),
    )
    assert plots and cursor
    return (cursor["x"] + cursor["width"] / 2 - plots["x"]) / plots["width"] * duration_s


def drag(notebook: Notebook, start: float, stop: float) -> None:
    """Drag over the plots from one fraction of their width to another."""
    part(notebook, "graph").scroll_into_view_if_needed()
    box = part(notebook, "overlay").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    notebook.page.mouse.move(box["x"] + start * box["width"], y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + stop * box["width"], y, steps=4)
    notebook.page.mouse.up()


def test_a_clip_is_drawn_and_named(notebook: Notebook) -> None:
    canvas = notebook.page.locator(".cry-player canvas")

    assert canvas.evaluate(DRAWN) > 0.05
    expect(part(notebook, "label")).to_have_text("hungry")
    expect(part(notebook, "number")).to_have_text("1 of 3")
    expect(part(notebook, "data")).to_contain_text("generated tones, not a real infant")
    assert part(notebook, "class").locator("option").all_inner_texts() == [
        "all classes (3)",
        "hungry (2)",
        "tired (1)",
    ]
    assert part(notebook, "value").all_inner_texts() == ["70 %", "30 %"]


def test_play_moves_the_cursor_and_python_follows(notebook: Notebook) -> None:
    part(notebook, "play").click()
    notebook.until(lambda s: s["playing"] and s["position_s"] > 0.3, "the clip plays")
    part(notebook, "play").click()
    state = notebook.until(lambda s: not s["playing"], "the clip is paused")

    assert state["heard"] == sorted(state["heard"])
    assert cursor_s(notebook, RISING_S) == pytest.approx(state["position_s"], abs=0.02)


def test_a_dragged_selection_is_all_that_plays(notebook: Notebook) -> None:
    drag(notebook, 0.25, 0.5)
    state = notebook.until(lambda s: s["selection"][1:] > [0.98], "a selection up to 1 s")
    chosen = state["selection"]
    part(notebook, "play").click()
    notebook.until(lambda s: s["playing"], "the selection plays")
    state = notebook.until(lambda s: not s["playing"], "the selection ends")

    assert chosen == pytest.approx([0.5, 1.0], abs=0.02)
    assert min(state["heard"]) >= chosen[0] - 0.002
    assert max(state["heard"]) <= chosen[1] + 0.002
    assert state["position_s"] == pytest.approx(chosen[1], abs=0.001)


def test_next_shows_and_announces_another_clip(notebook: Notebook) -> None:
    canvas = notebook.page.locator(".cry-player canvas")
    before = canvas.evaluate(PICTURE)
    part(notebook, "play").click()
    notebook.until(lambda s: s["position_s"] > 0.1, "the first clip plays")
    part(notebook, "next").click()
    state = notebook.until(lambda s: s["index"] == 1 and not s["playing"], "the second clip")

    assert state["selection"] == []
    part(notebook, "name").get_by_text("falling").wait_for()
    expect(part(notebook, "spoken")).to_have_text("Clip 2 of 3: hungry, falling, 1.50 seconds")
    expect(part(notebook, "value")).to_have_text(["40 %", "60 %"])
    assert canvas.evaluate(PICTURE) != before


def test_the_keyboard_does_it_all(notebook: Notebook) -> None:
    press = notebook.page.keyboard.press
    part(notebook, "graph").focus()
    for _ in range(3):
        press("ArrowRight")
    press("ArrowLeft")
    notebook.until(lambda s: abs(s["position_s"] - 0.2) < 0.001, "arrows seek to 0.2 s")
    drag(notebook, 0.25, 0.5)
    notebook.until(lambda s: s["selection"], "a selection")
    part(notebook, "graph").focus()
    press("l")
    press("Space")
    notebook.until(lambda s: s["loop"] and s["playing"], "it loops")
    press("Space")
    notebook.until(lambda s: not s["playing"], "it is paused")
    press("Escape")
    notebook.until(lambda s: s["selection"] == [], "nothing is selected")
    press("n")
    notebook.until(lambda s: s["index"] == 1, "the next clip")
    press("p")
    notebook.until(lambda s: s["index"] == 0, "the previous clip")
    assert notebook.faults == [], "nothing went wrong and nothing left this machine"
