"""The cry player in a real browser: it shows and plays clips, and asks Python for others.

Each test runs on one opened notebook, in `make test-all` of every frontend.
"""

from __future__ import annotations

import re

import pytest
from frontends import Notebook, in_first
from playwright.sync_api import Locator, expect

pytestmark = in_first

RISING_S = 2.0


def part(notebook: Notebook, name: str) -> Locator:
    return notebook.page.locator(f".cry-player .cry-{name}")


def cursor_s(notebook: Notebook, duration_s: float) -> float:
    """Return the cursor's position over the axes, in s of a clip of `duration_s`."""
    plots, cursor = (part(notebook, "overlay").bounding_box(), part(notebook, "cursor").bounding_box())
    assert plots and cursor
    return (cursor["x"] + cursor["width"] / 2 - plots["x"]) / plots["width"] * duration_s


def drag(notebook: Notebook, start: float, stop: float) -> None:
    """Drag over the axes from one fraction of their width to another."""
    part(notebook, "graph").scroll_into_view_if_needed()
    box = part(notebook, "overlay").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    notebook.page.mouse.move(box["x"] + start * box["width"], y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + stop * box["width"], y, steps=4)
    notebook.page.mouse.up()


def position_s(notebook: Notebook) -> float:
    return float(part(notebook, "graph").get_attribute("aria-valuenow") or "nan")


def wait(notebook: Notebook, name: str, condition: str) -> None:
    """Wait until an expression in `node`, a part of the player, is true."""
    element = part(notebook, name).element_handle()
    notebook.page.wait_for_function(f"node => {condition}", arg=element)


def test_a_clip_is_drawn_and_named(notebook: Notebook) -> None:
    wait(notebook, "picture", "node.complete && node.naturalWidth > 500")
    expect(part(notebook, "label")).to_have_text("hungry")
    expect(part(notebook, "number")).to_have_text("1 of 3")
    expect(part(notebook, "data")).to_contain_text("generated tones, not a real infant")
    assert part(notebook, "class").locator("option").all_inner_texts() == [
        "all classes (3)",
        "hungry (2)",
        "tired (1)",
    ]
    assert part(notebook, "value").all_inner_texts() == ["70 %", "30 %"]


def test_the_cursor_follows_the_sound(notebook: Notebook) -> None:
    part(notebook, "play").click()
    wait(notebook, "graph", "Number(node.getAttribute('aria-valuenow')) > 0.3")
    part(notebook, "play").click()
    expect(part(notebook, "play")).to_have_attribute("aria-label", "Play")

    assert cursor_s(notebook, RISING_S) == pytest.approx(position_s(notebook), abs=0.02)


def test_a_dragged_selection_is_all_that_plays(notebook: Notebook) -> None:
    drag(notebook, 0.25, 0.5)
    start, stop = re.findall(r"\d\.\d+", part(notebook, "clear").inner_text())
    graph = part(notebook, "graph")
    graph.evaluate("""node => {
      window.heard = [];
      const note = () => heard.push(Number(node.getAttribute("aria-valuenow")));
      new MutationObserver(note).observe(node, { attributeFilter: ["aria-valuenow"] });
    }""")
    part(notebook, "play").click()
    wait(notebook, "graph", f"Number(node.getAttribute('aria-valuenow')) >= {stop}")
    expect(part(notebook, "play")).to_have_attribute("aria-label", "Play")

    assert [float(start), float(stop)] == pytest.approx([0.5, 1.0], abs=0.02)
    heard = notebook.page.evaluate("heard")
    assert min(heard) >= float(start) - 0.01
    assert heard[-1] == pytest.approx(float(stop), abs=0.01)


def test_next_shows_and_announces_another_clip(notebook: Notebook) -> None:
    before = part(notebook, "picture").get_attribute("src")
    part(notebook, "play").click()
    wait(notebook, "graph", "Number(node.getAttribute('aria-valuenow')) > 0.1")
    part(notebook, "next").click()
    notebook.until(lambda s: s["index"] == 1, "the second clip")

    expect(part(notebook, "name")).to_have_text("falling")
    expect(part(notebook, "spoken")).to_have_text("Clip 2 of 3: hungry, falling, 1.50 seconds")
    expect(part(notebook, "value")).to_have_text(["40 %", "60 %"])
    expect(part(notebook, "time")).to_have_text("0.00 of 1.50 s")
    expect(part(notebook, "play")).to_have_attribute("aria-label", "Play")
    assert part(notebook, "picture").get_attribute("src") != before


def test_the_keyboard_does_it_all(notebook: Notebook) -> None:
    press = notebook.page.keyboard.press
    part(notebook, "graph").focus()
    for _ in range(3):
        press("ArrowRight")
    press("ArrowLeft")
    expect(part(notebook, "time")).to_have_text("0.20 of 2.00 s")
    drag(notebook, 0.25, 0.5)
    expect(part(notebook, "clear")).to_be_visible()
    part(notebook, "graph").focus()
    press("l")
    press("Space")
    expect(part(notebook, "loop")).to_have_attribute("aria-pressed", "true")
    expect(part(notebook, "play")).to_have_attribute("aria-label", "Pause")
    press("Space")
    expect(part(notebook, "play")).to_have_attribute("aria-label", "Play")
    press("Escape")
    expect(part(notebook, "clear")).to_be_hidden()
    press("n")
    notebook.until(lambda s: s["index"] == 1, "the next clip")
    press("p")
    notebook.until(lambda s: s["index"] == 0, "the previous clip")
    assert notebook.faults == [], "nothing went wrong and nothing left this machine"
