"""The catalogue of corpora: every fact has a source, and the page's tables are those of the file."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from cryutils.datasets.registry import DATASETS

ROOT = Path(__file__).resolve().parents[1]
CORPORA = pd.read_csv(ROOT / "data" / "corpora.csv", dtype=str, keep_default_na=False)
PAGE = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
FACTS = [column.removesuffix("_at") for column in CORPORA if column.endswith("_at")]
STUDIES = ["recorded", "infants", "recordings", "labels"]
OFFERED = [*STUDIES[:3], "hours", "labels", "licence", "access", "split", "load"]
ADDRESS = r"https?://[\w.-]+\.[a-z]{2,}(:\d+)?(/\S*)?"
REASONS = {"hu": 257, "dk": 60, "ti": 39, "dc": 22, "bp": 17, "bu": 9, "lo": 6, "sc": 2, "ch": 2}


def addresses(cell: str) -> list[str]:
    return cell.split("; ") if cell else []


def test_every_cell_is_filled_and_has_an_address_if_it_says_something() -> None:
    assert CORPORA.name.is_unique and len(CORPORA) >= 30
    assert CORPORA.address.str.fullmatch(ADDRESS).all()
    for fact in FACTS:
        assert CORPORA[fact].ne("").all()
        assert (CORPORA[fact] == "not stated").equals(CORPORA[f"{fact}_at"] == "")
        for address in CORPORA[f"{fact}_at"].map(addresses).explode().dropna():
            assert re.fullmatch(ADDRESS, address) or (ROOT / address).is_file()


def test_the_number_of_sources_is_that_of_the_addresses() -> None:
    for row in CORPORA.to_dict("records"):
        cited = {address for fact in FACTS for address in addresses(row[f"{fact}_at"])}
        assert int(row["sources"]) == sum(address.startswith("http") for address in cited)
    assert f"{(CORPORA.sources.astype(int) > 1).sum()} of the {len(CORPORA)} corpora have two or more" in PAGE


def test_what_load_reads_is_in_the_registry_and_all_real_infants_of_it_are_here() -> None:
    kinds = Counter(name for cell in CORPORA.load for name in cell.split("; "))
    assert set(kinds) - {"no", "manifest"} == set(DATASETS) - {"synthetic", "fsdd"}
    recipes = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    recipes = recipes.partition("## Other published corpora")[2]
    for name in CORPORA.name[CORPORA.load == "manifest"]:
        assert f"**{name.partition(',')[0]}**" in recipes


def test_the_tables_of_the_page_are_those_of_the_file() -> None:
    offered = CORPORA.access.ne("not stated") & ~CORPORA.access.str.startswith("none")
    wanted = []
    for part, columns in (CORPORA[offered], OFFERED), (CORPORA[~offered], STUDIES):
        for row in part.to_dict("records"):
            cells = ["–" if row[column] == "not stated" else row[column] for column in columns]
            wanted.append(f"| [{row['name']}]({row['address']}) | {' | '.join(cells)} |")
    assert re.findall(r"^\| \[.*\|$", PAGE, flags=re.MULTILINE) == wanted


def test_dynamic_superb_has_as_many_clips_of_each_reason_as_the_ios_uploads() -> None:
    files = pd.read_csv(ROOT / "data" / "registry.csv").file
    ios = files[files.str.fullmatch(r"donateacry-uploads/.*-[a-z]{2}\.caf")]
    assert Counter(ios.str[-6:-4]) == REASONS
    assert ", ".join(str(count) for count in REASONS.values()) in PAGE


def test_the_agreement_on_the_page_is_that_of_the_second_reading() -> None:
    second = pd.read_csv(ROOT / "data" / "corpora_second.csv", dtype=str, keep_default_na=False)
    assert second.name.nunique() == 10 and set(second.name) <= set(CORPORA.name)
    kept = CORPORA.set_index("name")
    for row in second.itertuples():
        assert kept.loc[row.name, row.column] == row.settled
        assert (row.same == "yes") == (row.why == "")
    agreed = (second.same == "yes").sum()
    assert f"agreed on {agreed} of {len(second)} cells" in PAGE
    assert f"{(second.settled == 'not stated').sum()} of the {len(second)} say" in PAGE
