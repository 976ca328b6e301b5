"""Names that a terminal must not obey."""

import pytest

from cryutils.errors import printable


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a\x1b[2J.wav", r"a\x1b[2J.wav"),
        ("x\ny\r\t\x7f\x9b\u2028\u202e", r"x\ny\r\t\x7f\x9b\u2028\u202e"),
        ("\ud800\udce9", r"\ud800\udce9"),
        ("Zoë 宝宝 \u3000\N{NO-BREAK SPACE}👩\u200d🍼 C:\\new", None),
    ],
    ids=["escape", "control", "stray", "ordinary"],
)
def test_printable_spells_out_what_a_terminal_would_obey(name: str, line: str | None) -> None:
    assert printable(name) == (name if line is None else line)


def test_printable_cuts_what_is_longer_than_any_name() -> None:
    line = printable(f"{'a' * 100_000}.wav: no such file.")
    assert line.startswith("aaa") and line.endswith("a.wav: no such file.") and len(line) < 200
    for name in ("\udce9" * 255, "/".join(["x" * 255] * 16)):
        assert len(printable(name)) >= len(name) and "..." not in printable(name)
