"""The page that tests a cry translator, in a real browser: by keyboard, with a reload, to the verdict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jinja2", reason="the extra app is not installed")
import front_page
from frontends import fits, serving, watched
from playwright.sync_api import Browser, Page, Route, expect

from cryutils.audio.files import wav_bytes
from cryutils.claims import translator

FILES = set(pd.read_csv(front_page.ROOT / "data" / "registry.csv").file)
TONE = wav_bytes(0.1 * np.sin(np.arange(1600) / 4).astype(np.float32), 8000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    front_page.write_translator(folder)
    return folder


@pytest.fixture
def page(chromium: Browser, site: Path) -> Iterator[Page]:
    with serving(site) as address:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(f"{address}translator.html")
        yield page
        context.close()


def tap(page: Page, sound: int, choose: Callable[[str], str]) -> None:
    """Play a sound and give the answer of `choose`, a function of the sound's address, by keyboard."""
    expect(page.locator("#test-title")).to_contain_text(f"Sound {sound} of")
    expect(page.get_by_role("button", name="Play")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text(re.compile("Play"))
    said = page.get_by_role("button", name=choose(page.evaluate("audio.src")), exact=True)
    expect(said).to_be_enabled()
    said.focus()
    page.keyboard.press("Enter")


def test_a_folder_is_tested_with_a_reload_in_the_middle(page: Page, tmp_path: Path) -> None:
    faults = watched(page)
    folder = tmp_path / "recordings"
    for k in range(6):
        label = ("hungry", "belly_pain")[k % 2]
        path = folder / label / f"i{k}" / "=1.wav"
        path.parent.mkdir(parents=True)
        path.write_bytes(TONE)
    page.get_by_label("Or choose a folder").set_input_files(folder)
    page.get_by_label("belly pain (3 infants)").fill("Pain")
    page.get_by_label("Other answers").fill("bored, Pain")
    count = page.get_by_label("Number of infants")
    expect(count).to_have_value("6")
    count.fill("7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("only 6 infants")
    page.keyboard.press("Enter")

    def hears_nothing(address: str) -> str:
        return "no answer" if "front/" in address else "pain"

    sounds = 6 + 2 + 2
    for sound in range(1, 5):
        tap(page, sound, hears_nothing)
    tap(page, 5, lambda _: "bored")
    page.get_by_role("button", name="Undo the last answer").click()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("same folder again")
    page.get_by_label("Or choose a folder").set_input_files(folder)
    for sound in range(5, sounds):
        tap(page, sound, hears_nothing)
    tap(page, sounds, lambda address: "bored" if "blob:" in address else "no answer")

    expect(page.get_by_role("heading", name="The verdict")).to_be_focused()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the answers").click()
    download.value.save_as(tmp_path / "answers.csv")
    table = translator.read(tmp_path / "answers.csv")
    assert sorted(table.infant) == [f"i{k}" for k in range(6)]
    assert sorted(table.truth) == ["hungry"] * 3 + ["pain"] * 3
    assert (table.again != "").sum() == (table.no_cry != "").sum() == 2
    found = translator.measure(table)
    assert found.no_cry == (0, 2)
    assert page.locator("#facts li").all_inner_texts() == [*translator.lines(found)]
    page.reload()
    assert page.locator("#facts li").all_inner_texts() == [*translator.lines(found)]
    assert not faults


def test_donateacry_is_loaded_from_its_repository_one_cry_at_a_time(page: Page) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        body = TONE if len(asked) > 1 else "no sound"
        route.fulfill(body=body, headers={"Access-Control-Allow-Origin": "*"})

    page.route(re.compile("^https:"), answer)
    page.get_by_role("button", name="Use DonateACry").click()
    page.get_by_label("burping").fill("")  # the application does not have it
    page.get_by_label("Number of infants").fill("20")
    page.get_by_role("button", name="Begin").click()
    assert not asked
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be played")
    page.get_by_role("button", name="Leave this infant out").click()
    tap(page, 1, lambda _: "tired")
    assert len({*asked}) == len(asked) == 2 and "donateacry/" + "/".join(asked[0].split("/")[-2:]) in FILES
    rows: list[dict[str, Any]] = page.evaluate("test.rows")
    assert len({row["infant"] for row in rows}) == 20
    assert pd.Series([row["truth"] for row in rows]).value_counts().to_dict() == dict.fromkeys(
        ["belly pain", "discomfort", "hungry", "tired"], 5
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_axe_finds_nothing(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("button", name="Use DonateACry").click()
    fits(page, (360, 1280))
    page.get_by_label("Number of infants").fill("4")
    page.get_by_role("button", name="Begin").click()
    fits(page, (360, 768))
    page.evaluate("while (test.at < test.sounds.length) answer(test.words[0])")
    fits(page, (360, 1280))
    assert len(front_page.text("translator.js").splitlines()) <= 250


@pytest.mark.parametrize("n", [2, 7, 40, 160])
def test_the_page_rounds_as_the_library(page: Page, n: int) -> None:
    shown = page.evaluate(
        f"Array.from({{length: {n} + 1}}, (_, k) => [k / {n}, ...ends(k, {n})].map(percent))"
    )
    for k, (value, low, high) in enumerate(shown):
        assert f"{value} [{low}, {high}]" == str(translator.Share(k, n))


def test_the_documented_plan_is_that_of_the_page() -> None:
    text = (front_page.ROOT / "docs" / "translator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert [[*row] for row in rows] == [[str(cell) for cell in row.values()] for row in front_page.plan()]
