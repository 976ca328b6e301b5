"""Block permutation: what may be exchanged, and p-values by hand."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryutils.errors import InputError
from cryutils.evaluation.permutation import PermutationTest, permutation_test, permute_labels


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=25), st.integers(0, 2**31)
)
def test_whole_label_vectors_are_exchanged_between_infants_with_equal_clip_counts(clips, seed) -> None:
    infants = [f"infant{i}" for i, _ in clips]
    labels = [f"class{k}" for _, k in clips]
    permuted = permute_labels(labels, infants, np.random.default_rng(seed))

    def vectors(values: object) -> Counter:
        by_infant = pd.Series(list(values)).groupby(np.array(infants))
        return Counter(by_infant.agg(lambda vector: tuple(sorted(vector))))

    assert vectors(permuted) == vectors(labels)


@pytest.mark.parametrize("phones_per_infant", [1, 2])
def test_labels_are_exchanged_only_within_a_stratum(phones_per_infant: int) -> None:
    """Answers that depend on the phone alone score the same in every permutation."""
    rng = np.random.default_rng(4)
    infants = np.repeat(np.arange(40), 4)
    phone = infants % 2 if phones_per_infant == 1 else np.arange(len(infants)) // 2 % 2
    labels = np.where(rng.random(len(phone)) < 0.8, phone, 1 - phone)
    names = ["iOS" if k else None for k in phone]  # None is a stratum as well
    for strata, p in ((None, 0.01), (names, 1)):
        test = permutation_test({"phone": phone}, labels, infants, permutations=99, strata=strata)
        assert test.p_values == {"phone": p}
    order = permute_labels(np.arange(len(infants)), infants, np.random.default_rng(0), names)
    np.testing.assert_array_equal(phone[order], phone)
    assert pd.Series(infants[order]).groupby(infants).nunique().eq(1).all()
    assert (infants[order] != infants).any()


def test_p_values_count_the_nulls_that_score_as_high() -> None:
    test = PermutationTest(
        cells=("a", "b"),
        observed=np.array([0.6, 0.5]),
        null=np.array([[0.6, 0.2], [0.3, 0.4], [0.1, 0.55], [0.2, 0.1]]),
    )
    # a: one tie. b: one higher. Best of each row: .6 .4 .55 .2, so a: one, b: two.
    assert test.p_values == {"a": 2 / 5, "b": 2 / 5}
    assert test.adjusted == {"a": 2 / 5, "b": 3 / 5}


def test_wrong_input_is_one_line() -> None:
    labels, infants = [*"abab"] * 2, [*"uuvvwwxx"]
    with pytest.raises(InputError, match="'net' predicts 3 clips"):
        permutation_test({"net": np.zeros(3, int)}, labels, infants)
    with pytest.raises(InputError, match="2 strata for 8 clips"):
        permute_labels(labels, infants, np.random.default_rng(0), ["iOS", "Android"])
