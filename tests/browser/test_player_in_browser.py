"""The cry player in a real browser: it shows and plays clips, and asks Python for others."""

from __future__ import annotations

import re

import pytest
from frontends import Notebook
from playwright.sync_api import Locator, expect

CLIP_S = 2.0


def part(notebook: Notebook, name: str) -> Locator:
    return notebook.page.locator(f".cry-player .cry-{name}")


def cursor_s(notebook: Notebook) -> float:
    """Return the cursor's position over the axes, in s."""
    plots, cursor = (part(notebook, "overlay").bounding_box(), part(notebook, "cursor").bounding_box())
    assert plots and cursor
    return (cursor["x"] + cursor["width"] / 2 - plots["x"]) / plots["width"] * CLIP_S


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


def wait(notebook: Notebook, name: str, condition: str) -> None:
    """Wait until an expression in `node`, a part of the player, is true."""
    element = part(notebook, name).element_handle()
    notebook.page.wait_for_function(f"node => {condition}", arg=element)


def test_a_clip_is_drawn_and_named(notebook: Notebook) -> None:
    wait(notebook, "picture", "node.complete && node.naturalWidth > 500")
    expect(part(notebook, "label")).to_have_text("hungry")
    expect(part(notebook, "number")).to_have_text("1 of 3")
    expect(part(notebook, "data")).to_contain_text("no infant")
    assert part(notebook, "class").locator("option").all_inner_texts() == [
        "all classes (3)",
        "hungry (2)",
        "tired (1)",
    ]
    assert part(notebook, "value").all_inner_texts() == ["70 %", "30 %"]


def test_cursor_and_video_follow_the_sound(notebook: Notebook) -> None:
    part(notebook, "play").click()
    wait(notebook, "video", "!node.paused && node.currentTime > 0.3")
    part(notebook, "play").click()
    wait(notebook, "video", "node.paused && !node.seeking")
    at = float(part(notebook, "graph").get_attribute("aria-valuenow") or "nan")
    assert cursor_s(notebook) == pytest.approx(at, abs=0.02)
    assert part(notebook, "video").evaluate("v => [v.muted, v.videoWidth]") == [True, 64]
    assert part(notebook, "video").evaluate("v => v.currentTime") == pytest.approx(at, abs=0.1)


def test_the_models_answers_at_the_cursor_are_drawn_and_announced(notebook: Notebook) -> None:
    graph = part(notebook, "graph")
    graph.focus()
    notebook.page.keyboard.press("Home")
    expect(part(notebook, "now")).to_have_text("sound: hungry 90 % · face: tired 80 %")
    for _ in range(11):
        notebook.page.keyboard.press("ArrowRight")
    expect(graph).to_have_attribute("aria-valuetext", "1.10 of 2.00 s; sound: tired 70 %; face: tired 80 %")
    notebook.page.keyboard.press("End")
    expect(part(notebook, "now")).to_have_text("sound: no answer · face: tired 80 %")


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


def test_another_infant_and_then_another_class_are_shown_and_announced(notebook: Notebook) -> None:
    before = part(notebook, "picture").get_attribute("src")
    part(notebook, "infant").select_option("ada")
    expect(part(notebook, "number")).to_have_text("1 of 1")
    part(notebook, "class").select_option("tired")
    notebook.until(lambda s: s["index"] == 2, "the only tired clip, of ben")
    expect(part(notebook, "name")).to_have_text("clip-2 · infant ben")
    expect(part(notebook, "infant")).to_have_value("")
    expect(part(notebook, "spoken")).to_contain_text("tired, clip-2")
    expect(part(notebook, "value")).to_have_text(["10 %", "90 %"])
    assert part(notebook, "picture").get_attribute("src") != before
    part(notebook, "class").select_option("")


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
