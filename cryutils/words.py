"""Keys and what they are called in front of people: models, verdicts, readings."""

CLASSIFIERS = {  # of Paper A's Table 2
    "svm": "SVM",
    "nb": "Naïve Bayes",
    "rf": "Random Forest",
    "dt": "Decision Tree",
    "knn": "K-NN",
    "dnn": "DNN",
}
BASELINES = {  # the rivals of Paper B's networks
    "logistic": "Logistic regression",
    "svm": "SVM",
    "forest": "Random forest",
    "boosting": "Gradient boosting",
}
IDEAS = {  # of notebook 12
    "mfcc": "MFCC",
    "background": "MFCC, background alone",
    "speech": "speech embedding",
    "untrained": "encoder, untrained",
    "contrastive": "encoder, without labels",
    "contrastive_all": "encoder, test clips as well",
    "contrastive_voices": "encoder, other voices",
    "cry2": "cry2, with labels",
    "mean": "mean over the frames",
    "convolution": "convolution over time",
    "gru": "GRU",
    "attention": "attention",
    "burst_mean": "bursts: mean",
    "burst_convolution": "bursts: convolution",
    "burst_gru": "bursts: GRU",
    "burst_attention": "bursts: attention",
}

# The values of `split` in results, as readers see them.
SPLITS = {"random_frames": "random split of windows", "random": "random split", "leak_free": "leak-free"}

# Verdicts that name no state.
UNSURE = "unsure"
NO_CRY = "no cry"
QUIET = "quiet"  # too quiet to judge whether an infant cries
GAP = "gap"  # nothing heard or seen since the previous reading
CALM = (NO_CRY, QUIET, GAP)  # verdicts without crying
ANY = "any"  # the key of the general advice

PROBABLE = 0.6  # from here on, a state is "probably" the right one
# Words for what is not a state of the models.
NAMES = {NO_CRY: "no crying", QUIET: "very quiet", GAP: "not listening", UNSURE: "not sure why"}


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
    if verdict == UNSURE and not by_model:
        return "crying"
    if verdict in NAMES:
        return name(verdict)
    if share is None:
        return f"perhaps {name(verdict)}"
    strength = "probably" if share >= PROBABLE else "perhaps"
    return f"{strength} {name(verdict)}, {100 * share:.0f} %"


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
    if verdict == QUIET:
        return "If the baby is crying now, move the microphone closer."
    if verdict == GAP:
        return f"Nothing is heard: {note}."
    return {
        "unlike": "It sounds different from the cries that this program has learned.",
        "no face": "No face in the picture, so this goes by the sound alone.",
        "": "",
    }[kind]
