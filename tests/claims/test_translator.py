"""A test of an application that names reasons, by three simulated ones whose verdict is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils.claims import translator
from cryutils.errors import InputError

REASONS = np.array(["hungry", "tired", "pain", "belly pain"])


def answered(application: Callable[[str, np.random.Generator], str], seed: int = 0) -> pd.DataFrame:
    """Return the answers of an application, a function of the truth ("" if there is no cry)."""
    rng = np.random.default_rng(seed)
    truth = [*np.repeat(REASONS, 9), *["hungry"] * 4]
    table = pd.DataFrame({"clip": [f"{i}.wav" for i in range(40)], "infant": np.arange(40), "truth": truth})
    table["prediction"] = [application(name, rng) for name in truth]
    table["again"] = [application(name, rng) if i % 4 == 0 else "" for i, name in enumerate(truth)]
    table["no_cry"] = [application("", rng) if i % 4 == 1 else "" for i in range(40)]
    return table.astype(str)


def guesses(truth: str, rng: np.random.Generator) -> str:
    return str(rng.choice(REASONS))


def always_hungry(truth: str, rng: np.random.Generator) -> str:
    return "Hungry"


def knows(truth: str, rng: np.random.Generator) -> str:
    return truth.replace(" ", "_") or translator.NO_ANSWER


def test_an_application_that_knows_is_right() -> None:
    found = translator.measure(answered(knows))
    assert found.outcome == "better" and found.right.times == 40
    assert found.again == (10, 10) and found.no_cry == (0, 10)


def test_an_application_that_always_says_hungry_is_as_good_as_the_commonest_answer() -> None:
    found = translator.measure(answered(always_hungry))
    assert found.outcome == "constant"
    assert found.right.times / 40 == found.commonest == 13 / 40 and found.name == "hungry"
    assert found.again == found.no_cry == (10, 10)


def test_an_application_that_guesses_is_hardly_ever_found_to_be_better() -> None:
    many = [translator.measure(answered(guesses, seed)) for seed in range(200)]
    assert sum(found.outcome == "better" for found in many) <= 5
    assert np.mean([found.right.times for found in many]) == pytest.approx(10, abs=0.6)
    same = [found.again.times for found in many if found.again]
    assert np.mean(same) == pytest.approx(2.5, abs=0.4)


def test_the_audit_reads_the_same_table_and_finds_the_same_interval(
    command: Callable[..., tuple[int, str, str]],
) -> None:
    table = answered(guesses)
    table.loc[0, "prediction"] = translator.NO_ANSWER
    table.to_csv("answers.csv", index=False)
    found = translator.measure(translator.read(Path("answers.csv")))
    code, printed, _ = command("audit", "answers.csv")
    assert code == 0 and str(found.right) in printed
    assert str(found.right) in "".join(translator.lines(found))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"infant": "7"}, r"row 2.*infant|infant.*two rows"),
        ({"prediction": ""}, "row 2, column prediction"),
        ({"truth": ""}, "row 2, column truth"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused(change: dict[str, str], named: str, tmp_path: Path) -> None:
    table = answered(knows)
    table.loc[0, list(change)] = list(change.values())
    table.to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(InputError, match=named):
        translator.read(tmp_path / "answers.csv")
