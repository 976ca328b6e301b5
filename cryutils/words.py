"""What the pages say about readings, in words for caregivers."""

from __future__ import annotations

__all__ = ["NAMES", "PROBABLE", "answer", "name", "remark", "said", "spent"]

PROBABLE = 0.6  # from here on, a state is "probably" the right one
# Words for what is not a state of the models.
NAMES = {"no cry": "no crying", "quiet": "very quiet", "gap": "not listening", "unsure": "not sure why"}


def name(verdict: str) -> str:
    """Return a verdict as people write it, such as "belly pain"."""
    return NAMES.get(verdict, verdict.replace("_", " "))


def answer(verdict: str, share: float | None, *, by_model: bool = True) -> str:
    """Return the answer to a cry, never a state without how sure the models are.

    by_model: whether a model answered that may name a reason.

    >>> answer("hungry", 0.62)
    'probably hungry, 62 %'
    >>> answer("hungry", 0.52)
    'perhaps hungry, 52 %'
    """
    if verdict == "unsure" and not by_model:
        return "crying"
    if verdict in NAMES:
        return name(verdict)
    if share is None:
        return f"perhaps {name(verdict)}"
    strength = "probably" if share >= PROBABLE else "perhaps"
    return f"{strength} {name(verdict)}, {100 * share:.0f} %"


def said(verdict: str | None, state: str | None) -> str:
    """Return what a caregiver said about a cry, or ""."""
    if verdict is None:
        return ""
    return "this was right" if verdict == state else name(verdict)


def spent(seconds: float) -> str:
    """Return a duration in words.

    >>> spent(90), spent(29_400)
    ('90 s', '8 h 10 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def remark(verdict: str, kind: str, note: str) -> str:
    """Return what a caregiver should know about a reading with these fields, or ""."""
    if verdict == "quiet":
        return "If the baby is crying now, move the microphone closer."
    if verdict == "gap":
        return f"Nothing is heard: {note}."
    return {
        "unlike": "It sounds different from the cries that this program has learned.",
        "no face": "No face in the picture, so this goes by the sound alone.",
        "": "",
    }[kind]
