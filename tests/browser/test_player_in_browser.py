"""The cry player in a real browser: what a person does reaches Python, and the other way round.

Each test runs on one opened notebook, in `make test-all` of every frontend.
"""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from frontends import CONTRAST, PAGES, Notebook, close, in_first, notebook_from, show
from playwright.sync_api import Locator, expect
from sizes import large

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
SET_THEME = """([paper, ink, theme]) => {
  document.body.style.setProperty("--jp-layout-color0", paper);
  document.body.style.setProperty("--jp-ui-font-color1", ink);
  document.body.setAttribute("theme", theme);
}"""
CONTRASTS = f"""(player, names) => {{
  {CONTRAST}
  return names.map((name) => textContrast(player.querySelector(".cry-" + name)));
}}"""
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


@large
def test_a_loop_begins_again(notebook: Notebook) -> None:
    drag(notebook, 0.25, 0.5)
    part(notebook, "loop").click()
    part(notebook, "play").click()
    state = notebook.until(
        lambda s: any(b < a for a, b in zip(s["heard"], s["heard"][1:], strict=False)),
        "the cursor jumps back",
    )

    assert state["playing"] and state["loop"]
    assert min(state["heard"]) >= state["selection"][0] - 0.002


@large
def test_slow_speed_keeps_the_pitch(notebook: Notebook) -> None:
    part(notebook, "rate").select_option("0.5")
    part(notebook, "play").click()
    notebook.until(lambda s: s["rate"] == 0.5 and s["position_s"] > 0.1, "it plays slowly")

    speeds = "window.audios.map(audio => [audio.playbackRate, audio.preservesPitch])"
    assert notebook.page.evaluate(speeds) == [[0.5, True]]


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


@large
def test_the_player_keeps_its_keys_from_the_notebook(notebook: Notebook) -> None:
    cells = ".jp-Cell, div.cell"
    before = notebook.page.locator(cells).count()
    part(notebook, "graph").focus()
    for key in ("a", "b", "l", "Space", "Escape", "n", "p"):  # a and b would insert cells
        notebook.page.keyboard.press(key)
    notebook.until(lambda s: s["loop"], "the player heard L")

    assert notebook.page.locator(cells).count() == before


@large
@pytest.mark.parametrize(
    ("paper", "ink", "theme"), [("#111111", "#e8e8e8", "dark"), ("#ffffff", "#212121", "light")]
)
def test_it_follows_the_theme_and_can_be_read(
    notebook: Notebook, paper: str, ink: str, theme: str
) -> None:
    """Every text has the 4.5 : 1 contrast that WCAG 2 asks for, as computed by its formula."""
    notebook.page.evaluate(SET_THEME, [paper, ink, theme])
    player = notebook.page.locator(f".cry-player[data-theme={theme}]")
    player.wait_for()
    contrasts = player.evaluate(CONTRASTS, ["title", "label", "name", "data", "time", "given"])
    notebook.page.evaluate(SET_THEME, ["", "", ""])
    assert min(contrasts) >= 4.5, contrasts


def test_nothing_went_wrong_and_nothing_left_this_machine(notebook: Notebook) -> None:
    assert notebook.faults == []


@large
def test_a_saved_notebook_plays_without_its_widget(opened: Notebook) -> None:
    """Committed notebooks leave the widget's id out; the picture and the sound remain."""
    if opened.server.kind == "voila":
        pytest.skip("Voilà runs each notebook before it shows it")

    namespace: dict[str, Any] = {}
    saved = notebook_from(PAGES / "player.py")
    exec(saved.cells[0].source, namespace)
    data, _ = namespace["player"]._repr_mimebundle_()
    bundle = {mime: text for mime, text in data.items() if "widget-view" not in mime}
    saved.cells[1].outputs = [nbformat.v4.new_output("execute_result", bundle, execution_count=1)]
    nbformat.write(saved, opened.server.root / "saved.ipynb")
    show(opened, "saved")
    page = opened.page
    picture = page.locator("img[alt^='Waveform and spectrogram']")
    picture.wait_for()

    assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth; }")
    audio = page.locator("audio").element_handle()
    page.wait_for_function("audio => audio.readyState > 0", arg=audio)
    assert audio.evaluate("audio => audio.duration") == pytest.approx(RISING_S)
    close(opened)
