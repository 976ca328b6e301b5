"""The site's first page in a real browser: it plays, asks and answers, and loads nothing unasked."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jinja2", reason="the extra app is not installed")
import front_page
from frontends import PHONE, fits, serving
from playwright.sync_api import Browser, Page, Route, expect

from cryutils import claims

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = pd.read_csv(ROOT / "data" / "registry.csv")
FILES = dict(zip(REGISTRY.file, REGISTRY.sha256, strict=True))
LISTENERS = pd.read_csv(ROOT / "data" / "listeners.csv").set_index(["known", "recording"])
LESSON = nbformat.read(front_page.LESSON, as_version=4)
DESK: Any = {"width": 1280, "height": 800}
WIDTHS = (360, 768, 1280, 1920)
# The sizes of the letters in charts, in pixels.
SIZES = """() => [...document.querySelectorAll("figure *")]
  .filter(e => !e.children.length && e.textContent)
  .map(e => parseFloat(getComputedStyle(e).fontSize) * (e.getScreenCTM?.()?.a ?? 1))"""

# How far the ends of the axis are from those of a row of published and rebuilt scores, in pixels.
AXIS = """() => {
  const ends = [...document.querySelectorAll(".ticks > span")].map(e => e.getBoundingClientRect());
  const row = document.querySelector(".track").getBoundingClientRect(), middle = e => (e.left + e.right) / 2;
  return [middle(ends[0]) - row.left, middle(ends.at(-1)) - row.right];
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    front_page.write(folder)
    (folder / "lesson.html").write_text(front_page.sliders_alone(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with serving(site) as address:
        yield address


@pytest.fixture
def opened(chromium: Browser, address: str) -> Iterator[Callable[..., tuple[Page, list[str]]]]:
    """A function that opens the page, and returns it with the addresses of other servers that it asked.

    sound: the file that these servers send. The page expects it, unless `described` is true: then it
    expects the checksums of data/registry.csv.
    """
    contexts = []

    def opened(
        sound: bytes | None = None, *, described: bool = False, **options: Any
    ) -> tuple[Page, list[str]]:
        asked: list[str] = []
        contexts.append(context := chromium.new_context(**{"viewport": DESK} | options))

        def answer(route: Route) -> None:
            if route.request.url.startswith((address, "file:")):
                route.continue_()
                return
            asked.append(route.request.url)
            if sound is None:
                route.abort()
            else:
                route.fulfill(body=sound, headers={"Access-Control-Allow-Origin": "*"})

        def expect_sound(route: Route) -> None:
            sums = re.sub(r"[0-9a-f]{64}", hashlib.sha256(sound or b"").hexdigest(), route.fetch().text())
            route.fulfill(body=sums, content_type="text/html")

        context.route("**/*", answer)
        if sound and not described:
            context.route(address, expect_sound)
        page = context.new_page()
        page.goto(address)
        return page, asked

    yield opened
    for context in contexts:
        context.close()


def wav(bits: int) -> bytes:
    """Return half a second of a tone as a WAV file of integers."""
    samples = (0.5 * np.sin(np.arange(4000) / 4) * 2 ** (bits - 1)).astype(f"<i{bits // 8}").tobytes()
    form = np.array([1 + (1 << 16), 8000, 1000 * bits, bits // 8 + (bits << 16)], "<u4").tobytes()
    sizes = [np.uint32(size).tobytes() for size in (36 + len(samples), 16, len(samples))]
    file = io.BytesIO()
    for part in (b"RIFF", sizes[0], b"WAVEfmt ", sizes[1], form, b"data", sizes[2], samples):
        file.write(part)
    return file.getvalue()


def test_before_a_click_it_is_small_and_asks_no_other_server(opened: Any, site: Path) -> None:
    page, asked = opened()
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.reload()
    for image in page.get_by_role("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth)")
    assert len(sizes) > 5 and sum(sizes) <= 300_000
    assert not asked and not page.context.cookies() and page.evaluate("localStorage.length") == 0
    lines = [
        line for name in ("front.js", "film.js", "sliders.js") for line in front_page.text(name).splitlines()
    ]
    assert len(lines) <= 400
    page.goto((site / "index.html").as_uri())  # without a server
    page.get_by_role("button", name="Hear a cry").click()
    page.wait_for_function("document.querySelector('audio').currentTime > 0")


def test_its_links_lead_to_pages_of_the_site(opened: Any, site: Path) -> None:
    page, _ = opened()
    links = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    inside = [link for link in links if not re.match("https://|#|index.html|lite/", link)]
    for link in (link.partition("#")[0] for link in inside):
        source = ROOT / link.replace(".html", ".md" if link.startswith("docs/") else ".ipynb")
        assert source.is_file() or (site / link).is_file(), link
    assert len(inside) > 15


def test_the_first_click_plays_a_cry_and_the_second_stops_it(opened: Any) -> None:
    page, _ = opened()
    button = page.get_by_role("button", name="Hear a cry")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.1")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("document.querySelector('audio').paused")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_have_attribute("aria-pressed", "false")  # at its end


@pytest.mark.parametrize("way", ["keyboard", "touch"])
def test_a_guess_gets_an_answer(opened: Any, way: str) -> None:
    page, _ = opened(**({"viewport": PHONE, "has_touch": True} if way == "touch" else {}))

    def use(name: str) -> None:
        button = page.get_by_role("button", name=name, exact=True)
        if way == "touch":
            button.tap()
            return
        button.focus()
        page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="It is B")).to_be_disabled()  # nothing was heard
    use("Who is this?")
    page.wait_for_function("document.querySelector('audio').currentTime > 0")
    told = page.evaluate("document.querySelector('audio').src")
    use("It is B")
    letter = re.search(r"/([abc])\d\.wav$", told)[1].upper()  # type: ignore[index]
    verdict = "Right" if letter == "B" else "No"
    expect(page.locator("#answer")).to_contain_text(f"{verdict}: it was baby {letter}.")
    expect(page.get_by_role("button", name="It is A")).to_be_disabled()
    use("Another cry")
    expect(page.get_by_role("button", name="It is A")).to_be_enabled()
    expect(page.locator("#answer")).to_be_empty()


@pytest.mark.parametrize("name", ["index.html", "lesson.html"])
def test_the_sliders_show_the_numbers_of_lesson_1(opened: Any, address: str, name: str) -> None:
    outputs = [output for cell in LESSON.cells for output in cell.get("outputs", [])]
    printed = " ".join(output.get("text", "") for output in outputs)
    first = re.search(r"random split: (\d+)% right; new babies: (\d+)% right", printed)
    plain = "\n".join(str(output.get("data", {}).get("text/plain")) for output in outputs)
    table = dict(re.findall(r"^(\d\.\d\d) +(\d\.\d\d +\d\.\d\d)$", plain, re.M))
    page, asked = opened()
    page.goto(address + name)
    shown = [page.locator(f"dd[data-score={kind}]") for kind in ("random", "free")]
    assert [element.inner_text() for element in shown] == [f"{number} %" for number in first.groups()]  # type: ignore[union-attr]
    for signal in ("0.50", "1.00"):
        page.get_by_label("signal").focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        expected = [f"{100 * float(share):.0f} %" for share in table[signal].split()]
        assert [element.inner_text() for element in shown] == expected
    places = "document.querySelector('.chart').innerHTML"
    before = page.evaluate(places)
    page.get_by_label("identity").fill("0.2")
    assert page.evaluate(places) != before
    assert not asked


@pytest.mark.parametrize(("signal", "identity", "seed"), [(0.0, 1.0, 0), (0.7, 0.3, 0), (1.0, 0.0, -1)])
def test_the_scores_of_the_sliders_are_computed_again(signal: float, identity: float, seed: int) -> None:
    seeds = json.loads((front_page.SOURCE / "sliders.json").read_text(encoding="utf-8"))
    place = round(10 * signal) * 11 + round(10 * identity)
    assert front_page.right_answers(signal, identity, range(len(seeds))[seed]) == seeds[seed][place]
    assert [len(cells) for cells in seeds] == [121] * front_page.SEEDS


def test_real_cries_come_from_the_corpus_after_a_click(opened: Any) -> None:
    page, asked = opened(wav(16))
    page.get_by_text("Use real cries instead").click()
    assert not asked
    page.get_by_role("button", name="Load the real cries").click()
    expect(page.locator("#source")).to_contain_text("real cries of three babies")
    assert len(asked) == 6
    assert {"donateacry/" + "/".join(url.split("/")[-2:]) for url in asked} <= FILES.keys()
    page.get_by_role("button", name="Baby C").click()
    page.wait_for_function("document.querySelector('audio').src.startsWith('blob:')")
    page.wait_for_function("document.querySelector('audio').currentTime > 0")
    page.get_by_role("button", name="Who is this?").click()
    page.get_by_role("button", name="It is C").click()
    expect(page.locator("#answer")).to_contain_text("Its parents chose")


def test_without_a_connection_the_computers_cries_remain(opened: Any) -> None:
    page, _ = opened()
    page.get_by_text("Use real cries instead").click()
    page.get_by_role("button", name="Load the real cries").click()
    expect(page.locator("#source")).to_contain_text("raw.githubusercontent.com cannot be reached")
    page.get_by_role("button", name="Baby A").click()
    page.wait_for_function("document.querySelector('audio').currentTime > 0")
    page.get_by_role("button", name="Load the first pair").click()
    expect(page.locator("#trial")).to_contain_text("could not be loaded")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_recording_that_differs_from_the_registry_is_refused(opened: Any, site: Path) -> None:
    page, _ = opened(wav(16), described=True)
    page.get_by_text("Use real cries instead").click()
    page.get_by_role("button", name="Load the real cries").click()
    expect(page.locator("#source")).to_contain_text("a file differs")
    page.get_by_role("button", name="Load the first pair").click()
    expect(page.locator("#trial")).to_contain_text("a file differs")
    data = json.loads(page.locator("#data").text_content())
    sums = {f"donateacry/{name}": text for baby in data["real"]["babies"] for name, text in baby["cries"]}
    folder = "corvin2024/cry_sequences_22babies"
    sums |= {f"{folder}/{name}.wav": text for name, text in data["trials"]["sums"].items()}
    assert len(sums) > 200 and sums.items() <= FILES.items()

    page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")  # as on http
    page.reload()
    page.get_by_text("Use real cries instead").click()
    page.get_by_role("button", name="Load the real cries").click()
    expect(page.locator("#source")).to_contain_text("real cries of three babies")


def test_ten_trials_give_the_scores_of_the_same_ten(opened: Any) -> None:
    page, asked = opened(wav(32))
    page.get_by_role("button", name="Load the first pair").click()
    right_so_far = 0
    for number in range(10):
        expect(page.locator("#trial")).to_contain_text(f"Pair {number + 1} of 10.")
        page.get_by_role("button", name="In the bath").click()
        expect(page.get_by_role("button", name="The same baby")).to_be_disabled()
        page.get_by_role("button", name="At a vaccination").click()
        if number == 0:
            page.wait_for_function("document.querySelector('audio').currentTime > 0")
        page.get_by_role("button", name="The same baby").click()
        verdict = page.locator("#trial strong").inner_text()
        assert verdict in ("Right: it was the same baby.", "No: it was another baby.")
        right_so_far += verdict.startswith("Right")
        page.get_by_role("button", name="In the bath").click()  # once more
        expect(page.get_by_role("button", name="The same baby")).to_be_disabled()
        page.get_by_role("button", name="Next pair" if number < 9 else "See how you did").click()
    assert right_so_far == 5
    names = [url.rpartition("/")[2].removesuffix(".wav") for url in asked]
    assert {f"corvin2024/cry_sequences_22babies/{name}.wav" for name in names} <= FILES.keys()
    pairs = [sorted(names[k : k + 2], key=lambda name: "_D" in name) for k in range(0, 20, 2)]
    right = []
    for bath, judged in pairs:
        row = LISTENERS.loc[bath[:3], judged]
        share = row.said_known / row.asked
        right.append(share if bath[:3] == judged[:3] else 1 - share)
    rows = page.locator("#result tbody tr").all_inner_texts()
    stored = claims.load_results("reference/corvin").set_index("key")[["value", "low", "high"]]
    study = [
        claims.tables.in_percent(*stored.loc[f"who.known_baby.{who}.balanced_accuracy"])
        for who in ("listeners", "machine")
    ]
    assert rows[0].split("\t")[:2] == ["you", "50 [24, 76]"]  # always yes; Wilson's interval
    assert rows[1].split("\t") == ["listeners", str(int(100 * np.mean(right) + 0.5)), study[0]]
    assert rows[2].split("\t")[2] == study[1]


def test_the_film_of_the_application_is_loaded_and_plays_after_a_key(opened: Any, site: Path) -> None:
    page, asked = opened()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    page.reload()
    film = page.locator("video")
    film.focus()
    assert "application.webm" not in loaded
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('video').currentTime > 0.2")
    assert 18 <= film.evaluate("film => film.duration") <= 23
    assert film.evaluate("film => film.textTracks[0].cues.length") >= 5
    expect(page.locator("#caption")).not_to_be_empty()
    assert (site / "front" / "application.webm").stat().st_size <= 600_000
    assert not asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_axe_finds_nothing(opened: Any, scheme: str) -> None:
    page, _ = opened(wav(16), color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("button", name="Who is this?").click()
    page.get_by_role("button", name="It is A").click()
    page.get_by_text("Use real cries instead").click()
    page.get_by_role("button", name="Load the first pair").click()
    for _ in range(10):
        for name in ("In the bath", "At a vaccination", "Another baby"):
            page.get_by_role("button", name=name).click()
        page.locator("#start").click()
    fits(page, WIDTHS)
    for width in (360, 390, 960, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert min(page.evaluate(SIZES)) >= 12
        assert page.evaluate(AXIS) == pytest.approx([0, 0], abs=2)
        for name in ("Findings", "Documentation", "Take the course"):
            expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_be_visible()
