"""Write the site's first page, the scores of its sliders, and two pages: check a table, test a translator.

    python tools/front_page.py            write docs/front/sliders.json again (four minutes a seed)

`make docs` calls `write`. The pages are docs/front/*.html.j2 with the styles and scripts next to them.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import os
import shutil
import string
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from PIL import Image
from project import REPOSITORY, ROOT
from scipy import ndimage
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import cryutils
from cryutils import audio, claims, evaluation, words
from cryutils.audio.files import wav_bytes
from cryutils.claims import translator
from cryutils.claims.tables import in_percent
from cryutils.course import runner as course
from cryutils.datasets import corvin, donateacry
from cryutils.datasets.corpus import Corpus

SOURCE = ROOT / "docs" / "front"
PAGES = Environment(loader=FileSystemLoader(SOURCE), autoescape=False)
PAGES.globals["repository"] = REPOSITORY
NOTEBOOKS = ROOT / "notebooks"
LESSON = NOTEBOOKS / "lesson_1_start_here.ipynb"
STEPS, SEEDS = 10, 3
SPLITS = {"split_clips": 44, "split_babies": 42}  # number of test clips in lesson 1
DIGITS = string.digits + string.ascii_letters  # a number of right answers is one of them
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLANNED = (12, 20, 40, 80, 160)  # infants in a test of a translator
INFANTS = PLANNED[-1]  # at most
SURVEYED = {
    "random clips": "clips at random",
    "random windows": "pieces of clips at random",
    "folders": "ready-made folders",
    "file order": "in the order of the files",
    "by infant": "by baby",
}
FEATURES = {
    "stft": "STFT (short-time Fourier transform): the spectrogram of a clip",
    "mfcc": "MFCC (mel-frequency cepstral coefficients): the coarse shape of its spectrum",
}
MEGABYTES = 43  # of Python and its packages for a check, compressed; a test adds them up
BABIES = ("infant-001", "infant-002", "infant-007")  # their pitch differs
# Three installations with two clear cries each for the same reason, two of the babies of lesson 1 among them.
REAL = {
    "hungry": (
        "fa8620d3-e7db-4101-aff0-28dbf0d96a5f",
        "1434296505682-1.7-f-04-hu",
        "1434465485354-1.7-f-04-hu",
    ),
    "tired": ("B2AABCE0-1F62-4B57-B58A-308959ABDFE7", "1437188766-1.1-m-26-ti", "1437188751-1.1-m-26-ti"),
    "belly pain": (
        "d6cda191-4962-4308-9a36-46d5648a95ed",
        "1431159262344-1.7-m-04-bp",
        "1431700390946-1.7-m-04-bp",
    ),
}
RAW = "https://raw.githubusercontent.com"
CORVIN = f"{RAW}/theunissenlab/BabyCriesDiscomfortPain/{corvin.COMMIT}/OpenData/cry_sequences_22babies"


def lesson_1(seed: int) -> dict[str, Any]:
    """Return the functions of lesson 1 by name, as if its first cell set `seed`."""
    imported = [np, cryutils, audio, train_test_split, KNeighborsClassifier, make_pipeline, StandardScaler]
    names = ["np", "cryutils", "audio", *(part.__name__ for part in imported[3:])]
    scope: dict[str, Any] = dict(zip(names, imported, strict=True)) | {"seed": seed, "sr": 8000}
    wanted = {"make_corpus", "accuracies", *SPLITS}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.cell_type == "code" and any(f"def {name}(" in cell.source for name in wanted):
            parts = ast.parse(cell.source).body
            defined = [part for part in parts if isinstance(part, ast.FunctionDef)]
            exec(compile(ast.Module(defined, []), LESSON.name, "exec"), scope)
    return scope


def right_answers(signal: float, identity: float, seed: int) -> str:
    """Return how many test clips lesson 1 gets right in 20 random and 20 leak-free splits, a digit each."""
    scope = lesson_1(seed)
    # A corpus has 5 MB.
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, CRYUTILS_CACHE_DIR=folder):
        corpus = scope["make_corpus"](signal, identity)
        shares = {name: scope["accuracies"](corpus, scope[name]) for name in SPLITS}
    return "".join(DIGITS[round(share * SPLITS[name])] for name, row in shares.items() for share in row)


def compute_sliders() -> None:
    """Write what `right_answers` returns for each seed, signal and identity."""
    path, values = SOURCE / "sliders.json", np.arange(STEPS + 1) / STEPS
    seeds: list[list[str]] = []
    for seed in tqdm(range(SEEDS)):
        places = [(float(signal), float(identity)) for signal in values for identity in values]
        seeds.append([right_answers(*place, seed) for place in tqdm(places, leave=False)])
        path.write_text(json.dumps(seeds, indent=0) + "\n", encoding="utf-8")


def share_right(counts: str, part: int) -> int:
    """Return the percentage that `right_answers` tells, of the random (0) or the leak-free splits (1)."""
    right = [DIGITS.index(digit) for digit in counts[20 * part : 20 * part + 20]]
    return round(100 * sum(right) / 20 / list(SPLITS.values())[part])


def numbers() -> dict[str, int | str]:
    """Return the numbers in the sentences on what was found, most of them in percent."""
    judged = claims.load_results("reference/judged")
    gate = pd.read_csv(ROOT / "outputs" / "reference" / "gate_home.csv")
    projects = pd.read_csv(ROOT / "data" / "survey.csv").query("included == 'yes'")
    survey = projects.query("split != 'none'").split
    table = "study == 'feature_validation' and metric == 'accuracy' and rival == '' and feature != ''"
    published = claims.published().query(table).value
    ours = judged.query(f"{table} and condition == ''")
    free, random = (ours[ours.split == split].value for split in ("leak_free", "random"))
    room = claims.load_results("reference/corvin").set_index("key").value
    found = gate.query("kind == 'cries' and metric == 'found'").squeeze()
    nearest = judged.set_index("key").value
    shares = {
        "found": found.value,
        "nearest": nearest["data.same_infant.nearest"],
        "chance": nearest["data.same_infant.nearest_chance"],
        "chance_reason": nearest["data.same_label_other_infant.nearest_chance"],
        "hungry": nearest["data.majority_share"],
        **{"published_low": published.min(), "published_high": published.max()},
        **{"free_low": free.min(), "free_high": free.max()},
        **{"random_low": random.min(), "random_high": random.max()},
        "constant": judged.query("key == 'feature_validation.majority.accuracy'").value.max(),
        "pain": room["cry_or_place.whole.svm.balanced_accuracy"],
        "room": room["cry_or_place.room.svm.balanced_accuracy"],
    }
    counts = {
        "all": len(projects),
        "projects": len(survey),
        "clips": sum(survey == "random clips"),
        "spells": found.n,
    }
    infants = WORDS[sum(survey == "by infant")]
    return {name: f"{100 * share:.0f}" for name, share in shares.items()} | counts | {"infants": infants}


def neighbours() -> list[dict[str, Any]]:
    """Return the bars of how often a clip's nearest clip is of the same baby, or has the same reason."""
    values = claims.load_results("reference/judged").set_index("key").value
    rows = []
    for key, label in (("same_infant", "same baby"), ("same_label_other_infant", "other baby, same reason")):
        for end, name in (("nearest", label), ("nearest_chance", "by chance")):
            share = values[f"data.{key}.{end}"]
            marked = end == "nearest"
            rows.append({"label": name, "share": share, "text": f"{100 * share:.0f} %", "marked": marked})
    return rows


def survey() -> list[dict[str, Any]]:
    """Return the bars of how public projects choose their test clips."""
    projects = pd.read_csv(ROOT / "data" / "survey.csv").query("included == 'yes' and split != 'none'")
    counts = projects.split.value_counts()
    return [
        {
            "label": SURVEYED.get(name, name),
            "text": n,
            "share": n / counts.max(),
            "marked": name == "by infant",
        }
        for name, n in counts.items()
    ]


def replication() -> list[dict[str, Any]]:
    """Return Paper A's Table 2 as published and as rebuilt with both splits, in percent, by feature."""
    scores = claims.load_results("reference/judged").set_index(["key", "split"])
    scores = 100 * scores[["value", "low", "high"]]
    published = 100 * claims.published().set_index("key").value
    groups = []
    for feature, label in FEATURES.items():
        rows = []
        for model, name in words.CLASSIFIERS.items():
            key = f"feature_validation.{feature}.{model}.accuracy"
            row = {split: scores.loc[(key, split)].to_dict() for split in ("random", "leak_free")}
            rows.append(row | {"model": name, "published": published[key]})
        groups.append({"feature": label, "rows": rows})
    return groups


def lessons() -> list[dict[str, str]]:
    """Return the title, question and page of each lesson, and where it runs in the browser, if it does."""
    return [
        {"title": row["title"], "question": row["question"], "page": f"notebooks/{row['name']}.html"}
        | ({"lite": f"lite/notebooks/index.html?path={row['name']}.ipynb"} if row.get("browser") else {})
        for row in course.contents()
        if row["part"] == "The course"
    ]


def stored_figure(notebook: str, number: int) -> Image.Image:
    """Return the figure `number` in the stored outputs of a notebook."""
    cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if "image/png" in output.get("data", {})][number]
    return Image.open(io.BytesIO(base64.b64decode(shown.data["image/png"]))).convert("RGB")


def panels(figure: Image.Image) -> list[Image.Image]:
    """Return the spectrograms of a figure, each with the plot below it, without their labels.

    On a phone, the labels would be too small to read: the page says the same in words.
    """
    light = np.asarray(figure).min(axis=2)
    dark, parts = light < 160, []
    for box in ndimage.find_objects(ndimage.label(dark)[0]):
        rows, columns = box
        if dark[box].sum() > 0.04 * dark.size and dark[box].mean() > 0.4:
            lines = np.flatnonzero((light[rows.start :, columns] < 240).mean(axis=1) > 0.9)
            parts.append(figure.crop((columns.start, rows.start, columns.stop, rows.start + lines[-1] + 1)))
    return parts


def picture(image: Image.Image, path: Path) -> dict[str, Any]:
    """Write `image` to `path`, at most 900 pixels wide, and return its place and size."""
    image.thumbnail((900, 900))
    image.save(path, quality=70, method=6)
    return {"src": f"{path.parent.name}/{path.name}", "width": image.width, "height": image.height}


def film(folder: Path) -> dict[str, Any]:
    """Copy the film of the application, its captions and its poster, and return their places."""
    places = {}
    for kind in ("webm", "vtt", "webp"):
        copied = shutil.copy(SOURCE / f"application.{kind}", folder)
        places[kind] = f"{folder.name}/{Path(copied).name}"
    with Image.open(folder / "application.webp") as poster:
        size = {"width": poster.width, "height": poster.height}
    return places | size | {"kilobytes": round((folder / "application.webm").stat().st_size / 1000)}


def film_alone(folder: Path) -> str:
    """Copy the film into `folder`, the site, and return it as HTML for a page of the documentation."""
    (folder / "front").mkdir(parents=True, exist_ok=True)
    macro: Any = PAGES.get_template("film.html.j2").module
    html = f"<div>{macro.film(film(folder / 'front'), '../')}<script>{text('film.js')}</script></div>"
    return "\n".join(line for line in html.splitlines() if line)  # Markdown's HTML ends at an empty line


def twelve_babies() -> Corpus:
    """Return three synthetic cries of each of twelve babies; the reason changes nothing in them."""
    size = {"infants": 12, "clips_per_infant": 3, "duration_s": 2.5, "sr": 16000, "mostly": 1.0}
    return cryutils.load("synthetic", signal=0.0, identity=1.0, seed=0, progress=False, **size)


def synthetic_babies(folder: Path) -> list[dict[str, Any]]:
    """Write the cries of `BABIES` and return for each its reason, a cry and two more."""
    corpus = twelve_babies()
    babies = []
    for letter, name in zip("abc", BABIES, strict=True):
        cries = []
        for number, clip in enumerate(clip for clip in corpus if clip.infant == name):
            sound = audio.read(clip.path, sr=16000)
            path = folder / f"{letter}{number + 1}.wav"
            path.write_bytes(wav_bytes(sound, 16000))
            loud = np.sqrt([np.mean(part**2) for part in np.array_split(sound, 48)])
            bars = np.rint(100 * loud / loud.max()).astype(int).tolist()
            cries.append({"url": f"{folder.name}/{path.name}", "bars": bars})
        babies.append({"reason": clip.label, "cry": cries[0], "again": cries[1:]})
    return babies


def listeners_trials() -> dict[str, Any]:
    """Return the pairs that listeners judged, their answers and the machine's, and both scores."""
    pairs = pd.read_csv(ROOT / "data" / "listeners.csv")
    asked = {"study": "who", "condition": "known_baby"}
    answers = claims.load_predictions("reference/corvin", **asked).query("model == 'machine'")
    said = answers.set_index(answers["clip"].astype(int)).predicted.sort_index()
    first = pairs.asked.cumsum() - pairs.asked  # the row of a pair's first answer
    pairs["machine"] = (said.loc[first].to_numpy() == "known").astype(int)
    sums = {Path(file).stem: sha256 for file, sha256 in corvin.DATASET.files.registry().items()}
    files = pd.Series([*sums]).str.extract(r"(\w{3})_(B\d\d)").dropna()
    baths = {known: [*files[files[0] == known][1]] for known in pairs.known.unique()}
    scores = claims.load_results("reference/corvin").set_index("key")[["value", "low", "high"]]
    return {
        "address": CORVIN,
        "baths": baths,
        "sums": {name: sums[name] for name in sums if "_B" in name or name in {*pairs.recording}},
        "rows": pairs.to_numpy().tolist(),
        "answers": int(pairs.asked.sum()),
        **{
            who: in_percent(*scores.loc[f"who.known_baby.{who}.balanced_accuracy"])
            for who in ("listeners", "machine")
        },
    }


def sliders() -> dict[str, Any]:
    """Return what the sliders' template needs: the first scores, all scores as JSON, style and script."""
    seeds = json.loads((SOURCE / "sliders.json").read_text("utf-8"))
    start = {"random": share_right(seeds[0][STEPS], 0), "free": share_right(seeds[0][STEPS], 1)}
    scores = in_page({"seeds": seeds, "digits": DIGITS, "tested": [*SPLITS.values()]})
    return {"start": start, "scores": scores, "style": text("sliders.css"), "script": text("sliders.js")}


def sliders_alone() -> str:
    """Return the sliders as HTML for the page of lesson 1, where no kernel runs."""
    return PAGES.get_template("alone.html.j2").render(sliders())


def leaking_answers() -> pd.DataFrame:
    """Return a classifier's answers to the cries of `twelve_babies`, with both splits."""
    corpus = twelve_babies()
    sounds = [audio.read(clip.path, sr=16000) for clip in corpus]
    numbers = np.array([audio.spectral.mfcc(sound, sr=16000).mean(axis=0) for sound in sounds])
    model = evaluation.linear(numbers, corpus.labels)
    parts = [evaluation.out_of_fold(model, corpus, split=split, folds=5) for split in ("random", "leak_free")]
    table = pd.concat(parts).rename(columns={"predicted": "prediction"})
    return table[["clip", "infant", "truth", "prediction", "split", "fold"]]


def write_check(folder: Path) -> None:
    """Write the page that checks a table, its worker and its example into `folder`, the site."""
    place = folder / "front"
    place.mkdir(parents=True, exist_ok=True)
    leaking_answers().to_csv(place / "example.csv", index=False)
    (place / "check_worker.js").write_text(text("check_worker.js"), encoding="utf-8")
    data = {
        "wheel": f"lite/pypi/cryutils-{cryutils.__version__}-py3-none-any.whl",
        "worker": "front/check_worker.js",
        "example": "front/example.csv",
    }
    rows = (place / "example.csv").read_text(encoding="utf-8").splitlines()[:4]
    write_page(folder, "check", data, rows="\n".join(rows), megabytes=MEGABYTES)


def donateacry_files() -> dict[str, list[str]]:
    """Return the names of DonateACry's recordings by label, without those that are no cries."""
    excluded, files = {*pd.read_csv(ROOT / "data" / "exclusions.csv").file}, dict[str, list[str]]()
    for name in donateacry.FILES.registry():
        if name not in excluded:
            label, file = name.split("/")
            files.setdefault(label, []).append(file)
    return files


def plan() -> list[dict[str, Any]]:
    """Return a row for each number of infants in `PLANNED`, in percent.

    half: the score with its interval if half of the answers are right. width: widest interval, in points.
    least: the smallest score that is shown to be better than one reason of four.
    """
    rows = []
    for n in PLANNED:
        low, high = translator.bounds(n).T
        numbers = {"width": 100 * (high - low).max(), "least": 100 * np.argmax(low > 1 / 4) / n}
        texts = {name: f"{number:.0f}" for name, number in numbers.items()}
        rows.append({"n": n, "half": str(translator.Share(n // 2, n))} | texts)
    return rows


def write_translator(folder: Path) -> None:
    """Write the page that tests an application, with its silence and noise, into `folder`, the site."""
    place, sr = folder / "front", 8000
    place.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 0.05, 6 * sr).astype(np.float32)
    for name, sound in (("silence", 0 * noise), ("noise", noise)):
        (place / f"{name}.wav").write_bytes(wav_bytes(sound, sr))
    low = [np.rint(1e4 * translator.bounds(n)[:, 0]).astype(int).tolist() for n in range(2, INFANTS + 1)]
    data = {
        "address": donateacry.RAW,
        "files": donateacry_files(),
        "no_cry": ["front/silence.wav", "front/noise.wav"],
        "low": low,
        "sentences": translator.SENTENCES,
        "no_answer": translator.NO_ANSWER,
    }
    write_page(folder, "translator", data, plan=plan(), most=INFANTS)


def write(folder: Path) -> None:
    """Write the first page, with the sounds that it plays, and the two others into `folder`, the site."""
    pictures = folder / "front"
    pictures.mkdir(parents=True, exist_ok=True)

    def figures(notebook: str, number: int) -> list[dict[str, Any]]:
        parts = panels(stored_figure(notebook, number))
        return [picture(part, pictures / f"{notebook}-{k}.webp") for k, part in enumerate(parts)]

    sums, real = donateacry.FILES.registry(), []
    for reason, (app, *clips) in REAL.items():
        names = [f"{reason.replace(' ', '_')}/{app}-{clip}.wav" for clip in clips]
        real.append({"reason": reason, "cries": [(name, sums[name]) for name in names]})
    data = {
        "babies": synthetic_babies(pictures),
        "real": {"address": donateacry.RAW, "babies": real},
        "trials": listeners_trials(),
    }
    moved = sliders()
    moved["style"] = text("front.css") + moved["style"]
    moved["script"] = text("front.js") + text("film.js") + moved["script"]
    charts = {"neighbours": neighbours(), "survey": survey(), "replication": replication()}
    found = {"n": numbers() | data["trials"], "words": WORDS, "lessons": lessons()}
    write_page(folder, "index", data, **moved, **charts, **found, figures=figures, film=film(pictures))
    write_check(folder)
    write_translator(folder)


def write_page(folder: Path, name: str, data: dict[str, Any], **values: Any) -> None:
    """Write the page `name`, with its style, its script and their data, into `folder`, the site."""
    if "style" not in values:
        values |= {"style": text("front.css") + text(f"{name}.css"), "script": text(f"{name}.js")}
    page = PAGES.get_template(f"{name}.html.j2").render(values, data=in_page(data))
    (folder / f"{name}.html").write_text(page, encoding="utf-8")


def text(name: str) -> str:
    return (SOURCE / name).read_text(encoding="utf-8")


def in_page(data: Any) -> str:
    """Return JSON that cannot end the script element around it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


if __name__ == "__main__":
    compute_sliders()
