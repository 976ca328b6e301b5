"""Names of labels and infants: which of them are the same, and which label a word means.

`STATES` are the labels that notebooks know, with the words of both papers and of everyday speech for
them. Folders and manifests are read with it, so `hunger` and `Needs food` are both `hungry`.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

STATES = {  # words are separated by commas
    "belly_pain": "stomachache, stomach ache, stomach pain, bellyache, belly ache, tummy ache, tummy pain,"
    " abdominal pain",
    "burping": "burp, need to burp, needs to burp, needs burping",
    "discomfort": "uncomfortable, discomforted",
    "hug": "hugging, hugged, want to be hugged, wants to be hugged, wants a hug, cuddle, cuddling,"
    " want to be held, wants to be held",
    "hungry": "hunger, feed, feeding, food, milk, needs food, wants food, wants milk, starving",
    "lonely": "loneliness, lonesome",
    "pain": "painful, in pain, hurt, hurting",
    "sleepy": "sleepiness, sleep, drowsy, drowsiness, want to sleep, wants to sleep, needs sleep",
    "tired": "tiredness, fatigue, fatigued, overtired, over tired, exhausted",
}


@lru_cache(10_000)  # few names, in many rows
def name_key(name: str) -> str:
    """Return the form in which names of labels and infants are compared.

    It is equal for names that differ only by case, spaces around them, underscores or Unicode form,
    and for 1, 1.0 and true.

    >>> name_key("Belly_Pain "), name_key("belly pain")
    ('belly pain', 'belly pain')
    """
    text = unicodedata.normalize("NFKC", name).casefold().replace("_", " ")
    text = re.sub(r"^([+-]?\d+)[.,]0*$", r"\1", " ".join(text.split()))
    return {"true": "1", "false": "0"}.get(text, text) or name


def first_spellings(names: Iterable[str]) -> dict[str, str]:
    """Return each different name with the first one that is the same by `name_key`."""
    first: dict[str, str] = {}
    return {name: first.setdefault(name_key(name), name) for name in dict.fromkeys(names)}


_MEANT = {name_key(word): state for state, words in STATES.items() for word in (state, *words.split(", "))}


def state_of(label: str) -> str | None:
    """Return the state in `STATES` that a label means, in any case and with hyphens, or None.

    >>> state_of("Stomach-Ache"), state_of("want_to_be_hugged"), state_of("colic")
    ('belly_pain', 'hug', None)
    """
    return _MEANT.get(name_key(label.replace("-", " ")))
