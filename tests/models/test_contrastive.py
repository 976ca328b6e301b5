"""Training without labels: the loss by hand, the pairs, and what an encoder never sees."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import mode

from cryutils.models import contrastive
from cryutils.models.inputs import Examples

SHORT = contrastive.Settings(filters=(4,), epochs=3, batch_size=4)


def examples(clips: int = 6, windows: int = 3, seed: int = 0) -> Examples:
    """Windows of clips that differ in their loudest band."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-40, 3, (clips * windows, 16, 8)).astype(np.float32)
    clip = np.repeat(np.arange(clips), windows)
    x[np.arange(len(x)), :, clip % 8] += 30
    return Examples(x, clip)


def unit(z: np.ndarray) -> np.ndarray:
    return (z / np.linalg.norm(z, axis=-1, keepdims=True)).astype(np.float32)


def test_the_loss_is_the_cross_entropy_of_finding_the_partner() -> None:
    z = unit(np.random.default_rng(0).normal(size=(5, 2, 3)))
    loss = np.asarray(contrastive.nt_xent(0.5)(None, z))
    flat = np.concatenate([z[:, 0], z[:, 1]]).astype(float)
    by_hand = np.empty(10)
    for i in range(10):
        others = [flat[i] @ flat[j] / 0.5 for j in range(10) if j != i]
        by_hand[i] = logsumexp(others) - flat[i] @ flat[(i + 5) % 10] / 0.5
    np.testing.assert_allclose(loss, (by_hand[:5] + by_hand[5:]) / 2, rtol=1e-5)


def test_a_pair_is_two_windows_of_one_clip() -> None:
    data = examples(clips=4, windows=3)
    single = Examples(np.append(data.x, data.x[:1], axis=0), np.append(data.clip, 7))
    rows = contrastive.pairs(single, np.array([0, 2, 3, 7, 9]), np.random.default_rng(0))
    assert sorted(single.clip[rows[:, 0]]) == [0, 2, 3, 7], "9 has no window"
    assert (single.clip[rows[:, 0]] == single.clip[rows[:, 1]]).all()
    differ = rows[:, 0] != rows[:, 1]
    assert (differ == (single.clip[rows[:, 0]] != 7)).all()


def test_augmentation_changes_the_level_and_hides_at_most_a_block() -> None:
    x = np.random.default_rng(0).normal(size=(50, 40, 20)).astype(np.float32)
    before = x.copy()
    changed = contrastive.augmented(x, np.random.default_rng(1))
    np.testing.assert_array_equal(x, before)
    rounded = (changed - x).round(2)
    shift = np.array([mode(window, axis=None).mode for window in rounded])
    assert 3 < np.abs(shift).max() < 6.1 and len(set(shift)) > 45
    kept = rounded == shift[:, None, None]
    assert kept.mean(axis=(1, 2)).min() > 0.35 and kept.mean() < 0.9
    # What is hidden are whole frames and whole bands.
    for window in kept:
        frames, bands = window.mean(axis=1) < 0.2, window.mean(axis=0) < 0.2
        assert (window | frames[:, None] | bands[None]).all()
        assert frames.sum() <= 12 and bands.sum() <= 8


def test_training_lowers_the_loss_and_is_repeatable() -> None:
    data = examples()
    settings = contrastive.Settings(filters=(4,), epochs=30, batch_size=6, learning_rate=1e-2)
    network, losses = contrastive.pretrain(data, np.arange(6), settings)
    assert losses[-5:].mean() < 0.7 * losses[:3].mean()
    again, stored = contrastive.pretrain(data, np.arange(6), settings)
    np.testing.assert_array_equal(losses, stored)
    for a, b in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    vectors = contrastive.vectors(network, data, 6)
    alike = np.corrcoef(network.predict(data.x, verbose=0))
    same = data.clip[:, None] == data.clip[None]
    off = ~np.eye(len(same), dtype=bool)
    assert alike[same & off].mean() > alike[~same].mean() + 0.2
    assert vectors.shape == (6, network.output_shape[-1])


def test_an_encoder_never_sees_the_other_clips() -> None:
    data = examples()
    other = Examples(np.where(data.clip[:, None, None] < 4, data.x, 0.0), data.clip)
    first, _ = contrastive.pretrain(data, np.arange(4), SHORT)
    second, _ = contrastive.pretrain(other, np.arange(4), SHORT)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    third, _ = contrastive.pretrain(other, np.arange(6), SHORT)
    assert not np.array_equal(first.get_weights()[2], third.get_weights()[2])
